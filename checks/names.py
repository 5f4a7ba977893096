"""The displayed name of a row: the old row's key, with the id where copies of that row have the same key; masked (H6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from etl.domain.masking import masked
from mappings.schema import Table


def id_text(number: int | None) -> str:
    """Returns an id as 36 characters."""
    return "" if number is None else str(UUID(int=number % (1 << 128)))


def key_columns(shape: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns (columns that name a row for readers, columns that distinguish copies of one old row)."""
    for unique in (shape.key, *shape.unique):
        if "legacy_key" in unique:
            return unique, ()
    if "legacy_key" in shape.by_name:
        portal = ("legacy_portal_cd",) if "legacy_portal_cd" in shape.by_name else ()
        return (*portal, "legacy_key"), shape.key
    if "legacy_entity_id" in shape.by_name:
        return ("legacy_entity_id",), ()
    return shape.key, ()


def called(shape: Table, columns: tuple[tuple[str, ...], tuple[str, ...]], values: Sequence[object]) -> str:
    """Returns the name of the row with these values of its key columns."""
    texts = [
        id_text(value) if shape.by_name[name].family == "uuid" else "" if value is None else str(value)  # type: ignore[arg-type]  # an id is a number
        for name, value in zip((*columns[0], *columns[1]), values, strict=True)
    ]
    name, copy = "|".join(texts[: len(columns[0])]), "|".join(texts[len(columns[0]) :])
    return masked(f"{name} ({copy})" if copy else name)
