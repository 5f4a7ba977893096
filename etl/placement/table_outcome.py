"""The outcome of one source table: target rows, held rows, flags, and the tally that must add up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

from etl.domain.typed_values import LOADS_WITH_NULL
from etl.placement.account_directory import AccountDirectory
from etl.placement.account_index import AccountIndex, make_account_index
from etl.placement.held_rows import Odd, flag_unreadable, held_rows
from etl.placement.row_placement import FLAG, Bools, RowPlacement, int_values_and_mask
from etl.placement.target_rows import Computed, Rule, copies_of, flag_broken_soft_references, render_target_rows
from mappings.model import TableMapping

TALLY = {
    "portal": pl.String,
    "table": pl.String,
    "read": pl.Int64,
    "loaded": pl.Int64,
    "copies": pl.Int64,
    "held": pl.Int64,
    "loaded_and_held": pl.Int64,
}


@dataclass
class TableOutcome:
    """`tables`: by target table, its new rows; `where`: where the source rows went; `held`, `flags`, `tally`: rows of HELD, FLAG, TALLY."""

    portal: str
    table: str
    tables: dict[str, pa.Table] = field(default_factory=dict)
    held: pl.DataFrame = field(default_factory=lambda: pl.DataFrame())
    flags: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FLAG))
    tally: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TALLY))
    where: AccountIndex | None = None


def account_for_rows(
    placed: RowPlacement,
    spine: AccountDirectory,
    odd: Odd,
    rules: dict[str, Rule],
    computed: dict[str, dict[str, Computed]] | None = None,
    digests: dict[str, str] | None = None,
    excused: dict[str, Bools] | None = None,
    leave: frozenset[str] = frozenset(),
) -> TableOutcome:
    """Returns the outcome of one source table: target rows of every block of the mapping but those in `leave`, held rows, flags and tally.

    `computed`: by target table and column, values that the caller has computed; `digests`: by key, SHA-256 of the stored bytes of held rows;
    `excused`: by column, broken soft references that another rule flags. Raises MigrationError if a row is neither loaded nor held.
    """
    placed.check()
    flag_unreadable(placed, odd)
    flag_broken_soft_references(placed, spine, excused)
    tables = {}
    for into in placed.mapping.into:
        if into.per in ("account", "once") and into.table not in leave:
            tables[into.table] = render_target_rows(copies_of(placed, into, spine), into, (computed or {}).get(into.table, {}), rules)
    held = held_rows(placed, odd, digests)
    flagged = pl.concat(placed.flags) if placed.flags else pl.DataFrame(schema=FLAG)
    mapping = placed.mapping
    return TableOutcome(mapping.portal, mapping.table, tables, held, flagged, tally(placed), index_of_rows(placed))


def tally(placed: RowPlacement) -> pl.DataFrame:
    """Returns one row of TALLY with counts of source rows (`copies`: of target rows); each source row counts once as loaded or held."""
    loaded = placed.reason == 0
    both = loaded & (placed.frame["_mark"].to_numpy() == LOADS_WITH_NULL)
    counts = (len(loaded), int(loaded.sum()), len(placed.row), int((~loaded).sum()), int(both.sum()))
    return pl.DataFrame([(placed.mapping.portal, placed.mapping.table, *counts)], schema=TALLY, orient="row")


def has_index(mapping: TableMapping) -> bool:
    """Returns whether later tables can look up rows of this one: by a key of a single integer column."""
    return len(mapping.key) == 1 and mapping.shape.by_name[mapping.key[0]].family == "integer"


def index_of_rows(placed: RowPlacement) -> AccountIndex | None:
    """Returns the index in which later tables look up their parents; None if the key is not a single integer column."""
    mapping = placed.mapping
    if not has_index(mapping):
        return None
    values, present = int_values_and_mask(placed.frame, mapping.key[0])
    rank = np.cumsum(present) - 1
    known = present[placed.row]
    return make_account_index(values[present], (placed.reason > 0)[present], rank[placed.row[known]], placed.account[known])


def merged_flags(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Returns one row per rule and source row, sorted; distinct details are joined with `; ` and cut at 300 characters."""
    flagged = pl.concat([pl.DataFrame(schema=FLAG), *frames])
    joined = flagged.group_by("rule", "portal", "table", "key").agg(pl.col("detail").unique().sort().str.join("; ").str.slice(0, 300))
    return joined.sort("rule", "portal", "table", "key")
