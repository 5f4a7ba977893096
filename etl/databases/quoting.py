"""Identifiers in SQL, and names that are more than one identifier."""

from __future__ import annotations


class Sql(str):
    """The name of a table in messages, with the SQL that replaces it: a name with its schema, or a query."""

    sql: str

    def __new__(cls, name: str, sql: str) -> Sql:
        made = super().__new__(cls, name)
        made.sql = sql
        return made

    def __reduce__(self) -> tuple[type[Sql], tuple[str, str]]:
        return Sql, (str(self), self.sql)


def quoted(name: str) -> str:
    """Returns the identifier in quotes; for an `Sql` its SQL."""
    return name.sql if isinstance(name, Sql) else '"' + name.replace('"', '""') + '"'
