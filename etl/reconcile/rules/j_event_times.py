"""The wall clock of New York, read as moments in UTC (J4)."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pyarrow as pa

from etl.reconcile.engine.frames import string_bytes
from etl.reconcile.engine.moments import DAY, microseconds
from etl.reconcile.engine.ordinary import Note, RowRule
from etl.reconcile.engine.spec import Value
from etl.reconcile.engine.world import ExpectedState, Ints, Mask

# Each rule of this module, and the source tables whose rows it flags.
RULES: dict[str, tuple[str, ...]] = {
    "J1": (),
    "J4": ("P2.event_history",),
}

ZONE = ZoneInfo("America/New_York")


def occurred_at(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns each event's moment in UTC; null if the wall clock cannot be read (J4)."""
    return utc(rows[value.source[0]])[0]


def occurred_certain(world: ExpectedState, rows: pl.DataFrame, value: Value) -> pl.Series:
    """Returns false for wall clocks that are ambiguous, skipped, unreadable or null (J4)."""
    return pl.Series(utc(rows[value.source[0]])[1])


def note_event(world: ExpectedState, rows: pl.DataFrame, scope: Ints) -> None:
    """Flags events whose wall clock is ambiguous, skipped, unreadable or null (J4)."""
    world.flag("J4", "P2", "event_history", rows, ~utc(rows["updated_local"])[1])


def utc(texts: pl.Series) -> tuple[pl.Series, Mask]:
    """Returns (moment in UTC, microseconds; whether it is certain) for each New York wall clock; null and uncertain if unreadable (J4).

    An ambiguous hour is its earlier instant; a skipped one is read by the offset before the clock went forward.
    Offsets are looked up once a day where the day has a single one, and text by text on the few days on which the clock changes.
    """
    data, start, length = string_bytes(texts.to_arrow().cast(pa.string()))
    micro, good = microseconds(data, start, length, exact=True)
    good &= (length == len("YYYY-MM-DD HH:MM:SS")) & texts.is_not_null().to_numpy()  # exactly this form (fine print 28)
    day = np.floor_divide(micro, DAY)
    days, back = np.unique(np.where(good, day, 0), return_inverse=True)
    offsets = np.array([_offset_of_day(int(d)) for d in days.tolist()], np.int64)
    offset = offsets[back]
    certain = good.copy()
    moment = micro - offset
    for row in np.flatnonzero(good & (offset == _CHANGES)).tolist():
        clock = datetime(1970, 1, 1) + timedelta(microseconds=int(micro[row]))
        first, second = (clock.replace(tzinfo=ZONE, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
        moment[row] = micro[row] - first // timedelta(microseconds=1)
        certain[row] = first == second
    good &= moment < _END  # there is no valid time after the year 9999
    certain &= good
    return pl.select(pl.when(pl.Series(good)).then(pl.Series(moment).cast(pl.Datetime("us")))).to_series(), certain


_CHANGES = -(1 << 62)
_END = int((datetime(9999, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days + 1) * DAY


def _offset_of_day(day: int) -> int:
    """Returns the offset in microseconds if it is the same all day, else _CHANGES; no day has two changes."""
    here, tomorrow = _offset_at_midnight(day), _offset_at_midnight(day + 1)
    return here if here == tomorrow else _CHANGES


@cache
def _offset_at_midnight(day: int) -> int:
    try:
        clock = datetime(1970, 1, 1, tzinfo=ZONE) + timedelta(days=day)
    except OverflowError:  # the day after the last one
        clock = datetime(9999, 12, 31, tzinfo=ZONE)
    return (clock.utcoffset() or timedelta()) // timedelta(microseconds=1)


# By (source table, target column), or by number for any column that the rule fills: the same on every copy of a row.
ROW: dict[tuple[str, str] | str, RowRule] = {
    ("event_history", "occurred_at"): occurred_at,
    ("event_history", "occurred_certain"): occurred_certain,
}

# By source table: what flags its loaded rows.
NOTE: dict[str, Note] = {
    "event_history": note_event,
}
