"use strict";
// Heads of tables become buttons that sort by their column; without script the tables are as they were written.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  if (body.rows.length < 3) continue;
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = Array.from(body.rows).sort((a, b) => compare(a.cells[place], b.cells[place], up ? 1 : -1));
      body.append(...rows);
    });
  });
}

// By number where there is one, else by text; cells without a number come last, whichever way the others go.
function compare(a, b, sign) {
  const [x, y] = [a, b].map((cell) => parseFloat(cell.dataset.key));
  const lacking = Number.isNaN(x) - Number.isNaN(y);
  if (lacking !== 0) return lacking;
  return sign * (Number.isNaN(x) ? a.textContent.localeCompare(b.textContent) : x - y);
}

// On paper nothing can be unfolded, so what is folded is unfolded first, where it is not too long to read.
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = Array.from(document.querySelectorAll("details:not([open])")).filter((d) => d.querySelectorAll("tr").length < 120);
  unfolded.forEach((d) => (d.open = true));
});
addEventListener("afterprint", () => unfolded.forEach((d) => (d.open = false)));

// A table or a figure that is wider than the page says that it goes on.
const watch = new ResizeObserver((boxes) => boxes.forEach(({ target }) => {
  target.classList.toggle("scrolls", target.scrollWidth > target.clientWidth + 1);
}));
document.querySelectorAll(".wide").forEach((box) => watch.observe(box));
