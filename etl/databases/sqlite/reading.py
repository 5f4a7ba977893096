"""Look-ups in a new store that is a SQLite file."""

from __future__ import annotations

import json
import sqlite3
import urllib.parse
from pathlib import Path

from etl.databases import redacted_url
from etl.databases.reading import Condition, Row, no_store
from etl.errors import MigrationError


class SqliteReading:
    """Implements `Reading`, read only."""

    def __init__(self, file: Path, url: str) -> None:
        self._url = url
        if not file.is_file():
            raise MigrationError(f"The file of {redacted_url(url)} does not exist.", "Give --target the new store that was published.")
        self._connection = sqlite3.connect(f"file:{urllib.parse.quote(str(file.absolute()))}?mode=ro", uri=True, isolation_level=None)
        self._connection.execute("PRAGMA trusted_schema = off")  # views and indexes of a file may not call functions with side effects
        self._connection.row_factory = sqlite3.Row

    def rows(self, statement: str, *values: object) -> list[Row]:
        try:
            return [dict(row) for row in self._connection.execute(statement, values)]
        except sqlite3.DatabaseError as error:
            if str(error).startswith(("no such table", "no such column")):
                raise no_store(self._url) from None
            if getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                message = f"--target: {redacted_url(self._url)} is not a readable SQLite database ({error})."
                raise MigrationError(message, "Give the new store that was published, or its copy from the backup.") from None
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            raise MigrationError(
                f"--target: {redacted_url(self._url)} cannot be read ({name}).", "Check the file and which processes use it."
            ) from None

    def among(self, column: str, ids: list[str]) -> Condition:
        return Condition(f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(ids),))

    def as_text(self, expression: str) -> str:
        return f"CAST({expression} AS TEXT)"

    def close(self) -> None:
        self._connection.close()
