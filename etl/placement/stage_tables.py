"""The stage files of a run, read as the frames that the steps work on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from etl.placement.account_directory import APPLICABILITY, AccountDirectory
from etl.placement.account_index import AccountIndex, from_arrow
from etl.placement.held_rows import HELD, Odd
from etl.placement.table_outcome import TALLY, TableOutcome, merged_flags
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, read_table, write_table
from mappings.model import Mappings, Portal, TableMapping

_LARGE = 500_000  # rows of a table whose placement is not kept


def frames(folder: RunFolder, mapping: TableMapping) -> Iterator[pl.DataFrame]:
    """Yields the extracted rows of a source table, one frame per stage file."""
    for file in extracted(folder, mapping):
        yield pl.DataFrame(folder.read_table(file))


def extracted(folder: RunFolder, mapping: TableMapping) -> list[StageFile]:
    """Returns the extract's stage files of a source table."""
    return folder.files("extract", layout.extracted(mapping.portal, mapping.table))


def whole(folder: RunFolder, mapping: TableMapping) -> pl.DataFrame:
    """Returns all extracted rows of a small source table; an empty frame with the same columns if it has none."""
    parts = list(frames(folder, mapping))
    return pl.concat(parts) if parts else empty(mapping)


def empty(mapping: TableMapping) -> pl.DataFrame:
    """Returns a frame without rows that has the columns and types of the table's stage files."""
    from etl.domain.typed_values import POLARS_TYPE

    schema: dict[str, pl.DataType] = {c.name: POLARS_TYPE[c.family] for c in mapping.columns if c.name not in mapping.content_columns}
    return pl.DataFrame(schema={**schema, "_mark": pl.UInt8()})


def odd_values(root: Path, extract: Iterable[StageFile]) -> Odd:
    """Returns by (portal, table, key) and column: (raw value, whether it is unreadable), for values that were not in canonical form."""
    odd: Odd = defaultdict(dict)
    for portal, name, key, column, raw, unreadable in _frame(root, extract, layout.ODD).iter_rows():
        odd[portal, name, key][column] = (json.loads(raw), unreadable)
    return dict(odd)


def contents(root: Path, extract: Iterable[StageFile]) -> pl.DataFrame:
    """Returns one row per document with bytes: portal, table, key, sha256, size (bytes)."""
    return _frame(root, extract, layout.CONTENT)


def contents_of(portal: Portal, every: pl.DataFrame) -> pl.DataFrame:
    """Returns key, sha256 and size (bytes) for the documents of one portal; a content row's bytes come before the file share's (fine print 31)."""
    mine = every.filter(pl.col("portal") == portal)
    first = mine.with_columns((pl.col("table") == "document").alias("shared")).sort("shared", "key")
    return first.unique("key", keep="first", maintain_order=True).select("key", "sha256", "size")


def _frame(root: Path, files: Iterable[StageFile], path: str) -> pl.DataFrame:
    (file,) = (file for file in files if file.path == path)
    return pl.DataFrame(read_table(root, file))


class AccountIndexes(dict[tuple[Portal, str], AccountIndex]):
    """The placement of each table's rows, read from its stage file when first needed."""

    def __init__(self, root: Path, files: dict[tuple[Portal, str], StageFile]) -> None:
        super().__init__()
        self._root, self.files = root, files
        self._table: tuple[Portal, str] | None = None

    def __missing__(self, key: tuple[Portal, str]) -> AccountIndex:
        self[key] = from_arrow(read_table(self._root, self.files[key]))
        return self[key]

    def turn_to(self, table: tuple[Portal, str]) -> None:
        """Releases the large placements when the rows of another table come: few tables refer to them, and they are quickly read again."""
        if table != self._table:
            self._table = table
            for key in [key for key, where in self.items() if len(where.keys) > _LARGE]:
                del self[key]


class DocumentContents(dict[Portal, pl.DataFrame]):
    """The bytes of each portal's documents (`contents_of`), read when first needed: few tables need them, and they are as many as documents."""

    def __init__(self, root: Path, extract: tuple[StageFile, ...]) -> None:
        super().__init__()
        self._root, self._extract = root, extract

    def __missing__(self, portal: Portal) -> pl.DataFrame:
        self[portal] = contents_of(portal, contents(self._root, self._extract))
        return self[portal]


def load_account_directory(root: Path, mappings: Mappings, extract: Iterable[StageFile], split: Iterable[StageFile]) -> AccountDirectory:
    """Returns the look-up tables that the split step wrote."""
    split = list(split)
    wheres: dict[tuple[Portal, str], StageFile] = {}
    for file in split:
        if file.path.startswith(layout.index("split")):
            portal, table = layout.indexed_table(file.path)
            wheres[("P2" if portal == "P2" else "TC", table)] = file
    applicable = [
        pl.DataFrame(read_table(root, file)) for file in split if file.path.startswith(layout.made("split", "question_applicability"))
    ]
    return AccountDirectory(
        mappings,
        _frame(root, split, layout.ACCOUNTS),
        AccountIndexes(root, wheres),
        _frame(root, split, layout.LOGINS),
        frozenset(_frame(root, split, layout.EMAIL_KEYS)["email_key"].to_list()),
        pl.concat([pl.DataFrame(schema=APPLICABILITY), *(frame.select(*APPLICABILITY) for frame in applicable)]),
        contents=DocumentContents(root, tuple(extract)),
        model_profiles=_frame(root, split, layout.MODEL_PROFILES),
        consultants=_frame(root, split, layout.CONSULTANTS),
    )


def write_rows(root: Path, step: str, one: TableOutcome, number: int) -> list[StageFile]:
    """Writes the outcome's target rows and returns their stage files, `step/TARGET/PORTAL.source.00000.parquet`."""
    return [
        write_table(root, layout.made_file(step, target, one.portal, one.table, number), table)
        for target, table in one.tables.items()
        if table.num_rows
    ]


def write_record(
    root: Path, step: str, held: list[pl.DataFrame], flagged: list[pl.DataFrame], tallies: list[pl.DataFrame]
) -> list[StageFile]:
    """Writes held rows, flags and tallies of a step and returns their stage files, sorted so that they do not depend on the order of processing."""
    all_held = pl.concat([pl.DataFrame(schema=HELD), *(frame for frame in held if frame.height)]).sort("portal", "table", "key")
    tally = pl.concat([pl.DataFrame(schema=TALLY), *tallies]).group_by("portal", "table").sum().sort("portal", "table")
    tables = {"held": all_held, "flag": merged_flags(flagged), "tally": tally}
    return [write_table(root, layout.record(step, name), table.to_arrow()) for name, table in tables.items()]
