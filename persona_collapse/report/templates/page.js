"use strict";
document.documentElement.classList.add("js");
const $ = (id) => document.getElementById(id);
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
};
const shape = (tag, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const draw = (parent, tag, attributes) => parent.appendChild(shape(tag, attributes));
// What a search looks for: every word, at the start of a word of the text.
const wordsOf = (query) =>
  query.split(/\s+/).filter(Boolean).map((word) => new RegExp(`(?<![\\p{L}\\p{N}.,])${word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}`, "iu"));

// What one script offers to those after it.
const shared = {};
// Packed data is base64 of gzip (report/packed.py), decoded when a part of the page needs it.
const unzipped = async (text) => {
  if (!("DecompressionStream" in window)) {
    throw new Error("This browser is too old to unpack the data of this page.");
  }
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
};
const unpacked = async (text) => (await unzipped(text)).json();

const save = (name, blob) => {
  const href = URL.createObjectURL(blob);
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
};

// What is wider than its box shows a shadow (tables.css).
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) target.classList.toggle("wide", target.scrollWidth > target.clientWidth + 1);
});
for (const box of document.querySelectorAll(".scroll")) widths.observe(box);

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const source = $(button.dataset.copy);
    getSelection().selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent);
      $("status").textContent = "Copied";
    } catch {
      $("status").textContent = "Selected; copy with the keyboard";
    }
  });
}
