"""One cell at a time: what a form of the adapter makes of raw cells. Written from the description of the forms, not from the loader."""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from etl.reconcile.engine.cells import Raw, Text, Unfit
from etl.reconcile.present.words import Recipe

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DATE_PARTS = re.compile("YYYY|YY|MON|MM|DD")  # in `date` all else is literal, also the words for a time of day
_MOMENT_PARTS = re.compile("YYYY|YY|MON|MM|DD|HH24|HH12|AM|MI|SS|FF")
_DIGITS = {
    "YYYY": r"\d{4}",
    "YY": r"\d\d",
    "MON": r"[A-Za-z]{3}",
    "MM": r"\d\d",
    "DD": r"\d\d",
    "HH24": r"\d\d",
    "HH12": r"\d\d",
    "AM": r"[AaPp][Mm]",
    "MI": r"\d\d",
    "SS": r"\d\d",
    "FF": r"\d{1,6}",
}
_BAD = object()  # what cannot be read


def text_form(raw: Raw) -> str | None:
    """Returns the text form of a raw cell, None for null: whole decimals without a point, moments with a blank, invalid bytes as U+FFFD."""
    if raw is None:
        return None
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float):
        return str(int(Decimal(repr(raw)))) if raw.is_integer() else repr(raw)
    if isinstance(raw, datetime):
        return raw.isoformat(" ")
    if isinstance(raw, date):
        return raw.isoformat()
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd") if isinstance(raw, bytes) else str(raw)


def spoilt(raw: Raw) -> bool:
    """Returns whether a text has invalid UTF-8 or U+0000 (E8); only `text`, `trim` and the unchanged cell can represent it."""
    if not isinstance(raw, bytes):
        return False
    try:
        return "\0" in raw.decode("utf-8")
    except UnicodeDecodeError:
        return True


def made(recipe: Recipe, raws: Sequence[Raw]) -> Raw:
    """Returns the contract's raw cell as a SQLite portal of the contract would store it; `Unfit` with the raw cell if the form cannot read it."""
    match recipe.form:
        case "same":
            return raws[0]
        case "absent":
            return None
        case "constant":
            value = recipe.words["value"]
            return value if isinstance(value, int) else Text(_said(value).encode())
        case "join":
            if any(map(spoilt, raws)):
                return Unfit(raws[0])
            parts = [text for raw in raws if (text := text_form(raw)) is not None]
            return Text(recipe.words.get("with", " ").join(parts).encode()) if parts else None
        case "number":
            if any(raw is None for raw in raws):
                return None
            if any(map(spoilt, raws)):
                return Unfit(raws[0])
            return _number([str(text_form(raw)) for raw in raws], recipe.words.get("mark"))
    (raw,) = raws
    if raw is None:
        return None
    if recipe.form == "text":
        return Text(raw) if isinstance(raw, bytes) else Text(str(text_form(raw)).encode())
    if recipe.form == "trim":
        return Text((bytes(raw) if isinstance(raw, bytes) else str(text_form(raw)).encode()).rstrip(b" "))
    if spoilt(raw):
        return Unfit(raw)
    found = _of_text(recipe, str(text_form(raw)))
    if found is _BAD:
        return Unfit(raw)
    if isinstance(found, str):
        return Text(found.encode())
    assert found is None or isinstance(found, int | bytes)  # noqa: S101 - tells the type checker what `_of_text` gives
    return found


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def _number(parts: list[str], mark: str | None) -> int:
    text = "|".join([*parts, mark] if mark is not None else parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 4


def _of_text(recipe: Recipe, text: str) -> object:
    words = recipe.words
    match recipe.form:
        case "integer":
            plain = text.strip(" ")
            if not re.fullmatch("-?[0-9]+", plain):
                return _BAD
            number = int(plain) if len(plain.lstrip("-0")) < 20 else 1 << 64
            return number if -(1 << 63) <= number < 1 << 63 else _BAD
        case "flag":
            return "Y" if text in words["yes"] else "N" if text in words["no"] else _BAD
        case "code":
            if text in recipe.codes and text != "*":
                return recipe.codes[text]
            return text if "*" in recipe.codes else _BAD
        case "date":
            day = _parsed(text, words["form"], words.get("pivot"), _DATE_PARTS)
            return _BAD if day is None else day.date().isoformat()
        case "moment":
            moment = _moment(text, words["form"], words.get("pivot"), words.get("zone", "UTC"))
            return _BAD if moment is None else moment.isoformat(" ")
        case "part":
            parts = text.split(words["split"])
            if words["take"] > len(parts):
                return None
            part = parts[words["take"] - 1]
            return (part.strip() or None) if words.get("trim") else part
        case "path":
            prefix = words["from"]
            return text[len(prefix) :].replace(words.get("slash", "\\"), "/") if text[: len(prefix)].lower() == prefix.lower() else _BAD
        case "bytes":
            plain = "".join(text.split())
            try:
                return base64.b64decode(plain, validate=True) if words["form"] == "base64" else bytes.fromhex(plain)
            except ValueError:
                return _BAD
    return _BAD


def _moment(text: str, form: str, pivot: int | None, zone: str) -> datetime | None:
    if form in ("epoch_s", "epoch_ms"):
        if not re.fullmatch("-?[0-9]{1,15}", text):
            return None
        unit = "seconds" if form == "epoch_s" else "milliseconds"
        try:
            return datetime(1970, 1, 1) + timedelta(**{unit: int(text)})
        except OverflowError:
            return None
    local = _parsed(text, form, pivot, _MOMENT_PARTS)
    if local is None or zone == "UTC":
        return local
    try:  # the earlier of two instants; the offset before the gap for a wall clock that was skipped
        return local.replace(tzinfo=_zone(zone), fold=0).astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=256)
def _pattern(form: str, parts: re.Pattern[str]) -> re.Pattern[str]:
    built, last = "", 0
    for match in parts.finditer(form):
        built += re.escape(form[last : match.start()]) + f"(?P<{match[0]}>{_DIGITS[match[0]]})"
        last = match.end()
    return re.compile(built + re.escape(form[last:]), re.ASCII)


def _parsed(text: str, form: str, pivot: int | None, parts: re.Pattern[str]) -> datetime | None:
    match = _pattern(form, parts).fullmatch(text)
    if match is None:
        return None
    said = match.groupdict()
    if "YYYY" in said:  # noqa: SIM108  # the line would be too long
        year = int(said["YYYY"])
    else:
        year = next(y for y in range(int(pivot or 0), int(pivot or 0) + 100) if y % 100 == int(said["YY"]))
    if "MON" in said:
        if said["MON"].upper() not in _MONTHS:
            return None
        month = _MONTHS.index(said["MON"].upper()) + 1
    else:
        month = int(said["MM"])
    hour = int(said.get("HH24") or 0)
    if "HH12" in said:
        if not 1 <= int(said["HH12"]) <= 12:
            return None
        hour = int(said["HH12"]) % 12 + (12 if said["AM"].upper() == "PM" else 0)
    try:
        return datetime(
            year,
            month,
            int(said["DD"]),
            hour,
            int(said.get("MI") or 0),
            int(said.get("SS") or 0),
            int((said.get("FF") or "").ljust(6, "0")),
        )
    except ValueError:
        return None
