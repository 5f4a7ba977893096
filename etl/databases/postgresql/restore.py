"""How a rollback restores the rows of a delta in a PostgreSQL store, from its before-images and the keys of its new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.in_place import analyze_changed, movable, read_before, update
from etl.databases.postgresql.merge import delete_kept, run, same
from etl.databases.target import Change, Images, Tell, refuse_ineffective, undo_tables
from mappings.schema import Table

Session = psycopg.Connection[Any]


def restore(
    session: Session, tables: Sequence[Table], number: int, images: Sequence[Images], rows: Mapping[str, int], tell: Tell
) -> list[Change]:
    """Rolls back a delta, and drops what it kept; returns the changes by table. `rows`: the number of rows by table before."""
    by_name, changes = {table.name: table for table in tables}, []
    touched = [image for image in images if image.before or image.new]
    size = {image.table: image.before + image.new for image in touched}
    read_before(session)
    analyze_changed(session, dict.fromkeys(size, 0), rows)  # a copied store has no statistics
    for image in touched:
        keys = ", ".join(quoted(c) for c in by_name[image.table].key)
        for name, count in zip(undo_tables(number, image.table), (image.before, image.new), strict=True):
            if count:
                run(session, f"ANALYZE {quoted(name)} ({keys})")
    free = movable(
        session,
        [by_name[image.table] for image in touched if image.before],
        {image.table: undo_tables(number, image.table)[0] for image in touched if image.before},
    )
    gone = {}
    for image in touched:
        before, new = undo_tables(number, image.table)
        table = by_name[image.table]
        removed = delete_kept(session, table, new) if image.new else 0
        gone[image.table] = (removed, delete_kept(session, table, before) if image.before and image.table not in free else 0)
    for done, image in enumerate(touched):
        table, before = by_name[image.table], undo_tables(number, image.table)[0]
        removed, deleted = gone[image.table]
        updated = update(session, table, before) if image.table in free else deleted
        there = updated - deleted
        back = _insert(session, table, before, where_missing=there > 0) if image.before > there else 0
        changes.append(Change(image.table, back - deleted, updated, removed))
        tell("rollback: changing tables", done + 1, len(touched), "tables")
    analyze_changed(session, size, rows)
    refuse_ineffective([image.table for image in touched if not _is_restored(session, by_name[image.table], number, image)])
    for image in touched:
        run(session, f"DROP TABLE IF EXISTS {', '.join(map(quoted, undo_tables(number, image.table)))}")
    return changes


def _insert(session: Session, table: Table, before: str, where_missing: bool) -> int:
    """Inserts the before-images, `where_missing`: only those without a row of their key; returns their number."""
    names = ", ".join(quoted(c.name) for c in table.columns)
    chosen = f" WHERE NOT EXISTS (SELECT 1 FROM {quoted(table.name)} r WHERE {same(table, 's', 'r')})" if where_missing else ""
    return run(session, f"INSERT INTO {quoted(table.name)} ({names}) SELECT {names} FROM {quoted(before)} s{chosen}")


def _is_restored(session: Session, table: Table, number: int, image: Images) -> bool:
    """Returns whether all before-images are restored unchanged and no inserted row remains."""
    before, new = map(quoted, undo_tables(number, table.name))
    others = (
        " OR ".join(f"s.{quoted(c.name)} IS DISTINCT FROM r.{quoted(c.name)}" for c in table.columns if c.name not in table.key) or "false"
    )
    real, on = quoted(table.name), same(table, "s", "r")
    with safe_errors("--target", "comparing what is stored with its before-images"):
        back = (
            session.execute(f"SELECT count(*) FROM {before} s JOIN {real} r ON {on} WHERE NOT ({others})".encode()).fetchone()
            if image.before
            else (0,)
        )
        left = session.execute(f"SELECT count(*) FROM {new} s JOIN {real} r ON {on}".encode()).fetchone() if image.new else (0,)
    return (back, left) == ((image.before,), (0,))
