"""Unique texts for keys that are NULL or equal; rows without a usable key are held (fine print 43, 47, 63)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etl.databases import Batch
from etl.domain.typed_values import HELD, Typed


def told_apart(parts: Sequence[tuple[str | None, ...]], positions: Sequence[int], whole: Typed) -> list[str]:
    """Returns each row's key as text, unique in the table; marks rows whose key is NULL or equals an earlier row's.

    `parts`: by row, in key order, the key's columns as text. `positions`: the order of rows whose keys are NULL.
    """
    null_rows = sorted((position, row) for row, (key, position) in enumerate(zip(parts, positions, strict=True)) if None in key)
    position_of_null = {row: number for number, (_, row) in enumerate(null_rows, start=1)}
    seen: dict[str, int] = {}
    seen_parts: set[tuple[str | None, ...]] = set()
    keys = []
    for row, key in enumerate(parts):
        text = f"NULL#{position_of_null[row]}" if row in position_of_null else "|".join(part for part in key if part is not None)
        if row in position_of_null or key in seen_parts:
            whole.mark[row] = HELD
        seen_parts.add(key)
        seen[text] = seen.get(text, 0) + 1
        keys.append(text if seen[text] == 1 else f"{text}#{seen[text]}")
    return keys


def cut(whole: Typed, keys: Sequence[str], start: int, stop: int) -> Batch:
    """Returns rows `start` to `stop` (exclusive) with their marks of invalid values."""

    def moved(odd: Any) -> bool:
        return bool(start <= odd.row < stop)

    part = Typed({name: series[start:stop] for name, series in whole.columns.items()}, whole.mark[start:stop])
    part.oddities = [type(odd)(odd.row - start, odd.column, odd.raw, odd.unreadable) for odd in filter(moved, whole.oddities)]
    part.texts = [type(odd)(odd.row - start, odd.column, odd.exact) for odd in filter(moved, whole.texts)]
    return Batch(part, list(keys[start:stop]))
