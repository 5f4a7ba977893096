"""Portals with an adapter: disguised, migrated, and compared with a contract portal of the same rows (fine print 69)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sample_data import contract
from sample_data.disguise import Disguised, disguise
from sample_data.world import write_cast
from tests.support.command import FREEZE, Done, command


def disguised_cast(folder: Path) -> Path:
    """Writes the cast to `folder/legacy` and its foreign world to `folder/foreign` with `adapter/` and `twin/`; both use the cast's file share."""
    write_cast(folder / "legacy")
    disguise(folder / "legacy", folder / "foreign")
    return folder / "foreign"


def migrated(folder: Path, files: Path, *more: str, steps: tuple[str, ...] = ("extract", "split", "reattach", "check", "load")) -> Done:
    """Migrates the world in that folder (portal2.sqlite, tc.sqlite) to `place/store.sqlite`; returns the last command."""
    sources = ("--source", f"sqlite:///{folder}/portal2.sqlite", "--tc", f"sqlite:///{folder}/tc.sqlite")
    for step in steps:
        done = command(step, *sources, "--files", str(files), *_stores(folder), "--run", str(folder / "run"), *FREEZE, *more)
        assert done.code == 0, done.err
    return done


def _stores(folder: Path) -> tuple[str, ...]:
    return ("--target", f"sqlite:///{folder}/store.sqlite", "--objects", str(folder / "objects"))


def reconciled(folder: Path, files: Path, *more: str) -> Done:
    """Runs the verifier on it, without the run's folder."""
    sources = ("--source", f"sqlite:///{folder}/portal2.sqlite", "--tc", f"sqlite:///{folder}/tc.sqlite")
    return command("reconcile", *sources, "--files", str(files), *_stores(folder), *more, "--output", "json")


def different_tables(one: Path, other: Path) -> list[str]:
    """Returns the tables of two stores that differ, apart from `migration_run`, `run_id` and the member `_physical`."""
    with closing(sqlite3.connect(one)) as a, closing(sqlite3.connect(other)) as b:
        names = [name for (name,) in a.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        return [name for name in names if name != "migration_run" and _rows(a, name) != _rows(b, name)]


def _rows(store: sqlite3.Connection, table: str) -> list[str]:
    columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})") if row[1] != "run_id"]
    rows = store.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    if table == "migration_holding":
        position = columns.index("row_json")
        rows = [(*row[:position], _contract_row(row[position]), *row[position + 1 :]) for row in rows]
    return sorted(map(repr, rows))


def _contract_row(text: str) -> str:
    row = json.loads(text)
    row.pop("_physical", None)
    return json.dumps(row, sort_keys=True)


def copied(folder: Path, to: Path) -> Path:
    """Copies the folder and returns the copy."""
    return Path(shutil.copytree(folder, to))


def as_sqlite(url: str, folder: str, file: Path) -> None:
    """Copies a contract portal from PostgreSQL to a SQLite file: days and moments as their texts."""
    import psycopg

    file.unlink(missing_ok=True)
    with psycopg.connect(url) as server, closing(sqlite3.connect(file)) as copy:
        copy.executescript(contract.sqlite_ddl(folder))
        for table, columns in contract.tables(folder).items():
            listed = ", ".join(f"{c.name}::text" if c.type in ("DATE", "TIMESTAMP") else c.name for c in columns)
            rows = server.execute(f"SELECT {listed} FROM {table}".encode()).fetchall()
            copy.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", rows)
        copy.commit()


_MARIADB = {"TEXT": "LONGTEXT", "TIMESTAMP": "DATETIME(6)", "BYTEA": "LONGBLOB", "BLOB": "LONGBLOB"}


def write_mariadb(made: Disguised, socket: str, database: str) -> str:
    """Writes the physical tables to a new database of that MariaDB server, with the view; returns the URL of a role that may SELECT."""
    import sqlalchemy as sa

    engine = sa.create_engine(f"mysql+pymysql://root@/?unix_socket={socket}&charset=utf8mb4", isolation_level="AUTOCOMMIT")
    with engine.connect() as root:
        root.exec_driver_sql("CREATE USER IF NOT EXISTS presented@localhost")
        root.exec_driver_sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        root.exec_driver_sql(f"GRANT SELECT ON {database}.* TO presented@localhost")
        root.exec_driver_sql(f"USE {database}")
        for table in made.tables:
            listed = ", ".join(f"`{name}` {_MARIADB.get(kind, kind)}" for name, kind in table.columns.items())
            root.exec_driver_sql(f"CREATE TABLE `{table.name}` ({listed})")
            marks = ", ".join(["%s"] * len(table.columns))
            if table.rows:
                root.exec_driver_sql(f"INSERT INTO `{table.name}` VALUES ({marks})", [tuple(row) for row in table.rows])
        for view in made.views:
            root.exec_driver_sql(view.replace('"', "`"))
    engine.dispose()
    return f"mysql+pymysql://presented@/{database}?unix_socket={socket}&charset=utf8mb4"
