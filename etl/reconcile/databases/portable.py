"""Any other database that SQLAlchemy supports, as the verifier reads it: copied in one transaction into a private SQLite file, which is then read."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.errors import ReconcileError

AT_ONCE = 1_000


class PortableDatabase(SqliteDatabase):
    """The private copy, which `close` removes."""

    def __init__(self, url: sa.URL, left_out: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._folder.name) / "copy.sqlite"
        try:
            self._views = _copied(url, file, left_out)
        except (sa.exc.SQLAlchemyError, ImportError, NotImplementedError) as error:
            self._folder.cleanup()
            kind = type(getattr(error, "orig", None) or error).__name__
            where = url.set(query={}).render_as_string(hide_password=True)
            raise ReconcileError(f"{where}: cannot be read ({kind}).", "Check the URL, its driver and the role's rights.") from None
        except BaseException:
            self._folder.cleanup()
            raise
        super().__init__(file)

    def relation_kinds(self) -> dict[str, str]:
        super().relation_kinds()
        return self._views

    def doubts(self) -> list[str]:
        return ["rows that the server hides from this role: row-level policies of this kind of database are not checked"]

    def in_stored_order(self, table: str) -> bool:
        return False  # they are in the order in which they came

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return []  # a copy has no conditions; only old portals are in such databases

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copied(url: sa.URL, file: Path, left_out: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Copies all tables and views but the columns left out (B17); which of them are views."""
    engine = sa.create_engine(url, hide_parameters=True)
    level = next((n for n in ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE") if n in engine.dialect.get_isolation_level_values(None)), None)  # type: ignore[arg-type]
    try:
        with engine.connect() as plain, closing(sqlite3.connect(file, isolation_level=None)) as copy:
            connection = plain.execution_options(isolation_level=level) if level else plain
            copy.execute("PRAGMA synchronous = off")
            inspector = sa.inspect(connection)
            views = dict.fromkeys(inspector.get_view_names(), "view")
            for table in [*inspector.get_table_names(), *(view for view in views if view in left_out)]:  # other views are never read
                described = [
                    c for c in _described(connection, inspector, table, table in views) if c["name"] not in left_out.get(table, ())
                ]
                columns = [c["name"] for c in described]
                filled = [isinstance(c["type"], sa.CHAR | sa.NCHAR) for c in described]  # with blanks, which are not part of the value
                key = [] if table in views else _key(connection, inspector, table)
                declared = ", ".join([*map(_quoted, columns), *([f"PRIMARY KEY ({', '.join(map(_quoted, key))})"] if key else [])])
                copy.execute(f"CREATE TABLE {_quoted(table)} ({declared})")
                if left_out and table not in left_out:
                    continue  # no mapping names it: its name is all that is needed (K5)
                listed: list[sa.ColumnClause[Any]] = [sa.column(name) for name in columns]
                statement = sa.select(*listed).select_from(sa.table(table))
                rows = connection.execution_options(stream_results=True, max_row_buffer=AT_ONCE).execute(statement)
                placeholders = ", ".join("?" for _ in columns)
                copy.execute("BEGIN")
                copy.executemany(f"INSERT INTO {_quoted(table)} VALUES ({placeholders})", _stored(rows, filled))
                copy.execute("COMMIT")
            return views
    finally:
        engine.dispose()


def _described(connection: sa.Connection, inspector: sa.Inspector, table: str, view: bool) -> list[Any]:
    """Returns (name, type) of each column; only the names for a view whose types need SHOW VIEW (MariaDB, MySQL)."""
    listed = _listed(connection, table)
    try:
        if listed is None:
            return list(inspector.get_columns(table))
        return [{"name": name, "type": sa.CHAR() if kind == "char" else sa.types.NullType()} for name, kind in listed]
    except sa.exc.DBAPIError:
        if not view:
            raise
    empty = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)).where(sa.false()))
    return [{"name": name, "type": sa.types.NullType()} for name in empty.keys()]  # noqa: SIM118  # a result has rows, and keys() of its own


def _listed(connection: sa.Connection, table: str) -> list[tuple[str, str]] | None:
    """Returns (name, type) of the columns as MariaDB or MySQL list them, where a name would break up the CREATE TABLE that SQLAlchemy parses."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return None
    asked = "SELECT column_name, LOWER(data_type) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = :t"
    found = [(name, kind) for name, kind in connection.execute(sa.text(f"{asked} ORDER BY ordinal_position"), {"t": table})]
    return found if any(sign in name for name in (table, *(name for name, _ in found)) for sign in "`\r\n") else None


def _key(connection: sa.Connection, inspector: sa.Inspector, table: str) -> list[str]:
    if _listed(connection, table) is None:
        return list(inspector.get_pk_constraint(table)["constrained_columns"])
    asked = "SELECT column_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = :t AND index_name = 'PRIMARY'"
    return [name for (name,) in connection.execute(sa.text(f"{asked} ORDER BY seq_in_index"), {"t": table})]


def _stored(rows: Any, filled: list[bool]) -> Iterator[list[Any]]:
    for row in rows:
        yield [_value(value.rstrip(" ") if blank and isinstance(value, str) else value) for value, blank in zip(row, filled, strict=True)]


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
