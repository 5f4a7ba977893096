"""How the tables of a PostgreSQL store become equal to the staged ones, and how a rollback empties them.

Rows to remove, change or insert are first written to separate tables (before-images and new keys). Then all removed and changed rows are deleted, and
all changed and new rows inserted. The order of the tables and swapped unique values do not matter, because the foreign keys are dropped meanwhile;
they are made again, with a check of every row, before the commit. All plans use statistics taken in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.staging import OF_THE_RUN, STAGED
from etl.databases.target import RUN_COLUMNS, UNDO, Change, Images, Tell, orphaned, record_tables, refuse_ineffective, undo_tables, volatile
from mappings.schema import Schema, Table

Session = psycopg.Connection[Any]
_REFERENCES = (
    "SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid) FROM pg_constraint k"
    " WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY (t.oids) OR k.confrelid = ANY (t.oids))"
)
_COLUMNS = (
    "SELECT attname, attnum, atttypid::text FROM pg_attribute WHERE attrelid = %s::oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)


def run(session: Session, statement: str, values: Any = None) -> int:
    """Returns the number of rows that the statement changed."""
    with safe_errors("--target", "writing"):
        return int(session.execute(statement.encode(), values).rowcount)


def without_references(session: Session, tables: Sequence[str], of_others: bool = False) -> list[str]:
    """Drops every foreign key from or to these tables, also of other tables; returns the statements that make the same ones again.

    `of_others`: only foreign keys of other tables to these.
    """
    oids = "SELECT array_agg(oid) AS oids FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%s)"
    with safe_errors("--target", "reading the catalogue"):
        chosen = f"{_REFERENCES} AND NOT k.conrelid = ANY (t.oids)" if of_others else _REFERENCES
        found = session.execute(f"SELECT r.* FROM ({oids}) t, LATERAL ({chosen}) r ORDER BY 1, 2".encode(), (list(tables),)).fetchall()
    for table, name, _ in found:
        run(session, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    return [f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in found]


def with_references(session: Session, statements: Sequence[str]) -> None:
    """Makes the foreign keys again, each with a check of all rows; raises Refused where a row of another table refers to a removed one."""
    for statement in statements:
        with safe_errors("--target", "writing"):
            try:
                session.execute(statement.encode())
            except psycopg.errors.ForeignKeyViolation as error:
                raise orphaned(f"{error.diag.table_name} ({error.diag.constraint_name})") from None


def analyze(session: Session, tables: Sequence[str]) -> None:
    """Updates the statistics of these tables: the plans of this transaction depend on them."""
    if tables:
        run(session, f"ANALYZE {', '.join(map(quoted, tables))}")


def fill(session: Session, tables: Sequence[Table], tell: Tell) -> list[Change]:
    """Copies the staged rows into empty tables; returns the changes by table."""
    changes = []
    for number, table in enumerate(tables):
        names = ", ".join(quoted(c.name) for c in table.columns)
        rows = run(session, f"INSERT INTO {quoted(table.name)} ({names}) SELECT {names} FROM {quoted(STAGED + table.name)}")
        changes.append(Change(table.name, rows, 0, 0))
        tell("load: rows into their tables", number + 1, len(tables), "tables")
    return changes


def merge(session: Session, tables: Sequence[Table], number: int, tell: Tell) -> tuple[list[Change], list[Images]]:
    """Makes the tables equal to the staged ones; returns the changes, and the numbers of before-images and new keys by table."""
    images, changes = [], []
    analyze(session, [table.name for table in tables])
    for done, table in enumerate(tables):
        images.append(_look(session, table, number))
        tell("load: comparing tables", done + 1, len(tables), "tables")
    touched = [(table, image) for table, image in zip(tables, images, strict=True) if image.before or image.new]
    for table, image in touched:
        if image.before:
            delete_kept(session, table, undo_tables(number, table.name)[0])
    for done, (table, image) in enumerate(touched):
        came = _insert(session, table, number, image)
        updated = came - image.new
        changes.append(Change(table.name, image.new, updated, image.before - updated))
        tell("load: changing tables", done + 1, len(touched), "tables")
    analyze(session, [table.name for table, _ in touched])
    by_table = {change.table: change for change in changes}
    return [by_table.get(table.name, Change(table.name, 0, 0, 0)) for table in tables], images


def _look(session: Session, table: Table, number: int) -> Images:
    """Keeps the before-images of removed and changed rows and the keys of new ones; creates no empty tables."""
    before, new = (quoted(name) for name in undo_tables(number, table.name))
    real, staged, first = quoted(table.name), quoted(STAGED + table.name), quoted(table.key[0])
    on, keys = same(table, "s", "r"), ", ".join(f"s.{quoted(c)}" for c in table.key)
    run(session, f"DROP TABLE IF EXISTS {before}, {new}")  # a leftover of an operator's change: each number is used once
    rows = run(
        session,
        f"CREATE TABLE {before} AS SELECT r.* FROM {real} r LEFT JOIN {staged} s ON {on} WHERE s.{first} IS NULL OR {differs(table)}",
    )
    came = run(session, f"CREATE TABLE {new} AS SELECT {keys} FROM {staged} s LEFT JOIN {real} r ON {on} WHERE r.{first} IS NULL")
    for count, name in ((rows, before), (came, new)):
        run(session, f"ANALYZE {name}" if count else f"DROP TABLE {name}")
    return Images(table.name, rows, came)


def delete_kept(session: Session, table: Table, keys: str) -> int:
    """Deletes the rows whose keys the given table has; returns their number."""
    return run(session, f"DELETE FROM {quoted(table.name)} r USING {quoted(keys)} s WHERE {same(table, 's', 'r')}")


def _insert(session: Session, table: Table, number: int, image: Images) -> int:
    """Inserts the new and the changed rows; returns their number."""
    before, new = undo_tables(number, table.name)
    kept = [quoted(name) for name, count in ((before, image.before), (new, image.new)) if count]
    keys, names = ", ".join(map(quoted, table.key)), ", ".join(quoted(c.name) for c in table.columns)
    chosen = " UNION ALL ".join(f"SELECT {keys} FROM {name}" for name in kept)
    columns = ", ".join(f"s.{quoted(c.name)}" for c in table.columns)
    rows = f"SELECT {columns} FROM {quoted(STAGED + table.name)} s JOIN ({chosen}) r ON {same(table, 's', 'r')}"
    return run(session, f"INSERT INTO {quoted(table.name)} ({names}) {rows}")


def keep_record(session: Session, run_id: str, number: int) -> None:
    """Keeps the record of a run that is published and will be published again."""
    for name, of in zip(record_tables(number), (OF_THE_RUN, UNDO), strict=True):
        run(session, f"CREATE TABLE {quoted(name)} AS SELECT * FROM {of} WHERE false")
        run(session, f"INSERT INTO {quoted(name)} SELECT * FROM {of} WHERE run_id = %s", (run_id,))


def restore_record(session: Session, run_id: str, number: int, kept: bool) -> None:
    """Restores the earlier record of the run; `kept`: whether there is one."""
    record, images = map(quoted, record_tables(number))
    if kept:
        names = ", ".join(RUN_COLUMNS)
        run(session, f"UPDATE {OF_THE_RUN} SET ({names}) = (SELECT {names} FROM {record}) WHERE run_id = %s", (run_id,))
        run(session, f"INSERT INTO {UNDO} SELECT * FROM {images}")
        run(session, f"DROP TABLE {record}, {images}")


def empty(session: Session, tables: Sequence[Table], counted: Mapping[str, int], tell: Tell) -> list[Change]:
    """Removes all rows of these tables; returns the changes. `counted`: the number of rows by table, where it is known."""
    changes = []
    for done, table in enumerate(tables):
        rows = counted.get(table.name)
        if rows is None:
            with safe_errors("--target", "reading"):
                (rows,) = session.execute(f"SELECT count(*) FROM {quoted(table.name)}".encode()).fetchone() or (0,)
        changes.append(Change(table.name, 0, 0, int(rows)))
        tell("rollback: counting rows", done + 1, len(tables), "tables")
    run(session, f"TRUNCATE {', '.join(quoted(table.name) for table in tables)}")
    with safe_errors("--target", "reading"):
        left = [table.name for table in tables if session.execute(f"SELECT 1 FROM {quoted(table.name)} LIMIT 1".encode()).fetchone()]
    refuse_ineffective(left)
    return changes


def unlike(session: Session, tables: Sequence[Table]) -> list[str]:
    """Returns the tables whose rows differ from the staged ones, by key and column by column, in the publishing transaction."""
    with safe_errors("--target", "comparing what is stored with what was staged"):
        # No nested loops: the statistics of a table that was just filled may be outdated.
        (nested,) = session.execute("SELECT current_setting('enable_nestloop')").fetchone() or ("on",)
        run(session, "SET LOCAL enable_nestloop = off")
        found = []
        for table in tables:
            real, staged = quoted(table.name), quoted(STAGED + table.name)
            other = f"SELECT 1 FROM {staged} s LEFT JOIN {real} r ON {same(table, 's', 'r')} WHERE r.{quoted(table.key[0])} IS NULL OR {differs(table)}"
            counts = f"(SELECT count(*) FROM {real}) <> (SELECT count(*) FROM {staged})"
            (other_rows,) = session.execute(f"SELECT {counts} OR EXISTS ({other})".encode()).fetchone() or (True,)
            found += [table.name] if other_rows else []
        run(session, f"SET LOCAL enable_nestloop = {'off' if nested == 'off' else 'on'}")
    return found


def same(table: Table, one: str, other: str) -> str:
    """Returns the SQL condition that two rows have the same key."""
    return " AND ".join(f"{one}.{quoted(c)} = {other}.{quoted(c)}" for c in table.key)


def differs(table: Table) -> str:
    """Returns the SQL condition that a staged row (`s`) differs from the real one (`r`) in a column that is compared."""
    others = [quoted(c.name) for c in table.columns if c.name not in table.key and c.name not in volatile(table)]
    return " OR ".join(f"s.{c} IS DISTINCT FROM r.{c}" for c in others) or "false"


def store_state_of(session: Session, schema: Schema, prefix: str = "") -> dict[str, str]:
    """Returns, by table, a digest of its columns' numbers, the transactions that wrote its rows and the number of rows of each.

    Every later write changes it. A column that is dropped and added again, or that swaps its name with another, changes values without writing a row.
    """
    found = {}
    for name in schema.tables:
        if name != OF_THE_RUN:
            relation = quoted(prefix + name)
            wrote = f"SELECT xmin AS by, count(*) AS rows FROM {relation} GROUP BY 1"
            every = f"SELECT '{relation}'::regclass::oid::text, coalesce(string_agg(' ' || by || ':' || rows, '' ORDER BY by::text), '') FROM ({wrote}) t"
            with safe_errors("--target", "reading"):
                number, written = session.execute(every.encode()).fetchone() or ("", "")
                columns = session.execute(_COLUMNS, (number,)).fetchall()
            found[name] = f"{number}/{hashlib.sha256(repr(columns).encode()).hexdigest()[:16]}{written}"
    return found


def rows_by(store_state: Mapping[str, str]) -> dict[str, int]:
    """Returns the number of rows by table."""
    return {name: sum(int(wrote.rpartition(":")[2]) for wrote in state.split()[1:]) for name, state in store_state.items()}
