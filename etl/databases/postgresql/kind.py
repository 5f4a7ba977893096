"""PostgreSQL in the registry of database kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.databases import SnapshotSource, Source
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema


class PostgreSQL:
    """Implements `DatabaseKind`."""

    holds_store = True

    def open_source(self, url: str, name: str) -> Source:
        from etl.databases.postgresql.source import PostgresSource

        return PostgresSource(url, name)

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        from etl.databases.postgresql.source import PostgresSource

        return PostgresSource(url, name, snapshot)

    def open_target(self, url: str, folder: Path) -> Target:
        from etl.databases.postgresql.target import PostgresTarget

        return PostgresTarget(url)

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        from etl.databases.postgresql.connection import connect, safe_errors
        from etl.databases.postgresql.contract import differences
        from etl.databases.postgresql.pooler import refuse_pooler

        with connect(url, "--target") as session, safe_errors("--target", "reading the catalogue"):
            refuse_pooler(session, url)
            return differences(session, schema)

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        from etl.databases.conditions import Conditions
        from etl.databases.postgresql.conditions import conditions
        from etl.databases.postgresql.connection import connect, safe_errors
        from etl.databases.postgresql.obstacles import of_store

        with connect(url, "--target") as session, safe_errors("--target", "reading the catalogue"):
            foreseen = of_store(session, schema.tables)
            if foreseen.stopping:  # a store that is read-only may not answer the other queries
                return Conditions(foreseen=foreseen)
            return replace(conditions(session, schema), foreseen=foreseen)

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        from etl.databases.postgresql.foreseen import would_change

        return would_change(url, schema, sizes, rows, known)

    def open_reading(self, url: str) -> Reading:
        from etl.databases.postgresql.reading import PostgresReading

        return PostgresReading(url)

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        from etl.databases.postgresql.rights import of_reader

        return of_reader(url, name, wanted)

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        from etl.databases.postgresql.rights import of_writer

        return of_writer(url, tables)
