"""Complete held rows for `migration_holding`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from etl.domain.typed_values import LOADS_WITH_NULL, texts_of
from etl.placement.row_placement import REASONS, RowPlacement, keys
from mappings.model import TableMapping

PHYSICAL = "_physical"  # of a stage file that an adapter presented: a struct of raw text forms by TABLE.COLUMN
HELD = {
    "portal": pl.String,
    "table": pl.String,
    "key": pl.String,
    "reason": pl.String,
    "row_json": pl.String,
    "sha256": pl.String,
}
Odd = dict[tuple[str, str, str], dict[str, tuple[Any, bool]]]  # (portal, table, key) -> column -> (raw value, unreadable)


def held_rows(placed: RowPlacement, odd: Odd, digests: dict[str, str] | None = None) -> pl.DataFrame:
    """Returns rows of HELD: every held row, and every loaded row with an unreadable value as UNREADABLE_VALUE (X2).

    `digests`: by key, the stored object with a held row's bytes (fine print 9, 49).
    """
    mapping = placed.mapping
    both = (placed.reason == 0) & (placed.frame["_mark"].to_numpy() == LOADS_WITH_NULL)
    chosen = np.flatnonzero((placed.reason > 0) | both)
    if not len(chosen):
        return pl.DataFrame(schema=HELD)
    frame = placed.frame[chosen]
    key = keys(mapping, frame)
    reasons = [REASONS[code] if code else "UNREADABLE_VALUE" for code in placed.reason[chosen]]
    held_only = placed.reason[chosen] > 0
    sha256 = [digests.get(text) if digests and alone else None for text, alone in zip(key, held_only, strict=True)]
    return pl.DataFrame(
        {
            "portal": [mapping.portal] * len(chosen),
            "table": [mapping.table] * len(chosen),
            "key": key,
            "reason": reasons,
            "row_json": row_json(mapping, frame, key, odd),
            "sha256": sha256,
        },
        schema=HELD,
    )


def row_json(mapping: TableMapping, frame: pl.DataFrame, key: pl.Series, odd: Odd) -> list[str]:
    """Returns each row as one JSON object with every source column but blobs (fine print 27).

    Numbers are numbers, null is null, everything else is the text as recorded.
    """
    columns = []
    for column in mapping.columns:
        if column.family != "binary":
            series = frame[column.name]
            columns.append(texts_of(series) if column.family in ("date", "timestamp") else series)
    texts = pl.DataFrame(columns).select(pl.struct(pl.all()).struct.json_encode().alias("json"))["json"].to_list()
    for row, text_key in enumerate(key):
        raw = odd.get((mapping.portal, mapping.table, text_key))
        if raw:
            values = json.loads(texts[row])
            values.update({name: value for name, (value, _) in raw.items() if name in values})
            texts[row] = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return _with_physical(texts, frame) if PHYSICAL in frame.columns else texts


def _with_physical(texts: list[str], frame: pl.DataFrame) -> list[str]:
    """Returns the same objects with the member `_physical`: the raw text forms of the cells that an adapter's forms changed, without NULLs."""
    found = []
    for text, raws in zip(texts, frame[PHYSICAL].to_list(), strict=True):
        cells = {name: raw for name, raw in (raws or {}).items() if raw is not None}
        found.append(f"{text[:-1]},{json.dumps(PHYSICAL)}:{json.dumps(cells, ensure_ascii=False, separators=(',', ':'))}}}")
    return found


def flag_unreadable(placed: RowPlacement, odd: Odd) -> None:
    """Flags every loaded row with an unreadable value under X2; the detail names the columns, never the values."""
    rows = placed.frame["_mark"].to_numpy() == LOADS_WITH_NULL
    if not rows.any():
        return
    key = keys(placed.mapping, placed.frame)
    details = [""] * placed.frame.height
    for row in np.flatnonzero(rows):
        raw = odd.get((placed.mapping.portal, placed.mapping.table, key[int(row)]), {})
        details[row] = "unreadable, loaded with null: " + ", ".join(sorted(column for column, (_, bad) in raw.items() if bad))
    placed.flag("X2", rows, details)
