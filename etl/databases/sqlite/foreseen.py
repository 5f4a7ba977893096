"""What a publish would change in a SQLite store, which is only read: the staged rows are in a separate file."""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import sqlalchemy

from etl.databases.quoting import quoted
from etl.databases.sqlite.staging import forget, stage
from etl.databases.target import Change, Rows, in_reference_order, volatile
from etl.errors import MigrationError
from mappings.schema import Schema, Table


def would_change(url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, folder: Path) -> list[Change]:
    """Returns, by table, what `publish` would insert, update and remove in the present file; raises MigrationError where it cannot be read."""
    tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
    path, staging = Path(sqlalchemy.make_url(url).database or "").absolute(), folder / "foreseen.sqlite"
    if not path.is_file():
        return [Change(table.name, sizes[table.name], 0, 0) for table in tables]
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, isolation_level=None, timeout=30)) as lite:
            lite.execute("PRAGMA trusted_schema = off")
            there = {table.name: _rows(lite, table.name) for table in tables}
            compared = [table for table in tables if there[table.name] and sizes[table.name]]
            if compared:
                for _ in stage(staging, compared, rows):
                    pass
                lite.execute("ATTACH DATABASE ? AS staging", (_read_only(staging),))
            lite.execute("BEGIN")  # one state of the store for all tables
            return [
                _compared(lite, table) if table in compared else Change(table.name, sizes[table.name], 0, _rows(lite, table.name))
                for table in tables
            ]
    except sqlite3.Error as error:
        what = getattr(error, "sqlite_errorname", type(error).__name__)
        raise MigrationError(f"--target: the store cannot be compared with the rows to be loaded ({what}).", "Check the file.") from None
    finally:
        forget(staging)


def _read_only(path: Path) -> str:
    return f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"


def _rows(lite: sqlite3.Connection, table: str) -> int:
    """Returns the number of rows in the table; 0 where it does not exist yet."""
    if lite.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone() is None:
        return 0
    return int(lite.execute(f"SELECT count(*) FROM main.{quoted(table)}").fetchone()[0])


def _compared(lite: sqlite3.Connection, table: Table) -> Change:
    """Returns the changes of one table, compared by key and column by column as in the merge."""
    real, staged = f"main.{quoted(table.name)}", f"staging.{quoted(table.name)}"
    same = " AND ".join(f"s.{quoted(c)} = r.{quoted(c)}" for c in table.key)
    others = [quoted(c.name) for c in table.columns if c.name not in table.key and c.name not in volatile(table)]
    differs = " OR ".join(f"s.{c} IS NOT r.{c}" for c in others) or "0"
    first = quoted(table.key[0])
    both = f"SELECT count(*), coalesce(sum({differs}), 0) FROM {staged} s CROSS JOIN {real} r ON {same}"
    common, updated = lite.execute(both).fetchone()
    (came,) = lite.execute(f"SELECT count({first}) FROM {staged}").fetchone()
    return Change(table.name, came - common, updated, _rows(lite, table.name) - common)
