"""The number of rows that each rule decided: decided.toml's statements, run on the staged rows; an auditor runs them on the databases."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from etl.placement.held_rows import HELD
from etl.placement.row_placement import FLAG
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, read_columns
from mappings.model import Mappings, Portal

_NEEDED = (layout.EXTRACT, *layout.MADE_BY)
_STORE = {"portal": "legacy_portal_cd", "table": "legacy_table", "key": "legacy_key", "reason": "reason_cd", "rule": "rule_cd"}
_RECORDS = {"migration_holding": ("held", HELD), "migration_exception": ("flag", FLAG)}
# The types of the columns that a statement compares, where a table has no row; what it only counts may be of any.
_KINDS: dict[str, pl.DataType] = {"boolean": pl.Boolean(), "integer": pl.Int64(), "uuid": pl.Binary(), "date": pl.Date()}


@dataclass(frozen=True)
class Statement:
    """What is counted for a rule. `of`: the old portal to query (None: the new store); `each`: the table that is read part by part.

    `sql` is empty if nothing is counted; `counts` then gives the reason.
    """

    rule: str
    counts: str
    sql: str = ""
    of: Portal | None = None
    each: str | None = None


@lru_cache
def statements() -> dict[str, Statement]:
    """Returns by rule the statement of decided.toml."""
    given = tomllib.loads((Path(__file__).parent / "decided.toml").read_text(encoding="utf-8"))["rule"]
    return {
        entry["number"]: Statement(
            entry["number"], entry.get("counts") or entry["none"], entry.get("sql", ""), entry.get("of"), entry.get("each")
        )
        for entry in given
    }


def decided(folder: RunFolder, mappings: Mappings) -> dict[str, int | None]:
    """Returns by rule the number of rows that it decided; None if nothing is counted or the deciding steps are not done."""
    known = statements()
    done = set(_NEEDED) <= folder.steps.keys()
    return {
        number: _count(folder, mappings, known[number]) if done and number in known and known[number].sql else None
        for number in mappings.rules
    }


def _count(folder: RunFolder, mappings: Mappings, statement: Statement) -> int | None:
    if statement.of is not None and statement.of not in folder.steps["extract"].facts["levels"]:
        return None
    names = [name for name in _tables(mappings, statement) if name != statement.each]
    others = {name: _whole(folder, mappings, statement, name) for name in names}
    if statement.each is None:
        return _asked(statement.sql, others)
    parts = [_read(folder, file, _columns(mappings, statement, statement.each)) for file in _made(folder, statement.each)]
    return sum(_asked(statement.sql, {**others, statement.each: part}) for part in parts)


def _asked(sql: str, frames: dict[str, pl.DataFrame]) -> int:
    found = pl.SQLContext(frames).execute(sql, eager=True)
    return int(found.item() or 0)


def _tables(mappings: Mappings, statement: Statement) -> list[str]:
    schema = mappings.target if statement.of is None else mappings.sources[statement.of]
    words = set(re.findall(r"(?:FROM|JOIN) (\w+)", statement.sql))
    return [name for name in schema.tables if name in words]


def _columns(mappings: Mappings, statement: Statement, table: str) -> list[str]:
    """Returns the columns that the statement names; one column if it names none, to count rows."""
    schema = mappings.target if statement.of is None else mappings.sources[statement.of]
    words = set(re.findall(r"\w+", statement.sql))
    shape = schema.tables[table]
    return [column.name for column in shape.columns if column.name in words] or [shape.columns[-1].name]


def _whole(folder: RunFolder, mappings: Mappings, statement: Statement, table: str) -> pl.DataFrame:
    if table in _RECORDS:
        name, schema = _RECORDS[table]
        frames = [pl.DataFrame(part) for step in layout.MADE_BY for part in folder.tables(step, layout.record(step, name))]
        return pl.concat([pl.DataFrame(schema=schema), *frames], how="vertical_relaxed").rename(_STORE, strict=False)
    columns = _columns(mappings, statement, table)
    source = mappings.target if statement.of is None else mappings.sources[statement.of]
    shape = source.tables[table]
    empty = pl.DataFrame(schema={name: _kind(shape.by_name[name].family) for name in columns})
    if statement.of is None:
        return pl.concat([empty, *(_read(folder, file, columns) for file in _made(folder, table))], how="vertical_relaxed")
    empty = empty.with_columns(pl.lit(None, pl.String).alias("_key"))
    files = folder.files("extract", layout.extracted(statement.of, table))
    parts = [_extracted(folder, file, columns, shape.key[0]) for file in files]
    odd = [pl.DataFrame(part) for part in folder.tables("extract", layout.ODD)]
    of_table = pl.concat(odd).filter(pl.col("unreadable"), pl.col("portal") == statement.of, pl.col("table") == table)
    return _with_unreadable(of_table, pl.concat([empty, *parts], how="diagonal_relaxed"))


def _kind(family: str) -> pl.DataType:
    return _KINDS.get(family, pl.String())


def _made(folder: RunFolder, table: str) -> list[StageFile]:
    return [file for step in layout.MADE_BY for file in folder.files(step, layout.made(step, table))]


def _read(folder: RunFolder, file: StageFile, columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame(read_columns(folder.path, file, columns)).select(columns)


def _extracted(folder: RunFolder, file: StageFile, columns: list[str], key: str) -> pl.DataFrame:
    """Returns the columns and `_key`, the old key as text."""
    frame = pl.DataFrame(read_columns(folder.path, file, list(dict.fromkeys([*columns, key, "_key"]))))
    own = pl.col("_key") if "_key" in frame.columns else pl.col(key).cast(pl.String).alias("_key")
    return frame.select(*columns, own)


def _with_unreadable(unreadable: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Returns the frame with 0 for unreadable whole numbers: the statements test for null, and in the old portal the value is not null."""
    for name, kind in frame.schema.items():
        if kind.is_integer():
            keys = unreadable.filter(pl.col("column") == name)["key"]
            odd = pl.col(name).is_null() & pl.col("_key").is_in(keys.implode())
            frame = frame.with_columns(pl.when(odd).then(0).otherwise(pl.col(name)).alias(name))
    return frame
