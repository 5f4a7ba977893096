"""The lists as CSV: complete, UTF-8 with BOM (spreadsheets need it), no cell that a spreadsheet would take for a formula."""

from __future__ import annotations

import io

import polars as pl

_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^-[0-9]+(\.[0-9]+)?$"  # a key below zero is a number, in a column of texts too


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """Returns the frame as CSV, UTF-8 with BOM, null as an empty cell; a text that begins like a formula gets an apostrophe in front."""
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
