"""Chapter J: times of events, from the old portal's wall clock in New York (J4)."""

from __future__ import annotations

from etl.domain import new_york_time
from etl.placement.account_directory import AccountDirectory
from etl.placement.row_placement import Flagged, RowPlacement
from etl.placement.target_rows import Computed, Flag, Rule, TargetRows
from mappings.model import Form

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "J1": (),
    "J4": ("P2.event_history",),
}


def occurred_at(copies: TargetRows, form: Form) -> Computed:
    """Returns each event's moment in UTC; null if the wall clock cannot be read (J4)."""
    return new_york_time.utc(copies.source_column(form.columns[0]))[0]


def occurred_certain(copies: TargetRows, form: Form) -> Computed:
    """Returns false for wall clocks that are ambiguous, skipped, unreadable or null (J4)."""
    return new_york_time.utc(copies.source_column(form.columns[0]))[1]


def flag_uncertain_moments(rows: RowPlacement, spine: AccountDirectory) -> Flagged:
    """Returns the events whose wall clock is ambiguous, skipped, unreadable or null, to be flagged under J4."""
    (text,) = rows.mapping.block("event_history").columns["occurred_certain"].columns
    return ~new_york_time.utc(rows.frame[text])[1].to_numpy(), "the New York wall clock is ambiguous, skipped, unreadable or absent"


# How columns come about: by target_table.column, or by the number for any column that this rule fills.
COLUMNS: dict[str, Rule] = {
    "event_history.occurred_at": occurred_at,
    "event_history.occurred_certain": occurred_certain,
}

# Which rows a rule flags, if that depends on rows of one table alone.
FLAGS: dict[str, Flag] = {
    "J4": flag_uncertain_moments,
}
