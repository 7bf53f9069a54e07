// Every single answer (answers.py): unpacked when it is first asked for, and drawn as strips.
if ($("explorer-data")) {
  const data = JSON.parse($("explorer-data").textContent);
  const probes = Object.fromEntries(data.probes.map((probe) => [probe.name, probe]));
  const marks = Object.fromEntries(data.variants.map((variant) => [variant.name, variant]));
  const OUTCOMES = ["missing", "unparseable", "refused", "filtered", "error"];

  // A cell holds [rating, answers] in `weights`, the rating of every run in `runs`, the number of
  // answers without a rating in `outcomes`, and n, mean and sd of the ratings.
  const cell = (unit, values, persona, item) => {
    const [, items, size] = unit.shape;
    const [low, high] = probes[unit.probe].scale;
    const start = (persona * items + item) * size;
    const entries = values.subarray(start, start + size);
    const [weights, runs, outcomes] = [new Map(), [], {}];
    const miss = (place, count) => {
      if (count) outcomes[OUTCOMES[place]] = (outcomes[OUTCOMES[place]] ?? 0) + count;
    };
    if (unit.kind === "dots") {
      const first = 256 ** unit.bytes - OUTCOMES.length + 1;
      entries.forEach((code, run) => {
        if (code === 0 || code >= first) return miss(code && code - first + 1, 1);
        const rating = low + (code - 1) * unit.step;
        runs.push({ rating, run: run + 1 });
        weights.set(rating, (weights.get(rating) ?? 0) + 1);
      });
    } else {
      const width = high - low + 1;
      entries.forEach((count, place) => {
        if (place >= width) miss(place - width, count);
        else if (count) weights.set(low + place, count);
      });
    }
    const list = [...weights].sort((a, b) => a[0] - b[0]);
    const n = list.reduce((sum, [, weight]) => sum + weight, 0);
    const mean = list.reduce((sum, [rating, weight]) => sum + rating * weight, 0) / n;
    const squares = list.reduce((sum, [rating, weight]) => sum + weight * (rating - mean) ** 2, 0);
    const exact = unit.kind === "shares";
    const sd = exact ? Math.sqrt(squares / n) : n > 1 && unit.step === 1 ? Math.sqrt(squares / (n - 1)) : NaN;
    return { weights: list, runs, outcomes, n, mean, sd, exact, dots: unit.kind === "dots", averaged: unit.step !== 1 };
  };

  const opened = new Map();
  // The cells of a model x variant x probe, as a function of persona and item; null if not asked.
  const load = (model, variant, probe) => {
    const same = (unit) => unit.model === model && unit.variant === variant && unit.probe === probe;
    const unit = data.units.find(same);
    if (!unit) return null;
    if (!opened.has(unit)) {
      const kind = unit.bytes === 1 ? Uint8Array : Uint16Array;
      const bytes = unzipped(unit.data).then((response) => response.arrayBuffer());
      const ready = bytes.then((buffer) => {
        const values = new kind(buffer);
        return (persona, item) => cell(unit, values, persona, item);
      });
      opened.set(unit, ready);
    }
    return opened.get(unit);
  };
  // The cells of all variants that were asked: [variant, cells], the baseline first.
  const loadAll = async (model, probe) => {
    const names = new Set([data.baseline, ...data.variants.map(({ name }) => name)]);
    const found = [...names].map((name) => [name, load(model, name, probe)]);
    const asked = found.filter(([, cells]) => cells);
    return Promise.all(asked.map(async ([name, cells]) => [name, await cells]));
  };

  const fixed = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
  const spoken = (name, { weights, outcomes, n, exact }) => {
    const share = (weight) => (exact ? `${Math.round((100 * weight) / n)} % ` : weight > 1 ? `${weight} times ` : "");
    const ratings = weights.map(([rating, weight]) => `${share(weight)}${+rating.toFixed(2)}`);
    const none = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
    return `${name}: ${[...ratings, ...none].join(", ")}`;
  };

  const [LEFT, WIDE, PITCH, NONE] = [14, 220, 5.2, 40];
  // Places dots in stacks, as many beside each other as fit into a step of the scale.
  const stacked = (values, at, step) => {
    const across = Math.max(1, Math.min(5, Math.floor((step - 2) / PITCH)));
    const bin = step < PITCH ? PITCH / step : 1;
    const heights = new Map();
    return values.map((value) => {
      const key = Math.round(value / bin);
      const place = heights.get(key) ?? 0;
      heights.set(key, place + 1);
      const x = at(value) + ((place % across) - (across - 1) / 2) * (across > 1 ? PITCH : 0);
      return { x, level: Math.floor(place / across) };
    });
  };
  // The ratings that have a line: all of a short scale, five of a long one.
  const ticks = (probe) => {
    const [low, high] = probes[probe].scale;
    const steps = high - low > 10 ? 4 : high - low;
    return Array.from({ length: steps + 1 }, (_, place) => low + (place * (high - low)) / steps);
  };
  // Draws the answers to an item, a row per variant: `rows` are [variant, cell]; an average is a line.
  const strip = (rows, probe, withNone, average) => {
    const [low, high] = probes[probe].scale;
    const step = WIDE / (high - low);
    const at = (rating) => LEFT + (rating - low) * step;
    const label = rows.map(([name, found]) => spoken(name, found)).join("; ");
    const svg = shape("svg", { class: "answers", role: "img", "aria-label": label });
    const grid = draw(svg, "g", { class: "grid" });
    let bottom = 1;
    for (const [name, found] of rows) {
      const { colour, path } = marks[name];
      const lane = draw(svg, "g", { class: "lane", fill: colour, stroke: colour, "data-variant": name });
      const missed = Object.entries(found.outcomes).flatMap(([outcome, count]) =>
        Array.from({ length: found.dots ? count : 1 }, () => outcome),
      );
      const places = stacked(found.runs.map(({ rating }) => rating), at, step);
      const crosses = stacked(missed.map(() => 0), () => LEFT + WIDE + 16 + NONE / 2, 5 * PITCH + 2);
      const levels = Math.max(1, ...[...places, ...crosses].map(({ level }) => level + 1));
      const height = found.dots ? levels * PITCH : Math.max(18, levels * PITCH);
      const floor = bottom + height;
      if (places.length) {
        // From the lowest to the highest answer: the wider, the more the persona wavers.
        const [from, to] = [Math.min(...places.map(({ x }) => x)) - 4, Math.max(...places.map(({ x }) => x)) + 4];
        draw(lane, "rect", { class: "range", x: from, y: bottom - 0.5, width: to - from, height: height + 1, rx: 2 });
      }
      places.forEach(({ x, level }, place) => {
        const y = floor - (level + 0.5) * PITCH;
        const transform = `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(0.5)`;
        draw(lane, "path", { class: "dot", d: path, transform, "data-run": found.runs[place].run });
      });
      if (!found.dots) {
        const most = Math.max(...found.weights.map(([, weight]) => weight));
        const width = Math.max(1.5, Math.min(12, step - 1));
        for (const [rating, weight] of found.weights) {
          const tall = (17 * weight) / most;
          draw(lane, "rect", { class: "weight", x: at(rating) - width / 2, y: floor - tall, width, height: tall });
        }
      }
      crosses.forEach(({ x, level }, place) => {
        const y = floor - (level + 0.5) * PITCH;
        const cross = draw(lane, "path", { class: "none", d: `M${x - 1.8} ${y - 1.8}l3.6 3.6m0-3.6l-3.6 3.6` });
        cross.dataset.outcome = missed[place];
        draw(cross, "title", {}).textContent = missed[place];
      });
      bottom = floor + 4;
    }
    for (const rating of ticks(probe)) draw(grid, "line", { x1: at(rating), x2: at(rating), y1: 0, y2: bottom });
    if (average !== undefined) {
      draw(grid, "line", { class: "average", x1: at(average), x2: at(average), y1: 0, y2: bottom });
    }
    if (withNone) {
      const x = LEFT + WIDE + 16;
      draw(grid, "rect", { x, y: 0, width: NONE, height: bottom });
    }
    svg.setAttribute("viewBox", `0 0 ${LEFT + WIDE + (withNone ? 16 + NONE : LEFT)} ${bottom.toFixed(1)}`);
    return svg;
  };
  // The scale's numbers, drawn over a column of strips.
  const axis = (probe, withNone) => {
    const [low, high] = probes[probe].scale;
    const viewBox = `0 0 ${LEFT + WIDE + (withNone ? 16 + NONE : LEFT)} 12`;
    const svg = shape("svg", { class: "answers axis", "aria-hidden": "true", viewBox });
    for (const rating of ticks(probe)) {
      const x = LEFT + ((rating - low) * WIDE) / (high - low);
      draw(svg, "text", { x, y: 11 }).textContent = rating;
    }
    if (withNone) draw(svg, "text", { x: LEFT + WIDE + 16 + NONE / 2, y: 11 }).textContent = "none";
    return svg;
  };
  // The mark of a variant; its name is there for those who do not see it.
  const sign = (name) => {
    const holder = make("span", { title: name });
    const svg = draw(holder, "svg", { class: "mark", width: 9, height: 9, viewBox: "-6 -6 12 12", "aria-hidden": true });
    draw(svg, "path", { d: marks[name].path, fill: marks[name].colour });
    holder.append(make("span", { className: "hidden" }, name));
    return holder;
  };
  // Numbers of variants beside their marks: [variant, text].
  const values = (rows) =>
    make("p", { className: "values" }, ...rows.map(([name, text]) => make("span", {}, sign(name), " ", text)));
  const spread = ({ n, mean, sd, outcomes }) => {
    const rated = n ? [`${fixed(mean)}${Number.isFinite(sd) ? ` ± ${fixed(sd)}` : ""}`] : [];
    return [...rated, ...Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`)].join(", ");
  };
  const address = (model, probe, persona) =>
    `#explorer/${[model, ...(probe === data.home ? [persona] : persona === null ? [probe] : [probe, persona])]
      .map(encodeURIComponent)
      .join("/")}`;

  shared.answers = { data, probes, marks, loadAll, strip, axis, values, spread, fixed, address };
}
