// Tables sort by a click on a heading; rows without a number stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[place].dataset.sort ?? null;
      const number = (text) => (text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text));
      const name = (row) => row.cells[place].textContent;
      const sign = down ? -1 : 1;
      const byName = !head.classList.contains("number");
      const order = (a, b) => {
        if (byName) return sign * name(a).localeCompare(name(b), undefined, { numeric: true });
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return x === y ? 0 : sign * (number(x) < number(y) ? -1 : 1);
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort(order));
    });
  });
}

// Tables download as the CSV files they were made from.
let files = null; // unpacked at the first download
for (const button of document.querySelectorAll("button[data-csv]")) {
  button.addEventListener("click", async () => {
    const name = button.dataset.csv;
    files ??= await unpacked(JSON.parse($("csv").textContent));
    save(`${name}.csv`, new Blob([files[name]], { type: "text/csv" }));
  });
}

// Rows of long tables can be filtered by words that they hold.
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length <= 12) continue;
  const name = table.caption.querySelector("b").textContent.split(".")[0];
  const input = make("input", { type: "search", placeholder: "Filter rows" });
  input.setAttribute("aria-label", `Filter rows of ${name.toLowerCase()}`);
  const count = make("span", { className: "count" });
  count.setAttribute("role", "status");
  input.addEventListener("input", () => {
    const words = wordsOf(input.value);
    let shown = 0;
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ");
      row.hidden = !words.every((word) => word.test(text));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
  table.closest(".table").querySelector(".tools").prepend(input, count);
}
