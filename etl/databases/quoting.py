"""Identifiers in SQL, and names that are more than one identifier."""

from __future__ import annotations


class Sql(str):
    """A table's name for messages, and what stands for it in SQL: with its schema, or a query of its own."""

    sql: str

    def __new__(cls, name: str, sql: str) -> Sql:
        made = super().__new__(cls, name)
        made.sql = sql
        return made

    def __reduce__(self) -> tuple[type[Sql], tuple[str, str]]:
        return Sql, (str(self), self.sql)


def quoted(name: str) -> str:
    """The identifier, quoted; what stands for it where it is more than one."""
    return name.sql if isinstance(name, Sql) else '"' + name.replace('"', '""') + '"'
