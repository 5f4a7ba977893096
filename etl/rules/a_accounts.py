"""Chapter A: attributes of an account: its visibility and number of employees."""

from __future__ import annotations

import re

import polars as pl

from etl.placement.target_rows import Computed, Rule, TargetRows
from mappings.model import Form, Mappings

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A6": (),
    "A7": (),
    "A8": (),
    "A10": (),
    "A17": (),
    "A21": (),
}

_PLAIN_NUMBER = re.compile(r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+")
_LARGEST = 2147483647


def employee_count(text: str | None) -> int | None:
    """Returns the number if the text is a plain whole number, else None (A21; fine print 19)."""
    if text is None or not _PLAIN_NUMBER.fullmatch(text):
        return None
    number = int(text.replace(",", ""))
    return number if number <= _LARGEST else None


def employees(copies: TargetRows, form: Form) -> Computed:
    """Returns the number of employees for each target row (Int64); null if the text is not a plain whole number (A21)."""
    return pl.Series([employee_count(text) for text in copies.source_column(form.columns[0]).to_list()], dtype=pl.Int64)


def visible(status: pl.Series, archived: pl.Series, mappings: Mappings) -> pl.Series:
    """Returns for each account whether it is visible to trade: by its status, and not archived (A7, A8)."""
    hidden = [row["status_cd"] for row in mappings.codes["status"] if row["trade_visible"] == "false"]
    return ~status.is_in(hidden) & ~archived


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "A21": employees,
}
