"use strict";
document.documentElement.classList.add("js");
const $ = (id) => document.getElementById(id);
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
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
