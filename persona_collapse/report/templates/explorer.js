// The explorer: every answer of one persona (or of the model without one), item by item.
const { data, probes, loadAll, strip, axis, values, spread, fixed, address } = shared.answers;
const section = $("explorer");
const MOST_FOUND = 50;
const MOST_SHOWN = 4; // variants that are shown at first
const MOST_LISTED = 5; // personas that waver or changed most
const state = { model: null, probe: null, persona: null, run: null };
const labels = Object.fromEntries(data.models.map(({ key, label }) => [key, label]));
const has = (model, probe) => data.units.some((unit) => unit.model === model && unit.probe === probe);
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const titled = (probe, persona) =>
  persona === null ? `${probe}: without a persona` : `${persona}. ${probes[probe].personas[persona]}`;
const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

// Variants: all are shown, or of many the baseline, the targets and their controls.
const toggles = [...section.querySelectorAll(".toggles button")];
const asked = data.variants.map(({ name }) => name);
const first = [...new Set([...data.roles, ...asked])].filter((name) => asked.includes(name));
const shown = new Set(first.slice(0, Math.max(MOST_SHOWN, data.roles.length)));
for (const toggle of toggles) {
  const name = toggle.dataset.variant;
  toggle.setAttribute("aria-pressed", shown.has(name));
  toggle.addEventListener("click", () => {
    shown.has(name) ? shown.delete(name) : shown.add(name);
    toggle.setAttribute("aria-pressed", shown.has(name));
    show();
  });
}

// Whom a probe's answers are from: its personas, or nobody.
const people = (probe) => (probes[probe].personas ? probes[probe].personas.map((_, place) => place) : [null]);
// All that a model can be looked at as: the personas of the current probe, and without any.
const choices = () => {
  const bare = data.probes.filter(({ name, personas }) => !personas && has(state.model, name));
  const played = probes[state.probe].personas ? state.probe : data.home;
  const own = probes[played] && has(state.model, played) ? people(played) : [];
  return [
    ...own.map((persona) => ({ probe: played, persona })),
    ...bare.map(({ name }) => ({ probe: name, persona: null })),
  ];
};

let drawing = 0; // what began later replaces what is still being unpacked
const fail = (message) => {
  drawing += 1;
  $("explorer-fault").textContent = message;
  for (const id of ["explorer-persona", "explorer-wavering", "explorer-items", "explorer-note", "explorer-movers"]) {
    $(id).replaceChildren();
  }
};
const go = (choice, replace = false) => {
  const target = address(choice.model ?? state.model, choice.probe ?? state.probe, choice.persona ?? null);
  replace ? location.replace(target) : (location.hash = target);
};
const move = (step, replace) => {
  const all = choices();
  const at = all.findIndex(({ probe, persona }) => probe === state.probe && persona === state.persona);
  if (at >= 0) go(all[(at + step + all.length) % all.length], replace);
};

// Items in the order asked for, as groups with a heading.
const grouped = (rows, probe) => {
  const { items, domains } = probes[probe];
  const order = $("explorer-order").value;
  const places = items.map((_, place) => place);
  if (order === "domain") {
    return domains.map((domain, place) => [domain, places.filter((item) => items[item].domain === place)]);
  }
  const cells = (item) => rows.map(([name, cellsOf]) => [name, cellsOf(state.persona ?? 0, item)]);
  const wavering = (item) => Math.max(...cells(item).map(([, { sd }]) => (Number.isFinite(sd) ? sd : -1)));
  const change = (item) => {
    const base = cells(item).find(([name]) => name === data.baseline);
    const moved = cells(item).map(([, found]) => Math.abs(found.mean - base?.[1].mean));
    return Math.max(...moved.map((value) => (Number.isFinite(value) ? value : -1)));
  };
  const key = order === "wavering" ? wavering : change;
  return [["", places.sort((a, b) => key(b) - key(a))]];
};

const show = async () => {
  const turn = (drawing += 1);
  const { model, probe, persona } = state;
  if (!probe) return;
  let loaded;
  try {
    loaded = await loadAll(model, probe);
  } catch (fault) {
    return fail(`${fault.message} The answers are in the folder answers/ of the results.`);
  }
  if (turn !== drawing) return;
  const rows = loaded.filter(([name]) => shown.has(name));
  const who = persona ?? 0;
  const { items } = probes[probe];
  const cellsOf = (item) => rows.map(([name, cells]) => [name, cells(who, item)]);
  const all = items.map((_, item) => cellsOf(item));
  const withNone = all.some((cells) => cells.some(([, { outcomes }]) => Object.keys(outcomes).length));
  $("explorer-fault").textContent = "";
  $("explorer-persona").replaceChildren(
    make("b", {}, persona === null ? "Without a persona" : `Persona ${persona}`),
    ` · ${labels[model]}${probe === data.home || persona === null ? "" : ` · ${probe}`}`,
    ...(persona === null ? [] : [make("small", {}, ranks(state, loaded))]),
    ...(persona === null ? [] : [make("span", {}, probes[probe].personas[persona])]),
  );
  const wavering = ([name, cells]) => {
    const known = items.map((_, item) => cells(who, item).sd).filter(Number.isFinite);
    return [name, fixed(mean(known), 2)];
  };
  $("explorer-wavering").replaceChildren("Mean SD over items: ", values(rows.map(wavering)));
  const groups = grouped(rows, probe).map(([heading, places]) => {
    const average = (cells) => mean(places.map((item) => cells(who, item).mean).filter(Number.isFinite));
    const list = make("ul", { className: "items" }, ...places.map((item) => {
      const text = make("div", {}, make("p", {}, items[item].text), values(all[item].map(([name, found]) => [name, spread(found)])));
      const entry = make("li", {}, text, strip(all[item], probe, withNone));
      entry.dataset.item = items[item].id;
      return entry;
    }));
    const summary = values(rows.map(([name, cells]) => [name, fixed(average(cells), 2)]));
    const title = make("h3", {}, heading || $("explorer-order").selectedOptions[0].textContent);
    const head = make("div", { className: "head" }, title, summary);
    return make("div", { className: "group" }, head, list);
  });
  const scales = make("div", { className: "scales" }, axis(probe, withNone), axis(probe, withNone));
  scales.setAttribute("aria-hidden", "true");
  $("explorer-items").replaceChildren(scales, ...groups);
  note(rows, probe, withNone);
  movers(probe, loaded);
};

const note = (rows, probe, withNone) => {
  const kinds = rows.map(([, cells]) => cells(0, 0));
  const sentences = ["Beside each item: mean ± SD of its answers; beside each heading: mean over its items."];
  if (kinds.some(({ exact }) => exact)) {
    sentences.push("Bars: probabilities of the ratings, from log-probabilities at the study's temperature.");
  } else if (kinds.some(({ dots }) => !dots)) sentences.push("Bars: shares of the answers, too many to draw one by one.");
  if (kinds.some(({ averaged }) => averaged)) sentences.push("Each mark is the mean of several answers.");
  if (withNone) sentences.push("Crosses: answers without a rating; point at one to see why.");
  const wordings = Object.entries(probes[probe].sections).map(([name, text]) =>
    make("div", {}, make("p", {}, name), make("pre", { tabIndex: 0 }, text)),
  );
  const prompt = state.persona === null ? [] : [make("pre", { tabIndex: 0 }, probes[probe].prompt)];
  const details = make("details", {}, make("summary", {}, "How the items are asked"), ...prompt, ...wordings);
  $("explorer-note").replaceChildren(sentences.join(" "), details);
};

// All personas by how much they waver, or change from the baseline, under the variants compared.
const ranked = new Map();
const ranking = ({ model, probe }, rows, key) => {
  const id = [model, probe, key].join("\n");
  if (!ranked.has(id)) {
    const items = probes[probe].items.map((_, item) => item);
    const base = rows.find(([name]) => name === data.baseline);
    const compared = rows.filter(([name]) => data.compared.includes(name));
    const score = (persona) => {
      const of = ([, cells]) => items.map((item) => cells(persona, item));
      if (key === "waver") {
        return Math.max(...(compared.length ? compared : rows).map((row) => mean(of(row).map(({ sd }) => sd))));
      }
      const before = base && of(base);
      const moved = (row) => Math.sqrt(mean(of(row).map((cell, item) => (cell.mean - before[item].mean) ** 2)));
      return before ? Math.max(...compared.map(moved)) : NaN;
    };
    const scored = people(probe).map((persona) => [persona, score(persona)]);
    ranked.set(id, scored.filter(([, value]) => value > 0 && Number.isFinite(value)).sort((a, b) => b[1] - a[1]));
  }
  return ranked.get(id);
};
const ranks = (where, rows) => {
  const said = [["wavering", "waver"], ["change", "change"]].flatMap(([word, key]) => {
    const place = ranking(where, rows, key).findIndex(([persona]) => persona === where.persona);
    return place < 0 ? [] : [`${word} ${place + 1}`];
  });
  return said.length ? ` · rank among ${people(where.probe).length} personas: ${said.join(", ")}` : "";
};
const movers = (probe, rows) => {
  const lists = state.persona === null ? [] : [["Waver most", "waver"], ["Changed most", "change"]];
  $("explorer-movers").replaceChildren(
    ...lists.flatMap(([title, key]) => {
      const found = ranking(state, rows, key);
      const entries = found.slice(0, MOST_LISTED).map(([persona, value]) => {
        const text = `${persona}. ${short(probes[probe].personas[persona])}`;
        const link = make("a", { href: address(state.model, probe, persona) }, make("b", {}, fixed(value, 2)), make("span", {}, text));
        return make("li", {}, link);
      });
      return found.length ? [make("div", {}, make("h3", {}, title), make("ol", {}, ...entries))] : [];
    }),
  );
};

// An address: #explorer/<model>/<persona>, /<probe>/<persona>, /<probe> without personas, or a model
// alone, of which the persona that wavers most is shown.
const read = () => {
  const [place, ...parts] = location.hash.slice(1).split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  if (place !== "explorer" || !parts.length) return null;
  const [model, ...rest] = parts;
  if (!Object.hasOwn(labels, model)) {
    return { fault: `There is no model “${model}” in this study. Its models are ${Object.keys(labels).join(", ")}.` };
  }
  if (!rest.length) return { model };
  const offered = data.probes.filter(({ name }) => has(model, name));
  const named = rest.length > 1 || Object.hasOwn(probes, rest[0]);
  const [probe, who] = named ? rest : [data.home, rest[0]];
  if (!has(model, probe)) {
    return { fault: `${labels[model]} was not asked “${probe}”. It was asked ${offered.map(({ name }) => name).join(", ")}.` };
  }
  const { personas, count } = probes[probe];
  if (!personas) return { model, probe, persona: null };
  const persona = who === undefined ? 0 : /^\d+$/.test(who) ? Number(who) : -1;
  if (persona >= 0 && persona < personas.length) return { model, probe, persona };
  const left = persona >= 0 && persona < count ? " It is in the study, but not on this page; see the note at the end of this section." : "";
  return { model, probe, fault: `There is no persona “${who}” here. Personas are numbered 0 to ${personas.length - 1}.${left}` };
};
const route = () => {
  const found = read();
  if (!found) return;
  near.disconnect();
  if (!section.contains(document.activeElement)) section.scrollIntoView();
  if (found.model) $("explorer-model").value = found.model;
  if (found.fault) return fail(found.fault);
  if (!found.probe) return begin();
  Object.assign(state, found);
  offer();
  show();
};
const offer = () => {
  const played = data.probes.filter(({ name, personas }) => personas && has(state.model, name));
  $("explorer-probe").replaceChildren(...played.map(({ name }) => make("option", { value: name }, name)));
  if (probes[state.probe].personas) $("explorer-probe").value = state.probe;
  $("explorer-probes").hidden = played.length < 2;
  $("explorer-pick").value = "";
  $("explorer-pick").placeholder = state.persona === null ? "without a persona" : `${state.persona}, or words of a description`;
};

// Picking by typing: a number, or words that the description holds.
const pick = $("explorer-pick");
const list = $("explorer-found");
let active = -1;
const close = () => {
  list.hidden = true;
  active = -1;
  pick.setAttribute("aria-expanded", "false");
  pick.removeAttribute("aria-activedescendant");
};
const activate = (place) => {
  const options = [...list.children].filter((option) => option.role === "option");
  if (!options.length) return;
  active = (place + options.length) % options.length;
  options.forEach((option, at) => option.setAttribute("aria-selected", at === active));
  pick.setAttribute("aria-activedescendant", options[active].id);
  options[active].scrollIntoView({ block: "nearest" });
};
const search = () => {
  const words = pick.value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = ({ probe, persona }) => titled(probe, persona).toLowerCase();
  const number = ({ persona }) => words.length === 1 && `${persona}` === words[0];
  const found = choices().filter((choice) => words.every((word) => text(choice).includes(word)));
  found.sort((a, b) => number(b) - number(a));
  const options = found.slice(0, MOST_FOUND).map((choice, place) => {
    const option = make("li", { id: `explorer-found-${place}`, role: "option" }, titled(choice.probe, choice.persona));
    option.setAttribute("aria-selected", "false");
    option.addEventListener("mousedown", (event) => event.preventDefault());
    option.addEventListener("click", () => {
      close();
      go(choice);
    });
    return option;
  });
  const more = found.length - options.length;
  const rest = more > 0 ? `${more} more; type more words` : found.length ? "" : "No persona matches.";
  list.replaceChildren(...options, ...(rest ? [make("li", { role: "option", ariaDisabled: "true" }, rest)] : []));
  list.hidden = false;
  pick.setAttribute("aria-expanded", "true");
  active = -1;
  if (options.length && words.length) activate(0);
};
pick.addEventListener("input", search);
pick.addEventListener("click", search);
pick.addEventListener("blur", close);
pick.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (list.hidden) search();
    activate(active + (event.key === "ArrowDown" ? 1 : -1));
  } else if (event.key === "Enter") {
    if (!list.hidden && active >= 0) list.children[active].click();
  } else if (event.key === "Escape") close();
});

$("explorer-model").append(...data.models.filter(({ key }) => data.units.some((unit) => unit.model === key)).map(({ key, label }) => make("option", { value: key }, label)));
if (data.units.some((unit) => unit.model === data.model)) $("explorer-model").value = data.model;
$("explorer-model").addEventListener("change", (event) => {
  const model = event.target.value;
  const probe = has(model, state.probe) ? state.probe : data.probes.find(({ name }) => has(model, name)).name;
  const persona = probe === state.probe ? state.persona : people(probe)[0];
  go({ model, probe, persona });
});
$("explorer-probe").addEventListener("change", (event) => go({ probe: event.target.value, persona: 0 }));
$("explorer-order").addEventListener("change", show);
$("explorer-back").addEventListener("click", () => move(-1));
$("explorer-next").addEventListener("click", () => move(1));
$("explorer-link").addEventListener("click", async () => {
  const link = `${location.href.split("#")[0]}${address(state.model, state.probe, state.persona)}`;
  try {
    await navigator.clipboard.writeText(link);
    $("status").textContent = "Link copied";
  } catch {
    location.hash = address(state.model, state.probe, state.persona);
    $("status").textContent = "The link is in the address bar";
  }
});
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  const { target } = event;
  const inside = section.contains(target) || (target === document.body && location.hash.startsWith("#explorer"));
  if (!step || busy || !inside || target.matches("input, select, textarea, pre")) return;
  event.preventDefault();
  move(step, event.repeat);
});
// Pointing at a mark shows the other answers of the same run.
const trace = (event) => {
  const mark = event.type === "pointerover" && event.target.closest?.(".dot");
  for (const old of $("explorer-items").querySelectorAll(".same")) old.classList.remove("same");
  if (!mark) return;
  const variant = mark.closest(".lane").dataset.variant;
  const lanes = [...$("explorer-items").querySelectorAll(".lane")].filter((lane) => lane.dataset.variant === variant);
  for (const lane of lanes) lane.querySelector(`.dot[data-run="${mark.dataset.run}"]`)?.classList.add("same");
};
for (const kind of ["pointerover", "pointerleave"]) $("explorer-items").addEventListener(kind, trace);

// Until an address names a persona, the model's that wavers most is shown, once in view.
const begin = async () => {
  const turn = (drawing += 1);
  const model = $("explorer-model").value;
  const probe = has(model, data.home) ? data.home : data.probes.find(({ name }) => has(model, name)).name;
  let [persona] = people(probe);
  if (persona !== null) {
    const rows = await loadAll(model, probe).catch(() => []); // show says what is wrong
    const [most] = ["waver", "change"].flatMap((key) => ranking({ model, probe }, rows, key));
    persona = most ? most[0] : persona;
  }
  if (turn !== drawing) return;
  Object.assign(state, { model, probe, persona });
  offer();
  show();
};
const near = new IntersectionObserver(
  ([entry]) => {
    if (!entry.isIntersecting) return;
    near.disconnect();
    begin();
  },
  { rootMargin: "600px" },
);
addEventListener("hashchange", route);
if (read()) route();
else near.observe(section);
