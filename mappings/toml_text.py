"""TOML files that people write: decoded strictly, with the line of each word, so that an error can name it."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from typing import Any

Path = tuple[str | int, ...]
_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_NAME}(?:\s*\.\s*{_NAME})*"
_LIST = re.compile(rf"\s*\[\[\s*({_DOTTED})\s*\]\]")
_TABLE = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]")
_WORD = re.compile(rf"\s*({_DOTTED})\s*=(.*)")
_LINE = re.compile(r" \(line (\d+)\)$")
MOST_PARTS = 64  # of a dotted name
_SHOWN = 1_000  # characters of a line in which a frequent mistake is looked for
_QUOTES = re.compile(r'"""|' + r"'''")
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
# Frequent mistakes in TOML, with the correction: searched in the line that cannot be read.
_HINTS = (
    (re.compile(r"=\s*['\"]?\d{1,2}[./]\d{1,2}[./]\d{2,4}|=\s*\d{4}[-./]\d{1,2}[-./]\d{1,2}\b"), "write a date as 2023-09-15"),
    (re.compile(r"=\s*[\d.]+\s*%"), "write a share as a number from 0 to 1, such as 0.05"),
    (re.compile(r"=\s*\d+,\d"), "write a number without a comma, and decimals behind a point (0.05)"),
    (re.compile(r"=\s*[+-]?0\d"), "write a number without zeros in front of it"),
    (re.compile(r"=\s*\.\d"), "write a digit in front of the point (0.05)"),
    (re.compile(r"=\s*[+-]?\d+\.(?!\d)"), "write a digit behind the point, or no point"),
    (re.compile(r"=\s*(?:#.*)?$"), "write a value behind the equals sign, or take the line out"),
    (re.compile(r"=\s*[\u201c\u201d\u201e\u00ab\u2018\u2019]"), 'write straight quotes: "text"'),
    (re.compile(r"=\s*(?:True|TRUE|False|FALSE)\b"), "write true or false in small letters"),
    (re.compile(r"=\s*[^\W\d]"), "write a text in quotes"),
    (re.compile(r"""=\s*(?:"[^"]*|'[^']*)$"""), "end the text with the quote that it began with, on the same line"),
    (re.compile(r"^\s*\[\[?[^\]]*\]?\s*(?:#.*)?$"), "write the heading with as many brackets behind the word as before it: [[word]]"),
    (re.compile(r"^\s*[^=#\[]+:"), "write word = value, with an equals sign"),
    (re.compile(r"^[^=]*$"), "write word = value, or begin the line with # if it is a comment"),
)


class NotToml(Exception):
    """The text is not valid TOML; `line`: where (None: unknown); `problem`: what is wrong and the correction."""

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem

    def said(self, name: str) -> str:
        """Returns the sentence for a file with that name."""
        return f"{name}, line {self.line}: {self.problem}" if self.line else f"{name}: {self.problem}"


_PART = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*"|'[^'\n]*')[ \t]*+\.[ \t]*+"""
_DEEP = re.compile(rf"(?:{_PART}){{{MOST_PARTS}}}")


def loads(text: str, **options: Any) -> dict[str, Any]:
    """Returns what `tomllib.loads` returns; raises ValueError for a name of too many parts, and for a number that cannot be had.

    The parser needs time and memory by the square of a name's parts: a file of 100 KB took minutes and all memory.
    """
    deep = _DEEP.search(text)
    if deep:
        raise ValueError(f"a name has more than {MOST_PARTS} parts (line {text.count(chr(10), 0, deep.start()) + 1})")
    try:
        return tomllib.loads(text, **options)
    except ArithmeticError:  # an exponent that no decimal has
        raise ValueError("a number is out of every range") from None


def read_toml(content: bytes) -> tuple[dict[str, Any], str]:
    """Returns (the content, decimals as Decimal; the text); raises NotToml where it is not UTF-8, begins with a byte order mark, or is not TOML."""
    if content.startswith(b"\xef\xbb\xbf"):
        raise NotToml(1, "the file begins with a byte order mark; save it without one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].count(b"\n")
        raise NotToml(before + 1, "the file is not UTF-8; save it as UTF-8 without a byte order mark") from None
    if "\0" in text:
        raise NotToml(text[: text.index("\0")].count("\n") + 1, "the file contains the character U+0000; save it as UTF-8 text")
    try:
        return loads(text, parse_float=Decimal), text
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(str(error), text) from None
    except RecursionError:
        raise NotToml(None, "lists within lists are too deep; write tables as [[word]]") from None
    except ValueError as error:
        long = re.search(r"\d{4000}", text)
        if long is None:
            at_line = _LINE.search(str(error))
            raise NotToml(
                int(at_line[1]) if at_line else None, f"{_LINE.sub('', str(error))}; write tables as [[word]], and numbers with few digits"
            ) from None
        line = text[: long.start()].count("\n") + 1
        raise NotToml(line, "a whole number has thousands of digits; write at most 18") from None


def _not_toml(message: str, text: str) -> NotToml:
    at = _POSITION.search(message)
    lines = text.splitlines() or [""]
    number = min(int(at[1]), len(lines)) if at and at[1] else len(lines)
    said = _POSITION.sub("", message)
    line = lines[number - 1]
    # The parser continues on the next line where a value may be followed by nothing, or a text has not ended.
    if said.startswith("Unescaped"):
        hint = "write two backslashes for one, or the text in single quotes"
    elif said.startswith("Unterminated"):
        hint = "end the text with the quotes that it began with"
    elif said.startswith(("Cannot overwrite", "Cannot declare")):
        hint = "the word or heading occurs twice; keep one of them, or write each entry of a list as [[word]]"
    else:
        hint = next(
            (hint for form, hint in _HINTS if len(line) <= _SHOWN and form.search(line)),
            "write word = value, and nothing behind it on the line",
        )
    return NotToml(number, f"is not TOML: {said}; {hint}")


class WordLines:
    """The lines of a TOML text with its tables and words, without those inside multi-line texts."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        counted: dict[str, int] = {}
        table: Path = ()
        inside = ""
        for number, line in enumerate(text.splitlines(), start=1):
            rest = line
            if inside:
                pass
            elif found := _LIST.match(line):
                name = ".".join(_names(found[1]))
                table = (*_names(found[1]), counted.setdefault(name, 0))
                counted[name] += 1
                self._note(table, number)
            elif found := _TABLE.match(line):
                table = _names(found[1])
                self._note(table, number)
            elif found := _WORD.match(line):
                self._note((*table, *_names(found[1])), number)
                rest = found[2]
            elif line.lstrip().startswith("#"):
                rest = ""
            for quote in _QUOTES.findall(rest):
                inside = "" if inside == quote else inside or quote

    def _note(self, path: Path, number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    def line(self, *path: str | int) -> int | None:
        """Returns the line of the word or table; where it has none, the line of the enclosing table."""
        return next((self._lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self._lines), None)


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip("\"'") for name in re.findall(_NAME, dotted))


def shown_value(value: Any) -> str:
    """Returns a found value for a message: numbers, words and dates unchanged and short; for the rest its type."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 40 else value[:40] + "...")
        case dict():
            return "a table"
        case list():
            return "a list"
    return str(value)[:40]
