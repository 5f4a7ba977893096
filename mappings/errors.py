"""The errors of this package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class MappingError(Exception):
    """An invalid entry of a mapping, schema or code file: file, dotted place, what was found, what was expected."""

    def __init__(self, file: str, location: str, found: str, expected: str) -> None:
        super().__init__(f"{file}: {location}: found {found}, expected {expected}")
        self.file, self.location, self.found, self.expected = file, location, found, expected


class MappingErrors(MappingError):
    """Several errors in one answer, each on one line; `entries`: (file, place, found, expected) of each, at least one."""

    def __init__(self, entries: Sequence[tuple[str, str, str, str]]) -> None:
        super().__init__(*entries[0])
        self.entries = tuple(entries)
        self.args = ("\n  ".join(f"{file}: {location}: found {found}, expected {expected}" for file, location, found, expected in entries),)


class Collected:
    """Collects errors while a folder is read, for one answer with all of them: `with collected.one(): ...`, then `refuse`."""

    def __init__(self) -> None:
        self._errors: list[MappingError] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Records an error of the block, so that reading continues."""
        try:
            yield
        except MappingError as error:
            self._errors.append(error)

    def refuse(self) -> None:
        """Raises the error, or all of them as one."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise MappingErrors([(one.file, one.location, one.found, one.expected) for one in self._errors])
