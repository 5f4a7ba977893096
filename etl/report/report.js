"use strict";
// The report is complete without this: it only adds a search field and sorting to the long lists.
for (const block of document.querySelectorAll("[data-list]")) {
  const body = block.querySelector("tbody");
  const rows = Array.from(body.rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = block.querySelector(".search");
  const input = search.querySelector("input");
  const output = search.querySelector("output");
  const tell = (shown) => { output.textContent = shown.toLocaleString("en-US") + " of " + rows.length.toLocaleString("en-US") + " rows shown"; };
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    tell(shown);
  };
  search.hidden = false;
  input.addEventListener("input", filter);
  tell(rows.length);
  const collator = new Intl.Collator("en", { numeric: true });
  block.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      block.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = Array.from(body.rows, (row) => [row.cells[column].textContent, row]);
      keyed.sort((one, other) => collator.compare(one[0], other[0]) * (down ? -1 : 1));
      body.append(...keyed.map((pair) => pair[1]));
    });
  });
}
