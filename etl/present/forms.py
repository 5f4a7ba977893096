"""The forms of the adapter, for whole columns: physical cells in, contract cells out, and which of them could not be read (X2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import numpy as np
import polars as pl

from etl.domain.typed_values import POLARS_TYPE
from etl.present.cells import Bools, Cells, Made
from etl.present.model import Form
from etl.present.times import days, moments
from mappings.schema import Column

# The characters that Python's str.strip() removes (fine print 1).
WHITE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_WORD = r"^ *-?[0-9]+ *$"
Codes = Mapping[str, Mapping[str, str]]


def made(form: Form, column: Column, cells: Sequence[Cells], codes: Codes, rows: int) -> Made:
    """Returns the contract column, `rows` long; texts that are too long and numbers outside its range are unreadable (X2)."""
    dtype = POLARS_TYPE[column.family]
    if form.kind == "plain":
        found = _plain(cells[0], column)
    elif form.kind == "absent":
        found = Made(pl.Series(column.name, [None], dtype=dtype).new_from_index(0, rows), np.zeros(rows, bool))
    elif form.kind == "constant":
        found = Made(pl.Series(column.name, [_constant(form.constant, column)], dtype=dtype).new_from_index(0, rows), np.zeros(rows, bool))
    else:
        found = _formed(form, cells, codes)
    return _fitting(found, column)


def _plain(cell: Cells, column: Column) -> Made:
    bad = np.zeros(len(cell.typed), bool)
    if cell.typed.dtype == pl.String and column.family != "text":  # a kind that the reader gives as text only
        form = {
            "integer": Form("integer"),
            "date": Form("date", form="YYYY-MM-DD"),
            "timestamp": Form("moment", form="YYYY-MM-DD HH24:MI:SS"),
        }
        return _formed(form[column.family], [cell], {})
    bad[list(cell.odd)] = True
    return Made(cell.typed, bad, cell.spoilt, {**cell.other, **cell.odd})


def _constant(value: object, column: Column) -> object:
    return (
        value
        if column.family != "timestamp" or isinstance(value, datetime) or not isinstance(value, date)
        else datetime(value.year, value.month, value.day)
    )  # the contract's moments have no time zone


def _formed(form: Form, cells: Sequence[Cells], codes: Codes) -> Made:
    texts = [cell.text for cell in cells]
    spoilt: Mapping[int, bytes] = {}
    match form.kind:
        case "text":
            series, spoilt = texts[0], cells[0].spoilt
        case "trim":
            series = texts[0].str.strip_chars_end(" ")
            spoilt = {row: exact.rstrip(b" ") for row, exact in cells[0].spoilt.items()}
        case "join":
            series = (
                pl.DataFrame([t.alias(str(n)) for n, t in enumerate(texts)])
                .select(
                    pl.when(~pl.all_horizontal(pl.all().is_null())).then(pl.concat_str(pl.all(), separator=form.sep, ignore_nulls=True))
                )
                .to_series()
            )
        case "number":
            series = numbers(texts, form.mark)
        case _:
            series = _by_value(texts[0], _of_one(form, codes))
    missing = series.is_null() & ~_all_null(form, texts)
    bad = missing.to_numpy().copy() if form.kind not in ("part", "join") else np.zeros(len(series), bool)
    odd_rows = {row for cell in cells for row in cell.spoilt} - set(spoilt)
    if odd_rows:  # only the plain text form can read text that is not valid Unicode
        bad[list(odd_rows)] = True
        series = series.scatter(sorted(odd_rows), None)
    raw = {int(row): cells[0].raw(int(row)) for row in np.flatnonzero(bad)}
    return Made(series, bad, spoilt, raw)


def _all_null(form: Form, texts: Sequence[pl.Series]) -> pl.Series:
    null = texts[0].is_null()
    for text in texts[1:] if form.kind == "number" else ():
        null |= text.is_null()
    return null


def _of_one(form: Form, codes: Codes) -> Callable[[pl.Series], pl.Series]:
    """Returns the function for a column's distinct texts; its result is null where a text cannot be read."""
    match form.kind:
        case "integer":
            return lambda t: (
                t.to_frame("t")
                .select(pl.when(pl.col("t").str.contains(_WORD)).then(pl.col("t").str.strip_chars(" ")).cast(pl.Int64, strict=False))
                .to_series()
            )
        case "flag":
            words = {**dict.fromkeys(form.yes, "Y"), **dict.fromkeys(form.no, "N")}
            return lambda t: t.replace_strict(words, default=None, return_dtype=pl.String)
        case "code":
            list_ = {legacy: word for legacy, word in codes[form.by].items() if legacy != "*"}
            others = "*" in codes[form.by]
            return lambda t: (
                t.replace(list_) if others else t.replace_strict(list_, default=None, return_dtype=pl.String) if list_ else _nothing(t)
            )
        case "date":
            return lambda t: days(t, form.form, form.pivot)
        case "moment":
            return lambda t: moments(t, form.form, form.pivot, form.zone)
        case "part":
            return lambda t: _part(t, form)
        case "path":
            return lambda t: _path(t, form)
        case "bytes":
            return lambda t: pl.Series([decoded(text, form.form) for text in t.to_list()], dtype=pl.Binary)
    raise AssertionError(form.kind)


def _nothing(texts: pl.Series) -> pl.Series:
    return texts.clear(len(texts))


def _by_value(texts: pl.Series, function: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Returns the function's value for every text, computed once for each distinct text where they are few."""
    if len(texts) < 64:
        return function(texts)
    different = texts.drop_nulls().unique()
    if len(different) * 2 > len(texts):
        return function(texts)
    values = function(different)
    known = pl.DataFrame([different.alias("t"), values.alias("v")])
    return texts.to_frame("t").join(known, on="t", how="left", maintain_order="left")["v"]


def numbers(texts: Sequence[pl.Series], mark: str | None) -> pl.Series:
    """Returns integer keys for texts: the first 15 hexadecimal digits of the SHA-256 of the parts, joined by a bar, with `mark` last."""
    frame = pl.DataFrame([t.alias(str(n)) for n, t in enumerate(texts)])
    joined = frame.select(pl.concat_str(pl.all(), separator="|")).to_series()
    tail = b"" if mark is None else f"|{mark}".encode()
    digest = hashlib.sha256

    def hashed(t: pl.Series) -> pl.Series:
        found = [None if text is None else int(digest(text.encode() + tail).hexdigest()[:15], 16) for text in t.to_list()]
        return pl.Series(found, dtype=pl.Int64)

    return _by_value(joined, hashed)


def _part(texts: pl.Series, form: Form) -> pl.Series:
    part = texts.str.split(form.sep).list.get(form.take - 1, null_on_oob=True)
    if not form.trim:
        return part
    trimmed = part.str.strip_chars(WHITE)
    return trimmed.to_frame("t").select(pl.when(pl.col("t") != "").then(pl.col("t"))).to_series()


def _path(texts: pl.Series, form: Form) -> pl.Series:
    size = len(form.prefix)
    inside = texts.str.head(size).str.to_lowercase() == form.prefix.lower()
    rest = texts.str.slice(size).str.replace_all(form.slash, "/", literal=True)
    return pl.DataFrame([inside.alias("i"), rest.alias("r")]).select(pl.when("i").then("r")).to_series()


def decoded(text: str | None, form: str) -> bytes | None:
    """Returns the bytes that a text encodes, without white space; None where it is not valid base64 or hex."""
    if text is None:
        return None
    plain = "".join(text.split())
    try:
        return base64.b64decode(plain, validate=True) if form == "base64" else binascii.unhexlify(plain)
    except (ValueError, binascii.Error):
        return None


def _fitting(found: Made, column: Column) -> Made:
    series, bad = found.series, found.bad
    outside: Bools | None = None
    if column.family == "text" and column.length is not None and len(series) and (series.str.len_bytes().max() or 0) > column.length:  # type: ignore[operator]  # an int, or None
        outside = (series.str.len_chars() > column.length).fill_null(False).to_numpy()
    elif column.family == "integer" and column.sql_type != "BIGINT":
        outside = ((series < -(2**31)) | (series >= 2**31)).fill_null(False).to_numpy()
    series = series.alias(column.name)
    if outside is None or not outside.any():
        return Made(series, bad, found.spoilt, found.raw)
    raw = {int(row): series[int(row)] for row in np.flatnonzero(outside)}
    frame = series.to_frame().select(pl.when(pl.Series(~outside)).then(pl.col(column.name)).alias(column.name))
    return Made(frame[column.name], bad | outside, found.spoilt, {**found.raw, **raw})
