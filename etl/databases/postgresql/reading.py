"""Look-ups in a new store that is PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from etl.databases.postgresql.connection import connect, safe_errors
from etl.databases.reading import Condition, Row, no_store


class PostgresReading:
    """Implements `Reading` in one read-only snapshot."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: psycopg.Connection[Any] = connect(url, "--target")
        self._session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def rows(self, statement: str, *values: object) -> list[Row]:
        with safe_errors("--target", "looking up"):
            try:
                with self._session.cursor(row_factory=dict_row) as cursor:
                    return cursor.execute(statement.replace("?", "%s").encode(), values).fetchall()
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                raise no_store(self._url) from None

    def among(self, column: str, ids: list[str]) -> Condition:
        return Condition(f"{column} = ANY(?::uuid[])", (ids,))

    def as_text(self, expression: str) -> str:
        return f"CAST({expression} AS TEXT)"

    def close(self) -> None:
        self._session.close()
