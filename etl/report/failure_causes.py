"""Because of what the row of a failed check is as it is: where that row, or the old row that it is a copy of, is held, the cause of that."""

from __future__ import annotations

import polars as pl

from etl.holding.causes import BECAUSE
from mappings.model import Mappings

_OLD = r"^(P2|TC)\.(.+)$"  # an old table's name among the checks
_SAID = r": [a-z][a-z ,]*$"  # the text that a check appends to a key
_COPY = r" \([0-9a-f|-]+\)$"  # which copy of the old row it is
_ROW = ["portal", "source", "old_key"]


def failure_causes(failures: pl.DataFrame, held: pl.DataFrame, mappings: Mappings) -> pl.DataFrame:
    """Returns BECAUSE for each row of `failures` (table, key), in its order; null if its old row is not held.

    `held`: portal, table, key and BECAUSE of the held rows; keys are masked as in `failures` (H6).
    """
    if held.is_empty() or failures.is_empty():
        return pl.DataFrame(schema=BECAUSE).clear(failures.height)
    known = held.select(
        pl.col("portal").cast(pl.String),
        pl.col("table").cast(pl.String).alias("source"),
        pl.col("key").alias("old_key"),
        *BECAUSE,
    ).unique(_ROW, keep="first", maintain_order=True)
    asked = failures.select("table", "key").with_row_index("_row")
    plain = pl.col("key").str.replace(_SAID, "")
    old = asked.filter(pl.col("table").str.contains(_OLD)).select(
        "_row",
        pl.col("table").str.extract(_OLD, 1).alias("portal"),
        pl.col("table").str.extract(_OLD, 2).alias("source"),
        plain.alias("old_key"),
    )
    into = pl.DataFrame(
        [(one.table, mapping.portal, mapping.table) for mapping in mappings.tables.values() for one in mapping.into],
        schema={"table": pl.String, "portal": pl.String, "source": pl.String},
        orient="row",
    ).unique()
    row = plain.str.replace(_COPY, "")
    new = (
        asked.join(into, on="table")
        .filter(~row.str.contains(r"^(P2|TC)\|") | (row.str.slice(0, 2) == pl.col("portal")))
        .select("_row", "portal", "source", row.str.replace(r"^(P2|TC)\|", "").alias("old_key"))
    )
    found = pl.concat([old, new]).join(known, on=_ROW).sort("_row", "portal", "source").unique("_row", keep="first", maintain_order=True)
    return asked.select("_row").join(found.select("_row", *BECAUSE), on="_row", how="left", maintain_order="left").select(*BECAUSE)
