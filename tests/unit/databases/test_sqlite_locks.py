"""SQLite's locks on an old portal's file: POSIX drops all of a process's locks on a file as soon as the process closes it once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.databases.registry import open_source
from etl.reconcile.databases.sqlite import SqliteDatabase


def _writable(file: Path) -> bool:
    """Whether another process could write to the file now; asked by a process, whose locks are its own."""
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute('BEGIN EXCLUSIVE')"
    return subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, check=False).returncode == 0


def _loader(file: Path) -> Callable[[], object]:
    source = open_source(f"sqlite:///{file}", "P2").__enter__()
    return lambda: source.conditions([])


def _verifier(file: Path) -> Callable[[], object]:
    database = SqliteDatabase(file)
    return lambda: (database.hiding(), database.doubts())


@pytest.mark.parametrize("reader", [_loader, _verifier])
def test_K9_looking_for_what_hides_rows_keeps_the_lock_of_the_snapshot(
    reader: Callable[[Path], Callable[[], object]], tmp_path: Path
) -> None:
    file = tmp_path / "old.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE message (message_id INTEGER PRIMARY KEY)")
    connection.close()
    (tmp_path / "second name").hardlink_to(file)
    look = reader(file)
    assert not _writable(file)
    look()
    assert not _writable(file)
