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
  const heading = block.querySelector("h3");
  for (const link of document.querySelectorAll("a[data-find]")) {
    if (link.getAttribute("href") !== "#" + heading.id) continue;
    link.addEventListener("click", () => {
      // Whole cells: A1 does not find A11. Several of them, with tabs between: each has to be there.
      const wanted = link.dataset.find.split("\t");
      input.value = wanted.join(" ");
      rows.forEach((row) => {
        const cells = Array.from(row.cells, (cell) => cell.textContent);
        row.hidden = !wanted.every((text) => cells.includes(text));
      });
      tell(rows.filter((row) => !row.hidden).length);
    });
  }
  const collator = new Intl.Collator("en", { numeric: true });
  block.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    // A button in a head that is repeated on the next printed page stays blank: paper shows the text beside it.
    const printed = document.createElement("span");
    printed.className = "printed";
    printed.setAttribute("aria-hidden", "true");
    printed.textContent = head.textContent;
    head.replaceChildren(button, printed);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      block.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = Array.from(body.rows, (row) => [row.cells[column].textContent, row]);
      // A separator of thousands would end the number: 999 before 52,771.
      const bare = (text) => text.replace(/(\d),(?=\d{3}(?!\d))/g, "$1");
      keyed.sort((one, other) => collator.compare(bare(one[0]), bare(other[0])) * (down ? -1 : 1));
      body.append(...keyed.map((pair) => pair[1]));
    });
  });
}
