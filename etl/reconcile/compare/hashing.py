"""Rows as numbers: a 64-bit fingerprint of what identifies a row, and one of all its values, the same on both sides.

Only a row and its counterpart are compared, so the probability that 64 bits miss a change is 1 in 2^64.
"""

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.engine.spec import Spec, Table

Hashes = npt.NDArray[np.uint64]
ACCOUNT = "#account"  # the entity id of the account that a row is for


def fingerprint(columns: Iterable[pl.Series], rows: int) -> Hashes:
    """Returns one 64-bit number per row: the sum of the column hashes, each seeded with the column's name, so that parts can be added."""
    total = np.zeros(rows, np.uint64)
    for column in columns:
        total += hashed(column)
    return total


def hashed(column: pl.Series) -> Hashes:
    """Returns the 64-bit hash of each value, seeded with the column's name."""
    return column.hash(zlib.crc32(column.name.encode())).to_numpy()


def own_id(table: Table) -> str | None:
    """Returns the column that holds the row's generated id; None if the table has none."""
    return table.key[0] if len(table.key) == 1 and table.columns[table.key[0]].kind == "uuid" and table.key[0] not in table.refers else None


def account_columns(table: Table) -> list[str]:
    """Returns the columns that refer to an account."""
    return [column for column in table.columns if table.refers.get(column) == "entity_account"]


def account_path(spec: Spec, table: str) -> str | None:
    """Returns the column that leads to the row's account, directly or by its parent row; None if rows of the table belong to no account."""
    declared = spec.target[table]
    direct = account_columns(declared)
    if direct:
        return direct[0]
    for column in declared.columns:
        parent = declared.refers.get(column, table)
        if parent != table and declared.columns[column].mandatory and account_path(spec, parent) is not None:
            return column
    return None


def identity(spec: Spec, name: str) -> tuple[str, ...]:
    """Returns the columns that identify the source row and the account of a row, without generated ids."""
    table = spec.target[name]
    legacy = "legacy_key" in table.columns
    if "legacy_key" in table.key or (own_id(table) is None and not legacy):
        return table.key
    for columns in table.unique:
        if any(column.startswith("legacy_") for column in columns):
            return columns
    if not legacy:
        return table.unique[0] if table.unique else table.key
    portal = ("legacy_portal_cd",) if "legacy_portal_cd" in table.columns else ()
    several = account_columns(table)
    accounts = tuple(several) if len(several) > 1 else (ACCOUNT,) if account_path(spec, name) else ()
    return (*portal, "legacy_key", *accounts)
