"""The cause of each held row: the column, the missing or held row, the root of the chain, the company profile."""

from __future__ import annotations

import polars as pl

from etl.holding.held_roots import FOLLOWER, HeldRows, Row, held_rows
from etl.holding.row_counts import RowsByProfile
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings

BECAUSE = {
    "because_column": pl.String,
    "because_table": pl.String,
    "because_key": pl.String,
    "root_table": pl.String,
    "root_key": pl.String,
    "company_profile_id": pl.Int64,
    "loaded": pl.Boolean,
}
_STORE = {"portal": "legacy_portal_cd", "table": "legacy_table", "key": "legacy_key", "reason": "reason_cd", "rule": "rule_cd"}


def holding(mappings: Mappings, held: pl.DataFrame, flagged: pl.DataFrame) -> HeldRows:
    """Returns the run's held rows and exceptions in the form of the store.

    `held`: portal, table, key, reason, row_json; `flagged`: rule, portal, table, key; all text.
    """
    return held_rows(mappings, held.rename(_STORE, strict=False), flagged.rename(_STORE, strict=False))


def causes(folder: RunFolder, mappings: Mappings, held: pl.DataFrame, rows: HeldRows, where: RowsByProfile) -> pl.DataFrame:
    """Returns BECAUSE for each row of `held` (portal, table, key), in its order; null where the cause is unknown.

    because_*: the held row that holds a follower, the missing row of a broken reference, or only the column of an unreadable value. root_*: the held
    row at the top of the chain (of several the first by table and key); the row itself where no other row holds it. loaded: whether the row is loaded
    too, without the unreadable value (X2). `rows`: the same rows, from `holding`.
    """
    if held.is_empty():
        return pl.DataFrame(schema=BECAUSE)
    profiles, existing, unreadable = where.profiles(rows), _existing(folder, mappings, rows), _unreadable(folder)
    found = []
    for row in held.select("portal", "table", "key").iter_rows():
        reason = rows.reasons[row]
        column: str | None = None
        named: Row | None = None
        if reason == FOLLOWER:
            column, named = next(((c, p) for c, p in rows.references(row) if p in rows.only and p != row), (None, None))
        elif reason == "BROKEN_REFERENCE":
            column, named = next(((c, p) for c, p in rows.references(row) if p not in rows.reasons and p not in existing), (None, None))
        elif reason == "UNREADABLE_VALUE":
            column = ", ".join(unreadable.get(row, ())) or None
        root = min(rows.roots(row), default=None)
        of = (named[1] or None, named[2]) if named is not None else (None, None)
        top = (root[1], root[2]) if root is not None else (None, None)
        found.append((column, *of, *top, profiles.get(row), row not in rows.only))
    return pl.DataFrame(found, schema=BECAUSE, orient="row")


def _existing(folder: RunFolder, mappings: Mappings, held: HeldRows) -> frozenset[Row]:
    """Returns, of the rows that broken references name, those that the old portal has; reads the key column of each table once."""
    named: dict[tuple[str, str], set[str]] = {}
    for row, reason in held.reasons.items():
        if reason == "BROKEN_REFERENCE":
            for _, (portal, table, key) in held.references(row):
                named.setdefault((portal, table), set()).add(key)
    found: set[Row] = set()
    for mapping in mappings.tables.values():
        keys = named.get((mapping.portal, mapping.table), set()) if len(mapping.key) == 1 else set()
        wanted = pl.Series(sorted(keys), dtype=pl.String).implode()
        for file in folder.files("extract", layout.extracted(mapping.portal, mapping.table)) if keys else ():
            column = pl.DataFrame(read_columns(folder.path, file, [mapping.key[0]])).to_series().cast(pl.String)
            found.update((mapping.portal, mapping.table, key) for key in column.filter(column.is_in(wanted)).to_list())
    return frozenset(found)


def _unreadable(folder: RunFolder) -> dict[Row, list[str]]:
    """Returns, by row, the columns with an unreadable value."""
    found: dict[Row, list[str]] = {}
    for table in folder.tables("extract", layout.ODD):
        chosen = pl.DataFrame(table).filter(pl.col("unreadable")).select("portal", "table", "key", "column")
        for portal, name, key, column in chosen.iter_rows():
            found.setdefault((portal, name, key), []).append(column)
    return found
