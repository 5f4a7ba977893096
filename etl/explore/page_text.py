"""A page of the explorer as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Page = dict[str, Any]  # what a page shows, by name


def as_text(page: Page) -> str:
    """Returns the page as plain text, for a mail or a ticket."""
    lines = [str(page["title"]), "=" * len(str(page["title"]))]
    for name, value in page.items():
        if name in ("title", "sql", "rules", "reasons") or value in (None, [], {}, ""):
            continue
        lines += ["", name.replace("_", " ").upper(), *page_lines(value)]
    lines += ["", "SQL", *(f"{what}: {statement}" for what, statement in page.get("sql", ()))]
    return "\n".join(lines) + "\n"


def page_lines(value: Any) -> Iterable[str]:
    """Yields one line per entry of a list, per plain member of a dict, or for the value itself."""
    if isinstance(value, list | tuple):
        for entry in value:
            yield "- " + (
                ", ".join(f"{k}: {v}" for k, v in entry.items() if is_plain(v) and not str(k).endswith("_id"))
                if isinstance(entry, dict)
                else str(entry)
            )
    elif isinstance(value, dict):
        yield from (f"{k}: {v}" for k, v in value.items() if is_plain(v))
    else:
        yield str(value)


def is_plain(value: Any) -> bool:
    """Returns whether the value is a text or a number."""
    return value is not None and isinstance(value, str | int | float)
