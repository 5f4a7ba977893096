"""Arrow tables into empty contract databases: SQLite by executemany, PostgreSQL by binary COPY."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa
from sqlalchemy.engine import make_url

from sample_data import contract
from sample_data.empty import refuse_if_filled
from sample_data.unreadable import Undecodable


class Writer(Protocol):
    """Writes Arrow tables into one database."""

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends the rows to `table`."""

    def append_unreadable(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Appends rows whose values no column type allows, all or none; returns how many were appended."""


@dataclass(frozen=True)
class SqliteWriter:
    """Writes through one connection, within one transaction."""

    connection: sqlite3.Connection

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends the rows to `table`."""
        placeholders = ", ".join("?" * rows.num_columns)
        names = ", ".join(rows.column_names)
        columns = [_sqlite_values(column) for column in rows.columns]
        self.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({placeholders})", zip(*columns, strict=True))

    def append_unreadable(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Appends all rows and returns their number: SQLite holds values of any type."""
        for row in rows:
            placeholders = ", ".join("CAST(? AS TEXT)" if isinstance(value, Undecodable) else "?" for value in row.values())
            values = [value.content if isinstance(value, Undecodable) else value for value in row.values()]
            self.connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({placeholders})", values)
        return len(rows)


@contextmanager
def writer(url: str, schema: str) -> Iterator[Writer]:
    """Yields a writer into the empty database at this SQLAlchemy URL, and creates missing tables of the contract.

    The rows are committed when the block ends without an error, else rolled back. Raises NotEmptyError if a table has rows.
    """
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        with _sqlite_writer(url, schema) as to:
            yield to
    elif backend == "postgresql":
        from sample_data.postgres import postgres_writer  # psycopg is not needed for SQLite

        with postgres_writer(url, schema) as to:
            yield to
    else:
        raise ValueError(f"{backend}: samples are written into sqlite or postgresql databases.")


@contextmanager
def _sqlite_writer(url: str, schema: str) -> Iterator[Writer]:
    database = make_url(url).database
    if not database:
        raise ValueError("sqlite: a file is needed, as in sqlite:////folder/portal2.sqlite.")
    Path(database).parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        existing = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        here = [table for table in contract.tables(schema) if table in existing]
        refuse_if_filled(schema, [(t, connection.execute(f"SELECT 1 FROM {t} LIMIT 1").fetchone() is not None) for t in here])
        # A journal would double what is written; the database was empty, so that a broken write costs nothing but writing again.
        connection.executescript("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;")
        for statement in contract.statements(contract.sqlite_ddl(schema)):
            if not any(f"CREATE TABLE {table} (" in statement for table in here):
                connection.execute(statement)
        connection.execute("BEGIN")
        try:
            yield SqliteWriter(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _sqlite_values(column: pa.ChunkedArray) -> list[Any]:
    """Returns the column as Python values: dates and times as the texts that the old application wrote."""
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    return cast("list[Any]", column.to_pylist())
