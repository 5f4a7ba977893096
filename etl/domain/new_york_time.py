"""Rule J4: the old portal's wall clock in New York, as moments in UTC."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl

# The pinned tzdata package, never the machine's own files: the same text is the same moment everywhere.
zoneinfo.reset_tzpath(to=())
NEW_YORK = zoneinfo.ZoneInfo.no_cache("America/New_York")
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)
_FORM = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"


def utc(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Returns (moments in UTC, null if the text cannot be read; whether each is certain) for New York wall clocks (J4).

    Ambiguous in autumn: the earlier instant; skipped in spring: shifted forward; both, and unreadable texts, are uncertain.
    """
    frame = (
        texts.rename("text")
        .to_frame()
        .with_columns(
            pl.when(pl.col("text").str.contains(_FORM))
            .then(pl.col("text"))
            .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
            .alias("local")
        )
    )
    frame = frame.with_columns(pl.when(pl.col("local").dt.year() > 0).then(pl.col("local")))
    days = frame.select(pl.col("local").dt.date().alias("day")).drop_nulls().unique()
    offsets = pl.DataFrame(
        [(day, _steady_offset(day)) for day in days["day"].to_list()], schema={"day": pl.Date, "seconds": pl.Int64}, orient="row"
    )
    frame = frame.with_columns(pl.col("local").dt.date().alias("day")).join(offsets, on="day", how="left", maintain_order="left")
    moment = (pl.col("local") - pl.duration(seconds=pl.col("seconds"))).cast(pl.Datetime("us"))
    frame = frame.with_columns(moment.alias("moment"), pl.col("seconds").is_not_null().alias("certain"))
    changing = frame.with_row_index("row").filter(pl.col("local").is_not_null() & pl.col("seconds").is_null())
    if changing.height:  # the two days of the year on which the clocks change
        single = [_one(local) for local in changing["local"].to_list()]
        patch = pl.DataFrame(
            {"row": changing["row"], "m": [m for m, _ in single], "c": [c for _, c in single]}, schema_overrides={"m": pl.Datetime("us")}
        )
        frame = frame.with_row_index("row").join(patch, on="row", how="left", maintain_order="left")
        frame = frame.with_columns(pl.coalesce("m", "moment").alias("moment"), pl.coalesce("c", "certain").alias("certain"))
    there = pl.col("moment") <= _LAST  # fine print 58: there is no valid time after the year 9999
    frame = frame.with_columns(pl.when(there).then(pl.col("moment")), (pl.col("certain") & there.fill_null(False)).alias("certain"))
    return frame["moment"], frame["certain"]


@lru_cache(maxsize=200_000)  # 500 years of days: the same ones come with every stage file
def _steady_offset(day: date) -> int | None:
    """Returns New York's offset from UTC in seconds if it is the same all day; None on days on which the clocks change."""
    first = datetime.combine(day, datetime.min.time())
    last = first + timedelta(hours=23, minutes=59, seconds=59)
    found = {moment.replace(tzinfo=NEW_YORK, fold=fold).utcoffset() for moment in (first, last) for fold in (0, 1)}
    offset = found.pop()
    return int(offset.total_seconds()) if not found and offset is not None else None


def _one(local: datetime) -> tuple[datetime, bool]:
    """Returns the instant with fold=0: the earlier one of an ambiguous hour; a skipped hour is read with the offset before the gap."""
    early, late = local.replace(tzinfo=NEW_YORK, fold=0), local.replace(tzinfo=NEW_YORK, fold=1)
    moment = (local - (early.utcoffset() or timedelta())).replace(tzinfo=UTC)
    return moment.replace(tzinfo=None), early.utcoffset() == late.utcoffset()
