"""Compares the existing tables of a new store with the contract, and advances the sequences of its numbers."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from etl.databases.conditions import query_of
from etl.databases.editions import VIEW_DIFFERS
from etl.databases.postgresql.connection import RELATION_KINDS, quoted, shapes
from etl.errors import MigrationError
from mappings.schema import Schema, Table

Session = psycopg.Connection[Any]
_BESIDE = "portal_migrate_view"
_TABLES = "rpf"  # kinds in pg_class: tables, partitioned and foreign ones; the latter are refused by their columns, keys and conditions
_NAMED = {
    **{kind: f"a {name}" for kind, name in RELATION_KINDS.items()},
    **dict.fromkeys("rp", "a table"),
    **dict.fromkeys("iI", "an index"),
    **dict.fromkeys(("c", "type"), "a type"),
}
_OF_THAT_NAME = (
    "SELECT c.relname::text, c.relkind::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%(names)s)"
    " UNION ALL SELECT t.typname::text, 'type' FROM pg_type t WHERE t.typnamespace = current_schema()::regnamespace AND t.typrelid = 0"
    " AND t.typname = ANY (%(names)s) ORDER BY 1, 2"
)


def differences(session: Session, schema: Schema) -> list[str]:
    """Returns one sentence for each difference between the current schema's tables and the contract (names, types, nullability, keys); empty where it has none of them."""
    existing = shapes(session)
    taken = _taken(session, schema)
    if not existing.keys() & schema.tables.keys():
        return taken
    not_null, keys, generated = _not_null(session), _keys(session), _generated(session)
    found = taken + [f"{name}: no such table" for name in schema.tables if name not in existing]
    for table in schema.tables.values():
        shape = existing.get(table.name, {})
        for column in table.columns if shape else ():
            if column.name not in shape:
                found.append(f"{table.name}.{column.name}: no such column")
                continue
            there = shape[column.name] + (" NOT NULL" if (table.name, column.name) in not_null else "")
            expected = column.sql_type + (" NOT NULL" if column.not_null else "")
            if there != expected:
                found.append(f"{table.name}.{column.name}: found {there}, expected {expected}")
            if (table.name, column.name) in generated:
                found.append(f"{table.name}.{column.name}: its value is always generated and cannot be inserted")
        found += [f"{table.name}.{name}: not in the contract" for name in shape if name not in table.by_name]
        found += _key_differences(table, keys.get(table.name, set())) if shape else []
    whole = not any(text.endswith((": no such column", ": no such table")) for text in found)
    return found + [f"{name}: {VIEW_DIFFERS}" for name, sql in schema.views.items() if not _same_view(session, name, sql, whole)]


def _taken(session: Session, schema: Schema) -> list[str]:
    """Returns one sentence for each object that has the name of a table or view of the contract and is of another kind, so that it cannot be created.

    A view beside none of the contract's tables is not the contract's view.
    """
    rows = session.execute(_OF_THAT_NAME.encode(), {"names": [*schema.tables, *schema.views]}).fetchall()
    tables = any(kind in _TABLES for name, kind in rows if name in schema.tables)
    return [
        f"{name}: is {_NAMED.get(kind, 'a relation')} of another origin"
        for name, kind in rows
        if kind not in (_TABLES if name in schema.tables else "v" if tables else "")
    ]


def _same_view(session: Session, name: str, sql: str, whole: bool) -> bool:
    """Returns whether the view equals the one that this statement creates, both as the server writes them; `whole`: the tables have all columns."""
    found = session.execute("SELECT to_regclass(%s)::oid", (quoted(name),)).fetchone()
    there = session.execute("SELECT pg_get_viewdef(%s, true)", (found[0],)).fetchone() if found and found[0] else None
    if there is None or not whole:  # the contract's view cannot be created on tables that lack columns, so the existing one differs
        return False
    begun = session.info.transaction_status == TransactionStatus.INTRANS
    session.execute("SAVEPOINT view_of_contract" if begun else "BEGIN")
    try:
        beside = re.sub(r"(?i)^\s*CREATE\s+VIEW\s+\S+", f"CREATE TEMP VIEW {quoted(_BESIDE)}", sql)
        session.execute(beside.encode())
        made = session.execute("SELECT pg_get_viewdef(to_regclass(%s)::oid, true)", (f"pg_temp.{_BESIDE}",)).fetchone()
        return made is not None and str(made[0]) == str(there[0])
    except psycopg.errors.InsufficientPrivilege:  # without the right to create a temporary view, both texts are compared
        session.execute("ROLLBACK TO SAVEPOINT view_of_contract" if begun else "ROLLBACK")
        (schema,) = session.execute("SELECT current_schema()::text").fetchone() or ("",)
        return query_of(str(there[0]), schema) == query_of(sql, schema)
    finally:
        session.execute("ROLLBACK TO SAVEPOINT view_of_contract" if begun else "ROLLBACK")


def _key_differences(table: Table, there: set[str]) -> list[str]:
    # A table may have the same unique columns twice, as a key and as a constraint: sets are enough.
    expected = {_key("PRIMARY KEY", table.key), *(_key("UNIQUE", columns) for columns in table.unique)}
    expected |= {f"{_key('FOREIGN KEY', (column.name,))} to {column.refers_to}" for column in table.columns if column.refers_to}
    found = [f"{table.name}: no {key}" for key in sorted(expected - there)]
    return found + [f"{table.name}: {key}, which is not in the contract" for key in sorted(there - expected)]


def _key(kind: str, columns: tuple[str, ...]) -> str:
    return f"{kind} ({', '.join(columns)})"


def _not_null(session: Session) -> set[tuple[str, str]]:
    statement = (
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND a.attnotnull"
    )
    return {(row[0], row[1]) for row in session.execute(statement)}


def _generated(session: Session) -> set[tuple[str, str]]:
    statement = (
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND (a.attidentity = 'a' OR a.attgenerated <> '')"
    )
    return {(row[0], row[1]) for row in session.execute(statement)}


def _keys(session: Session) -> dict[str, set[str]]:
    """Returns, by table, the primary, unique and foreign keys in the form of `_key_differences`."""
    statement = (
        "SELECT c.relname, k.contype::text, array_agg(a.attname::text ORDER BY array_position(k.conkey, a.attnum)),"
        " CASE WHEN f.oid IS NULL OR f.relnamespace = c.relnamespace THEN f.relname::text ELSE k.confrelid::regclass::text END,"
        " substring(pg_get_constraintdef(k.oid) FROM ' NOT (?:VALID|ENFORCED)$')"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class f ON f.oid = k.confrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)"
        " WHERE k.contype IN ('p', 'u', 'f') AND c.relnamespace = current_schema()::regnamespace GROUP BY k.oid, c.oid, f.oid"
    )
    kinds = {"p": "PRIMARY KEY", "u": "UNIQUE", "f": "FOREIGN KEY"}
    found: dict[str, set[str]] = {}
    for table, kind, columns, referred, weaker in session.execute(statement):
        found.setdefault(table, set()).add(_key(kinds[kind], tuple(columns)) + (f" to {referred}" if referred else "") + (weaker or ""))
    return found


def advance(session: Session, schema: Schema) -> list[str]:
    """Advances every sequence behind a column of the contract's tables (serial, identity) beyond the column's largest value; returns their names."""
    columns = [(table.name, column.name) for table in schema.tables.values() for column in table.columns if column.family == "integer"]
    moved = []
    for table, column in columns:
        row = session.execute("SELECT pg_get_serial_sequence(%s, %s)", (quoted(table), column)).fetchone()
        if row is None or row[0] is None:
            continue
        found = session.execute(
            f"SELECT s.seqmax, t.largest, s.seqincrement FROM pg_sequence s, (SELECT max({quoted(column)}) AS largest FROM {quoted(table)}) t"
            " WHERE s.seqrelid = %s::regclass".encode(),
            (row[0],),
        ).fetchone()
        last, largest, step = found or (0, None, 1)
        if step < 0:  # it counts away from the numbers of the old portals
            continue
        if largest is not None and last <= largest:
            raise MigrationError(
                f"--target: {row[0]}, the sequence of {table}.{column}, ends at {last:,}; the largest number in the table is {largest:,}.",
                f"ALTER SEQUENCE {row[0]} MAXVALUE ...; then run the same command again.",
            )
        # Never backwards: numbers that the new portal has assigned stay assigned.
        session.execute(
            f"SELECT setval(%s::regclass, greatest(s.last_value, t.largest)) FROM {row[0]} s,"
            f" (SELECT max({quoted(column)}) AS largest FROM {quoted(table)}) t WHERE t.largest >= s.last_value".encode(),
            (row[0],),
        )
        moved.append(str(row[0]))
    return moved
