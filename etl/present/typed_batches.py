"""Operations on presented rows: filtering, joining, keys as text, and the refusal of two texts that give one key."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.domain.typed_values import InvalidText, Oddity, Typed
from etl.errors import MigrationError
from etl.present.bind import BoundTable
from etl.present.sorting import Pile
from mappings.model import TableMapping

PHYSICAL = "_physical"  # of a stage file: the raw text forms from which each row was made


def key_texts(mapping: TableMapping, typed: Typed) -> list[str]:
    """Returns each row's key as text, parts joined by a bar; an unreadable part as its raw cell, NULL as an empty text."""
    parts = {name: typed.columns[name].cast(pl.String) for name in mapping.key}
    for odd in typed.oddities:
        if odd.column in parts and odd.unreadable:
            parts[odd.column] = parts[odd.column].scatter(odd.row, str(odd.raw))
    return pl.DataFrame(list(parts.values())).select(pl.concat_str(pl.all().fill_null("NULL"), separator="|")).to_series().to_list()


def refuse_collisions(table: BoundTable, pile: Pile) -> None:
    """Raises where two different texts give one number: one key for two rows."""
    for block in table.blocks:
        for cell in block.cells:
            if cell.form.kind != "number" or cell.column.name not in table.mapping.key:
                continue
            names = [f"{(block.lookups[ref.alias].relation if ref.alias else block.relation).name}.{ref.column}" for ref in cell.refs]
            frames = [
                pl.DataFrame([batch.columns[cell.column.name].alias("#"), *(batch.columns[PHYSICAL].struct.field(name) for name in names)])
                for batch in pile.batches
                if set(names) <= set(batch.columns[PHYSICAL].struct.fields)
            ]
            pairs = pl.concat(frames).drop_nulls().unique() if frames else pl.DataFrame({"#": []})
            if pairs["#"].is_duplicated().any():
                raise MigrationError(
                    f"{cell.file}: {cell.location}: two different texts of {', '.join(names)} give one number.",
                    "Give one of the tables another `mark`; nothing was published.",
                )


def filtered(typed: Typed, keep: pl.Series) -> Typed:
    """Returns the rows where `keep` is true, with their marks of invalid values."""
    positions = np.cumsum(keep.to_numpy()) - 1
    stays = keep.to_list()
    out = Typed({name: series.filter(keep) for name, series in typed.columns.items()}, typed.mark[keep.to_numpy()])
    out.oddities = [Oddity(int(positions[odd.row]), odd.column, odd.raw, odd.unreadable) for odd in typed.oddities if stays[odd.row]]
    out.texts = [InvalidText(int(positions[text.row]), text.column, text.exact) for text in typed.texts if stays[text.row]]
    return out


def together(parts: list[Typed], mapping: TableMapping) -> Typed:
    """Returns several batches as one."""
    from etl.domain.typed_values import POLARS_TYPE

    out = Typed()
    first = 0
    for part in parts:
        out.oddities += [Oddity(odd.row + first, odd.column, odd.raw, odd.unreadable) for odd in part.oddities]
        out.texts += [InvalidText(text.row + first, text.column, text.exact) for text in part.texts]
        first += len(part.mark)
    out.mark = np.zeros(first, np.uint8)
    for column in mapping.columns:
        empty = pl.Series(column.name, [], dtype=POLARS_TYPE[column.family])
        out.columns[column.name] = pl.concat([empty, *(part.columns[column.name] for part in parts)])
    return out
