"use strict";
// The report is complete without this: it only adds a search field and sorting to the long lists.
const AT_ONCE = 100, LATER = 120; // rows, milliseconds
for (const block of document.querySelectorAll("[data-list]")) {
  const body = block.querySelector("tbody");
  const rows = Array.from(body.rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const search = block.querySelector(".search");
  const input = search.querySelector("input");
  const output = search.querySelector("output");
  const tell = (shown) => { output.textContent = shown.toLocaleString("en-US") + " of " + rows.length.toLocaleString("en-US") + " rows shown"; };
  // Rows that come back are laid out anew, which takes longer than anything else here: the first ones at once, the others while nobody waits.
  let waiting = 0;
  const show = (late) => {
    clearTimeout(waiting);
    for (const row of late.splice(0, AT_ONCE)) row.hidden = false;
    if (late.length) waiting = setTimeout(show, LATER, late);
  };
  const choose = (matches) => {
    const found = new Set(rows.filter(matches));
    const late = [];
    for (const row of body.rows) {
      if (!found.has(row)) row.hidden = true;
      else if (row.hidden) late.push(row);
    }
    show(late);
    tell(found.size);
  };
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    choose((_, place) => words.every((word) => texts[place].includes(word)));
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
      choose((row) => {
        const cells = Array.from(row.cells, (cell) => cell.textContent);
        return wanted.every((text) => cells.includes(text));
      });
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
