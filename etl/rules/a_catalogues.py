"""Rule A12: business types that are not in the catalogue."""

from __future__ import annotations

import polars as pl

from etl.placement.row_placement import RowPlacement
from etl.placement.target_rows import Computed, Rule, TargetRows
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "A12": ("P2.model_entity", "P2.question_applicability", "P2.agreement_version"),
}


def unknown_types(placed: RowPlacement, types: pl.Series, known: set[str]) -> set[str]:
    """Returns the codes that are not in the catalogue, and flags the loaded rows that have one (A12)."""
    lacking = (types.is_not_null() & ~types.is_in(list(known))).to_numpy()
    placed.flag("A12", lacking, "business type is not in the catalogue; it was added there as inactive")
    return set(types.filter(pl.Series(lacking & (placed.reason == 0))).to_list())


def type_code(copies: TargetRows, form: Form) -> Computed:
    """Returns the business type code unchanged; A12 adds missing codes to the catalogue."""
    return copies.source_column(form.columns[0])


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "A12": type_code,
}
