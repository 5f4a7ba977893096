"""Who could still write to an old portal in PostgreSQL: from the catalogue, because information_schema shows only what concerns the role."""

from __future__ import annotations

from typing import Any

import psycopg

from etl.databases.postgresql.catalogue import listed
from etl.databases.postgresql.connection import NAME

# (role, object): grants on tables and on columns, to PUBLIC too.
_GRANTED = """
WITH tables AS (SELECT * FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND relkind IN ('r', 'p', 'f')),
grants AS (
  SELECT c.relname, a.grantee, a.privilege_type FROM tables c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE a.grantee <> c.relowner
  UNION ALL
  SELECT c.relname, a.grantee, a.privilege_type FROM tables c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
)
SELECT coalesce(r.rolname, 'PUBLIC (everybody)'), g.relname FROM grants g LEFT JOIN pg_roles r ON r.oid = g.grantee
WHERE g.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') GROUP BY 1, 2 ORDER BY 1, 2
"""
_OWNERS = """
SELECT pg_get_userbyid(c.relowner), c.relname FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s) AND c.relkind IN ('r', 'p', 'f') ORDER BY 1, 2
"""
# A member of one of these roles has its rights.
_MEMBERS = """
SELECT m.rolname FROM pg_roles m WHERE m.rolcanlogin AND NOT m.rolsuper AND m.rolname <> %(role)s AND pg_has_role(m.oid, %(role)s::name, 'MEMBER') ORDER BY 1
"""


def writers(session: psycopg.Connection[Any], schema: str) -> list[str]:
    """Returns sentences: other sessions, superusers, owners, roles with grants to write to a table or column, and their members."""
    (sessions,) = session.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> %s",
        (NAME,),
    ).fetchone() or (0,)
    found = [f"{sessions} other sessions are connected"] if sessions else []
    (prepared,) = session.execute("SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()").fetchone() or (0,)
    found += [f"{prepared} prepared transactions are waiting for their commit"] if prepared else []
    superusers = [str(name) for (name,) in session.execute("SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY 1")]
    found += [f"role {name} may write: it is a superuser" for name in superusers]
    for statement, why in ((_OWNERS, "it owns"), (_GRANTED, "granted on")):
        tables: dict[str, list[str]] = {}
        for role, table in session.execute(statement.encode(), {"schema": schema}):
            tables.setdefault(str(role), []).append(str(table))
        for role, names in tables.items():
            if role in superusers:
                continue
            members = [str(name) for (name,) in session.execute(_MEMBERS.encode(), {"role": role})] if role[-1] != ")" else []
            found.append(f"role {role} may write: {why} {listed(names)}" + (f"; its members: {listed(members)}" if members else ""))
    far = session.execute(
        "SELECT m.rolname FROM pg_roles m WHERE m.rolcanlogin AND NOT m.rolsuper"
        " AND EXISTS (SELECT 1 FROM pg_roles p WHERE p.rolname = 'pg_write_all_data' AND pg_has_role(m.oid, p.oid, 'MEMBER')) ORDER BY 1"
    )
    return found + [f"role {name} may write: it is a member of pg_write_all_data" for (name,) in far]
