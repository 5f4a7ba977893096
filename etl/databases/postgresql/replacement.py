"""Empty tables are replaced by the staged ones, which take their names: no row is copied, so a load costs what a first load costs.

Names of keys, indexes, comments and privileges are carried over. Any other object on an old table (a trigger, a default, a view or foreign key of
others, a storage option ...) keeps the old tables, and the rows are inserted into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.merge import run
from etl.databases.postgresql.staging import STAGED
from mappings.schema import Schema, Table

Session = psycopg.Connection[Any]
_OIDS = "SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%(names)s)"
_PLAIN = (
    f"SELECT count(*) FROM pg_class WHERE oid IN ({_OIDS}) AND relkind = 'r' AND relpersistence = 'p' AND reloptions IS NULL AND reltablespace = 0"
    " AND NOT relrowsecurity AND NOT relforcerowsecurity AND NOT relispartition AND relreplident = 'd' AND relowner = current_user::regrole"
)
# What depends on a table or its row type, except its constraints and indexes and the contract's views.
_HANGS = (
    "SELECT count(*) FROM pg_depend d WHERE d.deptype IN ('n', 'a', 'x') AND ("
    f"(d.refclassid = 'pg_class'::regclass AND d.refobjid IN ({_OIDS})) OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN"
    f" (SELECT unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t WHERE t.typrelid IN ({_OIDS}))))"
    " AND NOT (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT k.oid FROM pg_constraint k WHERE k.conrelid IN"
    f" ({_OIDS})))"
    f" AND NOT (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN ({_OIDS})))"
    f" AND NOT (d.classid = 'pg_rewrite'::regclass AND d.objid IN (SELECT r.oid FROM pg_rewrite r WHERE r.ev_class IN ({_OIDS})))"
)
_SET = f"SELECT count(*) FROM pg_attribute WHERE attrelid IN ({_OIDS}) AND attnum > 0 AND (attoptions IS NOT NULL OR attidentity <> '' OR attgenerated <> '')"
_KEYS = (
    "SELECT c.relname, k.contype::text, pg_get_constraintdef(k.oid), k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
    f" WHERE k.conrelid IN ({_OIDS}) AND k.contype IN ('p', 'u', 'f') ORDER BY 1, 2, 3, 4"
)
_OTHER_CONSTRAINTS = f"SELECT count(*) FROM pg_constraint WHERE conrelid IN ({_OIDS}) AND contype NOT IN ('p', 'u', 'f', 'n')"
_INDEXES = (
    f"SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid IN ({_OIDS})"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY 1"
)
_COMMENTS = (
    "SELECT format('COMMENT ON %%s %%s IS %%L', CASE WHEN d.objsubid > 0 THEN 'COLUMN' WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END,"
    " quote_ident(c.relname) || coalesce('.' || quote_ident(a.attname), ''), d.description) FROM pg_description d"
    " JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass"
    f" LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0 WHERE c.oid IN ({_OIDS}) ORDER BY 1"
)
_TO = "CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
_GRANTS = (
    f"SELECT format('GRANT %%s ON %%I TO %%s%%s', g.privilege_type, c.relname, {_TO}) FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid IN ({_OIDS})"
    f" UNION ALL SELECT format('GRANT %%s (%%I) ON %%I TO %%s%%s', g.privilege_type, a.attname, c.relname, {_TO}) FROM pg_class c"
    f" JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) g WHERE c.oid IN ({_OIDS}) ORDER BY 1"
)


@dataclass
class TableProperties:
    """The properties of empty tables to carry over: the names of their keys, and the statements for the rest."""

    keys: dict[tuple[str, str, str], str] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)


# The contract's views are created again: with this role as their owner and without options.
_OTHER_VIEWS = f"SELECT count(*) FROM pg_class WHERE oid IN ({_OIDS}) AND relkind = 'v' AND (relowner <> current_user::regrole OR reloptions IS NOT NULL)"


def table_properties(session: Session, schema: Schema, tables: Sequence[Table]) -> TableProperties | None:
    """Returns the properties of these empty tables; None where one has rows, or a property that cannot be carried over."""
    names = {"names": [table.name for table in tables]}
    shown = {"names": [*names["names"], *schema.views]}

    def rows(statement: str, values: dict[str, list[str]]) -> list[tuple[Any, ...]]:
        with safe_errors("--target", "reading the catalogue"):
            return session.execute(statement.encode(), values).fetchall()

    filled = " OR ".join(f"EXISTS (SELECT 1 FROM {quoted(name)})" for name in names["names"])
    if rows(_PLAIN, names) != [(len(tables),)] or any(
        rows(question, shown) != [(0,)] for question in (_HANGS, _SET, _OTHER_CONSTRAINTS, _OTHER_VIEWS)
    ):
        return None
    if rows(f"SELECT {filled}", {}) != [(False,)]:
        return None
    keys = {(table, kind, definition): name for table, kind, definition, name in rows(_KEYS, names)}
    after = [*rows(_INDEXES, names), *rows(_COMMENTS, shown), *rows(_GRANTS, shown)]
    return TableProperties(keys, [statement for (statement,) in after])


def swap_tables(session: Session, schema: Schema, tables: Sequence[Table]) -> None:
    """Drops the old tables and the contract's views, and renames the staged tables."""
    views = ", ".join(map(quoted, schema.views))
    if views:
        run(session, f"DROP VIEW IF EXISTS {views}")
    run(session, f"DROP TABLE {', '.join(quoted(table.name) for table in tables)}")
    for table in tables:
        run(session, f"ALTER TABLE {quoted(STAGED + table.name)} RENAME TO {quoted(table.name)}")


def restore_properties(session: Session, tables: Sequence[Table], old: TableProperties) -> bool:
    """Applies the old tables' properties to the new ones; returns False where their keys are not the same."""
    with safe_errors("--target", "reading the catalogue"):
        found = session.execute(_KEYS.encode(), {"names": [table.name for table in tables]}).fetchall()
    keys = {(table, kind, definition): name for table, kind, definition, name in found}
    if keys.keys() != old.keys.keys() or len(found) != len(keys):
        return False
    for (table, kind, definition), name in keys.items():
        wanted = old.keys[table, kind, definition]
        if name != wanted:
            run(session, f"ALTER TABLE {quoted(table)} RENAME CONSTRAINT {quoted(name)} TO {quoted(wanted)}")
    for statement in old.after:
        run(session, statement)
    return True
