"""Data made fit to be shown: no character of it moves a cursor, turns the direction of writing, or becomes markup."""

from __future__ import annotations

import re
from typing import Any

from etl.system.visible import visible

__all__ = ["capital", "changed_tables", "changes_sentence", "code", "escaped", "number", "plural", "seconds", "size", "visible"]

# An underscore inside a word and a hash inside a line are only themselves.
_MARKUP = re.compile(r"([\\`*\[\]<>|&~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^#)")


def escaped(text: object) -> str:
    """Returns a sentence for Markdown: punctuation is escaped, and an address does not become a link."""
    shown = visible(text)
    if shown.replace(" ", "").isalnum():
        return shown
    return _MARKUP.sub(r"\\\1", shown).replace("://", "\\://").replace("www.", "www\\.")


def code(text: object) -> str:
    """Returns a name or key as a Markdown code span that fits into a table cell: no markup, mention or link results from it."""
    shown = visible(text).replace("|", "\\|")
    if shown.isalnum():
        return f"`{shown}`"
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{pad}{shown or ' '}{pad}{fence}"


def changes_sentence(changes: dict[str, Any]) -> str:
    """Returns the total of the changes that the load will make in the new store, or that it is unknown."""
    if changes["tables"] is None:
        return f"What the load will change in the new store is not known: {changes['unknown']}"
    inserted, updated, removed = (sum(row[word] for row in changes["tables"]) for word in ("insert", "update", "remove"))
    return f"The load will insert {inserted:,} rows into the new store as the check found it, update {updated:,} and remove {removed:,}."


def changed_tables(changes: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    """Returns (table, rows to insert, to update, to remove) of the tables that the load will change."""
    rows = [(row["table"], row["insert"], row["update"], row["remove"]) for row in changes["tables"] or []]
    return [row for row in rows if any(row[1:])]


def number(value: int | None) -> str:
    """Returns the number with thousands separators; a dash for None."""
    return "–" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Returns a duration in seconds as `0.4 s`, `3 min 12 s` or `2 h 5 min`; a dash for None."""
    if value is None:
        return "–"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(value: int | None) -> str:
    """Returns a size in bytes as `12.4 MB`; a dash for None."""
    if value is None:
        return "–"
    amount = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:,.0f} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def capital(sentence: str) -> str:
    """Returns the sentence with a capital at its beginning."""
    return sentence[:1].upper() + sentence[1:]


def plural(count: int, word: str) -> str:
    """Returns `1 row`, `2 rows`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
