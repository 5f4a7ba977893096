"""Rule E7: which answers are superseded. Needs every answer's question and time, but no text, so it looks at whole tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.domain.grace import Grace

Ints = npt.NDArray[np.int64]
NONE: Ints = np.zeros(0, np.int64)


def fingerprints(answers: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """A number for (security profile, question) of each answer; equal pairs have equal numbers, different ones almost never."""
    return answers.select(pl.struct("security_profile_id", "question_id").hash(seed=7)).to_series().to_numpy()


def repeated(parts: Iterable[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint64]:
    """The numbers that occur more than once; eight bytes per answer are all that is kept."""
    numbers = np.concatenate([np.zeros(0, np.uint64), *parts])
    numbers.sort()
    return np.unique(numbers[1:][numbers[1:] == numbers[:-1]])


def superseded(suspects: pl.DataFrame) -> Ints:
    """The answers that a later one to the same question in the same security profile replaces (tie: the highest id stays), sorted.

    `suspects`: response_id, security_profile_id, question_id, modified_at of loaded answers.
    """
    latest = suspects.sort("modified_at", "response_id", descending=[True, True]).with_columns(
        pl.int_range(pl.len()).over("security_profile_id", "question_id").alias("place")
    )
    return latest.filter(pl.col("place") > 0)["response_id"].sort().to_numpy().astype(np.int64)


_EPOCH = date(1970, 1, 1)
_LAST = (date(9999, 12, 31) - _EPOCH).days


def adjusted(due: pl.Series, freeze: tuple[date, date] | None, grace: Grace) -> pl.Series:
    """E14: the due dates of the band, both of its ends included, moved; null outside it, and where the sum lies beyond 9999-12-31."""
    numbers = grace.in_force(freeze)
    if freeze is None or numbers is None:
        return pl.Series(due.name, [None] * len(due), dtype=pl.Date)
    before, after, added = numbers
    day = due.cast(pl.Int32).cast(pl.Int64)
    first, last = (freeze[0] - _EPOCH).days - before, (freeze[1] - _EPOCH).days + after
    moved = pl.when((day >= first) & (day <= last) & (day + added <= _LAST)).then(day + added)
    return pl.select(moved.cast(pl.Int32).cast(pl.Date)).to_series().alias(due.name)
