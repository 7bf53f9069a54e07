// Figures enlarge in a dialog; Escape, the button and a click outside close it. The drawing itself
// moves there and back, because a copy would double its ids.
const viewer = $("viewer");
let home = null;
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const drawing = button.closest("figure").querySelector(".drawing");
    home = drawing.parentElement;
    home.style.minHeight = `${home.offsetHeight}px`;
    viewer.append(drawing);
    viewer.showModal();
  });
}
viewer.addEventListener("click", (event) => event.target === viewer && viewer.close());
viewer.addEventListener("close", () => {
  home.append(viewer.querySelector(".drawing"));
  home.style.minHeight = "";
});

// A drawing as a file: with the colours of paper in place of the page's.
const onPaper = (drawing) => {
  const paper = document.body.appendChild(make("span", { className: "on-paper", hidden: true }));
  const light = getComputedStyle(paper);
  const copy = drawing.cloneNode(true);
  const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
  copy.setAttribute("width", `${width}pt`);
  copy.setAttribute("height", `${height}pt`);
  copy.prepend(shape("rect", { width, height, fill: "#ffffff" }));
  const colour = (name) => light.getPropertyValue(name).trim();
  const text = new XMLSerializer()
    .serializeToString(copy)
    .replace(/calc\(([\d.]+px)\*var\(--text,1\)\)/g, "$1")
    .replace(/var\((--[a-z-]+)\)/g, (_, name) => colour(name))
    .replaceAll("currentColor", colour("--ink"));
  paper.remove();
  return { text, width, height };
};
const drawingOf = (id) => $(id).querySelector(".drawing");
const SHARPNESS = 300 / 72; // pixels per point
const painted = async (drawing) => {
  const { text, width, height } = onPaper(drawing);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const size = { width: Math.round(width * SHARPNESS), height: Math.round(height * SHARPNESS) };
  const canvas = make("canvas", size);
  canvas.getContext("2d").drawImage(image, 0, 0, size.width, size.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
};
for (const button of document.querySelectorAll("button[data-svg]")) {
  button.addEventListener("click", () => {
    const drawing = drawingOf(button.dataset.svg);
    save(`${drawing.dataset.name}.svg`, new Blob([onPaper(drawing).text], { type: "image/svg+xml" }));
  });
}
for (const button of document.querySelectorAll("button[data-png]")) {
  button.addEventListener("click", async () => {
    const drawing = drawingOf(button.dataset.png);
    save(`${drawing.dataset.name}.png`, await painted(drawing));
  });
}
const pdf = JSON.parse($("pdf").textContent);
for (const button of document.querySelectorAll("button[data-pdf]")) {
  button.addEventListener("click", async () => {
    const name = button.dataset.pdf;
    const bytes = await (await unzipped(pdf[name])).arrayBuffer();
    save(`${name}.pdf`, new Blob([bytes], { type: "application/pdf" }));
  });
}
