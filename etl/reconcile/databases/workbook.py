"""The displayed text of a workbook's cells, read from the sheets' XML: numbers as their formats write them, and cells whose text is uncertain."""

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

KNOWN = {0: "General", 1: "0", 2: "0.00", 49: "@"}  # built-in formats of numbers; of days and times: 14 to 22, 45, 47
DAYS = frozenset((14, 15, 16, 17, 22))
CLOCKS = frozenset((18, 19, 20, 21, 45, 47))
DIGITS = 15
ROOM = 1 << 25  # cells that a sheet may span, most of them empty: the library that reads it makes room for all


class Doubtful(ValueError):
    """A cell whose text would be invented; the message names it, never its value."""


def numbers(path: Path) -> dict[str, dict[tuple[int, int], str]]:
    """Returns by sheet and place (row and column from 0) the text of every number that is not a date or time; raises Doubtful if a text is uncertain."""
    with zipfile.ZipFile(path) as parts:
        book = Xml.fromstring(parts.read("xl/workbook.xml"))  # noqa: S314  # expat bounds what entities may grow to
        shift = 1462 if any(_is(node, "workbookPr") and node.get("date1904") in ("1", "true") for node in book.iter()) else 0
        styles = _styles(parts)
        where = {}
        for relation in Xml.fromstring(parts.read("xl/_rels/workbook.xml.rels")):  # noqa: S314  # as above
            target = relation.get("Target") or ""
            where[relation.get("Id")] = target[1:] if target[:1] == "/" else posixpath.normpath(f"xl/{target}")
        found: dict[str, dict[tuple[int, int], str]] = {}
        for sheet in (node for node in book.iter() if _is(node, "sheet")):
            link = [value for key, value in sheet.attrib.items() if key.rsplit("}", 1)[-1] == "id"]
            name = sheet.get("name") or ""
            found[name] = dict(_sheet(parts, where[link[0]], styles, shift)) if link and link[0] in where else {}
        return found


def _is(node: Xml.Element, name: str) -> bool:
    return isinstance(node.tag, str) and node.tag.rsplit("}", 1)[-1] == name


def _styles(parts: zipfile.ZipFile) -> list[str]:
    """Returns by style its format: `day`, `clock`, `?` (uncertain), or the code of a number."""
    if "xl/styles.xml" not in parts.namelist():
        return []
    root = Xml.fromstring(parts.read("xl/styles.xml"))  # noqa: S314  # as above
    own = {int(node.get("numFmtId") or 0): node.get("formatCode") or "" for node in root.iter() if _is(node, "numFmt")}
    cells = [node for node in root if _is(node, "cellXfs")]
    found = []
    for node in cells[0] if cells else ():
        number = int(node.get("numFmtId") or 0)
        if number in own:
            found.append(_kind(own[number]))
        else:
            found.append("day" if number in DAYS else "clock" if number in CLOCKS else KNOWN.get(number, "?"))
    return found


def _kind(code: str) -> str:
    """Returns the kind of a number format: quoted and escaped characters and brackets do not count, sections are separated by semicolons."""
    if code.casefold() in ("general", "@", "0", ""):
        return "General"
    whole, dot, decimals = code.partition(".")
    if whole == "0" and dot and 1 <= len(decimals) <= DIGITS and set(decimals) == {"0"}:
        return code
    if not dot and 2 <= len(code) <= DIGITS and set(code) == {"0"}:
        return code
    bare, at = "", 0
    while at < len(code):
        sign = code[at]
        if sign == '"':
            end = code.find('"', at + 1)
            if end < 0:
                return "?"
            at = end + 1
        elif sign in "\\_*":
            at += 2
        elif code.startswith("[$", at) and "]" in code[at:]:
            at = code.index("]", at) + 1
        else:
            bare, at = bare + sign.casefold(), at + 1
    first, *rest = bare.split(";")
    runs = _runs(first)
    if any(other.strip() != "@" for other in rest) or runs is None:
        return "?"
    if any(run[0] in "yd" or run[:3] == "mmm" for run in runs):
        return "day"
    return "clock" if any(run[0] in "hs" for run in runs) else "day" if runs else "?"


def _runs(text: str) -> list[str] | None:
    """Returns the runs of equal letters in a date or time format; None if it has another character or a run is too long."""
    for marker in ("am/pm", "a/p"):
        text = text.replace(marker, " ")
    most, found, at = {"y": 4, "m": 5, "d": 4, "h": 2, "s": 2}, [], 0
    while at < len(text):
        sign = text[at]
        run = len(text[at:]) - len(text[at:].lstrip(sign))
        if sign in most:
            while run:
                found.append(sign * min(run, most[sign]))
                run -= min(run, most[sign])
            run = len(text[at:]) - len(text[at:].lstrip(sign))
            after = text[at + run :]
            zeros = len(after[1:]) - len(after[1:].lstrip("0")) if sign == "s" and after[:1] == "." else 0
            if zeros > 3:
                return None
            at += run + (1 + zeros if zeros else 0)
        elif sign in "-/:., ":
            at += 1
        else:
            return None
    return found


def _sheet(parts: zipfile.ZipFile, part: str, styles: list[str], shift: int) -> Iterator[tuple[tuple[int, int], str]]:
    line = column = widest = -1
    filled = 0
    with parts.open(part) as stream:
        for moment, node in Xml.iterparse(stream, events=("start", "end")):  # noqa: S314  # as above
            if moment == "start" and _is(node, "row"):
                line = int(node.get("r") or line + 2) - 1
                column = -1
            elif moment == "end" and _is(node, "c"):
                letters = (node.get("r") or "").rstrip("0123456789")
                column = _column_number(letters) if letters else column + 1
                if len(node):
                    widest, filled = max(widest, column), filled + 1
                    if (line + 1) * (widest + 1) > max(ROOM, 4 * filled):
                        raise Doubtful(f"cell {node.get('r') or '?'} lies far from all others")
                text = _text(node, styles, shift)
                if text is not None:
                    yield (line, column), text
            elif moment == "end" and _is(node, "row"):
                node.clear()


def _column_number(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter) + 1
    return column - 1


def _text(node: Xml.Element, styles: list[str], shift: int) -> str | None:
    """Returns the text of a number; None for cells that are not numbers, or are dates or times."""
    kind, name = node.get("t") or "n", f"cell {node.get('r') or '?'}"
    values: list[Any] = [child.text or "" for child in node if _is(child, "v")]
    if kind not in ("n", "s", "str", "inlineStr", "b"):
        raise Doubtful(f"{name} holds an error such as #N/A, or a kind of value that is not known")
    if not values and kind != "inlineStr" and any(_is(child, "f") for child in node):
        raise Doubtful(f"{name} holds a formula without its result")
    if kind != "n" or not values or not values[0]:
        return None
    style = int(node.get("s") or 0)
    form, number = styles[style] if style < len(styles) else "General", float(values[0])
    if form in ("day", "clock"):
        if not (form == "clock" and 0 <= number < 1) and not (0 if shift else 61) <= number < 2_958_466 - shift:
            raise Doubtful(f"{name} holds a day that is not one of its calendar")
        return None
    text = _digits(number, form)
    if text is None:
        raise Doubtful(f"{name} holds a number that its format shows otherwise")
    return text


def _digits(number: float, form: str) -> str | None:
    """Returns the number as the format writes it; only for a format that shows the whole number."""
    mantissa, _, power = f"{abs(number):.{DIGITS - 1}e}".partition("e")
    figures, exponent = mantissa.replace(".", "").rstrip("0") or "0", int(power)
    if form == "?" or exponent >= DIGITS or (figures != "0" and exponent - len(figures) + 1 < 0 and exponent < -9):
        return None
    sign = "-" if number < 0 and figures != "0" else ""
    whole = figures[: exponent + 1].ljust(exponent + 1, "0") if exponent >= 0 else "0"
    part = figures[max(0, exponent + 1) :].rjust(len(figures) - exponent - 1, "0") if exponent < 0 else figures[exponent + 1 :]
    part = part if figures != "0" else ""
    if form in ("General", "0", "@"):
        return f"{sign}{whole}{'.' + part if part else ''}"
    if "." in form:
        decimals = len(form) - 2
        return f"{sign}{whole}.{part.ljust(decimals, '0')}" if len(part) <= decimals else None
    return None if part else f"{sign}{whole.rjust(len(form), '0')}"
