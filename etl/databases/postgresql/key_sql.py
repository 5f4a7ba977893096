"""The keys of a PostgreSQL table: as texts, as an order, and as the condition of a key range."""

from __future__ import annotations

import polars as pl

from etl.databases import KeyRange
from etl.databases.postgresql.connection import (
    quoted,
)
from etl.domain.typed_values import Typed
from mappings.model import TableMapping


def keys_of(mapping: TableMapping, batch: Typed) -> list[str] | None:
    """Each row's key as text; a part that does not fit its declared type as it was found (X2). None: all keys are whole numbers."""
    if not mapping.key:
        return None
    odd = [oddity for oddity in batch.oddities if oddity.column in mapping.key]
    if len(mapping.key) == 1 and mapping.shape.by_name[mapping.key[0]].family == "integer" and not odd:
        return None
    return pl.DataFrame(key_parts(mapping, batch)).select(pl.concat_str(pl.all(), separator="|")).to_series().to_list()


def key_parts(mapping: TableMapping, batch: Typed) -> list[pl.Series]:
    """The key's columns as texts, what does not fit its type as it was found."""
    parts = {name: batch.columns[name].cast(pl.String) for name in mapping.key}
    for oddity in batch.oddities:
        if oddity.column in parts:
            parts[oddity.column] = parts[oddity.column].scatter(oddity.row, str(oddity.raw))
    return list(parts.values())


def within_range(mapping: TableMapping, cut: KeyRange) -> str:
    """The condition for a stretch: its bounds are whole numbers."""
    key = f"({', '.join(map(quoted, mapping.key))})"
    bounds = [f"{key} {sign} ({', '.join(map(str, bound))})" for sign, bound in ((">=", cut.first), ("<", cut.last)) if bound is not None]
    return " AND ".join(bounds) or "true"


def order_of(mapping: TableMapping) -> str:
    """Texts in the order of their bytes, whatever the database's collation: SQLite's order too."""
    parts = [quoted(name) + (' COLLATE "C"' if mapping.shape.by_name[name].family == "text" else "") for name in mapping.key]
    return ", ".join(parts) or "NULL::integer"  # without a key: as they are stored
