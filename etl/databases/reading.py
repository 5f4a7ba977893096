"""A new store for look-ups: statements as text, rows as dictionaries, without a library between, so that one look-up is quick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from etl.databases import redacted_url
from etl.errors import MigrationError

Row = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """A condition of SQL with a `?` for each of its values, in order."""

    sql: str
    values: tuple[object, ...] = ()


NEVER = Condition("1 = 0")


def both(conditions: Iterable[Condition], word: str = "AND") -> Condition:
    """Returns all of these conditions (with OR: any of them) as one."""
    given = list(conditions)
    return Condition(f" {word} ".join(f"({one.sql})" for one in given), tuple(value for one in given for value in one.values))


class Reading(Protocol):
    """A store opened for reading. Statements have a `?` for each value; ids, days and moments come back in the database's types."""

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Returns the rows in the statement's order; raises MigrationError where a table or column does not exist."""
        ...

    def among(self, column: str, ids: list[str]) -> Condition:
        """Returns the condition that the UUID column equals one of these ids; uses an index where the column is a key."""
        ...

    def as_text(self, expression: str) -> str:
        """Returns the expression cast to text, for every type."""
        ...

    def close(self) -> None: ...


def no_store(url: str) -> MigrationError:
    """Returns the error for a database without the tables of the new store."""
    return MigrationError(
        f"--target: {redacted_url(url)} is not the new store of a run: a table or column is missing.",
        "Give --target the store that was published, or --run of its run.",
    )
