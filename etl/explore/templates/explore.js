"use strict";
// Everything works without this: it searches while one types, and copies a page's text.
const input = document.getElementById("q");
const hits = document.getElementById("hits");
if (hits && input) {
  let latest = 0, waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const mine = ++latest;
      const answer = await fetch("/search?q=" + encodeURIComponent(input.value));
      const text = await answer.text();
      if (mine === latest && answer.ok) {
        hits.innerHTML = text;
        history.replaceState(null, "", input.value ? "/?q=" + encodeURIComponent(input.value) : "/");
      }
    }, 60);
  });
  input.focus();
}
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== input && input) { event.preventDefault(); input.focus(); }
});
for (const link of document.querySelectorAll("[data-copy]")) {
  link.addEventListener("click", async (event) => {
    if (!navigator.clipboard) { return; }
    event.preventDefault();
    const answer = await fetch(link.href);
    await navigator.clipboard.writeText(await answer.text());
    link.textContent = "Copied";
  });
}
