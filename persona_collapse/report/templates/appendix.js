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
const chapters = [...document.querySelectorAll(".chapter")].map((chapter) => {
  const entries = [...chapter.querySelectorAll(".entry")];
  const text = (part) => `${part.textContent} ${part.querySelector("img")?.alt ?? ""}`.toLowerCase();
  return { chapter, heading: text(chapter.querySelector("summary")), entries: entries.map((entry) => ({ entry, text: text(entry) })) };
});
let before = null; // which chapters were open before the search
const search = () => {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length && !before) before = chapters.map(({ chapter }) => chapter.open);
  let count = 0;
  chapters.forEach(({ chapter, heading, entries }, place) => {
    let shown = 0;
    for (const { entry, text } of entries) {
      const hit = words.every((word) => text.includes(word) || heading.includes(word));
      entry.hidden = !hit;
      shown += hit;
    }
    count += shown;
    chapter.hidden = !shown;
    if (words.length) chapter.open = shown > 0;
    else if (before) chapter.open = before[place];
  });
  if (!words.length) before = null;
  $("found").textContent = words.length ? (count ? `${count} found` : "Nothing found") : "";
};
$("find").addEventListener("input", search);
