"""Cells of a workbook as their sheets show them: the text of each number, and the cells whose displayed text cannot be read.

A number is read where its plain digits, or the digits in its format, are the whole value; a date where its format is a date. Numbers in any other
format (percent, thousands, fractions, exponents, literal words, elapsed time, other calendars) are refused: their text would be a guess.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from posixpath import join, normpath
from xml.etree import ElementTree

PLAIN, DATE, TIME = "plain", "date", "time"
_MOST = 15  # digits of a number that a workbook stores
_DAYS = (61, 2_958_466)  # from 1900-03-01 (before it the calendar of workbooks has one day too many) to the year 9999
# Built-in formats with a number and without a code. The text of the others depends on the reader's locale.
_BUILT_IN = {"0": "General", "1": "0", "2": "0.00", "49": "@", "45": "mm:ss", "47": "mm:ss.0", "20": "h:mm", "21": "h:mm:ss"}
_BUILT_IN |= {"18": "h:mm AM/PM", "19": "h:mm:ss AM/PM", "22": "m/d/yy h:mm", **dict.fromkeys(("14", "15", "16", "17"), "d/m/yy")}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[\$[^\]]*\]')
_OF_DAYS = re.compile(r"(?:y{1,4}|m{1,5}|d{1,4}|h{1,2}|s{1,2}(?:\.0{1,3})?|am/pm|a/p|[-/:., ])+")
_AREA = 1 << 25  # cells between the first and the last of a sheet: a reader of workbooks makes room for each
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def form_of(code: str) -> str | None:
    """Returns PLAIN, DATE or TIME (of a day), the format itself for `0.00` and `000`, or None for a format that shows a number otherwise."""
    if code.lower() in ("general", "@", "0", ""):
        return PLAIN
    if re.fullmatch(r"0\.0{1,15}|0{2,15}", code):
        return code
    first, *others = _LITERAL.sub("", code).lower().split(";")
    if all(other.strip() == "@" for other in others) and _OF_DAYS.fullmatch(first) and re.search("[ymdhs]", first):
        return TIME if not re.search("[yd]|m{3}", first) and re.search("[hs]", first) else DATE
    return None


def shown_number(value: float, form: str) -> str | None:
    """Returns the digits of a number that is not a date; None where not all of them are shown, or a workbook does not store them all."""
    exact = Decimal(f"{value:.{_MOST}g}")
    whole = exact == exact.to_integral_value()
    if len(exact.as_tuple().digits) + max(0, int(exact.as_tuple().exponent)) > _MOST or (not whole and abs(value) < 1e-9):
        return None
    if form == PLAIN:
        return str(int(exact)) if whole else format(exact.normalize(), "f")
    decimals = len(form.partition(".")[2])
    if exact != round(exact, decimals):
        return None
    return f"{int(exact):0{len(form) + (exact < 0)}d}" if decimals == 0 else f"{exact:.{decimals}f}"


@dataclass(frozen=True)
class Cell:
    """A cell. `kind`: its type in the sheet (n, s, str, inlineStr, b, e, d); `value`: its text; `form`: from `form_of`; `code`: the format's code."""

    row: int
    column: int
    kind: str
    value: str | None
    form: str | None
    code: str
    formula: bool

    @property
    def name(self) -> str:
        letters, number = "", self.column
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(65 + rest) + letters
        return f"{letters}{self.row}"

    def wrong(self, epoch_1904: bool) -> str | None:
        """Returns a phrase for what the cell shows where a reader of workbooks would give another value; None where both agree."""
        if self.kind == "e":
            return self.value or "an error"
        if self.kind == "d" or self.kind not in ("n", "s", "str", "inlineStr", "b"):
            return f"a value of kind {self.kind}"
        if self.formula and self.value is None and self.kind != "inlineStr":
            return "the result of a formula that is not stored in the file"
        if self.kind != "n" or self.value is None:
            return None
        return self._wrong_number(epoch_1904)

    def _wrong_number(self, epoch_1904: bool) -> str | None:
        shown = f"a number in the form {self.code}"
        try:
            number = float(self.value or "")
        except ValueError:
            return "a value that is not a number"
        if self.form is None:
            return shown
        if self.form in (DATE, TIME):
            first, last = (0, _DAYS[1] - 1462) if epoch_1904 else _DAYS
            clock = self.form == TIME and 0 <= number < 1
            return None if clock or first <= number < last else f"{shown} that is not a day of its calendar"
        return shown if shown_number(number, self.form) is None else None


class Workbook:
    """The parts of a workbook's file; raises BadZipFile, KeyError or ParseError where the file is not a workbook."""

    def __init__(self, file: Path) -> None:
        self._zip = zipfile.ZipFile(file)
        self._book = _tree(self._zip, "xl/workbook.xml")

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @cached_property
    def sheets(self) -> dict[str, str]:
        """Returns, by sheet name, the path of the file's part that has its cells."""
        parts = {}
        for one in _tree(self._zip, "xl/_rels/workbook.xml.rels"):
            target = one.get("Target", "")
            parts[one.get("Id", "")] = target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))
        found = {}
        for one in self._book.iter():
            if _local(one.tag) == "sheet":
                link = next((value for name, value in one.attrib.items() if _local(name) == "id"), "")
                found[one.get("name", "")] = parts.get(link, "")
        return found

    @cached_property
    def hidden(self) -> list[str]:
        """Returns the names of the sheets that are not shown."""
        return [one.get("name", "") for one in self._book.iter() if _local(one.tag) == "sheet" and one.get("state", "visible") != "visible"]

    @cached_property
    def epoch_1904(self) -> bool:
        """Returns whether day numbers count from 1904."""
        return any(_local(one.tag) == "workbookPr" and one.get("date1904", "0") in ("1", "true") for one in self._book.iter())

    @cached_property
    def _forms(self) -> list[tuple[str | None, str]]:
        """Returns, by style number, form (as `form_of`) and format code."""
        if "xl/styles.xml" not in self._zip.namelist():
            return []
        styles = _tree(self._zip, "xl/styles.xml")
        codes = {one.get("numFmtId", ""): one.get("formatCode", "") for one in styles.iter() if _local(one.tag) == "numFmt"}
        used = next((one for one in styles if _local(one.tag) == "cellXfs"), ())
        numbers = [one.get("numFmtId", "0") for one in used]
        known = [codes.get(number, _BUILT_IN.get(number)) for number in numbers]
        return [(None, f"number {number}") if code is None else (form_of(code), code) for number, code in zip(numbers, known, strict=True)]

    def cells(self, part: str) -> Iterator[Cell]:
        """Yields the cells of that part, in file order."""
        row = column = 0
        with self._zip.open(part) as sheet:
            for event, one in ElementTree.iterparse(sheet, ("start", "end")):  # noqa: S314  # expat refuses entities that grow; the file is the old portal's export
                tag = _local(one.tag)
                if event == "start" and tag == "row":
                    row, column = int(one.get("r", row + 1)), 0
                elif event == "end" and tag == "c":
                    known = _REFERENCE.fullmatch(one.get("r", ""))
                    column = _number(known[1]) if known else column + 1
                    yield self._cell(one, row, column)
                elif event == "end" and tag == "row":
                    one.clear()

    def merged(self, part: str) -> Iterator[str]:
        """Yields the ranges of merged cells of that part."""
        with self._zip.open(part) as sheet:
            for _, one in ElementTree.iterparse(sheet):  # noqa: S314  # as above
                tag = _local(one.tag)
                if tag == "mergeCell":
                    yield one.get("ref", "")
                elif tag == "row":
                    one.clear()

    def _cell(self, one: ElementTree.Element, row: int, column: int) -> Cell:
        children = {_local(child.tag): child for child in one}
        style = int(one.get("s", 0))
        form, code = self._forms[style] if style < len(self._forms) else (PLAIN, "General")
        value = children["v"].text or "" if "v" in children else None
        return Cell(row, column, one.get("t", "n"), value, form, code, "f" in children)


def unreadable_cells(file: Path) -> Iterator[tuple[str, str]]:
    """Yields (sheet and cell, phrase for what it shows) of every cell whose displayed text a reader would not give, sheet by sheet."""
    with Workbook(file) as book:
        for sheet, part in book.sheets.items():
            filled, last_row, last_column, far = 0, 0, 0, ""
            for cell in book.cells(part) if part else ():
                if (shown := cell.wrong(book.epoch_1904)) is not None:
                    yield f"{cell.name} of sheet {sheet}", shown
                if cell.value is not None or cell.kind == "inlineStr":
                    filled += 1
                    if cell.row > last_row or cell.column > last_column:
                        far = cell.name
                    last_row, last_column = max(last_row, cell.row), max(last_column, cell.column)
            if last_row * last_column > max(_AREA, 4 * filled):
                yield f"{far} of sheet {sheet}", "a value far from all others"


def hidden_sheets(file: Path) -> list[str]:
    """Returns the names of the workbook's sheets that are not shown; they are read as all others."""
    with Workbook(file) as book:
        return book.hidden


def merged_cells(file: Path) -> Iterator[str]:
    """Yields (range and sheet) of all cells that are merged: those besides the first are empty, whatever the sheet shows."""
    with Workbook(file) as book:
        for sheet, part in book.sheets.items():
            for cells in book.merged(part) if part else ():
                yield f"{cells} of sheet {sheet}"


def written_numbers(file: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Returns, by row and column from 1, the text of every number that is not a date, in its format."""
    with Workbook(file) as book:
        return {
            (cell.row, cell.column): text
            for cell in book.cells(book.sheets[sheet])
            if cell.kind == "n" and cell.value and cell.form not in (None, DATE, TIME)
            if (text := shown_number(float(cell.value), str(cell.form))) is not None
        }


def _tree(file: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(file.read(part))  # noqa: S314  # as above


def _local(tag: object) -> str:
    """Returns the tag's name without its namespace: workbooks use two."""
    return str(tag).rpartition("}")[2]


def _number(letters: str) -> int:
    found = 0
    for letter in letters:
        found = 26 * found + ord(letter) - 64
    return found
