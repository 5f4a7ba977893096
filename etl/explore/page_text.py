"""A rendered page as plain text: the words of the page and no others, so that what the page masks is masked here too."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_LEFT_OUT = frozenset({"head", "header", "footer", "script", "style"})
_BLOCKS = frozenset({"p", "pre", "dd", "li", "tr", "h1", "h2", "h3", "summary", "section", "table"})
_CELLS = frozenset({"th", "td"})
_APART = frozenset({"b", "span", "li", "dt"})  # words of neighbours that a page sets apart by their place
_TOOLS = "tools"  # the class of the links that act on the page


class _Text(HTMLParser):
    """Collects the lines of a page's content."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self._line: list[str] = []
        self._left_out: list[str] = []
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._left_out or tag in _LEFT_OUT or dict(attrs).get("class") in (_TOOLS, "skip"):
            if tag not in ("br", "input", "link", "meta"):
                self._left_out.append(tag)
            return
        if tag in _BLOCKS or tag == "dt":
            self._end_line()
        if tag in ("h1", "h2", "h3") and self.lines:
            self.lines.append("")
        if tag == "li":
            self._line.append("- ")
        elif tag in _CELLS:
            self._line.append(" | " if self._cells else "")
            self._cells += 1
        elif tag == "dd":
            self._line += [self.lines.pop() if self.lines else "", ": "]
        elif tag in _APART:
            self._line.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            if tag == self._left_out[-1]:
                self._left_out.pop()
            return
        if tag in _BLOCKS or tag == "dt":
            self._end_line()
        elif tag in _APART:
            self._line.append(" ")
        if tag in ("h1", "h2") and self.lines:
            self.lines.append(("=" if tag == "h1" else "-") * len(self.lines[-1]))

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self._line.append(data)

    def _end_line(self) -> None:
        text = re.sub(r"\s+", " ", "".join(self._line)).strip()
        if text and text != "-":
            self.lines.append(text)
        self._line, self._cells = [], 0


def as_text(page: str) -> str:
    """Returns the content of a rendered page as plain text, for a mail or a ticket: one line per row, cells separated by " | "."""
    reader = _Text()
    reader.feed(page)
    reader.close()
    return "\n".join(reader.lines) + "\n"
