"""Any other database that SQLAlchemy speaks to, as the verifier reads it: copied in one transaction to a SQLite file of its own, read there."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.errors import ReconcileError

AT_ONCE = 1_000
NEVER_READ = "password_hash"  # B17


class PortableDatabase(SqliteDatabase):
    """The copy; it is private and goes with `close`."""

    def __init__(self, url: sa.URL) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._folder.name) / "copy.sqlite"
        try:
            _copied(url, file)
        except (sa.exc.SQLAlchemyError, ImportError, NotImplementedError) as error:
            self._folder.cleanup()
            kind = type(getattr(error, "orig", None) or error).__name__
            where = url.set(query={}).render_as_string(hide_password=True)
            raise ReconcileError(f"{where}: cannot be read ({kind}).", "Check the URL, its driver and the role's rights.") from None
        except BaseException:
            self._folder.cleanup()
            raise
        super().__init__(file)

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return []  # of a copy there is nothing to say; only old portals lie in such databases

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copied(url: sa.URL, file: Path) -> None:
    engine = sa.create_engine(url, hide_parameters=True)
    level = next((n for n in ("REPEATABLE READ", "SNAPSHOT", "SERIALIZABLE") if n in engine.dialect.get_isolation_level_values(None)), None)  # type: ignore[arg-type]
    try:
        with engine.connect() as plain, closing(sqlite3.connect(file, isolation_level=None)) as copy:
            connection = plain.execution_options(isolation_level=level) if level else plain
            copy.execute("PRAGMA synchronous = off")
            inspector = sa.inspect(connection)
            for table in inspector.get_table_names():
                columns = [c["name"] for c in inspector.get_columns(table) if c["name"] != NEVER_READ]
                key = inspector.get_pk_constraint(table)["constrained_columns"]
                declared = ", ".join([*map(_quoted, columns), *([f"PRIMARY KEY ({', '.join(map(_quoted, key))})"] if key else [])])
                copy.execute(f"CREATE TABLE {_quoted(table)} ({declared})")
                listed: list[sa.ColumnClause[Any]] = [sa.column(name) for name in columns]
                statement = sa.select(*listed).select_from(sa.table(table))
                rows = connection.execution_options(stream_results=True, max_row_buffer=AT_ONCE).execute(statement)
                marks = ", ".join("?" for _ in columns)
                copy.execute("BEGIN")
                copy.executemany(f"INSERT INTO {_quoted(table)} VALUES ({marks})", _stored(rows))
                copy.execute("COMMIT")
    finally:
        engine.dispose()


def _stored(rows: Any) -> Iterator[list[Any]]:
    for row in rows:
        yield [_value(value) for value in row]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # BIGINT UNSIGNED: as its text, SQLite has no such number
        return str(value)
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
