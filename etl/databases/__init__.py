"""One module per kind of database; the rest of the project sees only the two protocols below."""

from __future__ import annotations

import urllib.parse
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
    """Rows of one table in the order of their keys: typed values, and each row's key as text (fine print 43)."""

    typed: Typed
    keys: list[str] | None  # None: the only key column is a whole number in every row, so the key is its text


@dataclass(frozen=True)
class KeyRange:
    """A stretch of a table: the rows whose key is at least `first` and below `last`; None: the table's own end."""

    first: tuple[int, ...] | None = None
    last: tuple[int, ...] | None = None


WHOLE = KeyRange()


@dataclass(frozen=True)
class SourceChange:
    """What became of a source: `changed`, its tables that did, None where only reading all again tells; `how` that is known, in words.

    `unknown`: tables of which only reading them again tells (views, foreign tables).
    """

    changed: list[str] | None
    how: str
    unknown: tuple[str, ...] = ()


class Source(Protocol):
    """An old database, read in one snapshot and never written to."""

    level: str  # the isolation that was reached, in words

    def shapes(self) -> dict[str, dict[str, str]]:
        """Declared type of every column of every table."""
        ...

    def kinds(self) -> dict[str, str]:
        """The relations that are not independent tables, by name: `view`, `foreign table`, `sequence`, `partition of T` ... (fine print 60)."""
        ...

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        """What hides rows or bytes of these tables from us (K9), what is there besides, and what could not be ruled out.

        `deep`: everything is looked at for it, a SQLite file from end to end; without, what can be asked in a moment.
        """
        ...

    def count(self, table: str) -> int:
        """Rows of the table."""
        ...

    def bytes_in(self, table: str, column: str) -> int:
        """The bytes in that binary column together, for an estimate; 0 where the database cannot tell without reading them all."""
        ...

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        """The table in the order of its keys, in batches of at most that many rows, without those columns."""
        ...

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """(key as text, the pieces of that binary column's bytes) for every row, in the order of the keys."""
        ...

    def mark(self) -> str:
        """What `changed_since` compares with later: the proof of the freeze."""
        ...

    def changed_since(self, mark: str, read: dict[str, int]) -> SourceChange:
        """What became of these tables since the mark was taken (`read`: rows then)."""
        ...

    def highest_key(self, mapping: TableMapping) -> str:
        """The last key in their order, as text, masked (H6); empty where there is no row."""
        ...

    def counted(self) -> dict[str, str]:
        """What the database itself counts of each table's writes, in words; nothing where it counts none. It may lag behind the snapshot."""
        ...

    def writers(self) -> list[str]:
        """Who could still write: sentences, none where nobody can be seen."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


@runtime_checkable
class SnapshotSource(Source, Protocol):
    """An old database that other processes can read as well, in the very same snapshot."""

    url: str
    name: str
    snapshot: str

    def cuts(self, mapping: TableMapping, rows: int) -> list[KeyRange]:
        """The table in key ranges of that many rows, in key order; the whole table if its keys are not whole numbers."""
        ...

    def within(self, cut: KeyRange) -> Source:
        """The same snapshot on the same connection; `read` and `contents` give only that stretch."""
        ...


@dataclass(frozen=True)
class Relation:
    """What a row's version is a version of. `identity`: equal only where versions can be compared; `transactions`: how many the server had begun."""

    identity: str
    transactions: int


@runtime_checkable
class Versioned(Source, Protocol):
    """An old database that tells by a row's version, without reading the row, that it was not written to since."""

    def relation(self, mapping: TableMapping, column: str) -> Relation | None:
        """What the versions of that column's rows are versions of; None where a piece of the evidence is not to be had."""
        ...

    def versions(self, mapping: TableMapping, column: str) -> pl.DataFrame:
        """key (text), version (text) of the rows in the cut that have bytes in that column; null where a version tells nothing."""
        ...

    def contents_of(self, mapping: TableMapping, column: str, keys: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """As `contents`, of these keys alone."""
        ...


FOLDER = "folder:"  # what a folder of files begins with in place of a URL's scheme


def redacted_url(url: str) -> str:
    """The URL as it may be shown: without user's password and without options, which may hold secrets too.

    But with an sslmode that lets less than verify-full pass to another machine, whoever said it: that has to be seen.
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
    """Which database it is, whoever logs in and however: the file; or server, port and name."""
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
    """Where the URL leads as far as it says so itself: the database, and the options that choose server, port, database or schema."""
    import sqlalchemy

    if url.startswith(FOLDER):
        return [*map(str, database_identity(url))]
    query = sqlalchemy.make_url(url).query
    chosen = ("host", "hostaddr", "port", "dbname", "service", "options")
    return [*map(str, database_identity(url)), *(f"{name}={query[name]}" for name in chosen if name in query)]


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    return f"sqlite:///{urllib.parse.quote(str(file.absolute()))}"


def backend(url: str) -> str:
    """`sqlite`, `postgresql`, ...; WrongUsage where it is no URL of a database."""
    if url.startswith(FOLDER):
        return "folder"
    import sqlalchemy  # late: a look-up in a SQLite file has to be quicker than this import

    try:
        return sqlalchemy.make_url(url).get_backend_name()
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise WrongUsage(
            "A database is given as a URL that cannot be read.",
            "Write it as sqlite:////folder/file.sqlite, postgresql://user@host/database, or folder:DIR for files.",
        ) from None
