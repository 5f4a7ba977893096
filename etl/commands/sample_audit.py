"""The command `sample-audit`: source rows drawn by chance, risky ones more often, old and new side by side for an auditor to tick.

Repeatable: a row's place in the draw depends on the seed, its table and its key alone. Texts are shown by length and digest, so that they can
be compared without being read; numbers, dates and codes as they are.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.commands.lookups import published
from etl.commands.row_origins import Origins
from etl.databases.reading import Reading
from etl.domain.masking import masked
from etl.domain.typed_values import texts_of
from etl.errors import MigrationError, WrongUsage
from etl.options import Options
from etl.placement.row_placement import keys
from etl.placement.stage_tables import frames
from etl.runfolder.folder import RunFolder, seen, write_durably
from mappings.model import Mappings, TableMapping
from mappings.read import read_mappings

RISKY = 20  # a held or flagged row is drawn as if it were this many
HEADER = ("number", "portal", "table", "key", "why", "column", "old", "new_table", "account", "new_column", "new", "tick")


@dataclass(frozen=True)
class Drawn:
    """One drawn source row: its place, and why it counts as risky ("" where it does not)."""

    mapping: TableMapping
    key: str
    why: str
    values: dict[str, Any]


def sample(options: Options, size: int, seed: int, out: Path) -> dict[str, Any]:
    """What was drawn and written: a CSV file with a line for every column that is carried over."""
    mappings = read_mappings(options.mappings)
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    folder = seen(options.run)
    if out.is_dir() or not out.parent.is_dir():
        raise MigrationError(f"--out: {out} cannot be a file there.", "Give a file's name in a folder that exists.")
    drawn = draw(folder, mappings, size, seed)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    with published(options) as store:
        origins = Origins(store, mappings)
        for number, row in enumerate(drawn, start=1):
            for line in _side_by_side(store, mappings, origins, row):
                writer.writerow(
                    _safe(cell) for cell in (number, row.mapping.portal, row.mapping.table, masked(row.key), row.why, *line, "")
                )
    write_durably(out, b"\xef\xbb\xbf" + buffer.getvalue().encode())  # with a mark, so that spreadsheets read it as UTF-8
    risky = sum(1 for row in drawn if row.why)
    return {"file": str(out), "rows": len(drawn), "risky": risky, "seed": seed, "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}


def draw(folder: RunFolder, mappings: Mappings, size: int, seed: int) -> list[Drawn]:
    """The rows with the smallest lots; a risky row's lot is its chance to the power of 1/RISKY (Efraimidis and Spirakis)."""
    risk = _risk(folder)
    best = pl.DataFrame(schema={"lot": pl.Float64, "portal": pl.String, "table": pl.String, "key": pl.String, "why": pl.String})
    for mapping in mappings.tables.values():
        for frame in frames(folder, mapping):
            lots = _lots(mapping, frame, seed).join(risk, on=["portal", "table", "key"], how="left", maintain_order="left")
            weight = pl.when(pl.col("why").is_null()).then(1).otherwise(RISKY)
            lots = lots.with_columns((-(pl.col("lot").log()) / weight).alias("lot"), pl.col("why").fill_null(""))
            best = pl.concat([best, lots.select(best.columns)]).sort("lot", "portal", "table", "key").head(size)
    found = []
    for portal, table in best.select("portal", "table").unique().sort("portal", "table").iter_rows():
        mapping = mappings.tables[portal, table]
        wanted = best.filter((pl.col("portal") == portal) & (pl.col("table") == table)).select("key", "why")
        for frame in frames(folder, mapping):
            chosen = frame.with_columns(keys(mapping, frame).alias("_key")).join(wanted, left_on="_key", right_on="key", how="inner")
            shown = chosen.with_columns(
                texts_of(chosen[name]) for name, kind in chosen.schema.items() if kind in (pl.Date, pl.Datetime("us"))
            )
            found += [Drawn(mapping, row["_key"], row["why"], row) for row in shown.iter_rows(named=True)]
    return sorted(found, key=lambda row: (row.mapping.portal, row.mapping.table, row.key))


def _lots(mapping: TableMapping, frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """portal, table, key, lot: a number between 0 and 1, the same in every version of every library."""
    key = keys(mapping, frame)
    start = int.from_bytes(hashlib.sha256(f"{seed}|{mapping.portal}|{mapping.table}".encode()).digest()[:8])
    if "_key" in frame.columns or frame.schema[mapping.key[0]] != pl.Int64:  # keys of several parts, or odd ones: such tables are small
        numbers = np.array([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in key], np.uint64)
    else:
        numbers = frame[mapping.key[0]].to_numpy().astype(np.uint64)
    lots = (_mixed(numbers ^ np.uint64(start)) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return pl.DataFrame(
        {"portal": [mapping.portal] * len(lots), "table": [mapping.table] * len(lots), "key": key, "lot": np.maximum(lots, 2.0**-54)}
    )


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's last step: neighbouring numbers come out far apart."""
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _risk(folder: RunFolder) -> pl.DataFrame:
    """portal, table, key, why: held and flagged rows."""
    held = [
        pl.DataFrame(t).select("portal", "table", "key", pl.col("reason").alias("why"))
        for s in ("split", "reattach")
        for t in folder.tables(s, f"{s}/record/held")
    ]
    flag = [
        pl.DataFrame(t).select("portal", "table", "key", pl.col("rule").alias("why"))
        for s in ("split", "reattach")
        for t in folder.tables(s, f"{s}/record/flag")
    ]
    return pl.concat([*held, *flag]).group_by("portal", "table", "key").agg(pl.col("why").unique().sort().str.join(" "))


def _side_by_side(store: Reading, mappings: Mappings, origins: Origins, row: Drawn) -> list[tuple[str, ...]]:
    """(old column, old value, new table, account, new column, new value) for every column that is carried over as it is."""
    lines: list[tuple[str, ...]] = []
    for into in row.mapping.into:
        plain = {name: form.columns[0] for name, form in into.columns.items() if form.kind == "plain"}
        condition = origins.of(row.mapping, into, row.key)
        if condition is None or not plain:
            continue
        shape = mappings.target.tables[into.table]
        owned = "account_id" in shape.by_name
        number = f"(SELECT a.account_number FROM entity_account a WHERE a.account_id = {into.table}.account_id)" if owned else "''"
        chosen = ", ".join(f"{store.as_text(name)} AS {name}" for name in plain)
        statement = f"SELECT {chosen}, {number} AS _account FROM {into.table} WHERE {condition.sql} ORDER BY {shape.key[0]}"
        for found in store.rows(statement, *condition.values):
            for name, column in plain.items():
                is_text = row.mapping.shape.by_name[column].family == "text" and not column.endswith(("_cd", "_ind"))
                show = _digest if is_text else _plain
                lines.append((column, show(row.values[column]), into.table, str(found["_account"] or ""), name, show(found[name])))
    return lines or [("", "", "migration_holding", "", "", row.why)]


def _plain(value: object) -> str:
    return "NULL" if value is None else masked(str(value))


def _digest(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    return f"{len(text)} characters, {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _safe(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
