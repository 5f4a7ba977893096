"""The rights of a PostgreSQL role: for an old portal SELECT only, for the new store one schema only.

Rights by membership in another role count too, inherited or by SET ROLE. TEMPORARY and CONNECT are not checked: a server grants both to PUBLIC, and
neither affects a portal.
"""

from __future__ import annotations

from typing import Any

import psycopg

from etl.databases.postgresql.connection import connect, old_portal, quoted, safe_errors
from etl.databases.rights import Rights, Wanted

_POWERS = {
    "rolsuper": "is a superuser",
    "rolcreaterole": "may create roles",
    "rolcreatedb": "may create databases",
    "rolreplication": "may replicate",
    "rolbypassrls": "bypasses row security",
}
# Predefined roles whose rights exceed those of a database's grants.
_FAR = (
    "pg_write_all_data",
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_signal_backend",
    "pg_maintain",
    "pg_create_subscription",
    "pg_checkpoint",
)
_SYSTEM = "n.nspname OPERATOR(pg_catalog.!~) '^pg_' AND n.nspname <> 'information_schema'"
# A relation's name, with its schema where that is not the current one.
_SHOWN = "CASE WHEN n.nspname = %(schema)s THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname)"
_MINE = "pg_roles m WHERE m.oid >= 16384 AND pg_has_role(current_user, m.oid, 'MEMBER')"  # the role and those that it may become
_MANY = 8  # names in one sentence


def of_reader(url: str, name: str, wanted: Wanted) -> Rights:
    """Returns the rights that the role lacks to read these columns, and those beyond reading; hidden rows (K9) are reported by the source."""
    with old_portal(url, name) as (session, schema), safe_errors(name, "looking at the role's rights"):
        role, excess = _powers(session)
        if schema is None:
            return Rights(role, ["no schema of the search path exists or is accessible to the role"], excess)
        if "is a superuser" not in excess:
            excess += _ownership(session, schema, "true")
            excess += _writing(session, schema, "true")
            excess += _named(
                "may read columns that are never needed:", [f"{table}.{column}" for table, column in _unneeded(session, schema, wanted)]
            )
        if _secured(session, schema, wanted):  # such a table cannot be read without BYPASSRLS
            excess = [sentence for sentence in excess if sentence != _POWERS["rolbypassrls"]]
        return Rights(role, _unreadable(session, schema, wanted), excess)


def role_of(url: str, name: str) -> str:
    """Returns the role whose rights count, with the login role where they differ."""
    with old_portal(url, name) as (session, _), safe_errors(name, "looking at the role"):
        return str(
            _one(
                session, "SELECT current_user || CASE WHEN session_user <> current_user THEN ', logged in as ' || session_user ELSE '' END"
            )
        )


def _secured(session: psycopg.Connection[Any], schema: str, wanted: Wanted) -> bool:
    """Returns whether one of these tables has row-level security."""
    statement = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relname = ANY (%s) AND relrowsecurity)"
    return bool(_one(session, statement, schema, list(wanted)))


def of_writer(url: str, tables: tuple[str, ...]) -> Rights:
    """Returns the rights that the role lacks to fill a store in its schema, and those outside of that schema."""
    with connect(url, "--target") as session, safe_errors("--target", "looking at the role's rights"):
        role, excess = _powers(session)
        schema = _one(session, "SELECT current_schema()")
        if schema is None:
            return Rights(role, [_no_schema(session)], excess)
        missing = [
            f"may not {privilege} {'in ' if privilege == 'CREATE' else ''}schema {schema}"
            for privilege in ("USAGE", "CREATE")
            if not _one(session, "SELECT has_schema_privilege(%s, %s)", schema, privilege)
        ]
        missing += _unwritable(session, tables)
        if "is a superuser" not in excess:
            elsewhere = "n.nspname <> current_schema()"
            excess += _ownership(session, schema, elsewhere) + _writing(session, schema, elsewhere)
        return Rights(role, missing, excess)


def _one(session: psycopg.Connection[Any], statement: Any, *values: object) -> Any:
    row = session.execute(statement, values or None).fetchone()
    return row[0] if row else None


def _no_schema(session: psycopg.Connection[Any]) -> str:
    path = _one(session, "SELECT reset_val FROM pg_settings WHERE name = 'search_path'")
    return f"no schema of the search path ({path}) exists or is accessible to the role"


def _powers(session: psycopg.Connection[Any]) -> tuple[str, list[str]]:
    """Returns (the role's name, one phrase for each power from its attributes and predefined roles)."""
    names = ", ".join(_POWERS)
    row = session.execute(f"SELECT rolname, {names} FROM pg_roles WHERE rolname = current_user".encode()).fetchone()
    role, flags = (str(row[0]), row[1:]) if row else ("", ())
    found = [sentence for has, sentence in zip(flags, _POWERS.values(), strict=False) if has]
    if "is a superuser" in found:
        return role, ["is a superuser"]  # a superuser has all other rights too
    statement = (
        "SELECT rolname FROM pg_roles WHERE (rolname = ANY (%s) OR rolsuper) AND pg_has_role(current_user, oid, 'MEMBER') ORDER BY 1"
    )
    return role, found + [f"is a member of {name}" for (name,) in session.execute(statement, (list(_FAR),))]


def _ownership(session: psycopg.Connection[Any], schema: str, where: str) -> list[str]:
    """Returns the database, schemas and tables that the role owns or may create in, limited by the condition on schema `n`."""
    found = []
    if _one(
        session, f"SELECT EXISTS (SELECT 1 FROM pg_database d, {_MINE} AND d.datdba = m.oid AND d.datname = current_database())".encode()
    ):
        found.append("owns the database")
    elif _one(session, f"SELECT bool_or(has_database_privilege(m.oid, current_database(), 'CREATE')) FROM {_MINE}".encode()):
        found.append("may create schemas in the database")
    schemas = session.execute(
        f"SELECT n.nspname, bool_or(n.nspowner = m.oid) FROM pg_namespace n, {_MINE} AND {_SYSTEM} AND {where}"
        " AND has_schema_privilege(m.oid, n.oid, 'CREATE') GROUP BY n.nspname ORDER BY n.nspname".encode()
    )
    found += [f"owns schema {name}" if owner else f"may create in schema {name}" for name, owner in schemas]
    owned = session.execute(
        f"SELECT {_SHOWN} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, {_MINE} AND {_SYSTEM} AND {where}"
        " AND c.relowner = m.oid AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') ORDER BY 1".encode(),
        {"schema": schema},
    )
    return found + _named("owns", [str(name) for (name,) in owned])


def _writing(session: psycopg.Connection[Any], schema: str, where: str) -> list[str]:
    """Returns the tables and sequences that the role may change without owning them."""
    found = []
    for verb in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
        test = (
            f"has_any_column_privilege(m.oid, c.oid, '{verb}')"
            if verb in ("INSERT", "UPDATE")
            else f"has_table_privilege(m.oid, c.oid, '{verb}')"
        )
        rows = session.execute(
            f"SELECT DISTINCT {_SHOWN} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, {_MINE} AND {_SYSTEM} AND {where}"
            f" AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relowner <> m.oid AND {test} ORDER BY 1".encode(),
            {"schema": schema},
        )
        found += _named(f"may {verb}", [str(name) for (name,) in rows])
    # CASE: the planner may check a table before it knows whether it is a sequence, which is an error.
    rows = session.execute(
        f"SELECT DISTINCT {_SHOWN} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, {_MINE} AND {_SYSTEM} AND {where}"
        " AND c.relowner <> m.oid AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(m.oid, c.oid, 'USAGE, UPDATE') ELSE false END"
        " ORDER BY 1".encode(),
        {"schema": schema},
    )
    return found + _named("may advance the sequence", [str(name) for (name,) in rows])


def _named(doing: str, names: list[str]) -> list[str]:
    if not names:
        return []
    rest = f" and {len(names) - _MANY:,} more" if len(names) > _MANY else ""
    return [f"{doing} {', '.join(names[:_MANY])}{rest}"]


def _unneeded(session: psycopg.Connection[Any], schema: str, wanted: Wanted) -> list[tuple[str, str]]:
    """Returns (table, column) of password columns (B17) that the role may read; other unmapped columns stop the plan (K5)."""
    rows = session.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relname = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped"
        " AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY 1, a.attnum",
        (schema, list(wanted)),
    )
    return [(table, column) for table, column in rows if column not in wanted[table] and "password" in column]


def _unreadable(session: psycopg.Connection[Any], schema: str, wanted: Wanted) -> list[str]:
    """Returns the existing tables and columns that the role may not read; the plan reports missing ones."""
    if not _one(session, "SELECT has_schema_privilege(%s, 'USAGE')", schema):
        return [f"may not USE schema {schema}"]
    rows = session.execute(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'f', 'v', 'm')"
        " AND (a.attnum > 0 OR a.attname IN ('ctid', 'xmin') AND c.relkind IN ('r', 'p')"
        "  OR a.attname = 'tableoid' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid)) AND NOT a.attisdropped"
        " AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY c.relname, a.attnum",
        (schema, list(wanted)),
    ).fetchall()
    lacking: dict[str, list[str]] = {}
    for table, column in rows:
        if column in wanted[table] or column in ("ctid", "xmin", "tableoid"):
            lacking.setdefault(table, []).append(column)
    whole = {table for table, columns in lacking.items() if set(wanted[table]) <= set(columns)}
    found = _named("may not SELECT from", sorted(whole))
    return found + [f"may not SELECT {', '.join(columns)} of {table}" for table, columns in lacking.items() if table not in whole]


def _unwritable(session: psycopg.Connection[Any], tables: tuple[str, ...]) -> list[str]:
    """Returns the rights that the role lacks on those of the tables that exist."""
    found = []
    for verb in ("SELECT", "INSERT", "UPDATE", "DELETE"):
        rows = session.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)"
            " AND c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, %s) ORDER BY 1",
            (list(tables), verb),
        )
        found += _named(f"may not {verb} in", [quoted(name) for (name,) in rows])
    if not found:  # only an owner may drop and create keys
        rows = session.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%s)"
            " AND c.relkind IN ('r', 'p') AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1",
            (list(tables),),
        )
        found += _named("does not own", [quoted(name) for (name,) in rows])
    return found
