// A link into a folded chapter opens it, however the browser treats links into details.
const unfold = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();

// The search opens chapters with figures, tables or texts that hold every word, and hides the rest.
// Texts are collected at the first search, with spaces between cells.
const words = (part) => {
  const texts = [part.querySelector("svg[role=img]")?.getAttribute("aria-label") ?? ""];
  const walker = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push(walker.currentNode.data);
  return texts.join(" ");
};
const collect = () =>
  [...document.querySelectorAll(".chapter")].map((chapter) => ({
    chapter,
    heading: words(chapter.querySelector("summary")),
    entries: [...chapter.querySelectorAll(".entry")].map((entry) => ({ entry, text: words(entry) })),
  }));
let chapters = null;
let before = null; // which chapters were open before the search
const search = () => {
  const wanted = wordsOf($("find").value);
  chapters ??= collect();
  if (wanted.length && !before) before = chapters.map(({ chapter }) => chapter.open);
  let count = 0;
  chapters.forEach(({ chapter, heading, entries }, place) => {
    let shown = 0;
    for (const { entry, text } of entries) {
      const hit = wanted.every((word) => word.test(text) || word.test(heading));
      entry.hidden = !hit;
      shown += hit;
    }
    count += shown;
    chapter.hidden = !shown;
    if (wanted.length) chapter.open = shown > 0;
    else if (before) chapter.open = before[place];
  });
  if (!wanted.length) before = null;
  $("found").textContent = wanted.length ? (count ? `${count} found` : "Nothing found") : "";
};
$("find").addEventListener("input", search);
