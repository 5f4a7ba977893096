"""What is typed, answered out of the index: companies, accounts, persons, identifiers, documents, held rows."""

from __future__ import annotations

import re
import unicodedata
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


def words_of(typed: str) -> tuple[str, ...]:
    """Returns the words of the input without accents; words of one letter are left out if there are others, for they match too much."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", typed[:LONGEST].casefold()) if not unicodedata.combining(letter))
    found = tuple(word for part in _WORD.findall(plain) for word in part.split("_") if word)
    return tuple(word for word in found if len(word) > 1) or found


def _needed(words: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the words without those that begin another one: what has a word that begins with `harb` has one that begins with `ha`."""
    once = tuple(dict.fromkeys(words))
    return tuple(word for word in once if not any(other != word and other.startswith(word) for other in once))


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
