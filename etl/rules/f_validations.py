"""Chapter F: validations, on every account of their model or profile."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import Flagged, RowPlacement
from etl.placement.target_rows import Flag

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "F1": (),
    "F2": ("P2.validation",),
}


def flag_profile_validations(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the validations of a whole profile with several accounts, to be flagged under F2."""
    narrower = [route.column for route in rows.mapping.owner[:-1]]
    by_profile = rows.frame.select(pl.all_horizontal(pl.col(column).is_null() for column in narrower)).to_series().to_numpy()
    copies = np.bincount(rows.row, minlength=rows.frame.height)
    return by_profile & (copies > 1), "validation of a whole profile: on all its accounts"


# Which rows a rule flags, if that depends on rows of one table alone.
FLAGS: dict[str, Flag] = {
    "F2": flag_profile_validations,
}
