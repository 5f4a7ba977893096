"""The kinds of database, and what each of them provides: a new kind is a folder of its own with one object, and one line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.databases import SnapshotSource, Source, backend
from etl.databases.files.kind import Folder
from etl.databases.generic.kind import Generic
from etl.databases.postgresql.kind import PostgreSQL
from etl.databases.sqlite.kind import PLAIN_FILE, SQLite

if TYPE_CHECKING:  # a look-up imports this module, and has to be quicker than the import of what these need
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema


class DatabaseKind(Protocol):
    """What one kind of database provides. Its libraries are imported by the methods: a look-up in a SQLite file waits for no other's."""

    def open_source(self, url: str, name: str) -> Source:
        """An old database; `name` is what messages call it."""
        ...

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        """The same old database once more, for a process that reads in a snapshot which another one holds open."""
        ...

    def open_target(self, url: str, folder: Path) -> Target:
        """The new store; `folder`: where a file of staged rows may lie. MigrationError where this kind can only be read."""
        ...

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        """How an existing new store differs from the contract, without locking or making it."""
        ...

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        """What an existing new store has besides the contract's tables, without locking or making it."""
        ...

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        """What a publish of these rows would change in the new store, which is only looked at; `sizes`: how many rows each table has.

        `folder`: where rows may lie meanwhile. MigrationError where the store cannot be compared.
        """
        ...

    def open_reading(self, url: str) -> Reading:
        """The new store for look-ups only."""
        ...

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        """What the role of an old database's URL lacks, and has beyond its need."""
        ...

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        """The same of the role of a new store that has these tables, or will have them."""
        ...


KINDS: dict[str, DatabaseKind] = {"sqlite": SQLite(), "postgresql": PostgreSQL(), "folder": Folder()}
_ANY_OTHER: DatabaseKind = Generic()


def database_kind(url: str) -> DatabaseKind:
    """The kind of database behind the URL; WrongUsage where it is not the URL of a database."""
    return KINDS.get(backend(url), _ANY_OTHER)


def open_source(url: str, name: str) -> Source:
    """The old database behind that URL; `name` ("Portal 2.0", "Trade Compliance") is what messages call it."""
    return database_kind(url).open_source(url, name)


def join_source(url: str, name: str, snapshot: str) -> SnapshotSource:
    """The same old database once more, for a process that reads in a snapshot which another one holds open."""
    return database_kind(url).join_source(url, name, snapshot)


def open_target(url: str, folder: Path) -> Target:
    """The new store behind that URL; `folder`: where a file of staged rows may lie."""
    return database_kind(url).open_target(url, folder)


def contract_differences(url: str, schema: Schema) -> list[str]:
    """As `Target.differences_from`, only looked at: neither locked nor made where it is not there yet. Refused where no lock would hold."""
    return database_kind(url).contract_differences(url, schema)


def store_conditions(url: str, schema: Schema) -> Conditions:
    """What the store behind the URL has besides the contract's tables; of one that is not there yet there is nothing. Only looked at, as above."""
    return database_kind(url).store_conditions(url, schema)


def would_change(url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
    """By table what a publish of these rows would insert, update and remove of the store behind the URL as it is now."""
    return database_kind(url).would_change(url, schema, sizes, rows, known, folder)


@contextmanager
def reading(url: str) -> Iterator[Reading]:
    """The new store behind that URL, for look-ups only."""
    kind = KINDS["sqlite"] if PLAIN_FILE.fullmatch(url) else database_kind(url)
    opened = kind.open_reading(url)
    try:
        yield opened
    finally:
        opened.close()


def reading_rights(url: str, name: str, wanted: Wanted) -> Rights:
    """The rights on an old database; of a SQLite file (its mode decides) and of other databases nothing is known here."""
    return database_kind(url).reading_rights(url, name, wanted)


def writing_rights(url: str, tables: tuple[str, ...]) -> Rights:
    """The rights on a new store that will have these tables, or has them; as above."""
    return database_kind(url).writing_rights(url, tables)
