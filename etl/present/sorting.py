"""Sorts contract rows by key: in memory where they are few, else through files, so that memory stays at a few stage files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from etl.databases import Batch
from etl.domain.typed_values import HELD, InvalidText, Oddity, Typed
from mappings.model import TableMapping


@dataclass
class Pile:
    """Parts of a table's rows, in storage order."""

    mapping: TableMapping
    rows: int  # of an output batch
    batches: list[Typed] = field(default_factory=list)
    count: int = 0

    def add(self, batch: Typed) -> None:
        """Adds a batch; an empty one is ignored."""
        if len(batch.mark):
            self.batches.append(batch)
            self.count += len(batch.mark)


def sorted_batches(pile: Pile) -> Iterator[Batch]:
    """Yields the rows in key order, in batches of `pile.rows`."""
    whole = _whole(pile)
    if whole is None:
        return
    mapping = pile.mapping
    keys = _keys(mapping, whole)
    order = _order(mapping, whole)
    frame = pl.DataFrame(list(whole.columns.values()))[order]
    mark = whole.mark[order.to_numpy()]
    position = np.empty(len(order), np.int64)
    position[order.to_numpy()] = np.arange(len(order))
    oddities = sorted(((int(position[o.row]), o) for o in whole.oddities), key=lambda one: one[0])
    texts = sorted(((int(position[t.row]), t) for t in whole.texts), key=lambda one: one[0])
    named = keys[order] if keys is not None else None
    for start in range(0, frame.height, pile.rows):
        stop = start + pile.rows
        part = frame[start:stop]
        typed = Typed({name: part[name] for name in part.columns}, mark[start:stop])
        typed.oddities = [Oddity(at - start, o.column, o.raw, o.unreadable) for at, o in oddities if start <= at < stop]
        typed.texts = [InvalidText(at - start, t.column, t.exact) for at, t in texts if start <= at < stop]
        yield Batch(typed, named[start:stop].to_list() if named is not None else None)


def _whole(pile: Pile) -> Typed | None:
    if not pile.batches:
        return None
    out = Typed()
    first = 0
    frames = []
    for batch in pile.batches:
        out.oddities += [Oddity(o.row + first, o.column, o.raw, o.unreadable) for o in batch.oddities]
        out.texts += [InvalidText(t.row + first, t.column, t.exact) for t in batch.texts]
        frames.append(pl.DataFrame(list(batch.columns.values())))
        first += len(batch.mark)
    out.mark = np.concatenate([batch.mark for batch in pile.batches])
    frame = pl.concat(_alike(frames))
    out.columns = {name: frame[name] for name in frame.columns}
    return out


def _alike(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Returns the frames with the same columns: blocks of other physical tables have other raw cells."""
    if all(frame.schema == frames[0].schema for frame in frames):
        return frames
    fields: dict[str, None] = {}
    for frame in frames:
        if "_physical" in frame.columns:
            fields.update(dict.fromkeys(frame["_physical"].struct.fields))
    found = []
    for frame in frames:
        raws = frame["_physical"].struct.unnest() if "_physical" in frame.columns else pl.DataFrame()
        columns = [raws[name] if name in raws.columns else pl.Series(name, [None] * frame.height, dtype=pl.String) for name in fields]
        plain = frame.drop("_physical", strict=False)
        found.append(plain.with_columns(pl.DataFrame(columns).to_struct("_physical")) if fields else plain)
    return found


def _keys(mapping: TableMapping, whole: Typed) -> pl.Series | None:
    """Returns each row's key as unique text (fine print 43, 47), None where it is the number; marks rows whose key is NULL or a duplicate."""
    columns = [whole.columns[name] for name in mapping.key]
    any_null = any(series.null_count() for series in columns)
    spoilt = {text.row for text in whole.texts if text.column in mapping.key}
    text = pl.DataFrame(columns).select(pl.concat_str(pl.all().cast(pl.String), separator="|").alias("t")).to_series()
    if not any_null and not spoilt and not text.is_duplicated().any():
        simple = len(columns) == 1 and mapping.shape.by_name[mapping.key[0]].family == "integer"
        return None if simple else text
    raw = {(odd.row, odd.column): odd.raw for odd in whole.oddities if odd.unreadable}
    parts = [[_text(raw.get((row, name), cell)) for row, cell in enumerate(whole.columns[name].to_list())] for name in mapping.key]
    return _told_apart(list(zip(*parts, strict=True)), whole, mapping)


def _text(cell: object) -> str | None:
    return None if cell is None else repr(cell) if isinstance(cell, float) else str(cell)


def _told_apart(parts: list[tuple[str | None, ...]], whole: Typed, mapping: TableMapping) -> pl.Series:
    order = _order(mapping, whole).to_list()
    nulls = [row for row, key in enumerate(parts) if None in key]
    position_of_null = {row: n for n, row in enumerate(nulls, start=1)}
    seen: dict[str, int] = {}
    seen_parts: set[tuple[str | None, ...]] = set()
    keys = [""] * len(parts)
    for row in order:
        text = f"NULL#{position_of_null[row]}" if row in position_of_null else "|".join(str(part) for part in parts[row])
        if row in position_of_null or parts[row] in seen_parts:
            whole.mark[row] = HELD
        seen_parts.add(parts[row])
        seen[text] = seen.get(text, 0) + 1
        keys[row] = text if seen[text] == 1 else f"{text}#{seen[text]}"
    return pl.Series("_key", keys, dtype=pl.String)


def _order(mapping: TableMapping, whole: Typed) -> pl.Series:
    """Returns the row positions in key order; NULL and unreadable keys last, equal ones in storage order."""
    frame = pl.DataFrame([whole.columns[name] for name in mapping.key]).with_row_index("#row")
    return frame.sort(*mapping.key, nulls_last=True, maintain_order=True)["#row"]
