"""What is typed, answered out of the index: companies, accounts, persons, identifiers, documents, held rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

SHOWN = 40
LONGEST = 200  # characters of what is typed
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """One place that was found: its kind and what names it there."""

    kind: str
    ref: str
    profile: str | None


@dataclass(frozen=True)
class Match:
    """`words`: what was searched for, as the index has words; `more`: whether there are more hits than are shown."""

    words: tuple[str, ...]
    hits: tuple[Hit, ...]
    more: bool


def folded_words(text: str) -> list[str]:
    """Returns the words of a text without case, accents and compatibility forms; the index and what is typed are folded alike."""
    plain = text.lower() if text.isascii() else _folded(text)
    return [word for part in _WORD.findall(plain) for word in part.split("_") if word]


def _folded(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(letter))


def words_of(typed: str) -> tuple[str, ...]:
    """Returns the words of the input; words of one letter are left out if there are others, for they match too much."""
    found = tuple(folded_words(typed[:LONGEST]))
    return tuple(word for word in found if len(word) > 1) or found


def _needed(words: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the words without those that begin another one: what has a word that begins with `harb` has one that begins with `ha`."""
    once = tuple(dict.fromkeys(words))
    return tuple(word for word in once if not any(other != word and other.startswith(word) for other in once))


def named_row(typed: str, tables: Iterable[tuple[str, str]]) -> Hit | None:
    """Returns the row whose table and key were typed (`profile_response 17`, `P2 profile_response 17`); None where the first word names no old table."""
    words = typed[:LONGEST].replace(".", " ", 1).split()
    portal = words.pop(0).upper() if words and words[0].upper() in ("P2", "TC") else None
    if len(words) < 2:
        return None
    found = next(((p, t) for p, t in tables if t == words[0].lower() and portal in (None, p)), None)
    return None if found is None else Hit("row", f"{found[0]}:{found[1]}:{' '.join(words[1:])}", None)


def search(connection: sa.Connection, typed: str) -> Match:
    """Returns at most SHOWN hits that have, for each word typed, a word that begins with it; companies first."""
    words = words_of(typed)
    if not words:
        return Match((), (), False)
    asked = " ".join(f'"{word}"*' for word in _needed(words))
    statement = sa.text("SELECT kind, ref, profile FROM search WHERE search MATCH :asked ORDER BY rowid LIMIT :most")
    rows = connection.execute(statement, {"asked": asked, "most": SHOWN + 1}).all()
    hits = tuple(Hit(str(kind), str(ref), None if profile is None else str(profile)) for kind, ref, profile in rows)
    return Match(words, hits[:SHOWN], len(hits) > SHOWN)
