"""Days and moments from texts, by the adapter's patterns; every part has a fixed width except the fraction of a second."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl

from etl.present.patterns import EPOCHS, MONTHS, PARTS, taken_apart

# The pinned tzdata package, never the machine's files.
zoneinfo.reset_tzpath(to=())
_MONTH = {name: f"{number:02d}" for number, name in enumerate(MONTHS, start=1)}
_LEAST, _MOST = -62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds of the years 1 to 9999


def days(texts: pl.Series, form: str, pivot: int | None) -> pl.Series:
    """Returns the day of each text (Date); null where it does not match the pattern or is not a valid day of the years 1 to 9999."""
    frame = _split(texts, form, moment=False)
    day = _day(pivot).str.to_date("%Y-%m-%d", strict=False)
    return frame.select(pl.when(day.dt.year() > 0).then(day)).to_series()


def moments(texts: pl.Series, form: str, pivot: int | None, zone: str) -> pl.Series:
    """Returns the moment of each text in UTC, in microseconds; null where it does not match the pattern, or is outside the years 1 to 9999."""
    if form in EPOCHS:
        return _epochs(texts, 1_000_000 if form == "epoch_s" else 1_000)
    if pivot is None and (at_once := _at_once(form)) is not None:
        pattern, parsed = at_once
        whole = pl.when(pl.col("t").str.contains(pattern)).then(pl.col("t")).str.to_datetime(parsed, time_unit="us", strict=False)
        read = texts.to_frame("t").select(pl.when(whole.dt.year() > 0).then(whole)).to_series()
        return read if zone == "UTC" else _in_utc(read, zone)
    frame = _split(texts, form, moment=True)
    named = set(frame.columns)
    hour = pl.col("HH24") if "HH24" in named else pl.lit("00")
    if "HH12" in named:
        twelve = pl.col("HH12").cast(pl.Int64, strict=False)
        twelve = pl.when(twelve.is_between(1, 12)).then(
            twelve % 12 + pl.when(pl.col("AM").str.to_uppercase() == "PM").then(12).otherwise(0)
        )
        hour = twelve.cast(pl.String).str.zfill(2)
    minute = pl.col("MI") if "MI" in named else pl.lit("00")
    second = pl.col("SS") if "SS" in named else pl.lit("00")
    # A leap second is not a valid moment of the contract; parsers differ about it.
    fits = (hour <= "23") & (minute <= "59") & (second <= "59")
    text = pl.when(fits).then(pl.concat_str([_day(pivot), pl.lit(" "), hour, pl.lit(":"), minute, pl.lit(":"), second]))
    local = text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    if "FF" in named:
        local += pl.duration(microseconds=pl.col("FF").str.pad_end(6, "0").cast(pl.Int64, strict=False))
    found = frame.select(pl.when(local.dt.year() > 0).then(local).cast(pl.Datetime("us"))).to_series()
    return found if zone == "UTC" else _in_utc(found, zone)


# The parts that polars' parser reads with the pattern's meaning, after a regular expression has checked their digits.
_PARSED = {
    "YYYY": ("[0-9]{4}", "%Y"),
    "MM": ("[0-9]{2}", "%m"),
    "DD": ("[0-9]{2}", "%d"),
    "HH24": ("[0-9]{2}", "%H"),
    "HH12": ("(?:0[1-9]|1[0-2])", "%I"),
    "AM": ("[AaPp][Mm]", "%p"),
    "MI": ("[0-5][0-9]", "%M"),
    "SS": ("[0-5][0-9]", "%S"),  # a leap second is not a valid moment of the contract
}


@lru_cache(maxsize=256)
def _at_once(form: str) -> tuple[str, str] | None:
    """Returns (regular expression, format) where polars' parser can read the whole pattern; None for other patterns."""
    parts = taken_apart(form, moment=True)
    if not {"MI", "SS"} <= {part for part, _ in parts} or any(part and part not in _PARSED for part, _ in parts):
        return None
    if any(not (one.isascii() and one.isprintable()) or one == "%" for part, text in parts if not part for one in text):
        return None
    pattern = "^" + "".join(_PARSED[part][0] if part else _literal(text) for part, text in parts) + "$"
    return pattern, "".join(_PARSED[part][1] if part else text for part, text in parts)


def _day(pivot: int | None) -> pl.Expr:
    month = pl.coalesce(pl.col("MM"), pl.col("MON").str.to_uppercase().replace_strict(_MONTH, default=None, return_dtype=pl.String))
    if pivot is None:
        year = pl.col("YYYY")
    else:
        two = pl.col("YY").cast(pl.Int64, strict=False)
        year = (pivot + (two - pivot % 100) % 100).cast(pl.String).str.zfill(4)
    return pl.concat_str([year, pl.lit("-"), month, pl.lit("-"), pl.col("DD")])


def _split(texts: pl.Series, form: str, moment: bool) -> pl.DataFrame:
    """Returns the parts of each text as columns, null in all of them where the text does not match; MM or MON is null throughout."""
    parts = taken_apart(form, moment)
    pattern = "^" + "".join(PARTS[part] if part else _literal(text) for part, text in parts) + "$"
    fits = pl.when(pl.col("t").str.contains(pattern)).then(pl.col("t"))
    widths = [_WIDTH[part] if part else len(text) for part, text in parts]
    columns: list[pl.Expr] = []
    fraction = next((n for n, (part, _) in enumerate(parts) if part == "FF"), len(parts))
    for number, (part, _) in enumerate(parts):
        if part == "FF":
            behind = sum(widths[number + 1 :])
            ahead = sum(widths[:number])
            columns.append(pl.col("fit").str.slice(ahead, pl.col("fit").str.len_chars() - ahead - behind).alias(part))
        elif part and number < fraction:
            columns.append(pl.col("fit").str.slice(sum(widths[:number]), widths[number]).alias(part))
        elif part:  # after the fraction, whose length varies: counted from the end
            columns.append(pl.col("fit").str.slice(-sum(widths[number:]), widths[number]).alias(part))
    frame = texts.to_frame("t").select(fits.alias("fit")).select(columns)
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in ("MM", "MON") if name not in frame.columns)


_WIDTH = {"YYYY": 4, "YY": 2, "MM": 2, "MON": 3, "DD": 2, "HH24": 2, "HH12": 2, "AM": 2, "MI": 2, "SS": 2, "FF": 0}


def _literal(text: str) -> str:
    return "".join(f"\\x{{{ord(c):x}}}" for c in text)


def _epochs(texts: pl.Series, factor: int) -> pl.Series:
    frame = texts.to_frame("t")
    number = pl.when(pl.col("t").str.contains("^-?[0-9]{1,15}$")).then(pl.col("t")).cast(pl.Int64, strict=False)
    inside = number.is_between(-(-_LEAST // factor), _MOST // factor)
    return frame.select(pl.when(inside).then(number * factor).cast(pl.Datetime("us"))).to_series()


def _in_utc(local: pl.Series, zone: str) -> pl.Series:
    """Returns local times in UTC: the earlier of two equal local times; a skipped one is shifted forward."""
    known = zoneinfo.ZoneInfo(zone)
    frame = local.to_frame("local").with_columns(pl.col("local").dt.date().alias("day"), pl.col("local").dt.truncate("1h").alias("hour"))
    years = frame["day"].dt.year().drop_nulls().unique().to_list()
    ofdays = [item for year in years for item in _days_of(year, zone).items()]
    by_day = pl.DataFrame(ofdays, schema={"day": pl.Date, "daily": pl.Int64}, orient="row")
    frame = frame.join(by_day, on="day", how="left", maintain_order="left")
    # The offset is computed hourly only on days on which it changes, and for each moment only where it changes within the hour.
    hours = frame.filter(pl.col("daily").is_null())["hour"].drop_nulls().unique()
    found = [_offset(hour, known) for hour in hours.to_list()]
    offsets = pl.DataFrame([hours, pl.Series("hourly", found, dtype=pl.Int64)])
    frame = frame.join(offsets, on="hour", how="left", maintain_order="left")
    frame = frame.with_columns(pl.coalesce("daily", "hourly").alias("seconds"))
    moment = pl.col("local") - pl.duration(seconds=pl.col("seconds"))
    utc = frame.select(moment.cast(pl.Datetime("us"))).to_series()
    single = frame.with_row_index("row").filter(pl.col("local").is_not_null() & pl.col("seconds").is_null())
    if single.height:
        one = [_one(moment, known) for moment in single["local"].to_list()]
        utc = utc.scatter(single["row"], pl.Series(one, dtype=pl.Datetime("us")))
    year = utc.dt.year()
    return pl.DataFrame([utc.alias("u"), ((year > 0) & (year < 10_000)).alias("ok")]).select(pl.when("ok").then("u")).to_series()


@lru_cache(maxsize=1024)
def _days_of(year: int, zone: str) -> dict[date, int]:
    """Returns, by day without a change in that year, the seconds that the zone is ahead of UTC, sampled every six hours."""
    known, found = zoneinfo.ZoneInfo(zone), dict[date, int]()
    before: int | None = None
    for number in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1):
        day = date.fromordinal(number)
        try:
            start = datetime(day.year, day.month, day.day)  # local time
            asked = [start + timedelta(hours=hours) for hours in ((6, 12, 18, 24) if before is not None else (0, 6, 12, 18, 24))]
            offsets = [int((one.replace(tzinfo=known).utcoffset() or timedelta()).total_seconds()) for one in asked]
        except OverflowError:
            before = None
            continue
        if len({*offsets, *([before] if before is not None else [])}) == 1:
            found[day] = offsets[0]
        before = offsets[-1]
    return found


def _offset(hour: datetime, zone: zoneinfo.ZoneInfo) -> int | None:
    """Returns the seconds that the zone is ahead of UTC during that local hour; None where the offset changes within it."""
    try:
        last = hour + timedelta(minutes=59, seconds=59)
        found = {moment.replace(tzinfo=zone, fold=fold).utcoffset() for moment in (hour, last) for fold in (0, 1)}
    except OverflowError:
        return None
    offset = found.pop()
    return int(offset.total_seconds()) if not found and offset is not None else None


def _one(local: datetime, zone: zoneinfo.ZoneInfo) -> datetime | None:
    """Returns the UTC moment with fold=0: the earlier of two, and the offset before the gap for a skipped time, which shifts it forward."""
    try:
        return (local - (local.replace(tzinfo=zone, fold=0).utcoffset() or timedelta())).replace(tzinfo=UTC).replace(tzinfo=None)
    except OverflowError:
        return None
