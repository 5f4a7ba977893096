"""The adapter presents another legacy schema as the contract: physical cells become contract cells in this package only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import MigrationError
from mappings.limits import adapter_files, refuse_other_adapter

if TYPE_CHECKING:
    from etl.databases import Source
    from etl.databases.files.source import FolderSource
    from etl.present.bind import Bound
    from etl.present.model import Adapter
    from etl.present.problem import Problem
    from mappings.model import Mappings, Portal


def presented(
    sources: Mapping[Portal, Source], adapter: Path | None, mappings: Mappings, digest: str | None = None
) -> dict[Portal, Source]:
    """Returns the old portals as the adapter presents them, unchanged without an adapter; raises AdapterWrong with all mismatches (K5).

    `digest`: the adapter's, None to accept any; MappingErrors where the folder's files are others.
    """
    if adapter is None:
        return dict(sources)
    return with_adapter(sources, *_read(adapter, mappings, digest), mappings=mappings)


_LAST: dict[tuple[Path, str, str], tuple[Adapter, list[Problem]]] = {}  # the last adapter: a command uses it several times


def _read(adapter: Path, mappings: Mappings, digest: str | None = None) -> tuple[Adapter, list[Problem]]:
    from etl.present.grammar import adapter_with_problems

    try:
        files = adapter_files(adapter) if adapter.is_dir() else {}
    except OSError:
        return adapter_with_problems(adapter, mappings)  # the error names the unreadable file
    key = (adapter, refuse_other_adapter(files, digest), mappings.digest)
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = adapter_with_problems(adapter, mappings, files)
    return _LAST[key]


def refuse_wrong_files(adapter: Path, mappings: Mappings, sources: Callable[[], AbstractContextManager[object]]) -> None:
    """Raises AdapterWrong where the adapter's files are invalid, together with all mismatches to the old portals; `sources` opens these."""
    from etl.present.problem import AdapterWrong

    _, problems = _read(adapter, mappings)
    if not problems:
        return
    try:
        with sources():  # raises it with more problems, where the portals can be opened
            pass
    except AdapterWrong:
        raise
    except MigrationError:
        raise AdapterWrong(problems) from None
    raise AdapterWrong(problems)


def with_adapter(
    sources: Mapping[Portal, Source], read: Adapter, problems: Sequence[Problem] = (), *, mappings: Mappings
) -> dict[Portal, Source]:
    """Returns the portals as an adapter presents them that was read already; `problems`: errors of its files, raised with all others."""
    from etl.databases import SnapshotSource
    from etl.databases.files.source import FolderSource
    from etl.databases.files.wrong import FileProblem, FilesWrong
    from etl.present.bind import Binder
    from etl.present.catalog import catalog_of
    from etl.present.problem import AdapterWrong, Problem
    from etl.present.source import PresentedShared, PresentedSource

    wrong = list(problems)
    of_files: list[FileProblem] = []
    found: dict[Portal, Source] = {}
    for portal, source in sources.items():
        if isinstance(source, FolderSource):  # before the first read
            source.delimiter, source.encoding = read.portals[portal].delimiter, read.portals[portal].encoding
        try:
            if read.portals[portal].says_nothing and source.shapes() == _contract(portal, mappings):
                found[portal] = source  # without lines for this portal it is read as without an adapter
                continue
            catalog = catalog_of(source, _schemas(read.portals[portal].tables.values()))
        except FilesWrong as error:
            of_files += error.problems
            continue
        binder = Binder(read, portal, mappings, catalog)
        bound = binder.bind()
        wrong += binder.problems
        if binder.problems and isinstance(source, FolderSource):
            wrong += _of_delimiters(source, bound, read.portals[portal].folder)
        kind = PresentedShared if isinstance(source, SnapshotSource) else PresentedSource
        found[portal] = kind(source, read, bound, catalog, portal, mappings)
    if of_files and not wrong:
        raise FilesWrong(of_files)
    if wrong:
        raise AdapterWrong([*wrong, *(Problem(p.file, p.location, p.found, p.expected, rank=0) for p in of_files), *_of_the_rows(found)])
    return found


def _of_delimiters(source: FolderSource, bound: Bound, folder: str) -> list[Problem]:
    """Returns the problem of a delimiter with which files that the adapter reads have one column, whose name contains a usual delimiter."""
    from etl.present.problem import Problem, printable

    read = {table: found for table, found in source.other_delimiters().items() if table in bound.read}
    if not read:
        return []
    table, (column, mark) = next(iter(read.items()))
    found = f"{source.delimiter!r}, with which {printable(table)} has one column, {printable(column)!r}"
    return [Problem(f"{folder}/source.toml", "csv.delimiter", found, f"the delimiter of the files, perhaps {mark!r}", rank=0)]


def _of_the_rows(sources: Mapping[Portal, Source]) -> list[Problem]:
    """Returns the problems in the rows for the valid parts of an adapter; empty where they cannot be read."""
    from etl.present.questions import asked

    found = []
    for source in sources.values():
        with suppress(MigrationError):
            found += asked(source, whole=False).problems
    return found


def _contract(portal: Portal, mappings: Mappings) -> dict[str, dict[str, str]]:
    return {mapping.table: {column.name: column.sql_type for column in mapping.shape.columns} for mapping in mappings.of(portal)}


def _schemas(tables: Iterable[object]) -> frozenset[str]:
    """Returns the schemas that the files name, `schema.table`."""
    from etl.present.model import TableFile

    names = [
        name
        for file in tables
        if isinstance(file, TableFile)
        for block in file.blocks
        for name in (block.table, *(look.table for look in block.lookup.values()))
    ]
    return frozenset(name.partition(".")[0] for name in names if "." in name)
