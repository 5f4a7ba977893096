"""The adapter: another legacy schema, presented as the contract. Physical cells become contract cells here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.databases import Source
    from etl.present.model import Adapter
    from mappings.model import Mappings, Portal


def presented(sources: Mapping[Portal, Source], adapter: Path | None, mappings: Mappings) -> dict[Portal, Source]:
    """The old portals as the adapter presents them, the same ones without an adapter; raises AdapterWrong with all that does not fit (K5)."""
    if adapter is None:
        return dict(sources)
    from etl.present.grammar import read_adapter

    return with_adapter(sources, read_adapter(adapter, mappings), mappings)


def with_adapter(sources: Mapping[Portal, Source], read: Adapter, mappings: Mappings) -> dict[Portal, Source]:
    """The same with an adapter that was read already."""
    from etl.databases import SnapshotSource
    from etl.databases.files.source import FolderSource
    from etl.present.bind import Binder
    from etl.present.catalog import catalog_of
    from etl.present.problem import AdapterWrong
    from etl.present.source import PresentedShared, PresentedSource

    problems = []
    found: dict[Portal, Source] = {}
    for portal, source in sources.items():
        if isinstance(source, FolderSource):  # before it is read
            source.delimiter, source.encoding = read.portals[portal].delimiter, read.portals[portal].encoding
        if read.portals[portal].says_nothing and source.shapes() == _contract(portal, mappings):
            found[portal] = source  # nothing of it is presented: read as without an adapter
            continue
        catalog = catalog_of(source, _schemas(read.portals[portal].tables.values()))
        binder = Binder(read, portal, mappings, catalog)
        bound = binder.bind()
        problems += binder.problems
        kind = PresentedShared if isinstance(source, SnapshotSource) else PresentedSource
        found[portal] = kind(source, read, bound, catalog, portal)
    if problems:
        raise AdapterWrong(problems)
    return found


def _contract(portal: Portal, mappings: Mappings) -> dict[str, dict[str, str]]:
    return {mapping.table: {column.name: column.sql_type for column in mapping.shape.columns} for mapping in mappings.of(portal)}


def _schemas(tables: Iterable[object]) -> frozenset[str]:
    """The schemas that the files name, `schema.table`."""
    from etl.present.model import TableFile

    names = [
        name
        for file in tables
        if isinstance(file, TableFile)
        for block in file.blocks
        for name in (block.table, *(look.table for look in block.lookup.values()))
    ]
    return frozenset(name.partition(".")[0] for name in names if "." in name)
