"""What a row is called wherever it is shown: the old row's key, with the id behind it where copies of that row have the same one; masked (H6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from etl.domain.masking import masked
from mappings.schema import Table


def id_text(number: int | None) -> str:
    """An id as 36 characters."""
    return "" if number is None else str(UUID(int=number % (1 << 128)))


def key_columns(shape: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(columns that name a row for people, columns that tell copies of one old row apart)."""
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
    """The row with these values of its key columns, by its name."""
    texts = [
        id_text(value) if shape.by_name[name].family == "uuid" else "" if value is None else str(value)  # type: ignore[arg-type]  # an id is a number
        for name, value in zip((*columns[0], *columns[1]), values, strict=True)
    ]
    name, copy = "|".join(texts[: len(columns[0])]), "|".join(texts[len(columns[0]) :])
    return masked(f"{name} ({copy})" if copy else name)
