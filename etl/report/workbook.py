"""Lists as one Excel workbook: a sheet a list, a header that stays, filters; every text a text, never a formula or a link.

The library writes the workbook with the headers; the rows, which would take it a second for each hundred thousand cells, are added column by column.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime

import polars as pl

_WIDEST = 60  # characters of a column
_ROWS = 1_048_575  # of a sheet, below its header
_TOGETHER = 50_000  # rows that are in memory as XML at one time
_LARGE = 10_000_000  # cells, which can be more than 2 GB of XML
_LONGEST = 32_767  # characters of a cell
_DIGITS = 10**15  # a spreadsheet keeps 15 digits of a number
_CONTROL = r"[\x00-\x08\x0b-\x1f\x{fffe}\x{ffff}]"  # no character of XML; also the carriage return, which a reader would make a line feed
_END = b"</sheetData>"


def workbook(title: str, lists: Mapping[str, pl.DataFrame], made_at: datetime) -> bytes:
    """Returns the workbook's bytes: equal lists and moment give equal bytes; a list longer than a sheet continues in further sheets."""
    sheets = {
        name if number == 1 else f"{name} {number}": part
        for name, frame in lists.items()
        for number, part in enumerate(frame.iter_slices(_ROWS) if frame.height else [frame], 1)
    }
    by_file = {f"xl/worksheets/sheet{number}.xml": part for number, part in enumerate(sheets.values(), 1)}
    made = io.BytesIO()
    with zipfile.ZipFile(_with_headers(title, sheets, made_at)) as empty, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as filled:
        for info in empty.infolist():
            content, entry = empty.read(info), zipfile.ZipInfo(info.filename, info.date_time)
            entry.compress_type = zipfile.ZIP_DEFLATED
            large = info.filename in by_file and by_file[info.filename].height * by_file[info.filename].width > _LARGE
            with filled.open(entry, "w", force_zip64=large) as file:
                if info.filename not in by_file:
                    file.write(content)
                    continue
                before, end, after = content.partition(_END)
                file.write(_sized(before, by_file[info.filename]))
                for rows in _rows(by_file[info.filename]):
                    file.write(rows)
                file.write(end + after)
    return made.getvalue()


def _with_headers(title: str, sheets: Mapping[str, pl.DataFrame], made_at: datetime) -> io.BytesIO:
    """Returns the workbook without the rows below the headers."""
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties({"title": title, "created": made_at})
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        for name, part in sheets.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, max(part.height, 1), max(part.width - 1, 0))
            for column, heading in enumerate(part.columns):
                sheet.write_string(0, column, heading, head)
                sheet.set_column(column, column, _width(part, heading))
    buffer.seek(0)
    return buffer


def _sized(before: bytes, frame: pl.DataFrame) -> bytes:
    """Returns a sheet's beginning with the size of the whole list."""
    first = f'<dimension ref="A1:{_letters(max(frame.width, 1) - 1)}'.encode()
    start, _, rest = before.partition(b'<dimension ref="')
    return start + first + str(frame.height + 1).encode() + b'"' + rest.partition(b'"')[2]


def _rows(frame: pl.DataFrame) -> Iterator[bytes]:
    """Yields the rows as XML, below the header."""
    for number, part in enumerate(frame.iter_slices(_TOGETHER)):
        row = pl.int_range(2 + number * _TOGETHER, 2 + number * _TOGETHER + part.height, eager=True).cast(pl.String).alias("")
        cells = [_cells(part[name], row, _letters(column)) for column, name in enumerate(part.columns)]
        lines = pl.select(pl.concat_str(pl.lit('<row r="'), row, pl.lit('">'), *cells, pl.lit("</row>")).str.join("")).item()
        yield (lines or "").encode()


def _cells(values: pl.Series, row: pl.Series, letters: str) -> pl.Series:
    """Returns each value as a cell; null as none."""
    begin = pl.concat_str(pl.lit(f'<c r="{letters}'), row)
    if values.dtype == pl.Boolean:
        cell = pl.concat_str(begin, pl.lit('" t="b"><v>'), values.cast(pl.UInt8).cast(pl.String), pl.lit("</v></c>"))
    else:
        texts = values if values.dtype == pl.String else _texts(values)
        cell = pl.concat_str(begin, pl.lit('" t="inlineStr"><is><t xml:space="preserve">'), _escaped(texts), pl.lit("</t></is></c>"))
        if values.dtype.is_integer():
            fits = values.is_between(-_DIGITS, _DIGITS, closed="none")
            cell = pl.when(fits).then(pl.concat_str(begin, pl.lit('"><v>'), texts, pl.lit("</v></c>"))).otherwise(cell)
    return pl.select(pl.when(values.is_not_null()).then(cell).otherwise(pl.lit("")).alias("")).to_series()


def _texts(values: pl.Series) -> pl.Series:
    if values.dtype.is_integer():
        return values.cast(pl.String)
    return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)  # rare: moments, decimals


def _escaped(texts: pl.Series) -> pl.Series:
    """Returns the texts as XML has them; a control character as _xHHHH_, and a text that looks like one with its underscore as such."""
    plain = texts.str.slice(0, _LONGEST).str.replace_all("(_x[0-9a-fA-F]{4}_)", "_x005F${1}")
    plain = (
        plain.str.replace_all("&", "&amp;", literal=True)
        .str.replace_all("<", "&lt;", literal=True)
        .str.replace_all(">", "&gt;", literal=True)
    )
    for code in sorted({ord(found) for cell in plain.str.extract_all(_CONTROL).explode().unique() if cell for found in cell}):
        plain = plain.str.replace_all(chr(code), f"_x{code:04X}_", literal=True)
    return plain


def _letters(column: int) -> str:
    """Returns the name of a column: A to Z, AA and so on."""
    return (_letters(column // 26 - 1) if column >= 26 else "") + chr(ord("A") + column % 26)


def _width(frame: pl.DataFrame, column: str) -> int:
    longest = frame[column].cast(pl.String).str.len_chars().max() if frame.height else 0
    return min(_WIDEST, max(len(column), longest if isinstance(longest, int) else 0) + 2)
