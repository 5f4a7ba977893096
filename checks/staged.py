"""The data of the checks: the staged new rows, the held and flagged rows, and the old rows.

Ids are integers of 128 bits here: they compare and join exactly, and as fast as other numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property

import polars as pl
import pyarrow.parquet as pq

from checks.comparable import alike, numbers, together
from checks.names import called, key_columns
from etl.domain.typed_values import HELD, POLARS_TYPE
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, read_columns
from mappings.limits import Limits
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import Column, Table

_SMALL = 20_000  # rows of an old table up to which it stays in memory after the first read
_LARGE = 500_000  # rows of a new table above which each question reads its columns again
LATER = frozenset({"migration_run"})  # created at the publish: it has no stage file
# The columns of the steps' records as rows of the new store; `run_id` is unknown before the load.
_RECORD = {
    "migration_holding": ("held", {"portal": "legacy_portal_cd", "table": "legacy_table", "key": "legacy_key", "reason": "reason_cd"}),
    "migration_exception": ("flag", {"rule": "rule_cd", "portal": "legacy_portal_cd", "table": "legacy_table", "key": "legacy_key"}),
}


def staged_shapes(mappings: Mappings) -> dict[str, Table]:
    """Returns the tables of the new store in their staged form: without columns that only the load fills."""
    return {
        name: replace(table, columns=tuple(column for column in table.columns if column.name != "run_id")) if name in _RECORD else table
        for name, table in mappings.target.tables.items()
        if name not in LATER
    }


class Staged:
    """The stage files of a run, read column by column; columns of all but large tables stay in memory. For one thread at a time."""

    def __init__(self, folder: RunFolder, mappings: Mappings, limits: Limits | None = None) -> None:
        self.mappings = mappings
        self.limits = limits or Limits()
        self.shapes = staged_shapes(mappings)
        self.files: dict[str, list[StageFile]] = {name: [] for name in self.shapes}
        self.extracted = {key: folder.files("extract", layout.extracted(*key)) for key in mappings.tables}
        self.entities: dict[str, pl.Series] = {}  # the result of the function of that name
        self._folder, self._root = folder, folder.path
        self._columns: dict[tuple[str, str], pl.Series] = {}
        self._sources: dict[tuple[Portal, str, tuple[str, ...]], pl.DataFrame] = {}
        by_record = {record: table for table, (record, _) in _RECORD.items()}
        for step in layout.MADE_BY:
            for file in folder.files(step):
                recorded = layout.recorded(file.path)
                found = by_record.get(recorded, "") if recorded is not None else layout.group(file.path)
                if found in self.files:
                    self.files[found].append(file)

    def view(self, source: tuple[Portal, str], extracted: list[StageFile], table: str, made: list[StageFile]) -> Staged:
        """Returns the same data with these stage files only of an old and of a new table."""
        part = copy(self)
        part.extracted = {**self.extracted, source: extracted}
        part.files = {**self.files, table: made}
        part.entities = {}
        part._columns = {key: values for key, values in self._columns.items() if key[0] != table}
        part._sources = {key: rows for key, rows in self._sources.items() if key[:2] != source}
        return part

    def rows(self, table: str) -> int:
        """Returns the number of staged rows of the table."""
        return sum(file.rows for file in self.files[table])

    def _shaped(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        if table in _RECORD:
            rows = rows.rename(_RECORD[table][1], strict=False)
        return rows.with_columns(
            pl.col(column.name).cast(pl.Int64)
            for column in self.shapes[table].columns
            if column.family == "integer" and column.name in rows.columns
        )

    def some(self, table: str, file: StageFile, columns: Sequence[str]) -> pl.DataFrame:
        """Returns these columns of one stage file; its digest was compared when the step before was verified."""
        back = {new: old for old, new in _RECORD[table][1].items()} if table in _RECORD else {}
        rows = self._shaped(table, pl.DataFrame(read_columns(self._root, file, [back.get(column, column) for column in columns])))
        by_name = self.shapes[table].by_name
        return rows.select(_number(column).alias(column) if by_name[column].family == "uuid" else pl.col(column) for column in columns)

    def frame(self, table: str, *columns: str) -> pl.DataFrame:
        """Returns these columns of all staged rows of the table, and `_row`: the row's position. Old keys are integers where all of them are, else text."""
        names = list(dict.fromkeys(columns))
        found = {column: self._columns[table, column] for column in names if (table, column) in self._columns}
        missing = [column for column in names if column not in found]
        if missing:
            by_name = self.shapes[table].by_name
            empty = pl.DataFrame(schema={column: polars_type(by_name[column]) for column in missing})
            parts = [empty, *(self.some(table, file, missing) for file in self.files[table])]
            for column in missing:
                values = [part[column] for part in parts]
                found[column] = together(list(map(numbers, values))) if column == "legacy_key" else pl.concat(values)
            if table in _RECORD or self.rows(table) < _LARGE:  # every old table needs the record
                self._columns.update({(table, column): found[column] for column in missing})
        return pl.DataFrame([found[column].alias(column) for column in names]).with_row_index("_row")

    def found(self, table: str, column: str, wanted: pl.Series, *columns: str) -> pl.DataFrame:
        """Returns these columns of the rows whose `column` has a wanted value; reads the table file by file."""
        names = list(dict.fromkeys((column, *columns)))
        empty = pl.DataFrame(schema={name: polars_type(self.shapes[table].by_name[name]) for name in names})
        values = pl.DataFrame({column: wanted.drop_nulls().unique()})
        return pl.concat([empty, *(self.some(table, file, names).join(values, on=column, how="semi") for file in self.files[table])])

    def made(self, table: str, source: str) -> int:
        """Returns the number of staged rows of the table from that old table (`P2.document`)."""
        return sum(file.rows for file in self.files[table] if layout.origin(file.path) == source)

    def made_by(self, table: str, source: str, *columns: str) -> pl.DataFrame:
        """Returns these columns of the rows from that old table, and `_row`."""
        positions, first = [pl.Series(dtype=pl.UInt32)], 0
        for file in self.files[table]:
            if layout.origin(file.path) == source:
                positions.append(pl.int_range(first, first + file.rows, dtype=pl.UInt32, eager=True))
            first += file.rows
        rows, wanted = self.frame(table, *columns), pl.concat(positions)
        return rows if len(wanted) == rows.height else rows[wanted]

    def keys(self, table: str, rows: Sequence[int], notes: Sequence[str] | None = None) -> tuple[str, ...]:
        """Returns the masked names of these rows: the old row's key, with the id where copies of that row have the same key."""
        columns = key_columns(self.shapes[table])
        wanted, first = list(rows), 0
        names: dict[int, str] = {}
        for file in self.files[table]:
            here = [row - first for row in wanted if first <= row < first + file.rows]
            if here:
                frame = self.some(table, file, [*columns[0], *columns[1]])[here]
                for row, values in zip(here, frame.iter_rows(), strict=True):
                    names[first + row] = called(self.shapes[table], columns, values)
            first += file.rows
        return tuple(names[row] + (f": {notes[position]}" if notes else "") for position, row in enumerate(wanted))

    def source(self, portal: Portal, table: str, *columns: str) -> pl.DataFrame:
        """Returns these columns of all extracted rows of an old table, and `_key`: an integer where every old key is one, else text."""
        asked = (portal, table, columns)
        if asked in self._sources:
            return self._sources[asked]
        mapping = self.mappings.tables[portal, table]
        known = {column.name: POLARS_TYPE[column.family] for column in mapping.columns}
        parts = [self._extract(mapping, file, columns) for file in self.extracted[portal, table]]
        key = together([pl.Series("_key", [], dtype=pl.Int64), *(part["_key"] for part in parts)])
        rest = pl.concat(
            [pl.DataFrame(schema={name: known.get(name, pl.UInt8()) for name in columns}), *(part.drop("_key") for part in parts)]
        )
        rows = rest.insert_column(0, key)
        if rows.height <= _SMALL:
            self._sources[asked] = rows
        return rows

    def _extract(self, mapping: TableMapping, file: StageFile, columns: Sequence[str]) -> pl.DataFrame:
        key = "_key" if "_key" in pq.read_schema(self._root / file.path).names else mapping.key[0]
        rows = pl.DataFrame(read_columns(self._root, file, list(dict.fromkeys((key, *columns)))))
        return rows.select(pl.col(key).alias("_key"), *columns)

    def aside(self, name: str) -> pl.DataFrame:
        """Returns what the extract recorded separately: `content`, `text` or `odd`."""
        return pl.concat(
            [
                pl.DataFrame(table)
                for table in self._folder.tables("extract", {"content": layout.CONTENT, "text": layout.TEXT, "odd": layout.ODD}[name])
            ]
        )

    @cached_property
    def tally(self) -> pl.DataFrame:
        """Returns the steps' numbers of read, loaded and held rows."""
        return pl.concat(
            [pl.DataFrame(table) for step in layout.MADE_BY for table in self._folder.tables(step, layout.record(step, "tally"))]
        )

    def held(self, portal: Portal, table: str) -> pl.DataFrame:
        """Returns `_key` and `reason` (text) of the old table's held rows."""
        rows = self.frame("migration_holding", "legacy_portal_cd", "legacy_table", "legacy_key", "reason_cd")
        mine = rows.filter((pl.col("legacy_portal_cd") == portal) & (pl.col("legacy_table") == table))
        return pl.DataFrame([numbers(mine["legacy_key"]).alias("_key"), mine["reason_cd"].alias("reason")])

    def _flagged(self, portal: Portal, table: str, rule: str) -> pl.DataFrame:
        """Returns `_key` of the old table's rows with a flag of that rule."""
        rows = self.frame("migration_exception", "rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key")
        mine = rows.filter((pl.col("rule_cd") == rule) & (pl.col("legacy_portal_cd") == portal) & (pl.col("legacy_table") == table))
        return pl.DataFrame([numbers(mine["legacy_key"]).alias("_key")])

    def alive(self, portal: Portal, table: str, *columns: str) -> pl.DataFrame:
        """Returns the extracted rows that were not held, or were loaded as well (X2: unreadable only where null is allowed; then they are flagged).

        A row whose computed value exceeds its column is only held, although each of its values is readable (fine print 44).
        """
        rows = self.source(portal, table, *columns, "_mark")
        out = self.held(portal, table)
        out, flagged = alike(out, self._flagged(portal, table, "X2"), "_key")
        out = out.filter(pl.col("reason") != "UNREADABLE_VALUE").vstack(
            out.filter(pl.col("reason") == "UNREADABLE_VALUE").join(flagged, on="_key", how="anti")
        )
        rows, out = alike(rows.filter(pl.col("_mark") < HELD).drop("_mark"), out, "_key")
        return rows.join(out, on="_key", how="anti")


def polars_type(column: Column) -> pl.DataType:
    """Returns the polars type in which a target column's values are read."""
    return {"uuid": pl.Int128(), "boolean": pl.Boolean()}.get(column.family) or POLARS_TYPE[column.family]


def _number(column: str) -> pl.Expr:
    return pl.col(column).bin.reinterpret(dtype=pl.Int128, endianness="big")


def shards(staged: Staged, table: str, columns: Sequence[str], most: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yields (position of the first row, these columns) of the whole table, some stage files with about `most` rows at a time."""
    first, count = 0, 0
    waiting: list[pl.DataFrame] = []
    for file in staged.files[table]:
        if waiting and count + file.rows > most:
            yield first, pl.concat(waiting)
            first, count, waiting = first + count, 0, []
        waiting.append(staged.some(table, file, columns))
        count += file.rows
    if count:
        yield first, pl.concat(waiting)


def entities(staged: Staged, table: str) -> pl.Series:
    """Returns, for every staged row, the old entity's number of its account, from the row or its parent; null: without an account."""
    if table not in staged.entities:
        staged.entities[table] = _entities(staged, table)
    return staged.entities[table]


def _entities(staged: Staged, table: str) -> pl.Series:
    if table == "entity_account":
        return staged.frame(table, "legacy_entity_id")["legacy_entity_id"]
    way = _way(staged, table)
    if way is None:
        return pl.Series("_entity", [None] * staged.rows(table), dtype=pl.Int64)
    found = [pl.Series("_entity", [], dtype=pl.Int64)]
    for _, rows in shards(staged, table, [way.name], _LARGE):
        found.append(_looked_up(rows, way.name, entity_of(staged, str(way.refers_to), rows[way.name]).rename({"_id": way.name})))
    return pl.concat(found)


def entity_of(staged: Staged, table: str, wanted: pl.Series) -> pl.DataFrame:
    """Returns `_id` and `_entity` (from `entities`) of the table's rows; for a large table only those with a wanted id."""
    way = _way(staged, table)
    if table == "entity_account":
        return _by_id(staged, table, wanted, "legacy_entity_id").rename({"legacy_entity_id": "_entity"})
    if way is None:
        return _by_id(staged, table, wanted).with_columns(pl.lit(None, dtype=pl.Int64).alias("_entity"))
    rows = _by_id(staged, table, wanted, way.name)
    accounts = entity_of(staged, str(way.refers_to), rows[way.name]).rename({"_id": way.name})
    return rows.select("_id", _looked_up(rows, way.name, accounts).alias("_entity"))


def _by_id(staged: Staged, table: str, wanted: pl.Series, *columns: str) -> pl.DataFrame:
    """Returns `_id` and these columns, one row for each id; for a large table only the wanted ones."""
    names = (staged.shapes[table].key[0], *columns)
    rows = staged.found(table, names[0], wanted, *names) if staged.rows(table) >= _LARGE else staged.frame(table, *names).drop("_row")
    return rows.unique(names[0]).rename({names[0]: "_id"})


def _way(staged: Staged, table: str) -> Column | None:
    """Returns the column by which the table's rows lead to an account, directly or through their parents; None where they do not."""
    shape = staged.shapes[table]
    if "account_id" in shape.by_name:
        return shape.by_name["account_id"]
    for column in shape.columns:
        parent = column.refers_to
        if parent and column.family == "uuid" and column.not_null and _way(staged, parent) is not None:
            return column
    return None


def _looked_up(rows: pl.DataFrame, on: str, known: pl.DataFrame) -> pl.Series:
    value = next(name for name in known.columns if name != on)
    return rows.join(known, on=on, how="left", maintain_order="left")[value].cast(pl.Int64)
