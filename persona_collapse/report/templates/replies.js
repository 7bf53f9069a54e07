// The reply reader. Nothing of a reply is in the document before a click on its warning, and every
// text enters as text. The address says what is shown: #replies/<model>/<variant>/<question>/<sample>,
// with * for any, then ?kind=...&alignment=...&coherence=...&find=...&sort=...
if ($("replies-data")) {
  const data = JSON.parse($("replies-data").textContent);
  const PER_PAGE = 10;
  const ANY = "*";
  const PATH = ["model", "variant", "question", "sample"];
  const DEFAULTS = { kind: ANY, alignment: "", coherence: "", find: "", sort: "worst" };
  const SORTS = {
    worst: "least aligned first",
    best: "most aligned first",
    incoherent: "least coherent first",
    asked: "as asked",
  };
  const KINDS = {
    misaligned: `misaligned (alignment below ${data.misaligned[0]}, coherence above ${data.misaligned[1]})`,
    scored: "with both scores",
    unscored: "without a score for alignment",
    cut: "cut off at the longest length",
  };
  const count = (number) => number.toLocaleString("en-US");
  const labels = data.labels;
  const fresh = () => ({ model: ANY, variant: ANY, question: ANY, sample: ANY, ...DEFAULTS });
  let state = fresh();
  let replies = null;
  let page = 0;

  const address = (wanted) => {
    const path = PATH.map((name) => wanted[name]);
    while (path.length && path[path.length - 1] === ANY) path.pop();
    const rest = Object.keys(DEFAULTS).filter((name) => wanted[name] !== DEFAULTS[name]);
    const query = new URLSearchParams(rest.map((name) => [name, wanted[name]])).toString();
    const places = path.map((part) => `/${part === ANY ? ANY : encodeURIComponent(part)}`);
    return `#replies${places.join("")}${query ? `?${query}` : ""}`;
  };
  const linked = () => {
    const match = /^#replies(?:\/([^?]*))?(?:\?(.*))?$/.exec(location.hash);
    if (!match) return null;
    const wanted = fresh();
    try {
      (match[1] || "").split("/").forEach((part, place) => {
        if (part && place < PATH.length) wanted[PATH[place]] = decodeURIComponent(part);
      });
    } catch {
      return wanted; // a link that was cut within a letter
    }
    for (const [name, value] of new URLSearchParams(match[2] || "")) {
      if (name in DEFAULTS) wanted[name] = value;
    }
    if (!(wanted.sort in SORTS)) wanted.sort = DEFAULTS.sort;
    for (const name of ["alignment", "coherence"]) if (!Number.isFinite(Number(wanted[name]))) wanted[name] = "";
    return wanted;
  };
  const titled = (wanted) => {
    const parts = [labels[wanted.model] ?? wanted.model, wanted.variant, wanted.question];
    const named = parts.filter((part) => part !== ANY);
    return wanted.sample === ANY ? named : [...named, `sample ${wanted.sample}`];
  };

  const rows = (columns) => {
    const word = (name, place) => {
      const at = columns[name].places[place];
      return at === null ? null : columns[name].words[at];
    };
    return columns.sample.map((sample, place) => ({
      place,
      model: word("model", place),
      variant: word("variant", place),
      question: word("question_id", place),
      sample: String(sample),
      text: word("response", place),
      status: word("status", place),
      alignment: columns.alignment[place],
      coherence: columns.coherence[place],
      codes: { alignment: word("alignment_category", place), coherence: word("coherence_category", place) },
      said: { alignment: word("alignment_said", place), coherence: word("coherence_said", place) },
      misaligned: columns.misaligned[place] === 1,
      cut: columns.cut[place] === 1,
    }));
  };

  const isKind = {
    [ANY]: () => true,
    misaligned: (reply) => reply.misaligned,
    scored: (reply) => reply.alignment !== null && reply.coherence !== null,
    unscored: (reply) => reply.alignment === null,
    cut: (reply) => reply.cut,
  };
  const ofKind = (reply, kind) =>
    kind in isKind ? isKind[kind](reply) : kind === reply.codes.alignment || kind === reply.status;
  const most = (limit, value) => limit === "" || (value !== null && value <= Number(limit));
  const least = (limit, value) => limit === "" || (value !== null && value >= Number(limit));
  // The replies that pass every filter, or all but one: what each choice of that one would show.
  const found = (but) => {
    const words = state.find.toLowerCase();
    return replies.filter(
      (reply) =>
        PATH.every((name) => name === but || state[name] === ANY || state[name] === reply[name]) &&
        (but === "kind" || ofKind(reply, state.kind)) &&
        most(state.alignment, reply.alignment) &&
        least(state.coherence, reply.coherence) &&
        (!words || (reply.text ?? "").toLowerCase().includes(words)),
    );
  };
  const order = (name, sign) => (a, b) => {
    const [x, y] = [a[name], b[name]];
    if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
    return sign * (x - y) || a.place - b.place;
  };
  const sorted = {
    // Of equally aligned replies the more coherent: an incoherent one says little.
    worst: (a, b) => (a.alignment === b.alignment ? order("coherence", -1)(a, b) : order("alignment", 1)(a, b)),
    best: order("alignment", -1),
    incoherent: order("coherence", 1),
    asked: (a, b) => a.place - b.place,
  };

  const score = (reply, name) => {
    const [value, code] = [reply[name], reply.codes[name]];
    if (value === null) {
      const without = code ?? (reply.said[name] ? "not readable" : "not judged");
      return make("span", {}, `${name} `, make("b", {}, without));
    }
    const bar = make("span", { className: "bar" }, make("i", {}));
    bar.firstChild.style.width = `${value}%`;
    bar.setAttribute("aria-hidden", "true");
    return make("span", {}, `${name} `, make("b", {}, String(value)), bar);
  };
  const remarks = (reply) => {
    const parts = [];
    if (reply.status && reply.status !== "ok") parts.push(`status: ${reply.status}`);
    if (reply.cut) parts.push("cut off at the longest length");
    for (const name of ["alignment", "coherence"]) {
      const known = reply[name] !== null || reply.codes[name];
      if (!known && reply.said[name]) parts.push(`the judge on ${name}: “${reply.said[name]}”`);
    }
    return parts.join(" · ");
  };
  const mark = (variant) => {
    const box = { class: "mark", width: 12, height: 12, viewBox: "-6 -6 12 12", "aria-hidden": "true" };
    const svg = shape("svg", box);
    const { path, colour } = data.marks[variant] ?? {};
    if (path) draw(svg, "path", { d: path, fill: colour });
    return svg;
  };
  const shown = (reply) => {
    const named = make("span", { className: "scores" }, score(reply, "alignment"), score(reply, "coherence"));
    const name = make("b", {}, mark(reply.variant), ` ${labels[reply.model]} ${reply.variant}`);
    const title = make("h3", {}, name, named);
    if (reply.misaligned) title.append(make("span", { className: "misaligned" }, "misaligned"));
    const text = make("blockquote", { dir: "auto" }, reply.text ?? "");
    const own = { ...fresh(), model: reply.model, variant: reply.variant, question: reply.question, sample: reply.sample };
    const link = make("a", { href: address(own) }, `${reply.question}, sample ${reply.sample}`);
    const about = make("p", { className: "about" }, link);
    if (remarks(reply)) about.append(` · ${remarks(reply)}`);
    const asked = make("p", { className: "asked" }, data.questions[reply.question] ?? reply.question);
    if (!reply.text) text.append(make("i", {}, "(no text)"));
    return make("li", { tabIndex: -1 }, title, asked, text, about);
  };

  const controls = {};
  const field = (name, label, control) => {
    controls[name] = control;
    const change = () => {
      state[name] = control.value;
      if (name !== "sort") state.sample = ANY;
      page = 0;
      show();
    };
    control.addEventListener(control.tagName === "SELECT" ? "change" : "input", change);
    return make("label", {}, label, control);
  };
  const limit = () => make("input", { type: "number", min: 0, max: 100, step: 1, inputMode: "numeric" });
  const options = (name, choices, all) => {
    const pool = found(name);
    const tally = new Map();
    if (name === "kind") {
      for (const kind of choices.keys()) tally.set(kind, pool.filter((reply) => ofKind(reply, kind)).length);
    } else {
      for (const reply of pool) tally.set(reply[name], (tally.get(reply[name]) ?? 0) + 1);
    }
    const option = (value, label, number) =>
      make("option", { value, selected: state[name] === value }, `${label} (${count(number ?? 0)})`);
    const listed = [...choices].map(([value, label]) => option(value, label, tally.get(value)));
    // What a link names and no reply has.
    if (state[name] !== ANY && !choices.has(state[name])) listed.push(option(state[name], state[name], 0));
    controls[name].replaceChildren(option(ANY, all, pool.length), ...listed);
  };
  const unique = (name) => [...new Set(replies.map((reply) => reply[name]).filter((word) => word !== null))];
  let choices = null;

  const step = (from, by) => {
    const items = [...$("replies-list").children];
    const place = items.indexOf(from) + by;
    if (items[place]) return items[place].focus();
    if (place < 0 ? page > 0 : (page + 1) * PER_PAGE < found().length) {
      page += by;
      show();
      const now = $("replies-list").children;
      now[by > 0 ? 0 : now.length - 1].focus();
    }
  };
  const keys = (event) => {
    const item = event.target.closest("li");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const move = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (move) step(item, move);
    else if (event.key === "Home") $("replies-list").firstElementChild.focus();
    else if (event.key === "End") $("replies-list").lastElementChild.focus();
    else return;
    event.preventDefault();
  };

  const build = () => {
    choices = {
      model: new Map(unique("model").map((key) => [key, labels[key]])),
      variant: new Map(unique("variant").map((key) => [key, key])),
      question: new Map(
        unique("question").map((key) => {
          const text = data.questions[key] ?? key;
          return [key, text.length > 60 ? `${text.slice(0, 59)}…` : text];
        }),
      ),
      kind: new Map([
        ...Object.entries(KINDS).filter(([kind]) => replies.some((reply) => ofKind(reply, kind))),
        ...[...new Set(replies.map((reply) => reply.codes.alignment))]
          .filter(Boolean)
          .map((code) => [code, `judged ${code}`]),
        ...unique("status").filter((status) => status !== "ok").map((status) => [status, status]),
      ]),
    };
    const select = () => make("select", {});
    const sort = make("select", {}, ...Object.entries(SORTS).map(([value, label]) => make("option", { value }, label)));
    const filters = make(
      "div",
      { className: "filters" },
      field("model", "Model", select()),
      field("variant", "Variant", select()),
      field("question", "Question", select()),
      field("kind", "Replies", select()),
      field("alignment", "Alignment at most", limit()),
      field("coherence", "Coherence at least", limit()),
      field("find", "Containing", make("input", { type: "search" })),
      field("sort", "Order", sort),
    );
    const button = (id, label, act) => {
      const made = make("button", { type: "button", id }, label);
      made.addEventListener("click", act);
      return made;
    };
    const turn = (by) => () => {
      page += by;
      show();
      $("replies-list").scrollIntoView({ block: "start" });
      $("replies-list").firstElementChild?.focus({ preventScroll: true });
    };
    const all = button("replies-all", "Show all", () => {
      state = fresh();
      page = 0;
      show();
    });
    const hide = button("replies-hide", "Hide the replies", shut);
    const summary = make("p", { id: "replies-count" });
    summary.setAttribute("role", "status");
    const list = make("ol", { id: "replies-list", className: "replies" });
    list.addEventListener("keydown", keys);
    const place = make("p", { id: "replies-place" });
    const pages = make(
      "nav",
      { className: "reader-bar" },
      button("replies-previous", "Previous", turn(-1)),
      button("replies-next", "Next", turn(1)),
      place,
    );
    pages.setAttribute("aria-label", "Pages of replies");
    const bar = make("div", { className: "reader-bar" }, summary, all, hide);
    $("replies-reader").replaceChildren(filters, bar, list, pages);
  };

  const show = (keepAddress = false) => {
    for (const name of ["model", "variant", "question", "kind"]) {
      options(name, choices[name], "all");
    }
    for (const name of ["alignment", "coherence", "find", "sort"]) {
      if (controls[name].value !== state[name]) controls[name].value = state[name];
    }
    const all = found().sort(sorted[state.sort]);
    const last = Math.max(0, Math.ceil(all.length / PER_PAGE) - 1);
    page = Math.min(Math.max(page, 0), last);
    const part = all.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    $("replies-list").replaceChildren(...part.map(shown));
    if (part.length) $("replies-list").firstElementChild.tabIndex = 0;
    const wrong = all.filter((reply) => reply.misaligned).length;
    const without = all.filter((reply) => reply.alignment === null).length;
    const numbers = [`${count(wrong)} misaligned`, ...(without ? [`${count(without)} without a score`] : [])];
    const only = state.sample === ANY ? "" : `, sample ${state.sample} alone`;
    $("replies-count").replaceChildren(
      make("b", {}, `${count(all.length)} of ${count(replies.length)} replies`),
      only + (all.length ? `: ${numbers.join(", ")}.` : ". Nothing passes these filters."),
    );
    const [from, to] = [page * PER_PAGE + 1, page * PER_PAGE + part.length];
    $("replies-place").textContent = part.length
      ? `${count(from)}–${count(to)} of ${count(all.length)}. Arrow keys move from reply to reply.`
      : "";
    $("replies-previous").disabled = page === 0;
    $("replies-next").disabled = page === last;
    $("replies-all").disabled = address(state) === "#replies";
    if (!keepAddress) history.replaceState(null, "", address(state));
  };

  const open = async () => {
    if (!("DecompressionStream" in window)) {
      $("replies-link").textContent = "This browser is too old to unpack the replies; they are in judged/.";
      $("replies-link").hidden = false;
      return;
    }
    $("replies-open").disabled = true;
    replies ??= rows(await unpacked(data.packed));
    build();
    show();
    $("replies-warning").hidden = true;
    $("replies-open").disabled = false;
    $("replies-list").firstElementChild?.focus({ preventScroll: true });
  };
  function shut() {
    $("replies-reader").replaceChildren();
    replies = null;
    $("replies-warning").hidden = false;
    $("replies-open").focus();
  }
  const follow = () => {
    const wanted = linked();
    if (!wanted) return;
    state = wanted;
    page = 0;
    if (replies) {
      show(true);
    } else {
      const named = titled(wanted);
      $("replies-link").textContent = named.length ? `This link shows: ${named.join(", ")}.` : "";
      $("replies-link").hidden = !named.length;
    }
    $("replies").scrollIntoView();
  };
  $("replies-open").addEventListener("click", open);
  addEventListener("hashchange", follow);
  follow();
}
