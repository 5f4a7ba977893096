"""Folders of files in the registry of database kinds: `folder:DIR`, read only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from etl.errors import MigrationError

if TYPE_CHECKING:
    from etl.databases import SnapshotSource, Source
    from etl.databases.conditions import Conditions
    from etl.databases.reading import Reading
    from etl.databases.rights import Rights, Wanted
    from etl.databases.target import Change, Foreknown, Rows, Target
    from mappings.schema import Schema


class Folder:
    """Implements `DatabaseKind`."""

    holds_store = False

    def open_source(self, url: str, name: str) -> Source:
        from etl.databases.files.source import FolderSource

        return FolderSource(url, name)

    def join_source(self, url: str, name: str, snapshot: str) -> SnapshotSource:
        raise MigrationError("A folder's files are read by one process.", "This is an internal error: report it.")

    def open_target(self, url: str, folder: Path) -> Target:
        _no_store(url)

    def contract_differences(self, url: str, schema: Schema) -> list[str]:
        _no_store(url)

    def store_conditions(self, url: str, schema: Schema) -> Conditions:
        _no_store(url)

    def would_change(self, url: str, schema: Schema, sizes: Mapping[str, int], rows: Rows, known: Foreknown, folder: Path) -> list[Change]:
        _no_store(url)

    def open_reading(self, url: str) -> Reading:
        _no_store(url)

    def reading_rights(self, url: str, name: str, wanted: Wanted) -> Rights:
        from etl.databases.rights import Rights

        return Rights()

    def writing_rights(self, url: str, tables: tuple[str, ...]) -> Rights:
        _no_store(url)


def _no_store(url: str) -> NoReturn:
    raise MigrationError(f"--target: {url} is a folder of files, not a database.", "Use a sqlite:// or postgresql:// URL.")
