"""A new store that is only looked at: statements as text, rows as dictionaries. No library stands between, so that one look-up is quick."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from etl.databases import redacted_url
from etl.errors import MigrationError

Row = dict[str, Any]

_PLAIN_FILE = re.compile(r"sqlite:///([A-Za-z0-9_./-]+)")  # needs no URL parser


@dataclass(frozen=True)
class Condition:
    """A condition of SQL, a `?` for each of its values in their order."""

    sql: str
    values: tuple[object, ...] = ()


NEVER = Condition("1 = 0")


def both(conditions: Iterable[Condition], word: str = "AND") -> Condition:
    """All of these (or, with OR, any of them) as one."""
    given = list(conditions)
    return Condition(f" {word} ".join(f"({one.sql})" for one in given), tuple(value for one in given for value in one.values))


class Reading(Protocol):
    """A store opened for reading. Statements have a `?` for each value; ids, days and moments come back as the database gives them."""

    def rows(self, statement: str, *values: object) -> list[Row]:
        """The rows, in the statement's order; MigrationError where a table or column is not there."""
        ...

    def among(self, column: str, ids: list[str]) -> Condition:
        """That the column, a UUID, is one of these: looked up one by one where the column is a key."""
        ...

    def as_text(self, expression: str) -> str:
        """The expression, as text whatever its type."""
        ...

    def close(self) -> None: ...


def no_store(url: str) -> MigrationError:
    """The error for a database that lacks the tables of the new store."""
    return MigrationError(
        f"--target: {redacted_url(url)} is not the new store of a run: a table or column is missing.",
        "Give --target the store that was published, or --run of its run.",
    )
