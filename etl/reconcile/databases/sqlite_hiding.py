"""Finds what hides bytes or rows of a SQLite file opened by this name; written independently of the loader's test (K9)."""

import os
import sqlite3
from pathlib import Path
from typing import Any


def of_file(opened_as: Path, logs_ahead: bool) -> str:
    """Returns why the file of this name may not contain all bytes of the database (K9); empty if nothing indicates it.

    `logs_ahead`: whether the database is in WAL mode.
    """
    real = Path(os.path.realpath(opened_as))
    names = {opened_as.absolute()}
    state = real.stat()
    if state.st_nlink > 1:
        with os.scandir(real.parent) as there:
            names |= {Path(entry.path) for entry in there if entry.inode() == state.st_ino and entry.is_file(follow_symlinks=False)}
    for name in sorted(names - {real}):
        for log in (Path(f"{name}-wal"), Path(f"{name}-journal")):
            if log.is_file() and log.stat().st_size > 0:
                return f"{log.name} lies beside another name of the file, where it is not read (K9)"
    if state.st_nlink > 1 and logs_ahead:
        return f"the file has {state.st_nlink} hard links and is in WAL mode: its log may lie beside another of its names (K9)"
    return ""


def doubts(opened_as: Path, logs_ahead: bool) -> list[str]:
    """Returns sentences about hidden bytes that cannot be ruled out from here."""
    real = Path(os.path.realpath(opened_as))
    log = Path(f"{real}-wal")
    if logs_ahead and not (log.is_file() and log.stat().st_size > 0):
        return ["the file is in WAL mode and has no log beside it: if it was copied, its log may have been left behind"]
    return []


def lacking_indexes(connection: sqlite3.Connection) -> dict[str, str]:
    """Returns by table a sentence if one of its indexes has another number of rows than the table: a query that uses it would miss rows (K9)."""
    found = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        name = str(table, "utf-8", "replace")
        whole = None
        for index in _indexes(connection, name):
            if index[4] or (index[3] == b"pk" and _is_the_table(connection, name)):  # partial; or the table itself
                continue
            try:
                whole = whole or _counted(connection, f"{_quoted(name)} NOT INDEXED")
                by_index = _counted(connection, f"{_quoted(name)} INDEXED BY {_quoted(str(index[1], 'utf-8', 'replace'))}")
            except sqlite3.OperationalError:  # a custom collation of the old application: no query uses that index either
                continue
            if by_index != whole:
                found[name] = f"an index has {by_index:,} rows and the table {whole:,} (K9)"
    return found


def _indexes(connection: sqlite3.Connection, table: str) -> list[Any]:
    try:
        return connection.execute(f"PRAGMA index_list({_quoted(table)})").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
            raise
        return []  # a virtual table of the old application's own module: it has no indexes


def _counted(connection: sqlite3.Connection, source: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {source}").fetchone()[0])


def _is_the_table(connection: sqlite3.Connection, table: str) -> bool:
    row = connection.execute("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", (table,)).fetchone()
    return bool(row and row[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
