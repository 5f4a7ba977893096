"""The numbers of source rows of each company profile: read, loaded, held; counted from the index files of the run's steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from etl.holding.held_roots import HeldRows, Row
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings, TableMapping

_GROUPS_ONLY = frozenset({"trade_organization"})  # A10: a group has no rights and holds no rows; its row is on no account
_PART = 200_000  # index rows that are processed together


@dataclass(frozen=True)
class _Pass:
    """One pass through a table's index. `counted`: loaded rows by profile; `lowest`: key (text) and lowest profile of those of the keys `asked` that are loaded."""

    counted: Counter[int]
    asked: pl.Series
    lowest: pl.DataFrame


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
        self._expected: dict[tuple[str, str], pl.Series] = {}
        self._passed: dict[tuple[str, str], _Pass] = {}
        self._ends: tuple[HeldRows, dict[Row, int]] | None = None

    def expect(self, keys: pl.DataFrame) -> None:
        """Names rows (portal, table, key; text) that `lowest` will be asked for: the pass that counts a table's rows looks them up as well."""
        for (portal, table), part in keys.group_by("portal", "table"):
            self._expect((str(portal), str(table)), part["key"])

    def _expect(self, of: tuple[str, str], keys: pl.Series) -> None:
        self._expected[of] = pl.concat([self._expected.get(of, pl.Series(dtype=pl.String)), keys]).unique()

    @cached_property
    def _profiles(self) -> pl.Series:
        """Returns the company profile of each account, in the order of the accounts."""
        (table,) = self._folder.tables("split", layout.ACCOUNTS)
        return pl.DataFrame(table)["profile_id"].alias("profile")

    def indexed(self, portal: str, table: str) -> pl.DataFrame:
        """Returns the table's loaded rows on accounts: key (text), profile (integer), one row for each profile; empty without an index."""
        if (portal, table) not in self._known:
            self._known[portal, table] = pl.concat(
                [pl.DataFrame(schema={"key": pl.Int64, "profile": pl.Int64}), *self._parts(portal, table)]
            )
        return self._known[portal, table]

    def _parts(self, portal: str, table: str, keys: pl.Series | None = None) -> Iterator[pl.DataFrame]:
        """Yields the same in small parts, of these keys if they are given; each key is in one part only."""
        file = self._files.get(f"{portal}.{table}")
        if file is None or table in _GROUPS_ONLY:
            return
        wanted = ~pl.col("held") if keys is None else ~pl.col("held") & pl.col("key").is_in(keys.implode())
        columns = ["key", "held", "accounts"]
        for part in pl.DataFrame(read_columns(self._folder.path, file, columns)).iter_slices(_PART):
            copies = part.filter(wanted).select("key", pl.col("accounts").alias("account"))
            several = copies.filter(pl.col("account").list.len() > 1).explode("account")
            # Nearly every row is on one account: its profile needs no join, and no search for a second copy.
            alone = copies.filter(pl.col("account").list.len() == 1).with_columns(pl.col("account").list.first())
            yield pl.concat([self._with_profile(alone), self._with_profile(several).unique()])

    def _with_profile(self, copies: pl.DataFrame) -> pl.DataFrame:
        """Returns key, profile of copies of rows: key, account (its position among the accounts; -1: no account)."""
        placed = copies.filter(pl.col("account") >= 0)
        return placed.select("key", self._profiles.gather(placed["account"]))

    def loaded(self, mapping: TableMapping, held_only: Iterable[str]) -> Counter[int]:
        """Returns the number of loaded rows of the table by profile; a row on accounts of two profiles counts for both."""
        found: Counter[int] = Counter()
        if mapping.table.endswith("_content"):
            parent, column = mapping.table.removesuffix("_content"), mapping.key[0]
        elif f"{mapping.portal}.{mapping.table}" in self._files:
            return self._pass(mapping.portal, mapping.table).counted
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
        known = self._passed.get((portal, table))
        if known is None and _all_in(keys, self._expected.get((portal, table))):
            known = self._pass(portal, table)
        if known is not None and _all_in(keys, known.asked):
            return known.lowest.filter(pl.col("key").is_in(keys.implode()))
        asked = _numbers(keys)
        return _lowest(part.join(asked, on="key") for part in self._parts(portal, table, asked["key"]))

    def _pass(self, portal: str, table: str) -> _Pass:
        """Returns what one pass through the table's index gives."""
        if (portal, table) not in self._passed:
            keys = self._expected.get((portal, table), pl.Series(dtype=pl.String))
            asked = _numbers(keys)
            counted: Counter[int] = Counter()
            found = []
            for part in self._parts(portal, table):
                counted.update(_counted(part))
                found.append(part.join(asked, on="key"))
            self._passed[portal, table] = _Pass(counted, keys, _lowest(found))
        return self._passed[portal, table]

    def profiles(self, held: HeldRows) -> dict[Row, int]:
        """Returns the company profile of each held row whose first set route leads to one."""
        if self._ends is None or self._ends[0] is not held:
            self._ends = held, self._profiles_of(held)
        return self._ends[1]

    def _profiles_of(self, held: HeldRows) -> dict[Row, int]:
        ends = {row: end for row in held.reasons if (end := held.end(row)) is not None}
        known: dict[Row, int] = {}
        asked: dict[tuple[str, str], set[str]] = {}
        for end in ends.values():
            if end in held.only:
                if end[1] == "company_profile" and (number := _number(end[2])) is not None:
                    known[end] = number
            else:
                asked.setdefault((end[0], end[1]), set()).add(end[2])
        for of, keys in asked.items():
            self._expect(of, pl.Series(sorted(keys), dtype=pl.String))
        for of, keys in asked.items():
            for key, profile in self.lowest(*of, pl.Series(sorted(keys), dtype=pl.String)).iter_rows():
                known[*of, key] = profile
        return {row: known[end] for row, end in ends.items() if end in known}


def _numbers(keys: pl.Series) -> pl.DataFrame:
    """Returns text, key (integer) of those of these keys that an index file can hold."""
    numbers = keys.unique().to_frame("text").with_columns(pl.col("text").cast(pl.Int64, strict=False).alias("key"))
    return numbers.filter(pl.col("key").cast(pl.String) == pl.col("text"))


def _lowest(found: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Returns key (text), profile: of the rows found (key, profile, text) the lowest profile of each key."""
    every = pl.concat([pl.DataFrame(schema={"key": pl.Int64, "profile": pl.Int64, "text": pl.String}), *found])
    return every.group_by("text").agg(pl.col("profile").min()).rename({"text": "key"})


def _all_in(keys: pl.Series, expected: pl.Series | None) -> bool:
    return expected is not None and bool(keys.is_in(expected.implode()).all())


def _number(key: str) -> int | None:
    try:
        return int(key)
    except ValueError:
        return None


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
    aside: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    both: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for row, profile in rows.profiles(held).items():
        aside[row[0], row[1]][profile] += 1
        both[row[0], row[1]][profile] += row not in held.only
    found = []
    for mapping in mappings.tables.values():
        of = (mapping.portal, mapping.table)
        loaded, kept, twice = rows.loaded(mapping, only.get(of, ())), aside[of], both[of]
        profiles = sorted({*loaded, *kept})
        found += [(profile, *of, loaded[profile] + kept[profile] - twice[profile], loaded[profile], kept[profile]) for profile in profiles]
    return pl.DataFrame(found, schema=BY_TABLE, orient="row")
