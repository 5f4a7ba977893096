"""How many source rows each company profile has: read, loaded, held; counted from where the run's steps say that each row went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property

import polars as pl

from etl.holding.held_roots import HeldRows, Row
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings, TableMapping

_GROUPS_ONLY = frozenset({"trade_organization"})  # A10: a group grants nothing and holds nothing; its row is on no account


class RowsByProfile:
    """Looks up the run's index files (`where/`): by source key, the accounts that have a copy."""

    def __init__(self, folder: RunFolder, mappings: Mappings) -> None:
        self._folder, self._mappings = folder, mappings
        self._files = {
            ".".join(layout.indexed_table(file.path)): file
            for step in layout.MADE_BY
            if step in folder.steps
            for file in folder.files(step, layout.index(step))
        }
        self._known: dict[tuple[str, str], pl.DataFrame] = {}

    @cached_property
    def _profiles(self) -> pl.DataFrame:
        (table,) = self._folder.tables("split", layout.ACCOUNTS)
        frame = pl.DataFrame(table).select(pl.col("profile_id").alias("profile"))
        return frame.with_row_index("account").with_columns(pl.col("account").cast(pl.Int32))

    def indexed(self, portal: str, table: str) -> pl.DataFrame:
        """The table's loaded rows that are on accounts: key, profile; one row for each profile. Empty for a table without an index."""
        if (portal, table) not in self._known:
            file = self._files.get(f"{portal}.{table}")
            if file is None or table in _GROUPS_ONLY:
                found = pl.DataFrame(schema={"key": pl.Int64, "profile": pl.Int64})
            else:
                where = pl.DataFrame(self._folder.read_table(file)).filter(~pl.col("held"))
                copies = where.select("key", pl.col("accounts").alias("account")).explode("account").drop_nulls()
                found = copies.join(self._profiles, on="account").select("key", "profile").unique()
            self._known[portal, table] = found
        return self._known[portal, table]

    def loaded(self, mapping: TableMapping, held_only: Iterable[str]) -> Counter[int]:
        """Loaded rows of the table by profile; a row that is on accounts of two profiles counts for both."""
        if mapping.table.endswith("_content"):
            parent, column = mapping.table.removesuffix("_content"), mapping.key[0]
        elif f"{mapping.portal}.{mapping.table}" in self._files:
            return _counted(self.indexed(mapping.portal, mapping.table))
        elif mapping.owner or mapping.needs:  # a composite key: such a row goes where its one parent went
            route = (*mapping.owner, *mapping.needs)[0]
            parent, column = route.table, route.column
        else:
            return Counter()
        owners = self.indexed(mapping.portal, parent)
        aside = pl.Series(list(held_only), dtype=pl.String)
        found: Counter[int] = Counter()
        for file in self._folder.files("extract", layout.extracted(mapping.portal, mapping.table)):
            keyed = [column] if mapping.key == (column,) else [column, "_key"]
            rows = pl.DataFrame(read_columns(self._folder.path, file, keyed))
            text = pl.col(keyed[-1]).cast(pl.String)
            kept = rows.filter(~text.is_in(aside.implode()).fill_null(True)) if len(aside) else rows
            found.update(_counted(kept.select(pl.col(column).alias("key")).join(owners, on="key")))
        return found

    def profile_of(self, row: Row) -> int | None:
        """The profile of a loaded row: the lowest, where its accounts are of several; None where it is on no account or does not exist."""
        return self._lowest(row[0], row[1]).get(row[2])

    def _lowest(self, portal: str, table: str) -> Mapping[str, int]:
        if (portal, table) not in self._by_text:
            frame = self.indexed(portal, table).group_by("key").agg(pl.col("profile").min())
            self._by_text[portal, table] = {str(key): profile for key, profile in frame.iter_rows()}
        return self._by_text[portal, table]

    @cached_property
    def _by_text(self) -> dict[tuple[str, str], Mapping[str, int]]:
        return {}


def _counted(pairs: pl.DataFrame) -> Counter[int]:
    return Counter(dict(pairs.group_by("profile").len().iter_rows()))


def rows_by_profile(rows: RowsByProfile, mappings: Mappings, held: HeldRows) -> pl.DataFrame:
    """rows_read, rows_loaded, rows_held of each company profile (company_profile_id); a row that is loaded and held counts in both, and is read once.

    A loaded row counts for each profile on whose accounts it is, a held one for the profile that its first set route leads to.
    """
    only: dict[tuple[str, str], list[str]] = {}
    for portal, table, key in held.only:
        only.setdefault((portal, table), []).append(key)
    loaded: Counter[int] = Counter()
    for mapping in mappings.tables.values():
        loaded.update(rows.loaded(mapping, only.get((mapping.portal, mapping.table), ())))
    aside: Counter[int] = Counter()
    both: Counter[int] = Counter()
    for row in held.reasons:
        profile = held.profile(row, rows.profile_of)
        if profile is not None:
            aside[profile] += 1
            both[profile] += row not in held.only
    profiles = sorted({*loaded, *aside})
    return pl.DataFrame(
        {
            "company_profile_id": profiles,
            "rows_read": [loaded[p] + aside[p] - both[p] for p in profiles],
            "rows_loaded": [loaded[p] for p in profiles],
            "rows_held": [aside[p] for p in profiles],
        },
        schema={"company_profile_id": pl.Int64, "rows_read": pl.Int64, "rows_loaded": pl.Int64, "rows_held": pl.Int64},
    )
