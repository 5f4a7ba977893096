"""The kinds of database, and what each of them provides: a new kind is a package with one object, and one line here."""

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

if TYPE_CHECKING:  # a look-up imports this module, and must not wait for the libraries of these
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema


class DatabaseKind(Protocol):
    """What one kind of database provides; its methods import its libraries, so that a look-up in a SQLite file waits for no other's."""

    holds_store: bool  # whether the new store can be of this kind

    def open_source(self, url: str, name: str) -> Source:
        """Returns an old database; `name` is its name in messages."""
        ...

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        """Returns the same old database in another process, which reads in the snapshot that the first holds open."""
        ...

    def open_target(self, url: str, folder: Path) -> Target:
        """Returns the new store; `folder`: for a file of staged rows. Raises MigrationError where this kind can only be read."""
        ...

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        """Returns one sentence for each difference between an existing new store and the contract; neither locks nor creates it."""
        ...

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        """Returns what an existing new store has besides the contract's tables; neither locks nor creates it."""
        ...

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        """Returns, by table, what a publish of these rows would change; the new store is only read.

        `sizes`: the number of rows by table. `folder`: for temporary rows. Raises MigrationError where the store cannot be compared.
        """
        ...

    def open_reading(self, url: str) -> Reading:
        """Returns the new store for look-ups only."""
        ...

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        """Returns the rights that the role of an old database's URL lacks, and those beyond its need."""
        ...

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        """Returns the same for the role of a new store that has these tables, or will have them."""
        ...


KINDS: dict[str, DatabaseKind] = {"sqlite": SQLite(), "postgresql": PostgreSQL(), "folder": Folder()}
_ANY_OTHER: DatabaseKind = Generic()


def database_kind(url: str) -> DatabaseKind:
    """Returns the kind of database behind the URL; raises WrongUsage where it is not a database URL."""
    return KINDS.get(backend(url), _ANY_OTHER)


def open_source(url: str, name: str) -> Source:
    """Returns the old database behind that URL; `name` ("Portal 2.0", "Trade Compliance") is its name in messages."""
    return database_kind(url).open_source(url, name)


def join_source(url: str, name: str, snapshot: str) -> SnapshotSource:
    """Returns the same old database in another process, which reads in the snapshot that the first holds open."""
    return database_kind(url).join_source(url, name, snapshot)


def open_target(url: str, folder: Path) -> Target:
    """Returns the new store behind that URL; `folder`: for a file of staged rows."""
    return database_kind(url).open_target(url, folder)


def contract_differences(url: str, schema: Schema) -> list[str]:
    """Returns the sentences of `Target.differences_from`; neither locks nor creates the store. Raises Refused where a lock would not hold."""
    return database_kind(url).contract_differences(url, schema)


def store_conditions(url: str, schema: Schema) -> Conditions:
    """Returns what the store behind the URL has besides the contract's tables; nothing for a store that does not exist yet. Only reads it."""
    return database_kind(url).store_conditions(url, schema)


def would_change(url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
    """Returns, by table, what a publish of these rows would insert, update and remove in the present store behind the URL."""
    return database_kind(url).would_change(url, schema, sizes, rows, known, folder)


@contextmanager
def reading(url: str) -> Iterator[Reading]:
    """Yields the new store behind that URL, for look-ups only."""
    kind = KINDS["sqlite"] if PLAIN_FILE.fullmatch(url) else database_kind(url)
    opened = kind.open_reading(url)
    try:
        yield opened
    finally:
        opened.close()


def reading_rights(url: str, name: str, wanted: Wanted) -> Rights:
    """Returns the rights on an old database; empty for a SQLite file (its mode decides) and for kinds other than PostgreSQL."""
    return database_kind(url).reading_rights(url, name, wanted)


def writing_rights(url: str, tables: tuple[str, ...]) -> Rights:
    """Returns the rights on a new store that has these tables, or will have them; empty for a SQLite file."""
    return database_kind(url).writing_rights(url, tables)
