"""One value at a time: what a raw cell means for its declared type, for the few rows that whole columns cannot settle (X2, E8)."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import TypeAlias

from etl.reconcile.engine.spec import Column

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?: 00:00:00)?")
_TIMESTAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?(?:Z|\+00:00)?")

# Only as PostgreSQL writes it, so that no two texts are one value: no year with a nought before it, no hour 24, no nought at the end.
_EXTREME = re.compile(
    r"([0-9]{4}|[1-9][0-9]{4,6})-([0-9]{2})-([0-9]{2})"
    r"(?: ([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{0,5}[1-9]))?)?( BC)?"
)
_INFINITE, _EPOCH = ("infinity", "-infinity"), date(1970, 1, 1).toordinal()


class Text(bytes):
    """The bytes of a TEXT value, apart from `bytes`, which are a BLOB's."""


class Id(bytes):
    """An id of a database that has a type for ids: its sixteen bytes."""


class Extreme(int):
    """A day or moment outside the years 1 to 9999, which PostgreSQL can hold: days or microseconds since 1970; infinity as the end of the range."""


class Unfit:
    """A raw cell that its adapter's form cannot read: unreadable, even where the contract's type could have read it."""

    def __init__(self, raw: "Raw") -> None:
        self.raw = raw


class Odd(Enum):
    """The one mark of a value that cannot be read (X2)."""

    UNREADABLE = "unreadable"


UNREADABLE = Odd.UNREADABLE
Raw: TypeAlias = (
    int | float | Text | Id | bytes | str | date | datetime | bool | Unfit | None
)  # Id, str, date, datetime, bool: of a typed database only
Cell: TypeAlias = int | str | bytes | date | datetime | None


@dataclass(frozen=True)
class Spoilt:
    """Exact bytes that no text of the target can hold (E8)."""

    digest: str
    size: int


def readable(raw: Raw, column: Column) -> Cell | Odd:
    """Returns the value of the column's kind, or UNREADABLE; invalid texts with U+FFFD (X2, E8; fine print 23, 41, 42).

    A `str` comes from a typed database: a date column's value is readable in every year, for X2 is about values outside the type.
    """
    if raw is None:
        return None
    if isinstance(raw, Unfit):
        return UNREADABLE
    match column.kind:
        case "integer":
            limit = 1 << (column.bits - 1)
            return raw if isinstance(raw, int) and not isinstance(raw, bool) and -limit <= raw < limit else UNREADABLE
        case "date":
            value = raw if type(raw) is date else _date(raw) if isinstance(raw, (Text, str)) else UNREADABLE
            return extreme(raw, column) if value is UNREADABLE and isinstance(raw, str) else value
        case "timestamp":
            moment = raw if isinstance(raw, datetime) else _timestamp(raw) if isinstance(raw, (Text, str)) else UNREADABLE
            return extreme(raw, column) if moment is UNREADABLE and isinstance(raw, str) else moment
        case "binary":
            return bytes(raw) if isinstance(raw, bytes) else UNREADABLE
    text = shown(raw)
    return text if not column.length or len(text) <= column.length else UNREADABLE


def extreme(text: str, column: Column) -> Extreme | Odd:
    """Returns the number of a day or moment that only PostgreSQL can hold (`infinity`, `0044-03-15 BC`, `10000-01-01`), or UNREADABLE."""
    moment = column.kind == "timestamp"
    if text in _INFINITE:
        bits = 63 if moment else 31
        return Extreme((1 << bits) - 1 if text == "infinity" else -(1 << bits))
    match = _EXTREME.fullmatch(text)
    if match is None or (match[4] is not None) is not moment:
        return UNREADABLE
    year = 1 - int(match[1]) if match[8] else int(match[1])
    if 1 <= year <= 9999 or match[1] == "0000":  # `readable` handles these years; year 0000 does not exist
        return UNREADABLE
    cycle, within = divmod(year, 400)  # the calendar repeats itself
    try:
        day = date(within + 400, int(match[2]), int(match[3])).toordinal() - _EPOCH + (cycle - 1) * 146_097
    except ValueError:
        return UNREADABLE
    if not moment:
        return Extreme(day)
    second = (int(match[4]) * 60 + int(match[5])) * 60 + int(match[6])
    micro = day * 86_400_000_000 + second * 1_000_000 + int((match[7] or "").ljust(6, "0"))
    return Extreme((micro + (1 << 63)) % (1 << 64) - (1 << 63))  # its last years lie beyond 64 bits, and wrap around


def shown(raw: Raw) -> str:
    """Returns the text of any raw value: a BLOB's bytes read as text, a REAL in its shortest decimal form (fine print 42, 47)."""
    if isinstance(raw, Unfit):
        raw = raw.raw
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "replace").replace("\0", "\ufffd")
    return repr(raw) if isinstance(raw, float) else str(raw)


def spoilt(raw: Raw) -> Spoilt | None:
    """Returns digest and size of the bytes of a text with U+0000 or invalid Unicode; None for all other values (E8; fine print 26)."""
    if isinstance(raw, Unfit):
        return None
    if not isinstance(raw, bytes):
        return None
    try:
        if "\0" not in raw.decode("utf-8"):
            return None
    except UnicodeDecodeError:
        pass
    return Spoilt(hashlib.sha256(raw).hexdigest(), len(raw))


def plain(raw: Raw, column: Column) -> object:
    """Returns the value as `row_json` holds it: numbers as numbers, null as null, everything else as text (fine print 27)."""
    if isinstance(raw, Unfit):
        inner = raw.raw
        return inner if isinstance(inner, int) and not isinstance(inner, bool) else shown(inner)
    if raw is None or isinstance(raw, int) or (isinstance(raw, float) and math.isfinite(raw)):
        return raw  # JSON has no number for infinity: that one is text
    if isinstance(raw, datetime):
        return raw.isoformat(" ")
    return shown(raw) if not isinstance(raw, date) else raw.isoformat()


def same_in_json(expected: object, actual: object, column: Column) -> bool:
    """Returns whether two values of `row_json` are equal: dates and times in any readable form (fine print 41), CHAR(n) without trailing blanks."""
    if type(expected) is type(actual) and (expected == actual or (expected != expected and actual != actual)):
        return True
    if column.padded and isinstance(expected, str) and isinstance(actual, str):
        return expected.rstrip(" ") == actual.rstrip(" ")
    if column.kind in ("date", "timestamp") and isinstance(expected, str) and isinstance(actual, str):
        value = readable(expected, column)
        return value is not UNREADABLE and value == readable(actual, column)
    return False


def key_text(raws: Sequence[Raw]) -> str:
    """Returns the key of a row as text, parts joined with '|'; unreadable parts as their text."""
    return "|".join(shown(raw) for raw in raws)


def key_order(raws: Sequence[Raw]) -> tuple[tuple[int, object], ...]:
    """Returns a sort key in the order of the source: null, numbers, texts, blobs, the latter two by their bytes."""
    return tuple(
        (-1, 0) if raw is None else (0, raw) if isinstance(raw, (int, float)) else (1 if isinstance(raw, (Text, str)) else 2, _bytes(raw))
        for raw in raws
    )


def _bytes(raw: Raw) -> bytes:
    return bytes(raw) if isinstance(raw, bytes) else str(raw).encode()


def _date(raw: Text | str) -> date | Odd:
    match = _DATE.fullmatch(shown(raw))
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else UNREADABLE
    except ValueError:
        return UNREADABLE


def _timestamp(raw: Text | str) -> datetime | Odd:
    match = _TIMESTAMP.fullmatch(shown(raw))
    if match is None:
        return UNREADABLE
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, int((match[7] or "").ljust(6, "0")))
    except ValueError:
        return UNREADABLE
