"""Whole columns of dates and times of day, read from their texts without a loop over rows (fine print 41)."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

DAY = 86_400_000_000
_LENGTH_OF_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


def days(data: Bytes, start: Ints, length: Ints, exact: bool) -> tuple[Ints, Mask]:
    """Returns (days since 1970, which texts are dates): `YYYY-MM-DD`, and unless `exact` also with ` 00:00:00` appended."""
    values, good = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
    for width in (10,) if exact else (10, 19):
        at = np.flatnonzero(length == width)
        if len(at):
            text = _matrix(data, start[at], width)
            values[at], good[at] = _date(text)
            if width == 19:
                good[at] &= (text[:, 10:] == np.frombuffer(b" 00:00:00", np.uint8)).all(axis=1)
    return values, good


def microseconds(data: Bytes, start: Ints, length: Ints, exact: bool) -> tuple[Ints, Mask]:
    """Returns (microseconds since 1970, which texts are timestamps).

    `exact`: `YYYY-MM-DD HH:MM:SS`, or with six decimals; else also with T as separator, up to six decimals, Z or +00:00 (fine print 41).
    """
    values, good = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
    for width in (19, 26) if exact else sorted(set(length.tolist())):
        at = np.flatnonzero(length == width)
        if width < 19 or width > 32 or not len(at):
            continue
        text = _matrix(data, start[at], width)
        day, fine = _date(text)
        fine &= (text[:, 10] == ord(" ")) | ((text[:, 10] == ord("T")) & (not exact))
        fine &= (text[:, 13] == ord(":")) & (text[:, 16] == ord(":"))
        hour, minute, second = (_number(text, at_, at_ + 2, fine) for at_ in (11, 14, 17))
        fine &= (hour < 24) & (minute < 60) & (second < 60)
        fraction, fits = _fraction(text[:, 19:], exact)
        values[at] = day * DAY + ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
        good[at] = fine & fits
    return values, good


def _fraction(tail: Bytes, exact: bool) -> tuple[Ints, Mask]:
    """Microseconds behind the seconds, and whether the tail has one of the forms '', '.f' to '.ffffff', each with '', 'Z', '+00:00' behind."""
    value, good = np.zeros(len(tail), np.int64), np.zeros(len(tail), np.bool_)
    width = tail.shape[1]
    for zone in (b"",) if exact else (b"", b"Z", b"+00:00"):
        decimals = width - len(zone) - 1
        if decimals not in (-1, 1, 2, 3, 4, 5, 6):
            continue
        fits = np.ones(len(tail), np.bool_) if not zone else (tail[:, width - len(zone) :] == np.frombuffer(zone, np.uint8)).all(axis=1)
        part = np.zeros(len(tail), np.int64)
        if decimals > 0:
            fits &= tail[:, 0] == ord(".")
            part = _number(tail, 1, 1 + decimals, fits) * 10 ** (6 - decimals)
        value[fits], good[fits] = part[fits], True
    return value, good


def _date(text: Bytes) -> tuple[Ints, Mask]:
    good = (text[:, 4] == ord("-")) & (text[:, 7] == ord("-"))
    year, month, day = _number(text, 0, 4, good), _number(text, 5, 7, good), _number(text, 8, 10, good)
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    good &= day <= _LENGTH_OF_MONTH[np.clip(month, 0, 12)] + (leap & (month == 2))
    # Days from the civil calendar, counted in years that begin on 1 March so that the leap day comes last.
    year = year - (month <= 2)
    era = year // 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    of_era = (year - era * 400) * 365 + (year - era * 400) // 4 - (year - era * 400) // 100 + of_year
    return era * 146_097 + of_era - 719_468, good


def _number(text: Bytes, first: int, behind: int, good: Mask) -> Ints:
    """Returns the number that the digits form; sets `good` to false for rows with another character."""
    value = np.zeros(len(text), np.int64)
    for position in range(first, behind):
        digit = text[:, position] - np.uint8(48)
        good &= digit <= 9
        value = value * 10 + digit
    return value


def _matrix(data: Bytes, start: Ints, width: int) -> Bytes:
    """Returns the texts of one width, one per row."""
    if len(start) and start[-1] - start[0] == width * (len(start) - 1):  # they lie without a gap: no copy
        return data[start[0] : start[0] + width * len(start)].reshape(-1, width)
    apart: Bytes = data[start[:, None] + np.arange(width)]
    return apart
