"""SQLite in the registry of database kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import MigrationError

if TYPE_CHECKING:
    from etl.databases import SnapshotSource, Source
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema

PLAIN_FILE = re.compile(r"sqlite:///([A-Za-z0-9_./-]+)")  # needs no URL parser: its import would take longer than a look-up


class SQLite:
    """Implements `DatabaseKind`; the rights on a file are not checked here: its mode decides."""

    holds_store = True

    def open_source(self, url: str, name: str) -> Source:
        from etl.databases.sqlite.source import SqliteSource

        return SqliteSource(url, name)

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        raise MigrationError("A snapshot of a SQLite file belongs to one process.", "This is an internal error: report it.")

    def open_target(self, url: str, folder: Path) -> Target:
        from etl.databases.sqlite.target import SqliteTarget

        return SqliteTarget(url, folder)

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        from etl.databases.sqlite.target import looked_at

        return looked_at(url, schema)

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        from etl.databases.sqlite.conditions import conditions_of

        return conditions_of(url, schema)

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        from etl.databases.sqlite.foreseen import would_change

        return would_change(url, schema, sizes, rows, folder)

    def open_reading(self, url: str) -> Reading:
        from etl.databases.sqlite.reading import SqliteReading

        plain = PLAIN_FILE.fullmatch(url)
        return SqliteReading(Path(plain[1]) if plain else _file_of(url), url)

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        from etl.databases.rights import Rights

        return Rights()

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        from etl.databases.rights import Rights

        return Rights()


def _file_of(url: str) -> Path:
    import sqlalchemy

    return Path(sqlalchemy.make_url(url).database or "")
