"""The tokens of a schema file: names, numbers, texts and signs, without comments."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*(?:(?!/\*|\*/).)*\*/)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<quoted>"[A-Za-z_][A-Za-z0-9_]*")
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<text>'(?:[^'\\\x00-\x08\x0b-\x1f\x7f]|'')*')
    |(?P<sign><>|<=|>=|!=|\|\||[-+*/=<>(),;.])""",
    re.VERBOSE | re.DOTALL,
)


class DdlError(Exception):
    """The text of a schema file has an unknown form; `location`: the table and column, where known."""

    def __init__(self, line: int, found: str, expected: str, location: str = "statements") -> None:
        super().__init__(f"syntax error in line {line}: {found}")
        self.line, self.found, self.expected, self.location = line, found, expected, location


@dataclass(frozen=True)
class Token:
    """A token of a schema file with its line, from 1."""

    kind: str
    text: str
    line: int

    @property
    def word(self) -> str:
        """Returns the token for comparison: names in capitals, signs unchanged; empty for numbers and texts."""
        return self.text.upper() if self.kind == "name" else self.text if self.kind == "sign" else ""


def tokens(text: str) -> list[Token]:
    """Returns the tokens without blanks and comments; raises DdlError at an unknown character."""
    found, position, line = [], 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise DdlError(line, ascii(text[position]), "a name, a number, a text in quotes or a sign")
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
        position = match.end()
    found.append(Token("end", "", line))
    return found
