"""What a publish would change in a PostgreSQL store: compared on the server, in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from etl.databases.postgresql.connection import connect, quoted, safe_errors, shapes
from etl.databases.postgresql.merge import differs, same, store_state_of
from etl.databases.postgresql.staging import OF_THE_RUN, create, encoded
from etl.databases.target import RUN_COLUMNS, Change, Foreknown, Rows, RunRecord, in_reference_order, run_record
from mappings.schema import Schema, Table

Session = psycopg.Connection[Any]
_PREFIX = "migration_foreseen__"


def would_change(url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown) -> list[Change]:
    """Returns, by table, what `publish` would insert, update and remove in the present store; raises MigrationError where it cannot be compared.

    Takes no lock and creates no permanent table; the role needs the right to create temporary tables, or tables in the schema.
    """
    tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
    with connect(url, "--target") as session, safe_errors("--target", "comparing the store with what is going to be loaded"):
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")  # one state of the store for all tables
        try:
            # No nested loops: the statistics of the real tables may be wrong.
            session.execute("SET LOCAL enable_nestloop = off")
            existing = shapes(session)
            found = known(record) if (record := _in_force(session, existing)) is not None else None
            if found is not None and found.store_state == store_state_of(session, schema):
                return found.changes(tables)
            there = {table.name: _rows(session, table.name) if table.name in existing else 0 for table in tables}
            return [
                _compared(session, table, rows)
                if there[table.name] and sizes[table.name]
                else Change(table.name, sizes[table.name], 0, there[table.name])
                for table in tables
            ]
        finally:
            if not session.closed:
                session.execute("ROLLBACK")


def _in_force(session: Session, existing: Mapping[str, Any]) -> RunRecord | None:
    """Returns the record of the run that was published last; None where there is none."""
    if OF_THE_RUN not in existing:
        return None
    published = (
        f"SELECT {', '.join(RUN_COLUMNS)} FROM {OF_THE_RUN} WHERE state_cd = 'PUBLISHED' ORDER BY coalesce(finished_at, started_at), run_id"
    )
    found = session.execute(published.encode()).fetchall()
    return run_record(found[-1]) if found else None


def _rows(session: Session, table: str) -> int:
    return int((session.execute(f"SELECT count(*) FROM {quoted(table)}".encode()).fetchone() or (0,))[0])


def _compared(session: Session, table: Table, rows: Rows) -> Change:
    """Returns the changes of one table, compared by key and column by column as in the merge; the sent rows are removed afterwards."""
    relation = quoted(_PREFIX + table.name)
    (temporary,) = session.execute("SELECT has_database_privilege(current_database(), 'TEMP')").fetchone() or (False,)
    made = create(table, _PREFIX + table.name, None)[0]
    session.execute(made.replace("CREATE TABLE", f"CREATE {'TEMPORARY' if temporary else 'UNLOGGED'} TABLE", 1).encode())
    names = ", ".join(quoted(column.name) for column in table.columns)
    with session.cursor() as cursor, cursor.copy(f"COPY {relation} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
        for content, _ in encoded(table, rows(table)):
            copy.write(content)
    session.execute(f"ANALYZE {relation}".encode())
    first, real = quoted(table.key[0]), quoted(table.name)
    counted = (
        f"SELECT count(*) FILTER (WHERE r.{first} IS NULL), count(*) FILTER (WHERE r.{first} = s.{first} AND ({differs(table)})),"
        f" count(*) FILTER (WHERE s.{first} IS NULL) FROM {relation} s FULL JOIN {real} r ON {same(table, 's', 'r')}"
    )
    inserted, updated, removed = session.execute(counted.encode()).fetchone() or (0, 0, 0)
    session.execute(f"DROP TABLE {relation}".encode())
    return Change(table.name, inserted, updated, removed)
