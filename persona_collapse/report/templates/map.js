// The persona map: personas in the plane of the baseline, moving from it to a variant.
const { models, planes, variants, baseline, first } = JSON.parse($("map-data").textContent);
const marks = Object.fromEntries(variants.map((variant) => [variant.name, variant]));
const MARGIN = 26;
const REACH = 22; // px around a mark
const svg = $("map-plane");
const slider = $("map-slider");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);

const mostChanged = shared.answers?.data.model; // the model that is shown first
const people = shared.answers?.data.probes.find(({ name }) => name === shared.answers.data.home)?.personas ?? [];
const nameOf = (persona) => `Persona ${persona}${people[persona] ? `. ${people[persona]}` : ""}`;
const state = { dots: [], at: -1, frame: 0 };

// The personas of both variants, and one scale for all variants of the model, equal on both axes.
const build = () => {
  const model = $("map-model").value;
  const plane = planes[model];
  const end = $("map-variant").value || baseline;
  const all = Object.values(plane).flatMap(({ personas }) => personas);
  const span = (place) => all.flatMap((row) => [row[place] - row[place + 2], row[place] + row[place + 2]]);
  const [xs, ys] = [span(1), span(2)];
  const least = (values) => values.reduce((a, b) => Math.min(a, b));
  const most = (values) => values.reduce((a, b) => Math.max(a, b));
  const [left, right, low, high] = [least(xs), most(xs), least(ys), most(ys)];
  const [WIDTH, HEIGHT] = [svg.clientWidth, svg.clientHeight];
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const scale = Math.min((WIDTH - 2 * MARGIN) / (right - left), (HEIGHT - 2 * MARGIN) / (high - low));
  const placed = ([, x, y, wide, tall]) => [
    WIDTH / 2 + (x - (left + right) / 2) * scale,
    HEIGHT / 2 - (y - (low + high) / 2) * scale,
    wide * scale,
    tall * scale,
  ];
  const there = new Map(plane[end].personas.map((row) => [row[0], row]));
  svg.replaceChildren();
  draw(svg, "text", { x: WIDTH - 8, y: HEIGHT - 8, class: "across" }).textContent = "first component →";
  draw(svg, "text", { x: 8, y: 18 }).textContent = "↑ second component";
  draw(svg, "path", { class: "way" });
  const layer = draw(svg, "g", { role: "presentation" });
  state.dots = plane[baseline].personas.filter(([persona]) => there.has(persona)).map((row) => {
    const [persona] = row;
    const label = nameOf(persona);
    const group = draw(layer, "g", { role: "option", id: `map-${persona}`, "aria-label": label, "aria-selected": "false" });
    const halo = draw(group, "ellipse", { class: "halo" });
    const mark = draw(group, "path", { class: "dot" });
    return { persona, group, halo, mark, from: placed(row), to: placed(there.get(persona)) };
  });
  const ends = end === baseline ? [baseline] : [baseline, end];
  // Three digits, as in the figures.
  const number = (value) =>
    value === null ? "–" : value === "inf" ? "∞" : value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
  const row = (tag, name, texts) => make("tr", {}, make("th", { scope: "row" }, name), ...texts.map((text) => make(tag, { className: "number" }, text)));
  const heads = row("th", "", ends);
  heads.firstChild.replaceWith(make("td"));
  $("map-numbers").tHead.replaceChildren(heads);
  $("map-numbers").tBodies[0].replaceChildren(
    row("td", "S", ends.map((name) => number(plane[name].S))),
    row("td", "R", ends.map((name) => number(plane[name].R))),
    row("td", "in the plane", ends.map((name) => percent(plane[name].share))),
  );
  const gone = plane[baseline].personas.length - state.dots.length;
  $("map-share").textContent = `In the plane: the share of the variance between personas that it holds. What lies outside is not seen.${
    gone ? ` ${gone} personas without an answer to some item in ${end} are left out.` : ""
  }`;
  $("map-end").textContent = end;
  $("map-slide").hidden = $("map-play").hidden = end === baseline;
  state.at = -1;
  svg.removeAttribute("aria-activedescendant");
  $("map-name").textContent = "Point at a mark to see who it is; click it to see every answer.";
  place();
};
const place = () => {
  const part = slider.value / 100;
  const end = $("map-variant").value || baseline;
  const { path } = marks[part < 0.5 ? baseline : end];
  const colour = `color-mix(in oklab, ${marks[end].colour} ${slider.value}%, ${marks[baseline].colour})`;
  for (const dot of state.dots) {
    const { halo, mark, from, to } = dot;
    const [x, y, wide, tall] = from.map((value, axis) => value + part * (to[axis] - value));
    dot.now = [x, y];
    halo.setAttribute("cx", x);
    halo.setAttribute("cy", y);
    halo.setAttribute("rx", wide);
    halo.setAttribute("ry", tall);
    mark.setAttribute("d", path);
    mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  }
  svg.style.setProperty("--colour", colour);
  slider.setAttribute("aria-valuetext", `${slider.value} % of the way from ${baseline} to ${end}`);
};
// Marks one persona: its name, its way from the baseline, and its mark in front.
const choose = (at) => {
  state.dots[state.at]?.group.setAttribute("aria-selected", "false");
  state.at = at;
  const { persona, group, from, to } = state.dots[at];
  group.setAttribute("aria-selected", "true");
  svg.setAttribute("aria-activedescendant", group.id);
  svg.querySelector(".way").setAttribute("d", `M${from[0]} ${from[1]}L${to[0]} ${to[1]}`);
  $("map-name").textContent = nameOf(persona);
  shared.help(group, nameOf(persona));
  if (!shared.answers) return;
  const link = make("a", { href: addressOf(persona) }, "Every answer");
  link.addEventListener("click", open);
  $("map-name").append(" ", link);
};
const addressOf = (persona) =>
  shared.answers.address($("map-model").value, shared.answers.data.home, persona);
const open = () => {
  if (state.at < 0 || !shared.answers) return;
  $("explorer-persona").focus({ preventScroll: true }); // so that arrow keys go on from there
  location.hash = addressOf(state.dots[state.at].persona);
  $("explorer").scrollIntoView();
};
// The persona whose mark is nearest, within the reach of a finger; -1 without one.
const nearest = ({ clientX, clientY }) => {
  const { left, top } = svg.getBoundingClientRect();
  const away = state.dots.map(({ now }) => Math.hypot(now[0] - clientX + left, now[1] - clientY + top));
  const least = away.reduce((a, b) => Math.min(a, b), REACH);
  return least < REACH ? away.indexOf(least) : -1;
};
let over = -1; // the persona that is pointed at
const point = (event) => {
  const at = nearest(event);
  svg.style.cursor = at < 0 ? "" : "pointer";
  if (at < 0) shared.help(null);
  else if (at !== over || at !== state.at) choose(at);
  over = at;
  return at;
};
svg.addEventListener("pointermove", point);
for (const kind of ["pointerleave", "blur"]) {
  svg.addEventListener(kind, () => {
    over = -1;
    shared.help(null);
  });
}
// A click opens the persona that is chosen already, as it is where a mouse points at it: the first
// touch says who it is, the second opens it.
let pressed = -1;
svg.addEventListener("pointerdown", () => {
  pressed = state.at;
});
svg.addEventListener("click", (event) => {
  if (point(event) >= 0 && state.at === pressed) open();
});
svg.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const count = state.dots.length;
  if (step && count) choose(state.at < 0 ? 0 : (state.at + step + count) % count);
  else if (event.key === "Enter" || event.key === " ") open();
  else return;
  event.preventDefault();
  event.stopPropagation();
});
// Plays the way once; with reduced motion it jumps to the end and back.
const stop = () => {
  cancelAnimationFrame(state.frame);
  state.frame = 0;
  $("map-play").textContent = "Play";
};
$("map-play").addEventListener("click", () => {
  if (state.frame) return stop();
  const [start, end] = Number(slider.value) < 100 ? [Number(slider.value), 100] : [100, 0];
  if (still.matches) {
    slider.value = end;
    return place();
  }
  const begun = performance.now();
  const step = (now) => {
    const part = Math.min(1, (now - begun) / 1600);
    slider.value = start + (end - start) * part * part * (3 - 2 * part);
    place();
    if (part < 1) state.frame = requestAnimationFrame(step);
    else stop();
  };
  $("map-play").textContent = "Stop";
  state.frame = requestAnimationFrame(step);
});
slider.addEventListener("input", () => {
  shared.help(null);
  stop();
  place();
});
const offer = () => {
  const own = Object.keys(planes[$("map-model").value]).filter((name) => name !== baseline);
  const chosen = own.includes($("map-variant").value) ? $("map-variant").value : own.includes(first) ? first : own[0];
  $("map-variant").replaceChildren(...own.map((name) => make("option", { value: name }, name)));
  if (chosen) $("map-variant").value = chosen;
  $("map-variants").hidden = own.length < 2;
  build();
};
$("map-model").append(...Object.entries(models).map(([key, label]) => make("option", { value: key }, label)));
if (mostChanged in planes) $("map-model").value = mostChanged;
$("map-model").addEventListener("change", offer);
$("map-variant").addEventListener("change", build);
offer();
let width = svg.clientWidth;
new ResizeObserver(() => {
  if (svg.clientWidth === width) return;
  width = svg.clientWidth;
  build();
}).observe(svg);
