"""What a new store has besides the contract's tables and views: objects that alter loaded rows or open them to every role are refused, the rest reported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from etl.databases.source_conditions import Foreseen
from etl.errors import Refused

_PIECES = re.compile(
    r"""(?P<gap>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|\[[^\]]*\]|`[^`]*`)|(?P<word>[^\W\d]\w*)|(?P<sign>\d+|.)""",
    re.DOTALL,
)
REJECTED = (
    "The new store has a constraint or an index that is not the contract's, or no partition for a row (`plan` names it): drop it, or create it after the"
    " migration; then run the same command again."
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Conditions:
    """Sentences about a store. `refused`: remove these before a load (fine print 62, 70); `named`: reported only."""

    refused: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    foreseen: Foreseen = field(default_factory=Foreseen)  # settings of the server, locks, orphaned sessions


def refuse_conditions(conditions: Conditions) -> list[str]:
    """Returns the sentences that do not prevent a load; raises Refused (exit 7) where an object alters loaded rows or opens them to every role."""
    if conditions.refused:
        raise Refused(
            "The target has objects outside the contract that would change or expose the loaded rows:\n  "
            + "\n  ".join(conditions.refused),
            "Remove them, or create them after the migration; then run again. Nothing was changed.",
        )
    return conditions.named


def refuse_stopped(sentences: list[str]) -> None:
    """Raises Refused (exit 7) for a run that could not finish, before anything is read or written."""
    if sentences:
        raise Refused(
            "A run would not come to its end:\n  " + "\n  ".join(sentences),
            "End or change what is named, then run the same command again. Nothing was read or written.",
        )


def refuse_altered(tables: list[str]) -> None:
    """Raises Refused (exit 7) where rows in the staging tables are not the rows that were staged."""
    if tables:
        raise Refused(
            f"The stored rows differ from the staged rows: {', '.join(dict.fromkeys(tables))}. Nothing was published.",
            "The store alters rows while they are inserted (a trigger, a rule, another session): remove the cause, then run the same command again.",
        )


def tokens(sql: str) -> list[str]:
    """Returns the statement's tokens, normalized: no comments, unquoted names in lower case, string literals unchanged."""
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
    """Returns the tokens of a view's query: those after AS in CREATE VIEW, or all where the text is the query alone.

    Omits AS before an alias, and the view's schema name before a dot: servers write them or not.
    """
    every = tokens(sql)
    query = every[every.index("as") + 1 :] if every[:1] == ["create"] and "as" in every else every
    query = [word for word in query if word != "as"]
    dotted = {at for at, word in enumerate(query[:-1]) if word == schema and query[at + 1] == "."}
    return [word for at, word in enumerate(query) if at not in dotted and at - 1 not in dotted]


def listed(words: Iterable[str], most: int = 8) -> str:
    """Returns the first `most` words as a list in prose, with the number of the others."""
    every = list(words)
    return ", ".join(every[:most]) + (f" and {len(every) - most:,} more" if len(every) > most else "")
