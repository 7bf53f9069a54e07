// Explanations of terms and columns: shown while the pointer or the focus is on them, also by touch;
// Escape hides them. Without this script they are the titles of their elements. The buttons of
// tables.js, which comes before, are among what carries them.
const help = document.body.appendChild(make("div", { id: "help", hidden: true }));
help.setAttribute("role", "tooltip");
let shownFor = null;
let leaving = 0;
const hide = () => {
  clearTimeout(leaving);
  shownFor?.removeAttribute("aria-describedby");
  shownFor = null;
  help.hidden = true;
};
const place = () => {
  if (!shownFor) return;
  const at = shownFor.getBoundingClientRect();
  const own = help.getBoundingClientRect();
  const below = at.bottom + 6 + own.height < innerHeight;
  help.style.left = `${Math.min(Math.max(8, at.left), innerWidth - own.width - 8)}px`;
  help.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - own.height - 6)}px`;
};
const show = (trigger, text) => {
  clearTimeout(leaving);
  if (shownFor === trigger) return;
  hide();
  help.textContent = text;
  help.hidden = false;
  shownFor = trigger;
  trigger.setAttribute("aria-describedby", "help");
  place();
};
// What other scripts show at an element; at null nothing.
shared.help = (trigger, text) => {
  help.style.pointerEvents = trigger ? "none" : ""; // what lies below it can be pointed at
  trigger ? show(trigger, text) : hide();
};
for (const part of document.querySelectorAll("dfn[title], th[title]")) {
  const text = part.title;
  const trigger = part.querySelector("button") ?? part;
  part.removeAttribute("title");
  if (trigger.tagName === "DFN") trigger.tabIndex = 0;
  part.addEventListener("pointerenter", () => show(trigger, text));
  part.addEventListener("pointerleave", () => { leaving = setTimeout(hide, 200); });
  trigger.addEventListener("focus", () => show(trigger, text));
  trigger.addEventListener("blur", hide);
  trigger.addEventListener("click", () => show(trigger, text));
}
help.addEventListener("pointerenter", () => clearTimeout(leaving));
help.addEventListener("pointerleave", hide);
addEventListener("keydown", (event) => event.key === "Escape" && hide());
// Focus may scroll what it is on into view.
addEventListener("scroll", place, { capture: true, passive: true });
