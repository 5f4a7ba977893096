"""Settings of roles and databases for every session (ALTER ROLE, ALTER DATABASE ... SET), and their effect in a session of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from etl.databases.postgresql.connection import OLD_SESSION, SESSION

Session = psycopg.Connection[Any]

# The most specific wins, as on the server: role in database, role, database, all roles. They are those of the login role.
_SET = """
SELECT DISTINCT ON (pg_catalog.lower(pg_catalog.split_part(s, '=', 1))) s,
       CASE WHEN c.setrole = 0 THEN '' ELSE 'role ' || session_user END, CASE WHEN c.setdatabase = 0 THEN '' ELSE 'database ' || pg_catalog.current_database() END
FROM pg_catalog.pg_db_role_setting c CROSS JOIN LATERAL pg_catalog.unnest(c.setconfig) s
WHERE (c.setrole = 0 OR c.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
  AND (c.setdatabase = 0 OR c.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
ORDER BY pg_catalog.lower(pg_catalog.split_part(s, '=', 1)), c.setrole <> 0 DESC, c.setdatabase <> 0 DESC
"""
_NAMED = re.compile(r"SET (?:LOCAL )?(\w+) =|'(\w+_timeout)'")


def _names(statements: tuple[str, ...]) -> frozenset[str]:
    found = {(plain or quoted).lower() for one in statements for plain, quoted in _NAMED.findall(one)}
    return frozenset(found - {"lock_timeout"})


# A transaction states its isolation and that it is read-only.
_TRANSACTION = frozenset({"default_transaction_isolation", "default_transaction_deferrable"})
OVERRIDDEN_READING = _names(OLD_SESSION) | _TRANSACTION | {"default_transaction_read_only"}
OVERRIDDEN_WRITING = _names(SESSION) | _TRANSACTION | {"synchronous_commit"}
# Settings that stay in force in every session, and their effect.
_REMAINS = {
    "lock_timeout": "a lock that another session holds is waited for no longer than that",
    "temp_file_limit": "a sort that needs more on the server's disk ends the run: ALTER ROLE ... RESET temp_file_limit",
    "role": "our sessions work as that role, with its rights",
}
# (setting, value, sentence): settings that hide bytes from every reader and that only a superuser can reset (K9).
_HIDES = (
    ("zero_damaged_pages", "on", "zero_damaged_pages is on: rows on a damaged page vanish without an error"),
    ("ignore_checksum_failure", "on", "ignore_checksum_failure is on: damaged pages are read as if they were right"),
)
_STOPS = (
    ("transaction_read_only", "on", "default_transaction_read_only is on: nothing can be written"),
    ("session_replication_role", "replica", "session_replication_role is replica: the server checks no references"),
)


@dataclass(frozen=True)
class Setting:
    """A setting: `name` and `value` as they were set; `by`: `role x`, `database y`, both, or `every role`."""

    name: str
    value: str
    by: str


def settings_of(session: Session) -> list[Setting]:
    """Returns the settings of the login role in this database, sorted by name."""
    rows = session.execute(_SET.encode()).fetchall()
    found = []
    for text, role, database in rows:
        name, _, value = str(text).partition("=")
        found.append(Setting(name, value, " in ".join(part for part in (role, database) if part) or "every role"))
    return found


def sentences(settings: list[Setting], overridden: frozenset[str], schema: str | None = None) -> list[str]:
    """Returns one sentence for each setting's effect; values only of known settings, because others may contain secrets.

    `schema`: for an old portal, the schema of its tables.
    """
    ours = [one for one in settings if one.name.lower() in overridden]
    found = []
    for by in sorted({one.by for one in ours}):
        names = ", ".join(f"{one.name} = {one.value}" for one in ours if one.by == by)
        found.append(f"{by} sets {names}: overridden, our sessions set that themselves")
    for one in settings:
        name = one.name.lower()
        if name in _REMAINS:
            found.append(f"{one.by} sets {one.name} = {one.value}: it remains in force; {_REMAINS[name]}")
        elif name == "search_path" and schema is not None:
            found.append(f"{one.by} sets search_path: the old portal's tables are those of schema {schema}")
    rest = [one.name for one in settings if one.name.lower() not in overridden | _REMAINS.keys()]
    return found + ([f"role or database also set {', '.join(rest)}: these remain in force"] if rest else [])


def _in_force(session: Session, asked: tuple[tuple[str, str, str], ...]) -> list[str]:
    found = []
    for name, value, sentence in asked:
        row = session.execute("SELECT pg_catalog.current_setting(%s, true)", (name,)).fetchone()
        if row is not None and row[0] == value:
            found.append(sentence)
    return found


def hiding(session: Session) -> list[str]:
    """Returns the settings in force, by any role, under which the server hides or alters rows or bytes (K9)."""
    return _in_force(session, _HIDES)


def stopping(session: Session) -> list[str]:
    """Returns the settings in force under which writes fail or alter values, in a session that is not read-only by its first statement."""
    return _in_force(session, _STOPS)
