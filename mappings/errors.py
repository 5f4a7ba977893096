"""The errors of this package."""

from __future__ import annotations

from collections.abc import Sequence


class MappingError(Exception):
    """A mapping, schema or code file says something that cannot be: names file, dotted place, what was found, what was expected."""

    def __init__(self, file: str, place: str, found: str, expected: str) -> None:
        super().__init__(f"{file}: {place}: found {found}, expected {expected}")
        self.file, self.place, self.found, self.expected = file, place, found, expected


class MappingErrors(MappingError):
    """Several of them in one answer, each on a line of its own; `entries`: (file, place, found, expected) of each, at least one."""

    def __init__(self, entries: Sequence[tuple[str, str, str, str]]) -> None:
        super().__init__(*entries[0])
        self.entries = tuple(entries)
        self.args = ("\n".join(f"{file}: {place}: found {found}, expected {expected}" for file, place, found, expected in entries),)
