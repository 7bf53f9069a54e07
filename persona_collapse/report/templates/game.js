// "Who is this?": which of four personas gave these answers?
const { rates, first, choices } = JSON.parse($("game-data").textContent);
const { data, probes, loadAll, strip, axis, fixed, address } = shared.answers;
const probe = data.home;
const MOST_ITEMS = 8;
const score = { right: 0, rounds: 0 };
const rounded = (value) => Math.round(100 * value);
const percent = (value) => `${rounded(value)} %`;
const asked = (model, variant) =>
  data.units.some((unit) => unit.model === model && unit.variant === variant && unit.probe === probe);
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;

// What the numbers of the study say of the same task.
const rate = () => {
  const variant = $("game-variant").value;
  const row = rates[$("game-model").value]?.[variant];
  const range = (name) => `${percent(row[name])} [${rounded(row[`${name}_lo`])}, ${rounded(row[`${name}_hi`])}]`;
  const parts = [`Guessing is right in ${percent(1 / choices)} of rounds.`];
  if (row && row.of_four !== null) {
    parts.push(
      `The profiles of ${data.baseline} recognise ${range("of_four")} of the personas among four, from all their answers,`,
      `and ${range("recognised")} among all ${row.n_personas}, where guessing recognises ${percent(1 / row.n_personas)}.`,
    );
  } else if (row && row.recognised !== null) {
    parts.push(
      `From one answer to each of ${row.answers} items, its own profiles recognise ${range("recognised")} among all`,
      `${row.n_personas} personas, where guessing recognises ${percent(1 / row.n_personas)}.`,
    );
  }
  $("game-rate").textContent = parts.join(" ");
};
const say = () => {
  const { right, rounds } = score;
  $("game-score").textContent = rounds ? `You: ${right} of ${rounds} right (${percent(right / rounds)}).` : "";
};
const drawn = (list, count) => {
  const rest = [...list];
  return Array.from({ length: count }, () => rest.splice(Math.floor(Math.random() * rest.length), 1)[0]);
};
const start = async () => {
  const [model, variant] = [$("game-model").value, $("game-variant").value];
  const { personas, items, domains } = probes[probe];
  let cells;
  try {
    cells = (await loadAll(model, probe)).find(([name]) => name === variant)[1];
  } catch (fault) {
    $("game-score").textContent = fault.message;
    return;
  }
  const whole = (persona) => items.every((_, item) => cells(persona, item).n);
  const known = personas.map((_, persona) => persona).filter(whole);
  if (known.length < choices) {
    $("game-score").textContent = `Fewer than ${choices} personas of ${variant} answered every item.`;
    return;
  }
  const options = drawn(known, choices);
  const [who] = drawn(options, 1);
  const average = items.map((_, item) => mean(known.map((persona) => cells(persona, item).mean)));
  const apart = (item) => Math.abs(cells(who, item).mean - average[item]);
  const told = items.map((_, item) => item).sort((a, b) => apart(b) - apart(a)).slice(0, MOST_ITEMS);
  const withNone = told.some((item) => Object.keys(cells(who, item).outcomes).length);
  const list = make("ul", { className: "items told" }, ...told.map((item) => {
    const rows = [[variant, cells(who, item)]];
    const beside = make("p", { className: "values" }, `mean ${fixed(rows[0][1].mean)}, all personas ${fixed(average[item])}`);
    const entry = make("li", {}, make("div", {}, make("p", {}, items[item].text), beside), strip(rows, probe, withNone, average[item]));
    entry.dataset.item = items[item].id;
    return entry;
  }));
  const sums = domains.map((domain, place) => {
    const own = items.map((_, item) => item).filter((item) => items[item].domain === place);
    const text = `${fixed(mean(own.map((item) => cells(who, item).mean)))} (${fixed(mean(own.map((item) => average[item])))})`;
    return make("span", {}, `${domain} `, make("b", {}, text));
  });
  const answer = (choice, buttons) => {
    score.rounds += 1;
    score.right += choice === who;
    buttons.forEach((button, place) => {
      button.disabled = true;
      if (options[place] === who) button.classList.add("right");
      else if (options[place] === choice) button.classList.add("wrong");
    });
    say();
    const link = make("a", { href: address(model, probe, who) }, `persona ${who}`);
    verdict.replaceChildren(choice === who ? "Right: it is " : "No: it is ", link, ".");
    $("game-start").textContent = "Next";
    $("game-start").focus();
  };
  const verdict = make("p", { id: "game-verdict" });
  verdict.setAttribute("role", "status");
  const buttons = options.map((persona) => make("button", { type: "button" }, personas[persona]));
  buttons.forEach((button, place) => button.addEventListener("click", () => answer(options[place], buttons)));
  const group = make("div", { className: "options" }, ...buttons);
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Whose answers are these?");
  $("game-round").replaceChildren(
    make("p", { className: "values sums" }, "Mean (of all personas): ", ...sums),
    make("div", { className: "scales" }, axis(probe, withNone), axis(probe, withNone)),
    list,
    group,
    verdict,
  );
  $("game-start").textContent = "Another";
};
const offer = () => {
  const own = data.variants.map(({ name }) => name).filter((name) => asked($("game-model").value, name));
  const chosen = [$("game-variant").value, first, ...own].find((name) => own.includes(name));
  $("game-variant").replaceChildren(...own.map((name) => make("option", { value: name }, name)));
  $("game-variant").value = chosen;
  reset();
};
const reset = () => {
  Object.assign(score, { right: 0, rounds: 0 });
  $("game-round").replaceChildren();
  $("game-start").textContent = "Play";
  say();
  rate();
};
const played = data.models.filter(({ key }) => data.variants.some(({ name }) => asked(key, name)));
$("game-model").append(...played.map(({ key, label }) => make("option", { value: key }, label)));
if (played.some(({ key }) => key === data.model)) $("game-model").value = data.model;
$("game-model").addEventListener("change", offer);
$("game-variant").addEventListener("change", reset);
$("game-start").addEventListener("click", start);
offer();
