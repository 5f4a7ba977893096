"""Differences as a table, and which values a difference may show."""

import re
from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from etl.reconcile.engine.spec import Column, Spec

SCHEMA = pl.Schema(
    {
        "table": pl.String,
        "kind": pl.String,
        "legacy_portal": pl.String,
        "legacy_key": pl.String,
        "account_number": pl.String,
        "column": pl.String,
        "expected": pl.String,
        "actual": pl.String,
    }
)
MISSING, UNEXPECTED, CHANGED, NOT_CHECKED = "missing", "unexpected", "changed", "not_checked"
_GAP = r"[-\u2010-\u2015\u2212\s._/]"  # what people write between the digits, of any script
_SSN = re.compile(rf"(?<!\d)\d{{3}}{_GAP}\d{{2}}{_GAP}\d{{4}}(?!\d)")
# Only at the start of a word: otherwise the search for @ would start again at each letter of a long word.
_EMAIL = re.compile(r"(?<![^\s|@])[^\s|@]+(?:@[^\s|@]*)+")
_RFC = re.compile(r"(?<![A-Za-z0-9\u00d1\u00f1&])[A-Za-z\u00d1\u00f1&]{4}[0-9]{6}[A-Za-z0-9\u00d1\u00f1&]{3}(?![A-Za-z0-9\u00d1\u00f1&])")
_SUSPECT = r"[^0-9]{4}[0-9]{6}|@|\d{3}[^0-9|]\d{2}[^0-9|]\d{4}"
_CODES = ("_cd", "sha256", "account_number", "_no", "_year")


def masked(text: str | None) -> str | None:
    """Returns the text with social security numbers, natural persons' tax numbers and e-mails masked by their form (H6); null stays null."""
    return None if text is None else _EMAIL.sub("***@***", _RFC.sub("****", _SSN.sub("***-**-****", text)))


def may_be_shown(column: Column) -> bool:
    """Returns whether a difference may show the column's values: numbers, dates, flags, codes and digests, never names, addresses or texts."""
    return column.kind in ("integer", "date", "timestamp", "boolean") or (column.kind == "text" and column.name.endswith(_CODES))


def as_text(value: object) -> str | None:
    """Returns the value as a difference shows it; None for null."""
    if value is None or isinstance(value, str):
        return masked(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def as_texts(values: pl.Series) -> list[str | None]:
    """Returns each value as a difference shows it; None for null."""
    if values.dtype not in (pl.Date, pl.Datetime):
        return [as_text(value) for value in values.to_list()]
    numbers = values.to_physical().cast(pl.Int64)
    scale = 1 if values.dtype == pl.Date else 86_400_000_000
    usual = numbers.is_between(-719_162 * scale, 2_932_897 * scale - 1)  # Python has no types for the others
    near = values.to_frame("value").select(pl.when(usual).then(pl.col("value"))).to_series().to_list()
    return ["outside the years 1 to 9999" if a is None and n is not None else as_text(a) for a, n in zip(near, numbers, strict=True)]


def differences(rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    """Returns the rows as a frame of DIFFERENCE."""
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def sorted_differences(frames: list[pl.DataFrame], spec: Spec) -> pl.DataFrame:
    """Returns all differences sorted by table (in the contract's order), kind, portal, key, account and column."""
    position = {table: n for n, table in enumerate(spec.target)}
    every = pl.concat([SCHEMA.to_frame(), *frames])
    for column in ("legacy_portal", "legacy_key", "account_number", "expected", "actual"):
        if every[column].str.contains(_SUSPECT).any():
            every = every.with_columns(pl.Series(column, [masked(text) for text in every[column].to_list()], dtype=pl.String))
    number = pl.col("legacy_key").str.extract(r"^(-?[0-9]{1,18})").cast(pl.Int64)
    order = [
        pl.col("table").replace_strict(position, default=len(position)),
        pl.col("table"),
        pl.col("kind"),
        pl.col("legacy_portal"),
        number,
    ]
    order += [pl.col(name) for name in ("legacy_key", "account_number", "column", "expected", "actual")]
    return every.sort(order, nulls_last=False)
