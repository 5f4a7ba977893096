"""Other databases that SQLAlchemy supports, in the registry of database kinds: old portals only, never a new store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etl.databases import backend
from etl.errors import MigrationError

if TYPE_CHECKING:
    from etl.databases import SnapshotSource, Source
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema

_USE = "Use a sqlite:// or postgresql:// URL."


class Generic:
    """Implements `DatabaseKind`; the rights of a role in such a database are not checked."""

    holds_store = False

    def open_source(self, url: str, name: str) -> Source:
        from etl.databases.generic.source import PortableSource

        return PortableSource(url, name)

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        raise MigrationError(f"{name}: a snapshot of {backend(url)} belongs to one process.", "This is an internal error: report it.")

    def open_target(self, url: str, folder: Path) -> Target:
        raise self._no_target(url)

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        raise self._no_target(url)

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        raise self._no_target(url)

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        raise self._no_target(url)

    def _no_target(self, url: str) -> MigrationError:
        return MigrationError(f"--target: {backend(url)} databases cannot be written as a target.", _USE)

    def open_reading(self, url: str) -> Reading:
        raise MigrationError(f"--target: {backend(url)} databases cannot be read as a target.", _USE)

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        from etl.databases.rights import Rights

        return Rights()

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        from etl.databases.rights import Rights

        return Rights()
