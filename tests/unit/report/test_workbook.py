"""Every value of a list is in the workbook as it is, whatever its type and characters."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import polars as pl

from etl.report.workbook import workbook

MADE = datetime(2026, 1, 2, 3, 4, 5)
TEXTS = [
    "plain",
    None,
    "",
    " a blank before\tand behind ",
    "<t>&amp;\"'",
    "=1+1",
    "@SUM(A1)",
    "two\nlines",
    "é \U0001f600 ]]>",
    "123",
    "z" * 40_000,
]
TYPES = {
    "text": pl.Series(TEXTS, dtype=pl.String),
    "number": pl.Series([None, 0, 1, -1, 10**15 - 1, 1 - 10**15, 10**15, -(10**15), 10**18, 7, 8], dtype=pl.Int64),
    "truth": pl.Series([None, True, False, True, True, None, False, False, True, True, None], dtype=pl.Boolean),
    "day": pl.Series([None, date(2020, 2, 29), *[date(1, 1, 1)] * 9], dtype=pl.Date),
    "moment": pl.Series([datetime(2020, 1, 1), datetime(2020, 1, 1, 1, 2, 3, 45), *[None] * 9], dtype=pl.Datetime),
    "share": pl.Series([0.5, 2.0, None, 1e300, *[0.1] * 7], dtype=pl.Float64),
    "exact": pl.Series([Decimal("1.50"), None, *[Decimal("-0.25")] * 9], dtype=pl.Decimal(10, 2)),
}


def _shown(value: object) -> tuple[object, str]:
    """Returns the value of a cell and its type, as a reader has them."""
    if isinstance(value, bool):
        return value, "b"
    if value is None:
        return None, "n"
    if isinstance(value, int) and abs(value) < 10**15:
        return value, "n"
    return str(value)[:32_767], "s"


def test_each_type_of_value_is_a_cell_of_its_kind_and_each_text_is_a_text() -> None:
    wide = pl.DataFrame({**TYPES, **{f"more {number}": [number] * len(TEXTS) for number in range(25)}})  # columns behind Z
    lists = {"every type": wide, "no rows": wide.clear(), "nothing": pl.DataFrame()}
    made = workbook("Title", lists, MADE)
    assert made == workbook("Title", lists, MADE)
    book = openpyxl.load_workbook(io.BytesIO(made))
    assert book.sheetnames == list(lists)
    assert (book.properties.title, book.properties.created) == ("Title", MADE)
    assert book["every type"].dimensions == "A1:AF12" == book["every type"].auto_filter.ref
    for name, frame in lists.items():
        rows = list(book[name].iter_rows()) if frame.width else []
        assert [[cell.value for cell in row] for row in rows[:1]] == [frame.columns][: len(rows)]
        assert [[(cell.value, cell.data_type) for cell in row] for row in rows[1:]] == [
            [_shown(value) for value in row] for row in frame.rows()
        ]


def test_characters_that_no_xml_has_are_written_as_excel_writes_them() -> None:
    """A text that only looks like one of them stays what it is, and long lists are whole."""
    texts = ["\x00 and \x1f", "\r", "\ufffe\uffff", "_x0041_", *(f"line {number}" for number in range(50_001))]
    with zipfile.ZipFile(io.BytesIO(made := workbook("Title", {"one": pl.DataFrame({"text": texts})}, MADE))) as file:
        xml = file.read("xl/worksheets/sheet1.xml").decode()
    for written in ("_x0000_ and _x001F_", "_x000D_", "_xFFFE__xFFFF_", "_x005F_x0041_"):
        assert f">{written}</t>" in xml
    sheet = openpyxl.load_workbook(io.BytesIO(made), read_only=True)["one"]
    assert [row[0] for row in sheet.iter_rows(min_row=6, values_only=True)] == texts[4:]
