"""How few changed rows of a PostgreSQL table are written: updated where they are, and statistics only where the change is large.

An update leaves alone the foreign keys whose columns keep their values; a row that is deleted and inserted again is looked up for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.merge import analyze, run, same
from mappings.schema import Table

Session = psycopg.Connection[Any]
FEW = 10  # one row in this many: also the share from which the server's autovacuum takes new statistics
# By table: whether a unique index besides the primary key has more than plain columns, and the columns of the others.
_UNIQUE = (
    "SELECT c.relname, coalesce(bool_or(i.indisexclusion OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL), false),"
    " coalesce(array_agg(DISTINCT a.attname::text) FILTER (WHERE a.attname IS NOT NULL), '{}')"
    " FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s) AND NOT i.indisprimary"
    " AND (i.indisunique OR i.indisexclusion) GROUP BY 1"
)
_STATISTICS = (
    "SELECT c.relname, c.reltuples FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)"
    " AND EXISTS (SELECT 1 FROM pg_stats s WHERE s.schemaname = current_schema() AND s.tablename = c.relname)"
)


def read_before(session: Session) -> None:
    """Tells the planner, for this transaction, that the tables were just read: few rows are then looked up instead of reading them all again."""
    run(session, "SELECT set_config('random_page_cost', least(current_setting('random_page_cost')::float8, 1.1)::text, true)")


def movable(session: Session, tables: Sequence[Table], rows: Mapping[str, str]) -> set[str]:
    """Returns the tables whose changed rows can be updated one by one: none of them takes another value of a unique column.

    `rows`: by table, the relation with the rows as they will be. A value that changes hands between two rows would be there twice meanwhile.
    """
    with safe_errors("--target", "reading the catalogue"):
        found = {name: (other, columns) for name, other, columns in session.execute(_UNIQUE.encode(), (list(rows),)).fetchall()}
    free = set[str]()
    for table in tables:
        other, columns = found.get(table.name, (False, []))
        columns = [column for column in columns if column not in table.key]
        if other:
            continue
        if columns:
            changes = " OR ".join(f"s.{quoted(c)} IS DISTINCT FROM r.{quoted(c)}" for c in columns)
            both = f"{quoted(rows[table.name])} s JOIN {quoted(table.name)} r ON {same(table, 's', 'r')}"
            with safe_errors("--target", "reading"):
                (moved,) = session.execute(f"SELECT EXISTS (SELECT 1 FROM {both} WHERE {changes})".encode()).fetchone() or (True,)
            if moved:
                continue
        free.add(table.name)
    return free


def update(session: Session, table: Table, rows: str) -> int:
    """Gives the stored rows the values of those with the same key in that relation; returns their number."""
    others = [quoted(c.name) for c in table.columns if c.name not in table.key]
    if not others:
        return 0
    values = ", ".join(f"{name} = s.{name}" for name in others)
    return run(session, f"UPDATE {quoted(table.name)} r SET {values} FROM {quoted(rows)} s WHERE {same(table, 's', 'r')}")


def analyze_changed(session: Session, changed: Mapping[str, int], rows: Mapping[str, int]) -> None:
    """Updates the statistics of the tables where many rows change or where they do not fit the number of rows.

    By table: `changed`, the number of rows that are written or removed; `rows`, all rows before.
    """
    with safe_errors("--target", "reading the catalogue"):
        known = dict(session.execute(_STATISTICS.encode(), (list(changed),)).fetchall())
    analyze(session, [name for name, count in changed.items() if not _fits(known.get(name), count, rows.get(name, 0))])


def _fits(known: float | None, changed: int, rows: int) -> bool:
    return known is not None and (abs(known - rows) + changed) * FEW <= rows
