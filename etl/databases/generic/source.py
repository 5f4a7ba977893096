"""An old database of any other kind that SQLAlchemy speaks to: one transaction, read row by row, typed into Arrow batch by batch.

Slower than the two readers of their own, and it promises less: what the database calls REPEATABLE READ is all the snapshot there is, and
whether something changed since is told only by reading everything again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from etl.databases import Batch, Since, shown
from etl.domain.masking import recorded_key
from etl.domain.typed_values import Cell, typed
from etl.errors import Busy, MigrationError
from mappings.model import TableMapping

# Nothing waits for another session's lock for longer than a minute: by default MariaDB and MySQL do for a day or a year.
_WAITS = dict.fromkeys(("mysql", "mariadb"), "SET SESSION lock_wait_timeout = LEAST(@@SESSION.lock_wait_timeout, 60)")
_LOCKED = 1205  # what both say then
_LEVELS = ("REPEATABLE READ", "SNAPSHOT", "SERIALIZABLE")  # the first one that the database knows


class PortableSource:
    """Implements `Source`."""

    def __init__(self, url: str, name: str) -> None:
        self._name, self._shown = name, shown(url)
        kind = sa.make_url(url).get_backend_name()
        try:
            self._engine = sa.create_engine(url, hide_parameters=True, pool_size=1)
        except sa.exc.NoSuchModuleError:
            raise MigrationError(
                f"{name}: no reader for {kind} databases.", "Use SQLite, PostgreSQL, or install the SQLAlchemy dialect of that database."
            ) from None
        except ImportError as error:
            message = f"{name}: the driver {error.name} for {kind} databases is not installed."
            raise MigrationError(message, f"Install {error.name}, or name another driver in the URL ({kind}+DRIVER://).") from None
        except (sa.exc.ArgumentError, TypeError, ValueError):
            raise MigrationError(f"{name}: {self._shown} has settings that cannot be read.", "Check the URL.") from None
        with self._safe("connecting"):
            known = self._engine.dialect.get_isolation_level_values(None)  # type: ignore[arg-type]  # no connection is needed for the list
            level = next((level for level in _LEVELS if level in known), None)
            self._connection = self._engine.connect()
            if level:
                self._connection = self._connection.execution_options(isolation_level=level)
            self._connection.begin()
            if kind in _WAITS:
                self._connection.exec_driver_sql(_WAITS[kind])
            self._tables = sa.inspect(self._connection).get_table_names()
        self.level = f"one transaction, {level or 'no snapshot promised'} ({kind}, portable reader)"

    @contextmanager
    def _safe(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, NotImplementedError) as error:
            # Not its text: that may hold values, and the URL.
            original = getattr(error, "orig", None) or error
            kind = type(original).__name__
            if original.args[:1] == (_LOCKED,):
                message = f"{self._name}: {doing} failed for a lock that another session holds ({kind}) on {self._shown}."
                raise Busy(message, "Close what else uses this database, then run the same command again.") from None
            raise MigrationError(
                f"{self._name}: {doing} failed ({kind}) on {self._shown}.",
                "Check server, database, user, password and rights, then run again.",
            ) from None

    def shapes(self) -> dict[str, dict[str, str]]:
        with self._safe("reading the catalogue"):
            inspector = sa.inspect(self._connection)
            return {table: {c["name"]: _word(c["type"]) for c in inspector.get_columns(table)} for table in sorted(self._tables)}

    def count(self, table: str) -> int:
        with self._safe(f"counting {table}"):
            return int(self._connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one())

    def bytes_in(self, table: str, column: str) -> int:
        if self._connection.dialect.name not in ("mysql", "mariadb"):
            return 0  # each kind has a word of its own for it
        with self._safe(f"measuring {table}"):
            measured = sa.func.coalesce(sa.func.sum(sa.func.octet_length(sa.column(column))), 0)
            return int(self._connection.execute(sa.select(measured).select_from(sa.table(table))).scalar_one())

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        names = [column.name for column in mapping.columns if column.name not in without]
        for fetched in self._rows(mapping, names, rows):
            cells = {name: [_cell(value) for value in column] for name, column in zip(names, zip(*fetched, strict=True), strict=True)}
            batch = typed(mapping, cells, len(fetched))
            yield Batch(batch, _keys(mapping, cells))

    def _rows(self, mapping: TableMapping, names: list[str], rows: int, last: bool = False) -> Iterator[list[tuple[Any, ...]]]:
        columns: dict[str, sa.ColumnClause[Any]] = {name: sa.column(name) for name in {*names, *mapping.key}}
        # Texts in the order of their bytes, whatever the collation.
        order = [
            sa.cast(columns[name], sa.LargeBinary) if mapping.shape.by_name[name].family == "text" else columns[name]
            for name in mapping.key
        ]
        statement = sa.select(*(columns[name] for name in names)).select_from(sa.table(mapping.table))
        statement = statement.order_by(*(part.desc() for part in order)).limit(1) if last else statement.order_by(*order)
        with self._safe(f"reading {mapping.table}"):
            result = self._connection.execution_options(stream_results=True, max_row_buffer=rows).execute(statement)
            while fetched := result.fetchmany(rows):
                yield [tuple(row) for row in fetched]

    def contents(self, mapping: TableMapping, column: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        names = [*mapping.key, column]
        for fetched in self._rows(mapping, names, 1):  # a document at a time: it comes whole
            for *key, content in fetched:
                if content is not None:
                    yield (
                        "|".join(_text(part) for part in key),
                        iter([bytes(content) if not isinstance(content, str) else content.encode()]),
                    )

    def mark(self) -> str:
        return ""

    def changed_since(self, mark: str, read: dict[str, int]) -> Since:
        changed = [table for table, rows in read.items() if self.count(table) != rows]
        return Since(changed or None, "rows counted" if changed else "every row was read again and compared")

    def highest_key(self, mapping: TableMapping) -> str:
        for fetched in self._rows(mapping, list(mapping.key), 1, last=True):
            return recorded_key((_text(part), mapping.is_number(name)) for part, name in zip(fetched[0], mapping.key, strict=True))
        return ""

    def counted(self) -> dict[str, str]:
        return {}

    def writers(self) -> list[str]:
        return []

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _word(kind: sa.types.TypeEngine[Any]) -> str:
    """The contract's word for a column's type; the database's own where the contract has none."""
    match kind:
        case sa.BigInteger():
            return "BIGINT"
        case sa.SmallInteger():
            return "SMALLINT"
        case sa.Integer():
            return "INTEGER"
        case sa.DateTime():
            return "TIMESTAMP"
        case sa.Date():
            return "DATE"
        case sa.types._Binary():
            return "BYTEA"
        case sa.String():
            return f"VARCHAR({kind.length})" if kind.length else "TEXT"
    return type(kind).__name__.upper()


def _cell(value: Any) -> Cell:
    """The value as a SQLite file would hold it: days and moments as their texts, and whole numbers beyond 64 bits (BIGINT UNSIGNED), which are unreadable."""
    if value is None or type(value) is bytes or (type(value) is int and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").encode()
    if isinstance(value, date):
        return value.isoformat().encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return str(value).encode()


def _text(value: Any) -> str:
    cell = _cell(value)
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _keys(mapping: TableMapping, cells: dict[str, list[Cell]]) -> list[str] | None:
    first = mapping.key[0]
    if len(mapping.key) == 1 and mapping.shape.by_name[first].sql_type == "BIGINT" and all(type(cell) is int for cell in cells[first]):
        return None
    return ["|".join(map(_text, parts)) for parts in zip(*(cells[name] for name in mapping.key), strict=True)]
