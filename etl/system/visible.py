"""Data made fit to be shown on a line: no character of it moves a cursor, turns the direction of writing, or ends the line."""

from __future__ import annotations

import re
import unicodedata

_SPOKEN = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# At a line's start, blanks and colours before it, GitHub takes `::word::` for a command, and `##[word]` anywhere.
_COMMAND = re.compile(r"^((?:[ \t]|\x1b\[[0-9;]*m)*):(?=:)", re.MULTILINE)
BREAK = "\n  "  # of our own making, between the parts of a list


def visible(text: object) -> str:
    """The text, each control, format, surrogate or separator character shown as an escape: `\\x1b`, `\\u202e`."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(_shown(character) for character in plain)


def lines(text: object) -> str:
    """The same of a text that may have breaks of our own, each behind it two blanks; all others are shown as escapes."""
    return BREAK.join(visible(part) for part in str(text).split(BREAK))


def listed(head: str, entries: list[str]) -> str:
    """A sentence and what it is about, each entry on a line of its own, none of which can have more than one."""
    return BREAK.join([head, *(visible(entry) for entry in entries)])


def harmless(written: str) -> str:
    """What goes out, none of its lines a command to the CI system that reads it."""
    return _COMMAND.sub(r"\1\\x3a", written).replace("##[", "#\\x23[")


def _shown(character: str) -> str:
    if character in _SPOKEN:
        return _SPOKEN[character]
    # Cf holds the bidi controls and the invisible characters, Zl and Zp break lines, Co and Cn have no agreed look.
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        number = ord(character)
        return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return character
