"""An old database of another kind that SQLAlchemy supports: one transaction, read row by row, converted to Arrow batch by batch.

It is slower than the readers for PostgreSQL and SQLite and guarantees less: the snapshot is the database's REPEATABLE READ, and only a second full
read can tell whether something changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from etl.databases import Batch, ClosedAtExit, SourceChange, redacted_url
from etl.databases.generic.dialects import LEVELS, LOCKED, WAITS, by_bytes
from etl.databases.source_conditions import SourceConditions
from etl.databases.told_apart import cut, told_apart
from etl.domain.masking import recorded_key
from etl.domain.typed_values import Cell, typed
from etl.errors import Busy, MigrationError
from mappings.model import TableMapping


class PortableSource(ClosedAtExit):
    """Implements `Source`."""

    def __init__(self, url: str, name: str) -> None:
        self._name, self._shown = name, redacted_url(url)
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
            raise MigrationError(f"{name}: {self._shown} has settings that cannot be parsed.", "Check the URL.") from None
        with self._safe("connecting"):
            known = self._engine.dialect.get_isolation_level_values(None)  # type: ignore[arg-type]  # no connection is needed for the list
            level = next((level for level in LEVELS if level in known), None)
            self._connection = self._engine.connect()
            if level:
                self._connection = self._connection.execution_options(isolation_level=level)
            self._connection.begin()
            if kind in WAITS:
                self._connection.exec_driver_sql(WAITS[kind])
            inspector = sa.inspect(self._connection)
            self._views = dict.fromkeys(sorted(inspector.get_view_names()), "view")
            self._tables = [*inspector.get_table_names(), *self._views]
        self._padded: dict[str, frozenset[str]] = {}  # by table, the columns that such a database may pad with blanks
        self.level = f"one transaction, {level or 'no snapshot promised'} ({kind}, portable reader)"

    @contextmanager
    def _safe(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.SQLAlchemyError, NotImplementedError) as error:
            # The error's text is not shown: it may contain values and the URL.
            original = getattr(error, "orig", None) or error
            kind = type(original).__name__
            if original.args[:1] in [(number,) for number in LOCKED]:
                message = f"{self._name}: {doing} failed because another session holds a lock ({kind}) on {self._shown}."
                raise Busy(message, "Close the other sessions of this database, then run the same command again.") from None
            raise MigrationError(
                f"{self._name}: {doing} failed ({kind}) on {self._shown}.",
                "Check server, database, user, password and rights, then run again.",
            ) from None

    def shapes(self) -> dict[str, dict[str, str]]:
        with self._safe("reading the catalogue"):
            inspector = sa.inspect(self._connection)
            return {table: self._shape(inspector, table) for table in sorted(self._tables)}

    def _shape(self, inspector: sa.Inspector, table: str) -> dict[str, str]:
        """Returns the declared type by column; empty for a view in MariaDB and MySQL where the role lacks SHOW VIEW."""
        try:
            return {c["name"]: _word(c["type"]) for c in inspector.get_columns(table)}
        except sa.exc.DBAPIError:
            if table not in self._views:
                raise
        try:
            statement = sa.select(sa.text("*")).select_from(sa.table(table)).where(sa.false())
            return dict.fromkeys(self._connection.execute(statement).keys(), "")
        except sa.exc.DBAPIError:
            return {}  # a relation that the role may not read, or a broken view: a mapping that names it gets the message about missing columns

    def primary_keys(self) -> dict[str, tuple[str, ...]]:
        """Returns the declared primary key's columns by table; a table without one is left out."""
        with self._safe("reading the catalogue"):
            inspector = sa.inspect(self._connection)
            found = {
                name: tuple(inspector.get_pk_constraint(name)["constrained_columns"]) for name in self._tables if name not in self._views
            }
        return {name: key for name, key in found.items() if key}

    def relation_kinds(self) -> dict[str, str]:
        return self._views

    def conditions(self, mapped: Sequence[TableMapping], deep: bool = True) -> SourceConditions:
        names = {mapping.table for mapping in mapped}
        return SourceConditions(
            beside=[f"{kind} {name}" for name, kind in self._views.items() if name not in names],
            notes=[f"{name} is a {kind}; it is read as a table" for name, kind in self._views.items() if name in names],
            not_ruled_out=["rows that the server hides from this role: row-level policies of this kind of database are not checked"],
        )

    def count(self, table: str) -> int:
        with self._safe(f"counting {table}"):
            return int(self._connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one())

    def bytes_in(self, table: str, column: str) -> int:
        if self._connection.dialect.name not in ("mysql", "mariadb"):
            return 0  # the name of this function differs between databases
        with self._safe(f"measuring {table}"):
            measured = sa.func.coalesce(sa.func.sum(sa.func.octet_length(sa.column(column))), 0)
            return int(self._connection.execute(sa.select(measured).select_from(sa.table(table))).scalar_one())

    def read(self, mapping: TableMapping, rows: int, without: frozenset[str] = frozenset()) -> Iterator[Batch]:
        names = [column.name for column in mapping.columns if column.name not in without]
        if self._has_odd_keys(mapping):
            yield from self._read_carefully(mapping, names, rows)
            return
        for fetched in self._rows(mapping, names, rows):
            padded = self._filled(mapping.table)
            columns = zip(names, zip(*fetched, strict=True), strict=True)
            cells = {name: [_cell(value, name in padded) for value in column] for name, column in columns}
            batch = typed(mapping, cells, len(fetched))
            yield Batch(batch, _keys(mapping, cells))

    def _filled(self, table: str) -> frozenset[str]:
        """Returns the table's columns of type CHAR(n): their padding is not part of the values."""
        if table not in self._padded:
            try:
                columns = sa.inspect(self._connection).get_columns(table)
            except sa.exc.DBAPIError:
                if table not in self._views:
                    raise
                columns = []  # the database describes the view only to a role with SHOW VIEW
            self._padded[table] = frozenset(c["name"] for c in columns if isinstance(c["type"], sa.CHAR | sa.NCHAR))
        return self._padded[table]

    def _has_odd_keys(self, mapping: TableMapping) -> bool:
        """Returns whether a key is NULL or occurs twice, in a table that has lost its primary key (fine print 63)."""
        if not mapping.key:
            return False
        with self._safe("reading the catalogue"):
            of_view = mapping.table in self._views
            own = set() if of_view else set(sa.inspect(self._connection).get_pk_constraint(mapping.table)["constrained_columns"])
        if own and own <= set(mapping.key):
            return False
        keys: list[sa.ColumnClause[Any]] = [sa.column(name) for name in mapping.key]
        table = sa.table(mapping.table)
        doubled = sa.select(sa.literal(1)).select_from(table).group_by(*keys).having(sa.func.count() > 1).limit(1)
        empty = sa.select(sa.literal(1)).select_from(table).where(sa.or_(*(key.is_(None) for key in keys))).limit(1)
        with self._safe(f"reading {mapping.table}"):
            return any(self._connection.execute(statement).first() is not None for statement in (doubled, empty))

    def _read_carefully(self, mapping: TableMapping, names: list[str], rows: int) -> Iterator[Batch]:
        """Yields the whole table as one batch, ordered by its keys and then by all columns, with unique keys (fine print 63)."""
        every = [column.name for column in mapping.columns if column.family != "binary"]
        wanted = list(dict.fromkeys([*mapping.key, *every, *names]))
        padded = [name in self._filled(mapping.table) for name in wanted]
        found = [list(map(_cell, row, padded)) for fetched in self._rows(mapping, wanted, rows) for row in fetched]
        at = {name: position for position, name in enumerate(wanted)}
        found.sort(key=lambda row: [_rank(row[at[name]]) for name in (*mapping.key, *every)])
        cells: dict[str, list[Cell]] = {name: [row[at[name]] for row in found] for name in wanted}
        whole = typed(mapping, {name: cells[name] for name in names}, len(found))
        parts = [tuple(None if row[at[name]] is None else _text(row[at[name]]) for name in mapping.key) for row in found]
        keys = told_apart(parts, range(len(found)), whole)
        for start in range(0, len(found), rows):
            yield cut(whole, keys, start, start + rows)

    def _rows(self, mapping: TableMapping, names: list[str], rows: int, last: bool = False) -> Iterator[list[tuple[Any, ...]]]:
        columns: dict[str, sa.ColumnClause[Any]] = {name: sa.column(name) for name in {*names, *mapping.key}}
        # Text in byte order, independent of the collation.
        order = [
            by_bytes(columns[name], self._connection.dialect.name) if mapping.shape.by_name[name].family == "text" else columns[name]
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
        for fetched in self._rows(mapping, names, 1):  # one document at a time: the driver returns it whole
            for *key, content in fetched:
                if content is not None:
                    yield (
                        "|".join(_text(part) for part in key),
                        iter([bytes(content) if not isinstance(content, str) else content.encode()]),
                    )

    def freeze_mark(self) -> str:
        return ""

    def changed_since(self, freeze_mark: str, read: dict[str, int]) -> SourceChange:
        changed = [table for table, rows in read.items() if self.count(table) != rows]
        return SourceChange(changed or None, "rows counted" if changed else "every row was read again and compared")

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


def _word(kind: sa.types.TypeEngine[Any]) -> str:
    """Returns the contract's word for a column's type; the database's word where the contract has none."""
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


def _cell(value: Any, filled: bool = False) -> Cell:
    """Returns the value as a SQLite file would store it: days and moments as text; `filled`: trailing blanks removed."""
    if filled and isinstance(value, str):
        value = value.rstrip(" ")
    if type(value) is int and not -(2**63) <= value < 2**63:
        return str(value).encode()  # outside of BIGINT: its text, which does not fit a whole number's column (X2)
    if value is None or type(value) in (int, bytes):
        return value  # type: ignore[no-any-return]  # just looked at
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


def _rank(cell: Cell) -> tuple[int, Any]:
    """Returns the sort key of a cell: null, then numbers, then texts by their bytes."""
    return (0, 0) if cell is None else (2, cell) if isinstance(cell, bytes) else (1, cell)


def _text(value: Any) -> str:
    cell = _cell(value)
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _keys(mapping: TableMapping, cells: dict[str, list[Cell]]) -> list[str] | None:
    if (
        len(mapping.key) == 1
        and mapping.shape.by_name[mapping.key[0]].sql_type == "BIGINT"
        and all(type(c) is int for c in cells[mapping.key[0]])
    ):
        return None
    return ["|".join(map(_text, parts)) for parts in zip(*(cells[name] for name in mapping.key), strict=True)]
