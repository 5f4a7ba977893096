"""What may hide rows or bytes of an old portal's SQLite file: a second name of the file, a damaged index; and messages for SQLite's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl.errors import MigrationError

_SIDES = ("-wal", "-journal")
# Messages of `integrity_check` about values and constraints: such rows are read as any others. Every other message may mean missing rows.
_HARMLESS = ("NULL value in ", "CHECK constraint failed", "non-unique entry in index", "NUMERIC value in ", "TEXT value in ", "non-", "ok")
_MANY = 5


def hidden_logs(given: Path, wal: bool) -> Iterator[str]:
    """Yields a sentence for a log or journal beside another name of the file, which SQLite does not read, or a WAL file that may have one elsewhere.

    `wal`: whether the file is in WAL mode.
    """
    real = given.resolve()
    for name in sorted(set(_other_names(given, real))):
        for side in _SIDES:
            beside = name.with_name(name.name + side)
            if beside.is_file() and beside.stat().st_size:
                yield f"{beside.name} lies beside another name of the file than {real.name}: its content is not read (K9)"
    if real.stat().st_nlink > 1 and wal:
        yield f"{real.name} has {real.stat().st_nlink} names (hard links) and is in WAL mode: its write-ahead log may lie beside another name (K9)"


def not_ruled_out(given: Path, wal: bool) -> Iterator[str]:
    """Yields a sentence for each state that the file alone does not show. `wal`: whether the file is in WAL mode."""
    real = given.resolve()
    log = real.with_name(real.name + "-wal")
    if wal and not (log.is_file() and log.stat().st_size):
        yield "the file is in WAL mode and has no log: if it was copied, its log may have been left behind"
    if real.stat().st_nlink > 1:
        yield f"the file has {real.stat().st_nlink} names (hard links): files beside the other names are not checked"


def _other_names(given: Path, real: Path) -> Iterator[Path]:
    if given.absolute() != real:
        yield given.absolute()
    if real.stat().st_nlink > 1:
        for other in real.parent.iterdir():
            if other != real and not other.is_symlink() and other.is_file() and other.samefile(real):
                yield other


def in_wal_mode(file: Path) -> bool:
    """Returns whether the file's header says that its writers use a write-ahead log."""
    with file.open("rb") as stream:
        head = stream.read(20)
    return len(head) == 20 and 2 in head[18:20]


def damages(connection: sqlite3.Connection) -> tuple[list[str], str]:
    """Returns (damage of tables and indexes, rows missing from an index among it; why it could not be checked, else empty)."""
    try:
        lines = [bytes(line).decode("utf-8", "replace") for (line,) in connection.execute("PRAGMA integrity_check(1000)")]
    except sqlite3.DatabaseError as error:
        if str(error).startswith(("no such", "unknown function")):  # a collation or function of the old application
            return [], f"whether an index lacks rows is unknown ({error}), so no index is read"
        raise
    found = [line for text in lines for line in text.splitlines() if line and not line.startswith(_HARMLESS)]
    more = [f"and {len(found) - _MANY:,} more"] if len(found) > _MANY else []
    return [f"the file is damaged: {line} (PRAGMA integrity_check, K9)" for line in found[:_MANY]] + more, ""


def refusal(name: str, shown: str, file: Path, error: sqlite3.DatabaseError) -> MigrationError:
    """Returns the error for a file that cannot be opened, with the cause where it is known."""
    journal, code = file.with_name(file.name + "-journal"), getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) and journal.exists() and not _wal(file):
        return MigrationError(
            f"{name}: {shown} has an unfinished transaction: its journal {journal.name} lies beside it.",
            "Open it once with the old portal, or a copy of both files with sqlite3, so that the transaction is rolled back; this program never writes to it. Then run again.",
        )
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) and _wal(file):
        return MigrationError(
            f"{name}: {shown} is in WAL mode, and {file.name}-wal and {file.name}-shm cannot be created or read beside it (a read-only folder?).",
            f"Copy it, with {file.name}-wal if there is one, to a writable folder; or set journal_mode = DELETE before it is frozen.",
        )
    return MigrationError(f"{name}: {shown} is not a readable SQLite database ({error}).", "Check the file, then run again.")


def unreadable_step(error: sqlite3.DatabaseError) -> str:
    """Returns the next step for a table or view that cannot be read: SQLite's own error, or one of what the statement needs."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_ERROR:
        return "Check the old database's file with PRAGMA integrity_check."
    if str(error).startswith(("unsafe use of", "no such")):
        why = "It needs what only the old application has, or a function that a file may not call."
    else:
        why = "It is computed, and its computation fails for some row."
    return f"{why} In a copy of the file, put a table with its rows in its place, then give the copy."


def _wal(file: Path) -> bool:
    try:
        return in_wal_mode(file)
    except OSError:
        return False


def collations(connection: sqlite3.Connection, tables: Iterable[str]) -> list[str]:
    """Returns the collations of these tables' keys that SQLite does not have."""
    found = set()
    for table in tables:
        for row in connection.execute("SELECT x.coll FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE x.key", (table,)):
            found.add(bytes(row[0] or b"").decode("utf-8", "replace").upper())
    return sorted(found - {"BINARY", "NOCASE", "RTRIM", ""})
