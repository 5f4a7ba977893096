"""An old portal's PostgreSQL catalogue: tables, other objects, what the server hides from the role, and what stays unknown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import psycopg

from etl.databases.postgresql.connection import RELATION_KINDS, TYPE, WORDS, quoted
from etl.databases.postgresql.obstacles import of_portal
from etl.databases.postgresql.settings import OVERRIDDEN_READING, hiding, sentences, settings_of
from etl.databases.source_conditions import SourceConditions
from etl.databases.unstable_views import unstable
from mappings.model import TableMapping

Session = psycopg.Connection[Any]
Kinds = dict[str, str]

_MANY = 8  # names in one sentence
_OF_THE_MOMENT = (
    "now",
    "statement_timestamp",
    "transaction_timestamp",
    "current_setting",
    "has_table_privilege",
    "pg_has_role",
    "row_security_active",
)


def listed(names: Iterable[str]) -> str:
    """Returns the first of these names, and the number of the others."""
    every = sorted(names)
    return ", ".join(every[:_MANY]) + (f" and {len(every) - _MANY:,} more" if len(every) > _MANY else "")


def kinds(session: Session, schema: str) -> Kinds:
    """Returns, by name, the kind of each relation that is not an independent table: `view`, `sequence`, `partition of T`, `child of T` ..."""
    rows = session.execute(
        "SELECT c.relname, c.relkind::text, p.relname, p.relkind::text FROM pg_class c"
        " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relkind IN ('r', 'p', 'f')"
        " LEFT JOIN pg_class p ON p.oid = i.inhparent AND p.relnamespace = c.relnamespace"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')",
        (schema,),
    )
    found = {}
    for name, kind, parent, of in rows:
        if parent is not None:
            found[name] = f"{'partition' if of == 'p' else 'child'} of {parent}"
        elif kind in RELATION_KINDS:
            found[name] = RELATION_KINDS[kind]
    return found


def shapes(session: Session, schema: str) -> dict[str, dict[str, str]]:
    """Returns the declared type, in the contract's words, of every column of every relation with rows in the schema.

    A table's partitions and children belong to it, in every schema: a column that only they have is a column of the table (K5).
    """
    rows = session.execute(
        "WITH RECURSIVE family(root, member) AS (SELECT c.oid, c.oid FROM pg_class c"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')"
        " UNION SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.member)"
        f" SELECT r.relname, a.attname, {TYPE}, a.atttypmod FROM family f JOIN pg_class r ON r.oid = f.root"
        " JOIN pg_attribute a ON a.attrelid = f.member JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY r.relname, f.member <> f.root, a.attnum",
        (schema,),
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, modifier in rows:
        word = WORDS.get(kind, kind.upper())
        length = f"({modifier - 4})" if word in ("VARCHAR", "CHAR") and modifier > 4 else ""
        found.setdefault(table, {}).setdefault(column, word + length)
    return found


def identities(session: Session) -> dict[str, dict[str, str]]:
    """Returns, by table (schema and name in quotes), a digest of columns (number, type, name) by oid: of the table, its partitions and children."""
    rows = session.execute(
        "WITH RECURSIVE family(root, member) AS (SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " UNION SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.member)"
        " SELECT n.nspname, r.relname, f.member::text, string_agg(a.attnum || ' ' || a.atttypid || ' ' || a.attname, ',' ORDER BY a.attnum)"
        " FROM family f JOIN pg_class r ON r.oid = f.root JOIN pg_namespace n ON n.oid = r.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = f.member WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY 1, 2, 3"
    )
    found: dict[str, dict[str, str]] = {}
    for schema, name, member, columns in rows:
        found.setdefault(f"{quoted(schema)}.{quoted(name)}", {})[member] = hashlib.sha256(str(columns).encode()).hexdigest()[:16]
    return found


def replaced(then: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> set[str]:
    """Returns the tables that were replaced, lost a partition or child, or have other columns; a new partition shows by its rows."""
    return {table for table, parts in then.items() if not parts.items() <= now.get(table, {}).items()}


def hidden_tables(session: Session, schema: str, tables: Iterable[str]) -> list[str]:
    """Returns those of the tables whose rows row-level security filters for this role (K9)."""
    rows = session.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND c.relname = ANY (%s) AND row_security_active(c.oid) ORDER BY 1",
        (schema, list(tables)),
    )
    return [str(name) for (name,) in rows]


def row_security_sentence(role: str, tables: Iterable[str]) -> str:
    """Returns the sentence about active row-level security."""
    return f"row-level security restricts the rows that role {role} sees of {listed(tables)} (K9)"


def conditions(
    session: Session, schema: str, mapped: tuple[TableMapping, ...], shape: dict[str, dict[str, str]], role: str, deep: bool = True
) -> SourceConditions:
    """Returns the conditions of these tables of the schema; parameters as in `Source.conditions`."""
    there = {mapping.table: mapping for mapping in mapped if mapping.table in shape}
    what = kinds(session, schema)
    hidden = hidden_tables(session, schema, there)
    found = SourceConditions(
        hiding=[*([row_security_sentence(role, hidden)] if hidden else []), *hiding(session)],
        beside=[f"{what[name]} {name}" for name in sorted(what) if name not in there],
    )
    found.hiding.extend(
        f"{name} is a materialized view without rows: REFRESH MATERIALIZED VIEW was never done, or WITH NO DATA"
        for name in _unfilled(session, schema, there)
    )
    for name in sorted(set(what) & set(there)):
        found.notes.append(f"{name} is a {what[name]}; it is read as a table")
    for kind, why in (
        ("view", "it is unknown which rows a view leaves out"),
        ("materialized view", "it may be older than the tables behind it"),
        ("foreign table", "it is unknown what its server hides from this role"),
    ):
        found.not_ruled_out.extend(f"{name}: {why}" for name in sorted(there) if what.get(name) == kind)
    found.not_ruled_out.extend(_unstable(session, [name for name in there if what.get(name) == "view"]))
    if deep:
        in_the_way = of_portal(session, schema, there)
        found.stopping.extend(in_the_way.stopping)
        found.notes.extend(sentences(settings_of(session), OVERRIDDEN_READING, schema) + in_the_way.notes)
    unkeyed = _without_key(session, schema, there)
    found.notes.extend(
        f"{name} has no unique key on {', '.join(there[name].key)}: rows with equal keys are told apart (fine print 63)" for name in unkeyed
    )
    for name, mapping in there.items():
        for column in unpadded(mapping, shape[name]):
            found.notes.append(f"{name}.{column} is {shape[name][column]}: read without its padding blanks")
    if _one(session, "SHOW data_checksums") != "on":
        found.not_ruled_out.append("damaged pages on the disk: the server keeps no checksums (data_checksums is off)")
    if _one(session, "SELECT pg_is_in_recovery()"):
        found.not_ruled_out.append("what the primary has written and this standby has not yet received")
    return found


def _unfilled(session: Session, schema: str, tables: Iterable[str]) -> list[str]:
    """Returns those of the tables that are materialized views which the server refuses to read until they are refreshed."""
    rows = session.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND c.relname = ANY (%s) AND c.relkind = 'm' AND NOT c.relispopulated ORDER BY 1",
        (schema, list(tables)),
    )
    return [str(name) for (name,) in rows]


def _unstable(session: Session, views: list[str]) -> list[str]:
    """Returns one sentence for each of these views whose query, or that of a view behind it, may give something else the next time (K9)."""
    if not views:
        return []
    queries = session.execute(
        "SELECT c.relname, pg_get_viewdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    ).fetchall()
    # Stable functions are the same within a statement only; of the server's own those depend on the moment, the role or a setting that matters.
    functions = session.execute(
        "SELECT DISTINCT lower(proname::text) FROM pg_proc WHERE provolatile = 'v' OR (provolatile = 's' AND (pronamespace <> 'pg_catalog'::regnamespace"
        " OR proname = ANY (%s)))",
        (list(_OF_THE_MOMENT),),
    ).fetchall()
    together: dict[str, str] = {}
    for name, query in queries:  # views of one name in several schemas are taken for one
        together[name] = f"{together.get(name, '')} {query}"
    return unstable(together, views, {str(name) for (name,) in functions})


def unpadded(mapping: TableMapping, shape: dict[str, str]) -> list[str]:
    """Returns the columns that the server pads with blanks to a length that the contract does not have: that padding is not part of the value."""
    return [
        column.name
        for column in mapping.columns
        if column.family == "text" and shape.get(column.name, "").startswith("CHAR") and shape[column.name] != column.sql_type
    ]


def unique_keys(session: Session, schema: str) -> dict[str, set[frozenset[str]]]:
    """Returns, by table, the sets of columns that the server keeps unique without exception."""
    rows = session.execute(
        "SELECT c.relname, array_agg(a.attname::text), bool_and(a.attnotnull) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND i.indisunique AND i.indisvalid"
        " AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts GROUP BY i.indexrelid, c.relname",
        (schema,),
    )
    found: dict[str, set[frozenset[str]]] = {}
    for table, columns, never_null in rows:
        if never_null:
            found.setdefault(table, set()).add(frozenset(columns))
    return found


def parents(session: Session, schema: str) -> set[str]:
    """Returns the tables from which others inherit: their keys do not cover the children. A partitioned table's key does."""
    rows = session.execute(
        "SELECT DISTINCT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'r'"
        " AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
        (schema,),
    )
    return {str(name) for (name,) in rows}


def _without_key(session: Session, schema: str, there: dict[str, TableMapping]) -> list[str]:
    """Returns the tables in which two rows may have one key: those without a key, and tables with children."""
    unique = unique_keys(session, schema)
    shared = parents(session, schema)
    return [
        name
        for name, mapping in there.items()
        if mapping.key and (name in shared or not any(columns <= frozenset(mapping.key) for columns in unique.get(name, ())))
    ]


def _one(session: Session, statement: str) -> Any:
    row = session.execute(statement.encode()).fetchone()
    return row[0] if row else None
