"""How the tables of a SQLite store become equal to the staged ones, and how a rollback restores them.

As in postgresql/merge.py: rows to remove, change or insert are found first, then all removed and changed rows are deleted, then all changed and new
rows are inserted. The caller has switched foreign keys off and checks them all before the commit.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from etl.databases.target import (
    UNDO,
    Change,
    Images,
    Tell,
    kept_tables,
    nothing_to_restore,
    record_tables,
    refuse_ineffective,
    refuse_other_images,
    undo_tables,
    volatile,
)
from mappings.schema import Table

_AT_ONCE = 1024  # rows of before-images as text at a time


def merge(lite: sqlite3.Connection, tables: Sequence[Table], number: int, tell: Tell) -> tuple[list[Change], list[Images]]:
    """Makes the tables equal to the staged ones; returns the changes, and the numbers of before-images and new keys by table."""
    images, changes = [], []
    for done, table in enumerate(tables):
        images.append(_look(lite, table, number))
        tell("load: comparing tables", done + 1, len(tables), "tables")
    for table, image in zip(tables, images, strict=True):
        if image.before:
            _delete(lite, table, undo_tables(number, table.name)[0])
    for done, (table, image) in enumerate(zip(tables, images, strict=True)):
        came = _insert(lite, table, number, image)
        changes.append(Change(table.name, image.new, came - image.new, image.before - (came - image.new)))
        tell("load: changing tables", done + 1, len(tables), "tables")
    return changes, images


def _look(lite: sqlite3.Connection, table: Table, number: int) -> Images:
    """Keeps the before-images of removed and changed rows and the keys of new ones; creates no empty tables."""
    before, new = (quoted(name) for name in undo_tables(number, table.name))
    real, staged = f"main.{quoted(table.name)}", f"staging.{quoted(table.name)}"
    first, keys = quoted(table.key[0]), ", ".join(f"s.{quoted(c)}" for c in table.key)
    same = " AND ".join(f"s.{quoted(c)} = r.{quoted(c)}" for c in table.key)
    others = [quoted(c.name) for c in table.columns if c.name not in table.key and c.name not in volatile(table)]
    differs = " OR ".join(f"s.{c} IS NOT r.{c}" for c in others) or "0"
    lite.execute(f"CREATE TABLE {before} AS SELECT r.* FROM {real} r LEFT JOIN {staged} s ON {same} WHERE s.{first} IS NULL OR {differs}")
    lite.execute(f"CREATE TABLE {new} AS SELECT {keys} FROM {staged} s LEFT JOIN {real} r ON {same} WHERE r.{first} IS NULL")
    counts = []
    for name in (before, new):
        counts.append(int(lite.execute(f"SELECT count(*) FROM {name}").fetchone()[0]))
        if not counts[-1]:
            lite.execute(f"DROP TABLE {name}")
    return Images(table.name, *counts)


def _delete(lite: sqlite3.Connection, table: Table, keys: str) -> int:
    """Deletes the rows whose keys the given table has; returns their number."""
    key = ", ".join(map(quoted, table.key))
    return int(lite.execute(f"DELETE FROM main.{quoted(table.name)} WHERE ({key}) IN (SELECT {key} FROM {quoted(keys)})").rowcount)


def _insert(lite: sqlite3.Connection, table: Table, number: int, image: Images) -> int:
    """Inserts the new and the changed rows; returns their number."""
    before, new = undo_tables(number, table.name)
    kept = [quoted(name) for name, count in ((before, image.before), (new, image.new)) if count]
    if not kept:
        return 0
    key, names = ", ".join(map(quoted, table.key)), ", ".join(quoted(c.name) for c in table.columns)
    chosen = " UNION ALL ".join(f"SELECT {key} FROM {name}" for name in kept)
    into = f"INSERT INTO main.{quoted(table.name)} ({names}) SELECT {names} FROM staging.{quoted(table.name)}"
    return int(lite.execute(f"{into} WHERE ({key}) IN ({chosen})").rowcount)


def number_of_next(lite: sqlite3.Connection) -> int:
    """Returns the number of the next delta: unused by every table of before-images, also where its record is lost."""
    (known,) = lite.execute(f"SELECT coalesce(max(number), 0) FROM {UNDO}").fetchone()
    names = [row[0] for row in lite.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
    numbers = [name[len(UNDO) + 2 :].split("_")[0] for name in names if name.startswith(f"{UNDO}__")]
    return 1 + max([int(known), *(int(number) for number in numbers if number.isascii() and number.isdigit())])


def keep(lite: sqlite3.Connection, run_id: str, number: int, images: Sequence[Images]) -> dict[str, str]:
    """Records the numbers of before-images and new keys that the delta keeps, by table; returns the digests of all tables that it keeps."""
    lite.execute(f"DELETE FROM {UNDO} WHERE run_id = ?", (run_id,))
    rows = [(run_id, number, image.table, image.before, image.new) for image in images]
    lite.executemany(f"INSERT INTO {UNDO} (run_id, number, table_name, before_rows, new_rows) VALUES (?, ?, ?, ?, ?)", rows)
    return _digests(lite, number, images)


def _digests(lite: sqlite3.Connection, number: int, images: Iterable[Images]) -> dict[str, str]:
    """Returns, by kept table, the SHA-256 of its rows in their order; a table that was altered meanwhile in any way has another one."""
    existing = {row[0] for row in lite.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
    names = [*kept_tables(number, images), *(name for name in record_tables(number) if name in existing)]
    return {name: _digest(lite, name) for name in names}


def _digest(lite: sqlite3.Connection, name: str) -> str:
    columns = [quoted(row[1]) for row in lite.execute(f"PRAGMA main.table_info({quoted(name)})")]
    # By type and bytes: two values that are equal for SQLite may be different rows.
    written = " || ',' || ".join(f"typeof({column}) || hex({column})" for column in columns)
    rows, digest = lite.execute(f"SELECT {written} FROM main.{quoted(name)} ORDER BY rowid"), hashlib.sha256()
    while batch := rows.fetchmany(_AT_ONCE):
        digest.update("".join(f"{row}\n" for (row,) in batch).encode())
    return digest.hexdigest()


def keep_record(lite: sqlite3.Connection, run_id: str, number: int) -> None:
    """Keeps the record of a run that is published and will be published again."""
    for name, of in zip(record_tables(number), ("migration_run", UNDO), strict=True):
        lite.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM main.{of} WHERE run_id = ?", (run_id,))


def restore_record(lite: sqlite3.Connection, run_id: str, number: int, columns: Sequence[str]) -> None:
    """Restores the earlier record of the run, if there is one."""
    record, images = record_tables(number)
    if lite.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (record,)).fetchone():
        names = ", ".join(columns)
        lite.execute(f"UPDATE migration_run SET ({names}) = (SELECT {names} FROM {quoted(record)}) WHERE run_id = ?", (run_id,))
        lite.execute(f"INSERT INTO {UNDO} SELECT * FROM {quoted(images)}")
        lite.execute(f"DROP TABLE {quoted(record)}")
        lite.execute(f"DROP TABLE {quoted(images)}")


def kept(lite: sqlite3.Connection, run_id: str, tables: Sequence[Table], digests: Mapping[str, str] | None) -> tuple[int, list[Images]]:
    """Returns that delta's number and its kept rows by table; raises Refused where they are incomplete, or not those with these digests."""
    existing = {row[0] for row in lite.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
    if UNDO not in existing:
        raise nothing_to_restore(run_id, f"the table {UNDO}, which lists its before-images, is missing")
    rows = lite.execute(f"SELECT number, table_name, before_rows, new_rows FROM {UNDO} WHERE run_id = ?", (run_id,)).fetchall()
    images = {row[1]: Images(*row[1:]) for row in rows}
    lost = [table.name for table in tables if table.name not in images]
    for number, table, *counts in rows:
        for name, count in zip(undo_tables(number, table), counts, strict=True):
            there = lite.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0] if name in existing else 0
            if there != count:
                lost.append(name)
    if lost:
        raise nothing_to_restore(run_id, f"its before-images are incomplete ({', '.join(sorted(lost))})")
    number = int(rows[0][0])
    refuse_other_images(run_id, digests, lambda: _digests(lite, number, images.values()))
    return number, [images[table.name] for table in tables]


def restore(lite: sqlite3.Connection, tables: Sequence[Table], number: int, images: Sequence[Images], tell: Tell) -> list[Change]:
    """Rolls back a merge from its before-images and new keys, and drops these; returns the changes by table."""
    gone, changes = {}, []
    for table, image in zip(tables, images, strict=True):
        before, new = undo_tables(number, table.name)
        removed = _delete(lite, table, new) if image.new else 0
        gone[table.name] = (removed, _delete(lite, table, before) if image.before else 0)
    for done, (table, image) in enumerate(zip(tables, images, strict=True)):
        before, new = undo_tables(number, table.name)
        names = ", ".join(quoted(c.name) for c in table.columns)
        into = f"INSERT INTO main.{quoted(table.name)} ({names}) SELECT {names} FROM {quoted(before)}"
        back = int(lite.execute(into).rowcount) if image.before else 0
        removed, changed = gone[table.name]
        changes.append(Change(table.name, back - changed, changed, removed))
        tell("rollback: changing tables", done + 1, len(tables), "tables")
    refuse_ineffective([table.name for table, image in zip(tables, images, strict=True) if not _is_restored(lite, table, number, image)])
    for table in tables:
        for name in undo_tables(number, table.name):
            lite.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
    return changes


def _is_restored(lite: sqlite3.Connection, table: Table, number: int, image: Images) -> bool:
    """Returns whether all before-images are restored unchanged and no inserted row remains."""
    before, new = undo_tables(number, table.name)
    on = " AND ".join(f"r.{quoted(c)} = s.{quoted(c)}" for c in table.key)
    alike = " AND ".join([on, *(f"r.{quoted(c.name)} IS s.{quoted(c.name)}" for c in table.columns if c.name not in table.key)])

    def count(kept: str, condition: str) -> int:
        return int(
            lite.execute(f"SELECT count(*) FROM {quoted(kept)} s CROSS JOIN main.{quoted(table.name)} r ON {condition}").fetchone()[0]
        )

    return (not image.before or count(before, alike) == image.before) and (not image.new or count(new, on) == 0)


def empty(lite: sqlite3.Connection, tables: Sequence[Table], tell: Tell) -> list[Change]:
    """Removes all rows of these tables; returns the changes."""
    changes = []
    for done, table in enumerate(tables):
        changes.append(Change(table.name, 0, 0, int(lite.execute(f"DELETE FROM main.{quoted(table.name)}").rowcount)))
        tell("rollback: changing tables", done + 1, len(tables), "tables")
    refuse_ineffective([table.name for table in tables if lite.execute(f"SELECT 1 FROM main.{quoted(table.name)} LIMIT 1").fetchone()])
    return changes


def unlike(lite: sqlite3.Connection, table: Table) -> bool:
    """Returns whether the table's rows differ from the staged ones, by key and column by column, in the publishing transaction."""
    real, staged = f"main.{quoted(table.name)}", f"staging.{quoted(table.name)}"
    same = " AND ".join(f"r.{quoted(c)} = s.{quoted(c)}" for c in table.key)
    others = [c.name for c in table.columns if c.name not in table.key and c.name not in volatile(table)]
    differs = " OR ".join([f"r.{quoted(table.key[0])} IS NULL", *(f"r.{quoted(c)} IS NOT s.{quoted(c)}" for c in others)])
    if lite.execute(f"SELECT (SELECT count(*) FROM {real}) <> (SELECT count(*) FROM {staged})").fetchone()[0]:
        return True
    return lite.execute(f"SELECT 1 FROM {staged} s LEFT JOIN {real} r ON {same} WHERE {differs} LIMIT 1").fetchone() is not None


def quoted(name: str) -> str:
    """Returns the name in quotes for a statement."""
    return '"' + name.replace('"', '""') + '"'
