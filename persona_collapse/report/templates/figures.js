// Figures enlarge in a dialog; Escape, the button and a click outside close it.
const viewer = $("viewer");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const [from, to] = [button.querySelector("img"), viewer.querySelector("img")];
    to.src = from.src;
    to.alt = from.alt;
    viewer.showModal();
  });
}
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
