"""The lists as CSV: complete, UTF-8 with BOM (spreadsheets need it), no cell that a spreadsheet would take for a formula or that moves a cursor."""

from __future__ import annotations

import io

import polars as pl

from etl.system.visible import visible

_WHITE = "\t\r\n"  # quoted cells hold these
_INVISIBLE = r"[[\p{C}\p{Zl}\p{Zp}]--[\t\r\n]]"  # the categories that `visible` shows as escapes
_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^-[0-9]+(\.[0-9]+)?$"  # a key below zero is a number, in a column of texts too


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Returns the frame as CSV, UTF-8 with BOM, null as an empty cell.

    A text that begins like a formula gets an apostrophe in front; control and format characters other than tabs and line breaks are escapes
    (`\\x1b`), because lists are read in terminals too.
    """
    frame = frame.with_columns(_shown(frame[name]) for name, kind in frame.schema.items() if kind == pl.String)
    safe = [
        pl.when(pl.col(name).str.contains(_FORMULA) & ~pl.col(name).str.contains(_NUMBER))
        .then(pl.concat_str(pl.lit("'"), pl.col(name)))
        .otherwise(pl.col(name))
        .alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String
    ]
    text = io.BytesIO()
    text.write(b"\xef\xbb\xbf")
    frame.with_columns(safe).write_csv(text, line_terminator="\r\n", quote_style="necessary", null_value="")
    return text.getvalue()


def _shown(texts: pl.Series) -> pl.Series:
    odd = texts.filter(texts.str.contains(_INVISIBLE).fill_null(False)).unique().to_list()
    shown = {text: "".join(character if character in _WHITE else visible(character) for character in text) for text in odd}
    return texts.replace(shown) if odd else texts
