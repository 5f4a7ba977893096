"""Data in a form that is safe to print on one line: no character moves a cursor, changes the writing direction, or ends the line."""

from __future__ import annotations

import re
import unicodedata

_SPOKEN = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# GitHub runs `::word::` as a command at a line's start, also after blanks and colours, and `##[word]` anywhere.
_COMMAND = re.compile(r"^((?:[ \t]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
BREAK = "\n  "  # this project's separator between the parts of a list


def visible(text: object) -> str:
    """Returns the text with each control, format, surrogate or separator character as an escape: `\x1b`, `\u202e`."""
    plain = str(text)
    if plain.isprintable():  # then no character has one of the categories below
        return plain
    return "".join(_shown(character) for character in plain)


def lines(text: object) -> str:
    """Returns the same for a text with line breaks of this project, each followed by two blanks; all others become escapes."""
    return BREAK.join(visible(part) for part in str(text).split(BREAK))


def listed(head: str, entries: list[str]) -> str:
    """Returns a sentence and its entries, each on one line."""
    return BREAK.join([head, *(visible(entry) for entry in entries)])


def harmless(written: str) -> str:
    """Returns output in which no line is a command to the CI system that reads it."""
    return _COMMAND.sub(r"\1\\x3a", written).replace("##[", "#\\x23[")


def _shown(character: str) -> str:
    if character in _SPOKEN:
        return _SPOKEN[character]
    # Cf has the bidi controls and the invisible characters, Zl and Zp break lines, Co and Cn have no defined appearance.
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        number = ord(character)
        return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return character
