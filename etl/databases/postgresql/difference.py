"""How the tables of a PostgreSQL store become the next run's where the differences are known: only those rows are sent.

The caller has locked the tables and knows that they hold the earlier run's rows. The rollback tables are the same as after a merge of all rows.
Foreign keys stay where few rows of a table change, and are checked row by row at the end; otherwise they are dropped and made again, which checks all
rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pyarrow as pa

from etl.databases.conditions import refuse_altered
from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.in_place import FEW, analyze_changed, movable, read_before, update
from etl.databases.postgresql.merge import delete_kept, differs, run, same
from etl.databases.postgresql.staging import STAGED, create, encoded
from etl.databases.target import Change, Difference, Images, Known, Tell, orphaned, undo_tables
from mappings.schema import Table

Session = psycopg.Connection[Any]
# Every foreign key from or to these tables; the columns of one without an index are looked up by reading the whole table.
_KEYS = (
    "SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid), c.relname, p.relname, k.condeferrable,"
    " EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = k.conrelid AND i.indpred IS NULL AND i.indisvalid"
    " AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)"
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid, (SELECT array_agg(oid) AS oids"
    " FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%s)) t"
    " WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = ANY (t.oids) OR k.confrelid = ANY (t.oids)) ORDER BY 1, 2"
)


def change(
    session: Session, tables: Sequence[Table], number: int, known: Known, rows: Mapping[str, int], tell: Tell
) -> tuple[list[Change], list[Images]]:
    """Applies the differences; returns the changes and the kept rows by table.

    `rows`: the number of rows by table. Raises Refused where a foreign key would be broken.
    """
    read_before(session)
    touched = [(table, known.differences[table.name]) for table in tables if table.name in known.differences]
    kept = {table.name: _keep(session, table, number, found) for table, found in touched}
    coming = {name: len(found.came) for name, found in known.differences.items()}
    again, deferred = hold_back(
        session, [t.name for t in tables], coming, {name: len(found.gone) for name, found in known.differences.items()}, rows
    )
    free = movable(
        session, [t for t, found in touched if found.changed], {t.name: STAGED + t.name for t, found in touched if found.changed}
    )
    for table, found in touched:
        if table.name in free:
            _delete(session, table, f"{STAGED}gone__{table.name}", len(found.gone))
        else:
            _delete(session, table, undo_tables(number, table.name)[0], kept[table.name].before)
    for done, (table, found) in enumerate(touched):
        if table.name in free:
            update(session, table, STAGED + table.name)
        _insert(session, table, "" if table.name not in free else undo_tables(number, table.name)[1], kept[table.name].new, len(found.came))
        tell("load: changing tables", done + 1, len(touched), "tables")
    analyze_changed(session, {name: coming[name] + len(found.gone) for name, found in known.differences.items()}, rows)
    refuse_altered([table.name for table, found in touched if not _as_sent(session, table, found)])
    tell("load: checking references", 0, 0)
    judge(session, again, deferred)
    nothing = Images("", 0, 0)
    return known.changes(tables), [kept.get(table.name, replace(nothing, table=table.name)) for table in tables]


def _delete(session: Session, table: Table, keys: str, count: int) -> None:
    if count:
        delete_kept(session, table, keys)


def _insert(session: Session, table: Table, keys: str, new: int, came: int) -> None:
    """Inserts the rows that were sent; `keys`: the relation with the keys of the new ones, where the others are updated."""
    names, columns = (", ".join(f"{of}{quoted(c.name)}" for c in table.columns) for of in ("", "s."))
    if new if keys else came:
        chosen = f" s JOIN {quoted(keys)} r ON {same(table, 's', 'r')}" if keys else " s"
        run(session, f"INSERT INTO {quoted(table.name)} ({names}) SELECT {columns} FROM {quoted(STAGED + table.name)}{chosen}")


def _keep(session: Session, table: Table, number: int, found: Difference) -> Images:
    """Sends the new and changed rows, and keeps the before-images of removed and changed rows and the keys of new ones."""
    before, new = (quoted(name) for name in undo_tables(number, table.name))
    staged, gone = _sent(session, table, "", found.came), _sent(session, _keys_of(table), "gone__", found.gone)
    keys, on = ", ".join(quoted(c) for c in table.key), same(table, "s", "r")
    run(session, f"DROP TABLE IF EXISTS {before}, {new}")  # a leftover of an operator's change: each number is used once
    chosen = f"SELECT {keys} FROM {staged} UNION ALL SELECT {keys} FROM {gone}"
    was = run(session, f"CREATE TABLE {before} AS SELECT r.* FROM {quoted(table.name)} r JOIN ({chosen}) s ON {on}")
    came = run(session, f"CREATE TABLE {new} AS SELECT {keys} FROM {staged} s WHERE NOT EXISTS (SELECT 1 FROM {before} r WHERE {on})")
    if was != len(found.before) or came != len(found.came) - found.changed:
        refuse_altered([table.name])
    for count, name in ((was, before), (came, new)):
        run(session, f"ANALYZE {name} ({keys})" if count else f"DROP TABLE {name}")
    return Images(table.name, was, came)


def _keys_of(table: Table) -> Table:
    return replace(table, columns=tuple(column for column in table.columns if column.name in table.key), unique=())


def _sent(session: Session, table: Table, what: str, rows: pa.Table) -> str:
    """Returns the name of a staging table with these rows, created in this transaction; `_sweep` removes such tables."""
    staged = quoted(f"{STAGED}{what}{table.name}")
    names = ", ".join(quoted(column.name) for column in table.columns)
    with safe_errors("--target", f"loading {table.name}"):
        session.execute(create(table, f"{STAGED}{what}{table.name}", None)[0].encode())
        with session.cursor() as cursor, cursor.copy(f"COPY {staged} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
            for content, _ in encoded(table, iter([rows] if len(rows) else [])):
                copy.write(content)
        session.execute(f"ANALYZE {staged} ({', '.join(map(quoted, table.key))})".encode())  # joins are by key: texts take longer
    return staged


def _as_sent(session: Session, table: Table, found: Difference) -> bool:
    """Returns whether all rows that were sent are in the table unchanged, and none of those that had to be removed."""
    real, staged, gone = (quoted(name) for name in (table.name, STAGED + table.name, f"{STAGED}gone__{table.name}"))
    on = same(table, "s", "r")
    with safe_errors("--target", "comparing what is stored with what was staged"):
        (there,) = session.execute(
            f"SELECT count(*) FROM {staged} s JOIN {real} r ON {on} WHERE NOT ({differs(table)})".encode()
        ).fetchone() or (0,)
        (left,) = session.execute(f"SELECT count(*) FROM {gone} s JOIN {real} r ON {on}".encode()).fetchone() or (0,)
    return bool(there == len(found.came) and left == 0)


def hold_back(
    session: Session, tables: list[str], coming: Mapping[str, int], going: Mapping[str, int], rows: Mapping[str, int]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Drops or defers the foreign keys; returns the statements that make the dropped ones again, and (table, name) of the deferred ones.

    By table: `coming`, rows that are new or changed; `going`, rows that are removed for good; `rows`, all rows.
    """
    with safe_errors("--target", "reading the catalogue"):
        found = session.execute(_KEYS.encode(), (tables,)).fetchall()
    again, deferred = [], list[tuple[str, str]]()
    for table, name, definition, child, parent, deferrable, indexed in found:
        if child not in coming and parent not in coming:
            continue
        if coming.get(child, 0) * FEW > rows.get(child, 0) or (going.get(parent, 0) and not indexed):
            run(session, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        elif not deferrable:
            run(session, f"ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")
            deferred.append((table, name))
    run(session, "SET CONSTRAINTS ALL DEFERRED")
    return again, deferred


def judge(session: Session, again: list[str], deferred: list[tuple[str, str]]) -> None:
    """Checks all foreign keys and restores them; raises Refused where a row would refer to a missing one."""
    with safe_errors("--target", "writing"):
        try:
            session.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for statement in again:
                session.execute(statement.encode())
        except psycopg.errors.ForeignKeyViolation as error:
            raise orphaned(f"{error.diag.table_name} ({error.diag.constraint_name})") from None
    for table, name in deferred:
        run(session, f"ALTER TABLE {table} ALTER CONSTRAINT {name} NOT DEFERRABLE")
