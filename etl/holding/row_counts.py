"""The numbers of source rows of each company profile: read, loaded, held; counted from the index files of the run's steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import polars as pl

from etl.holding.held_roots import HeldRows, Row
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings, TableMapping

_GROUPS_ONLY = frozenset({"trade_organization"})  # A10: a group has no rights and holds no rows; its row is on no account
_PART = 500_000  # index rows that are processed together


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
        """Returns the table's loaded rows on accounts: key (text), profile (integer), one row for each profile; empty without an index."""
        if (portal, table) not in self._known:
            self._known[portal, table] = pl.concat(
                [pl.DataFrame(schema={"key": pl.Int64, "profile": pl.Int64}), *self._parts(portal, table)]
            )
        return self._known[portal, table]

    def _parts(self, portal: str, table: str) -> Iterator[pl.DataFrame]:
        """Yields the same in small parts; each key is in one part only."""
        file = self._files.get(f"{portal}.{table}")
        if file is None or table in _GROUPS_ONLY:
            return
        for part in pl.DataFrame(self._folder.read_table(file)).filter(~pl.col("held")).iter_slices(_PART):
            copies = part.select("key", pl.col("accounts").alias("account")).explode("account").drop_nulls()
            yield copies.join(self._profiles, on="account").select("key", "profile").unique()

    def loaded(self, mapping: TableMapping, held_only: Iterable[str]) -> Counter[int]:
        """Returns the number of loaded rows of the table by profile; a row on accounts of two profiles counts for both."""
        found: Counter[int] = Counter()
        if mapping.table.endswith("_content"):
            parent, column = mapping.table.removesuffix("_content"), mapping.key[0]
        elif f"{mapping.portal}.{mapping.table}" in self._files:
            for part in self._parts(mapping.portal, mapping.table):
                found.update(_counted(part))
            return found
        elif mapping.owner or mapping.needs:  # a composite key: such a row follows its one parent
            route = (*mapping.owner, *mapping.needs)[0]
            parent, column = route.table, route.column
        else:
            return Counter()
        owners = self.indexed(mapping.portal, parent)
        aside = pl.Series(list(held_only), dtype=pl.String)
        for file in self._folder.files("extract", layout.extracted(mapping.portal, mapping.table)):
            keyed = [column] if mapping.key == (column,) else [column, "_key"]
            rows = pl.DataFrame(read_columns(self._folder.path, file, keyed))
            text = pl.col(keyed[-1]).cast(pl.String)
            kept = rows.filter(~text.is_in(aside.implode()).fill_null(True)) if len(aside) else rows
            found.update(_counted(kept.select(pl.col(column).alias("key")).join(owners, on="key")))
        return found

    def lowest(self, portal: str, table: str, keys: pl.Series) -> pl.DataFrame:
        """Returns key, profile of those of these keys (text) that are loaded on accounts; the lowest profile where there are several."""
        found = [pl.DataFrame(schema={"key": pl.String, "profile": pl.Int64})]
        for part in self._parts(portal, table):
            chosen = part.with_columns(pl.col("key").cast(pl.String)).filter(pl.col("key").is_in(keys.implode()))
            found.append(chosen.group_by("key").agg(pl.col("profile").min()))
        return pl.concat(found)

    def profile_of(self, row: Row) -> int | None:
        """Returns the lowest profile of a loaded row; None where it is on no account or does not exist."""
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


_COUNTS = ("rows_read", "rows_loaded", "rows_held")
BY_TABLE = {"company_profile_id": pl.Int64, "portal": pl.String, "table": pl.String, **dict.fromkeys(_COUNTS, pl.Int64)}


def rows_by_table(rows: RowsByProfile, mappings: Mappings, held: HeldRows) -> pl.DataFrame:
    """Returns BY_TABLE: the rows of each company profile and source table; a row that is loaded and held counts in both, and is read once.

    A loaded row counts for each profile whose accounts have a copy, a held one for the profile at the end of its first set route.
    """
    only: dict[tuple[str, str], list[str]] = {}
    for portal, table, key in held.only:
        only.setdefault((portal, table), []).append(key)
    aside: Counter[tuple[str, str, int]] = Counter()
    both: Counter[tuple[str, str, int]] = Counter()
    for row in held.reasons:
        profile = held.profile(row, rows.profile_of)
        if profile is not None:
            aside[row[0], row[1], profile] += 1
            both[row[0], row[1], profile] += row not in held.only
    found = []
    for mapping in mappings.tables.values():
        of = (mapping.portal, mapping.table)
        loaded = rows.loaded(mapping, only.get(of, ()))
        profiles = sorted({*loaded, *(profile for *table, profile in aside if tuple(table) == of)})
        found += [(p, *of, loaded[p] + aside[*of, p] - both[*of, p], loaded[p], aside[*of, p]) for p in profiles]
    return pl.DataFrame(found, schema=BY_TABLE, orient="row")


def rows_by_profile(rows: RowsByProfile, mappings: Mappings, held: HeldRows) -> pl.DataFrame:
    """Returns rows_read, rows_loaded, rows_held by company_profile_id, counted as in `rows_by_table`."""
    return rows_by_table(rows, mappings, held).group_by("company_profile_id").agg(pl.col(_COUNTS).sum()).sort("company_profile_id")
