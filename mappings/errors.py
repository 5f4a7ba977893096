"""The one error of this package."""

from __future__ import annotations


class MappingError(Exception):
    """A mapping, schema or code file says something that cannot be: names file, dotted place, what was found, what was expected."""

    def __init__(self, file: str, place: str, found: str, expected: str) -> None:
        super().__init__(f"{file}: {place}: found {found}, expected {expected}")
        self.file, self.place, self.found, self.expected = file, place, found, expected
