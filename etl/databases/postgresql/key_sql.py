"""The keys of a PostgreSQL table: as text, as a sort order, and as the condition of a key range."""

from __future__ import annotations

import polars as pl

from etl.databases import KeyRange
from etl.databases.postgresql.connection import (
    quoted,
)
from etl.domain.typed_values import Typed
from mappings.model import TableMapping


def keys_of(mapping: TableMapping, batch: Typed) -> list[str] | None:
    """Returns each row's key as text, a part that does not fit its declared type unchanged (X2); None where all keys are whole numbers."""
    if not mapping.key:
        return None
    odd = [oddity for oddity in batch.oddities if oddity.column in mapping.key]
    if len(mapping.key) == 1 and mapping.shape.by_name[mapping.key[0]].family == "integer" and not odd:
        return None
    return pl.DataFrame(key_parts(mapping, batch)).select(pl.concat_str(pl.all(), separator="|")).to_series().to_list()


def key_parts(mapping: TableMapping, batch: Typed) -> list[pl.Series]:
    """Returns the key's columns as text, values that do not fit their type unchanged."""
    parts = {name: batch.columns[name].cast(pl.String) for name in mapping.key}
    for oddity in batch.oddities:
        if oddity.column in parts:
            parts[oddity.column] = parts[oddity.column].scatter(oddity.row, str(oddity.raw))
    return list(parts.values())


def within_range(mapping: TableMapping, cut: KeyRange) -> str:
    """Returns the SQL condition for a key range; its bounds are whole numbers."""
    key = f"({', '.join(map(quoted, mapping.key))})"
    bounds = [f"{key} {sign} ({', '.join(map(str, bound))})" for sign, bound in ((">=", cut.first), ("<", cut.last)) if bound is not None]
    return " AND ".join(bounds) or "true"


def order_of(mapping: TableMapping) -> str:
    """Returns the ORDER BY terms: text in byte order, independent of the collation, the order of SQLite too."""
    parts = [quoted(name) + (' COLLATE "C"' if mapping.shape.by_name[name].family == "text" else "") for name in mapping.key]
    return ", ".join(parts) or "NULL::integer"  # without a key: in storage order
