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
    existing, unreadable = _Existing(folder, mappings, rows), _unreadable(folder)
    found = []
    for row in held.select("portal", "table", "key").iter_rows():
        reason = rows.reasons[row]
        column: str | None = None
        named: Row | None = None
        if reason == FOLLOWER:
            column, named = next(((c, p) for c, p in rows.references(row) if p in rows.only and p != row), (None, None))
        elif reason == "BROKEN_REFERENCE":
            column, named = next(((c, p) for c, p in rows.references(row) if not existing.has(p)), (None, None))
        elif reason == "UNREADABLE_VALUE":
            column = ", ".join(unreadable.get(row, ())) or None
        root = min(rows.roots(row), default=None)
        of = (named[1] or None, named[2]) if named is not None else (None, None)
        top = (root[1], root[2]) if root is not None else (None, None)
        found.append((column, *of, *top, rows.profile(row, where.profile_of), row not in rows.only))
    return pl.DataFrame(found, schema=BECAUSE, orient="row")


class _Existing:
    """Looks up whether the old portal has a row; reads the keys of each table once."""

    def __init__(self, folder: RunFolder, mappings: Mappings, held: HeldRows) -> None:
        self._folder, self._mappings, self._held = folder, mappings, held
        self._keys: dict[tuple[str, str], frozenset[str]] = {}

    def has(self, row: Row) -> bool:
        """Returns whether the row exists; always True for a held row, in any form of its key."""
        return row in self._held.reasons or row[2] in self._of(row[0], row[1])

    def _of(self, portal: str, table: str) -> frozenset[str]:
        if (portal, table) not in self._keys:
            mapping = next((m for m in self._mappings.tables.values() if (m.portal, m.table) == (portal, table)), None)
            keys: set[str] = set()
            if mapping is not None and len(mapping.key) == 1:
                for file in self._folder.files("extract", layout.extracted(portal, table)):
                    column = pl.DataFrame(read_columns(self._folder.path, file, [mapping.key[0]])).to_series()
                    keys.update(column.drop_nulls().cast(pl.String).to_list())
            self._keys[portal, table] = frozenset(keys)
        return self._keys[portal, table]


def _unreadable(folder: RunFolder) -> dict[Row, list[str]]:
    """Returns, by row, the columns with an unreadable value."""
    found: dict[Row, list[str]] = {}
    for table in folder.tables("extract", layout.ODD):
        chosen = pl.DataFrame(table).filter(pl.col("unreadable")).select("portal", "table", "key", "column")
        for portal, name, key, column in chosen.iter_rows():
            found.setdefault((portal, name, key), []).append(column)
    return found
