"""Lists as one Excel workbook: a sheet a list, a header that stays, filters; every text a text, never a formula or a link."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime

import polars as pl

_WIDEST = 60  # characters of a column
_ROWS = 1_048_575  # of a sheet, below its header


def workbook(title: str, lists: Mapping[str, pl.DataFrame], made_at: datetime) -> bytes:
    """Returns the workbook's bytes: equal lists and moment give equal bytes; a list longer than a sheet continues in further sheets."""
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties({"title": title, "created": made_at})
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        for name, frame in lists.items():
            for number, part in enumerate(frame.iter_slices(_ROWS) if frame.height else [frame], 1):
                sheet = book.add_worksheet(name if number == 1 else f"{name} {number}")
                sheet.freeze_panes(1, 0)
                sheet.autofilter(0, 0, max(part.height, 1), max(part.width - 1, 0))
                for column, title in enumerate(part.columns):
                    sheet.write_string(0, column, title, head)
                    sheet.set_column(column, column, _width(part, title))
                for row, values in enumerate(part.iter_rows(), 1):
                    for column, value in enumerate(values):
                        if isinstance(value, bool):
                            sheet.write_boolean(row, column, value)
                        elif isinstance(value, int) and abs(value) < 10**15:  # a spreadsheet keeps 15 digits of a number
                            sheet.write_number(row, column, value)
                        elif value is not None:
                            sheet.write_string(row, column, str(value)[:32_767])
    return buffer.getvalue()


def _width(frame: pl.DataFrame, column: str) -> int:
    longest = frame[column].cast(pl.String).str.len_chars().max() if frame.height else 0
    return min(_WIDEST, max(len(column), longest if isinstance(longest, int) else 0) + 2)
