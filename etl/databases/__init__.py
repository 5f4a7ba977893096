"""The protocols of an old database (`Source`, `SnapshotSource`, `Versioned`); each kind of database has a package that implements them."""

from __future__ import annotations

import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from etl.errors import WrongUsage

if TYPE_CHECKING:
    import polars as pl

    from etl.databases.source_conditions import SourceConditions
    from etl.domain.typed_values import Typed
    from mappings.model import TableMapping


@dataclass(frozen=True)
class Batch:
    """Rows of one table in key order: typed values, and each row's key as text (fine print 43); see the comment for `keys` None."""

    typed: Typed
    keys: list[str] | None  # None: the only key column is a whole number in every row, so the key is its text


@dataclass(frozen=True)
class KeyRange:
    """The rows of a table whose key is at least `first` and below `last`; None means that this side has no bound."""

    first: tuple[int, ...] | None = None
    last: tuple[int, ...] | None = None


WHOLE = KeyRange()


@dataclass(frozen=True)
class SourceChange:
    """The comparison of a source with a mark: names of the changed tables, and how the answer was found.

    `changed`: None where only a second full read can tell. `how`: one phrase. `unknown`: tables without evidence of writes (views, foreign tables):
    read them again. `evidence`: with `changed` None, whether something shows a write; False where the database keeps no evidence of writes.
    """

    changed: list[str] | None
    how: str
    unknown: tuple[str, ...] = ()
    evidence: bool = True


class Source(Protocol):
    """An old database, read in one snapshot and never written to."""

    level: str  # the isolation level of the snapshot, as a phrase

    def shapes(self) -> dict[str, dict[str, str]]:
        """Returns the declared type, in the contract's words, of every column, by table."""
        ...

    def relation_kinds(self) -> dict[str, str]:
        """Returns the kind of each relation that is not an independent table: `view`, `foreign table`, `sequence`, `partition of T` ... (fine print 60)."""
        ...

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        """Returns what hides rows or bytes of these tables (K9), what exists besides them, and what could not be ruled out.

        `deep`: checks everything, a SQLite file from start to end; False: only checks that take a moment.
        """
        ...

    def count(self, table: str) -> int:
        """Returns the number of rows in the table."""
        ...

    def bytes_in(self, table: str, column: str) -> int:
        """Returns the total size of that binary column in bytes, for an estimate; 0 where only a full read could tell."""
        ...

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        """Yields the table in key order, in batches of at most `rows` rows, without the columns named in `without`."""
        ...

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yields (key as text, chunks of that binary column's bytes) for every row whose value is not null, in key order."""
        ...

    def freeze_mark(self) -> str:
        """Returns the state of the snapshot as text, the argument of a later `changed_since`: the proof of the freeze."""
        ...

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        """Returns which tables were written to since the mark was taken; `read`: by table, the number of rows at that time."""
        ...

    def highest_key(self, mapping: TableMapping) -> str:
        """Returns the last key in key order as text, masked (H6); empty for an empty table."""
        ...

    def counted(self) -> dict[str, str]:
        """Returns, by table, the database's statistics of its writes as a phrase; empty where it keeps none. They may lag behind the snapshot."""
        ...

    def writers(self) -> list[str]:
        """Returns one sentence for each session or role that could still write; empty where none is visible."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class ClosedAtExit(ABC):
    """Makes a class with `close` a context manager that closes itself at the end."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@runtime_checkable
class SnapshotSource(Source, Protocol):
    """An old database whose snapshot other processes can join."""

    url: str
    name: str
    snapshot: str

    def cuts(self, mapping: TableMapping, rows: int) -> list[KeyRange]:
        """Returns key ranges of about `rows` rows that cover the table, in key order; one unbounded range where its keys are not whole numbers."""
        ...

    def within(self, cut: KeyRange) -> Source:
        """Returns the same snapshot on the same connection, with `read` and `contents` limited to that key range."""
        ...


@dataclass(frozen=True)
class Relation:
    """The table to which row versions belong: versions are comparable only where `identity` is equal; `transactions`: how many the server had begun."""

    identity: str
    transactions: int


@runtime_checkable
class Versioned(Source, Protocol):
    """An old database whose row versions prove, without reading a row, that it was not written to since."""

    def relation(self, mapping: TableMapping, column: str) -> Relation | None:
        """Returns the table to which the versions of that column's rows belong; None where part of the evidence is not available."""
        ...

    def versions(self, mapping: TableMapping, column: str) -> pl.DataFrame:
        """Returns key (text), version (text) of the rows in the range whose value in that column is not null; a null version proves nothing."""
        ...

    def contents_of(self, mapping: TableMapping, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yields as `contents` does, for these keys only."""
        ...


FOLDER = "folder:"  # the prefix of a folder of files, where other sources have a URL's scheme


def redacted_url(url: str) -> str:
    """Returns the URL for messages: without the password and without options, which may hold secrets.

    An sslmode weaker than verify-full is added where the server is another machine, whether the URL, the environment or a service file sets it.
    """
    import sqlalchemy

    if url.startswith(FOLDER):
        return url
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is not a number
        return "(not a database URL)"
    less = {}
    if parsed.get_backend_name() == "postgresql":
        from etl.databases.postgresql.transport import sslmode

        mode = sslmode(parsed)
        less = {"sslmode": mode} if mode in ("disable", "allow", "prefer", "require", "verify-ca") else {}
    return parsed.set(query=less).render_as_string(hide_password=True)


def database_identity(url: str) -> tuple[str | int | None, ...]:
    """Returns the identity of the database, independent of user and options: the file; or server, port and name."""
    import sqlalchemy

    if url.startswith(FOLDER):
        return ("folder", str(Path(url.removeprefix(FOLDER)).resolve()))
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return (url,)
    if parsed.get_backend_name() == "sqlite":
        return ("sqlite", str(Path(parsed.database or "").resolve()))
    return (parsed.get_backend_name(), parsed.host, parsed.port, parsed.database)


def connection_targets(url: str) -> list[str]:
    """Returns where the URL leads: the database, and the options that select server, port, database or schema."""
    import sqlalchemy

    if url.startswith(FOLDER):
        return [*map(str, database_identity(url))]
    query = sqlalchemy.make_url(url).query
    chosen = ("host", "hostaddr", "port", "dbname", "service", "options")
    return [*map(str, database_identity(url)), *(f"{name}={query[name]}" for name in chosen if name in query)]


def sqlite_url(file: Path) -> str:
    """Returns the URL of a SQLite file; every character of its path is escaped."""
    return f"sqlite:///{urllib.parse.quote(str(file.absolute()))}"


def backend(url: str) -> str:
    """Returns the kind of database, `sqlite`, `postgresql` ...; raises WrongUsage where the text is not a database URL."""
    if url.startswith(FOLDER):
        return "folder"
    import sqlalchemy  # imported late: a look-up in a SQLite file must not wait for this import

    try:
        return sqlalchemy.make_url(url).get_backend_name()
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise WrongUsage(
            "A database is given as a URL that cannot be read.",
            "Write it as sqlite:////folder/file.sqlite, postgresql://user@host/database, or folder:DIR for files.",
        ) from None
