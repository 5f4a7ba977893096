"""What a new store has besides the contract's tables and views: what changes what is loaded, or opens it to everybody, stands in the way; the rest is named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.errors import Refused

_PIECES = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`)|(?P<word>[^\W\d]\w*)|(?P<sign>\d+|.)""",
    re.DOTALL,
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Conditions:
    """Sentences. `refused`: what has to go before anything is loaded (fine print 62, 70); `named`: what is there and no obstacle."""

    refused: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def refuse_conditions(conditions: Conditions) -> list[str]:
    """Refuses a store that has what changes what is loaded, or opens it to everybody (exit 7); what is there and no obstacle comes back."""
    if conditions.refused:
        raise Refused(
            "The target has objects outside the contract that would change or expose the loaded rows:\n  "
            + "\n  ".join(conditions.refused),
            "Remove them, or create them after the migration; then run again. Nothing was changed.",
        )
    return conditions.named


def refuse_altered(tables: list[str]) -> None:
    """Refuses to publish where what these tables hold is not what was staged for them (exit 7)."""
    if tables:
        raise Refused(
            f"The stored rows differ from the staged rows: {', '.join(dict.fromkeys(tables))}. Nothing was published.",
            "The store alters rows while they are inserted (a trigger, a rule, another session): remove the cause, then run the same command again.",
        )


def tokens(sql: str) -> list[str]:
    """The statement's tokens in the one form in which two of the same meaning agree: no comments, plain names in small letters, texts as they are."""
    found = []
    for chunk in _PIECES.finditer(sql):
        match chunk.lastgroup:
            case "gap":
                continue
            case "name":
                inner = chunk[0][1:-1].replace('""', '"')
                found.append(inner if _PLAIN.fullmatch(inner) else f'"{inner}"')
            case "word":
                found.append(chunk[0].lower())
            case _:
                found.append(chunk[0])
    while found and found[-1] == ";":
        found.pop()
    return found


def query_of(sql: str, schema: str = "") -> list[str]:
    """The tokens of a view's query: what stands behind the AS of its CREATE VIEW; all of them where it is the query alone.

    Without the AS before an alias, and without the name of the view's own schema before a dot: a server writes them or not.
    """
    every = tokens(sql)
    query = every[every.index("as") + 1 :] if every[:1] == ["create"] and "as" in every else every
    query = [word for word in query if word != "as"]
    dotted = {at for at, word in enumerate(query[:-1]) if word == schema and query[at + 1] == "."}
    return [word for at, word in enumerate(query) if at not in dotted and at - 1 not in dotted]


def listed(words: Iterable[str], most: int = 8) -> str:
    """The words, some of them where they are many."""
    every = list(words)
    return ", ".join(every[:most]) + (f" and {len(every) - most:,} more" if len(every) > most else "")
