"""The errors of this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


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
        self.args = ("\n  ".join(f"{file}: {place}: found {found}, expected {expected}" for file, place, found, expected in entries),)


class Collected:
    """Errors put together while a folder is read, so that one answer names them all: `with collected.one(): ...`, then `refuse`."""

    def __init__(self) -> None:
        self._errors: list[MappingError] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """What is wrong inside is remembered, and the rest is read on."""
        try:
            yield
        except MappingError as error:
            self._errors.append(error)

    def refuse(self) -> None:
        """Raises the error, or all of them as one."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise MappingErrors([(one.file, one.place, one.found, one.expected) for one in self._errors])
