"""Errors of an adapter, or between it and an old portal: collected, so that one answer contains all of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from etl.errors import MigrationError
from etl.system.visible import listed

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {'"': '\\"', "\\": "\\\\"}


@dataclass(frozen=True)
class Problem:
    """One error: the file, the dotted place in it, what was found and what was expected; `line`: the suggested line of the adapter."""

    file: str
    location: str
    found: str
    expected: str
    line: str = ""
    rank: int = 1  # 0: of a file; 1: of names and kinds; 2: of the rows

    def __str__(self) -> str:
        where = f"{self.file}: {self.location}" if self.location else self.file
        line = f" (suggested line: {self.line})" if self.line else ""
        return f"{where}: found {self.found}, expected {self.expected}{line}"


class AdapterWrong(MigrationError):
    """The adapter cannot present this old portal; `problems` has every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda one: one.rank)
        super().__init__(
            listed(f"The adapter does not match the old portal in {len(problems):,} places:", [str(one) for one in self.problems]),
            "Correct the adapter's files, then run `portal-migrate plan` again. No data was migrated.",
        )


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns a hint for a sentence: the most similar existing name; empty where none is similar."""
    found = nearest_name(name, names)
    return f" (nearest: {printable(found)})" if found else ""


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Returns the most similar existing name; empty where none is similar."""
    by_fold = {other.casefold(): other for other in names}
    found = difflib.get_close_matches(name.casefold(), by_fold, 1, 0.6)
    return by_fold[found[0]] if found else ""


def toml_key(name: str) -> str:
    """Returns a name as a key of a TOML line, complete, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else toml_text(name)


def toml_text(name: str) -> str:
    """Returns a name as a TOML text, complete: what is not printable becomes TOML's own escapes."""
    return '"' + "".join(_ESCAPED.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in name) + '"'


def _escape(number: int) -> str:
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"


def printable(name: str) -> str:
    """Returns a name from outside in printable form: control characters as escapes, at most one line long."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
    return text if len(text) <= 80 else f"{text[:77]}..."
