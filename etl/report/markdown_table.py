"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table and an empty line; columns of numbers are right-aligned."""
    cells = [list(row) for row in rows]
    numeric = [bool(cells) and all(_is_number(row[position]) for row in cells) for position in range(len(head))]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---:' if right else '---' for right in numeric)}|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in cells), ""]


def _is_number(cell: str) -> bool:
    return cell in ("–", "") or cell.replace(",", "").replace(".", "").split(" ")[0].isdigit()
