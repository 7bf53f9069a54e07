"use strict";
document.documentElement.classList.add("js");
const $ = (id) => document.getElementById(id);
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
};

// Packed data is base64 of gzip of JSON (report/packed.py), decoded when a part of the page needs it.
const unpacked = async (text) => {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const save = (name, blob) => {
  const href = URL.createObjectURL(blob);
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
};

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
