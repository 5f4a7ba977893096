"""Chapter X: unreadable values, references to missing rows, texts that the target cannot store.

They are carried out for every table: X1 in `etl/placement/target_rows.py`, X2 in `etl/placement/held_rows.py` and `etl/placement/row_placement.py`, both on what
`etl/domain/typed_values.py` found when the rows were read, which is also where E8 begins.
"""

from __future__ import annotations

import polars as pl

from etl.placement.row_placement import FLAG

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "E8": ("*",),
    "X1": ("*",),
    "X2": ("*",),
}


def flag_invalid_texts(texts: pl.DataFrame) -> pl.DataFrame:
    """Returns rows of FLAG, one per row with a text that has U+0000 or invalid Unicode, held rows included (E8; fine print 3).

    The detail names column and digest.
    """
    detail = pl.concat_str(pl.lit("exact bytes of "), pl.col("column"), pl.lit(" are object "), pl.col("sha256"))
    return texts.select(pl.lit("E8").alias("rule"), "portal", "table", "key", detail.alias("detail")).cast(FLAG)  # type: ignore[arg-type]  # a schema
