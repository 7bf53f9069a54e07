// The persona explorer; ratings are integers of hundredths.
const data = JSON.parse($("explorer-data").textContent);
const [low, high] = data.scale;
const text = (value) => (value / 100).toFixed(2);
const draw = (parent, tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return parent.appendChild(element);
};
const at = (value) => `${3 + (94 * (value / 100 - low)) / (high - low)}%`;
const dots = (name, place, model, persona) => {
  const row = make("div", {}, make("span", {}, name));
  const svg = draw(row, "svg", {});
  draw(svg, "line", { class: "axis", x1: at(100 * low), x2: at(100 * high), y1: 15, y2: 15 });
  for (let tick = low; tick <= high; tick += 1) {
    draw(svg, "line", { class: "axis", x1: at(100 * tick), x2: at(100 * tick), y1: 3, y2: 27 });
    if (place === data.domains.length - 1) {
      draw(svg, "text", { x: at(100 * tick), y: 42, "text-anchor": "middle" }).textContent = tick;
    }
  }
  for (const { name: variant, colour, path } of data.variants) {
    const mark = (profile, y, style) => {
      if (!profile) return;
      const shape = draw(svg, "svg", { x: at(profile[place]), y, overflow: "visible" });
      draw(shape, "path", { d: path, stroke: colour, "stroke-width": 1.5, ...style });
    };
    mark(model.alone[variant], 22, { fill: "none" });
    mark((model.personas[variant] || [])[persona], 9, { fill: colour });
  }
  return row;
};
const show = () => {
  const model = data.models[$("pick-model").selectedIndex];
  const persona = $("pick-persona").selectedIndex;
  $("description").textContent = data.personas[persona];
  $("dots").replaceChildren(...data.domains.map((name, i) => dots(name, i, model, persona)));
  const head = (scope, label) => make("th", { scope }, label);
  const table = $("explorer-table");
  const names = data.variants.map(({ name }) => name);
  table.tHead.replaceChildren(
    make("tr", {}, head("col", data.heading), ...names.map((name) => head("col", name))),
  );
  const cell = (profile, place) => (profile ? text(profile[place]) : "–");
  table.tBodies[0].replaceChildren(
    ...data.domains.map((domain, place) => {
      const cells = names.map((name) => {
        const own = cell((model.personas[name] || [])[persona], place);
        return make("td", {}, `${own} (${cell(model.alone[name], place)})`);
      });
      return make("tr", {}, head("row", domain), ...cells);
    }),
  );
  for (const end of ["most", "least"]) {
    const items = model[end].map(([place, shift]) => {
      const label = make("span", {}, data.personas[place]);
      const button = make("button", { type: "button" }, make("b", {}, text(shift)), label);
      button.addEventListener("click", () => {
        $("pick-persona").selectedIndex = place;
        show();
      });
      return make("li", {}, button);
    });
    $(end).replaceChildren(...items);
  }
};
const short = (name) => (name.length > 70 ? `${name.slice(0, 69)}…` : name);
$("pick-model").append(...data.models.map(({ label }) => make("option", {}, label)));
$("pick-persona").append(
  ...data.personas.map((name, place) => make("option", {}, `${place + 1}. ${short(name)}`)),
);
for (const id of ["pick-model", "pick-persona"]) $(id).addEventListener("change", show);
$("pick-persona").selectedIndex = data.models[0].most[0]?.[0] ?? 0;
show();
