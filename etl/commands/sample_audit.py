"""The command `sample-audit`: a random sample of source rows, risky ones more often, old and new side by side for an auditor.

Repeatable: whether a row is drawn depends only on the seed, its table and its key. Texts and bytes are shown as length and keyed digest, so that they
can be compared without being read; numbers, dates and codes unchanged. The key is random for each file and not stored: without a key, a short text
could be found from its digest by trial.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import secrets
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
from etl.errors import MigrationError, Refused
from etl.options import Options, needed_run
from etl.path_overlap import of_run, refuse_overlap
from etl.placement.row_placement import keys
from etl.placement.stage_tables import frames
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.runfolder.stage_file_io import write_durably
from mappings.ddl import quoted
from mappings.model import Mappings, TableMapping
from mappings.read import read_mappings
from mappings.schema import Column

RISKY = 20  # the weight of a held or flagged row
HEADER = ("number", "portal", "table", "key", "why", "column", "old", "new_table", "account", "new_column", "new", "tick")


@dataclass(frozen=True)
class Drawn:
    """One drawn source row: portal, table and key, and its risk ("" for none)."""

    mapping: TableMapping
    key: str
    why: str
    values: dict[str, Any]


def sample(options: Options, size: int, seed: int, out: Path) -> dict[str, Any]:
    """Writes a CSV file with a line for every column that is carried over; returns what was drawn and written."""
    mappings = read_mappings(options.mappings)
    run = needed_run(options.run)
    folder = open_readonly(run)
    folder.refuse_purged("The sample is drawn from the stage files: draw it before `purge`, or give a run that was not purged.")
    folder.refuse_rolled_back("There is no sample to draw.", "Publish it again with `portal-migrate run`, then draw the sample.")
    if out.is_dir() or not out.parent.is_dir():
        raise MigrationError(f"--out: {out} cannot be created.", "Give a file name in an existing folder.")
    if os.path.lexists(out):
        raise Refused(
            f"--out: {out} already exists and may contain an auditor's marks.", "Give --out another name, or move that file first."
        )
    refuse_overlap(of_run(options, folder.settings), ("--out", out))
    drawn = draw(folder, mappings, size, seed)
    buffer, sealed = io.StringIO(), Sealed()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(HEADER)
    with published(options) as store:
        origins = Origins(store, mappings)
        for number, row in enumerate(drawn, start=1):
            for line in _side_by_side(store, mappings, origins, row, _bytes_in(folder, row), sealed):
                writer.writerow(
                    _safe(cell) for cell in (number, row.mapping.portal, row.mapping.table, masked(row.key), row.why, *line, "")
                )
    content = b"\xef\xbb\xbf" + buffer.getvalue().encode()  # with a byte order mark, so that spreadsheets read it as UTF-8
    write_durably(out, content)
    risky = sum(1 for row in drawn if row.why)
    return {"file": str(out), "rows": len(drawn), "risky": risky, "seed": seed, "sha256": hashlib.sha256(content).hexdigest()}


def free_name(path: Path) -> Path:
    """Returns the first free path; removes an unticked sample, keeps a ticked one and appends a number."""
    for number in range(1, 1_000):
        chosen = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        if not os.path.lexists(chosen):
            return chosen
        if not _is_ticked(chosen):
            chosen.unlink()
            return chosen
    raise Refused(f"{path} and 998 others already exist.", "Remove the files that are no longer needed.")


def _is_ticked(path: Path) -> bool:
    """Returns whether the file is anything but an unchanged sample."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            return next(rows, None) != list(HEADER) or any(row[-1:] != [""] for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error):
        return True


def draw(folder: RunFolder, mappings: Mappings, size: int, seed: int) -> list[Drawn]:
    """Returns the rows with the smallest lots; a risky row's lot is its random number to the power of 1/RISKY (Efraimidis and Spirakis)."""
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
    """Returns portal, table, key (text), lot: a number between 0 and 1, the same in every version of every library."""
    key = keys(mapping, frame)
    start = int.from_bytes(hashlib.sha256(f"{seed}|{mapping.portal}|{mapping.table}".encode()).digest()[:8])
    if (
        "_key" in frame.columns or frame.schema[mapping.key[0]] != pl.Int64
    ):  # keys of several columns, or not numeric: such tables are small
        numbers = np.array([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in key], np.uint64)
    else:
        numbers = frame[mapping.key[0]].to_numpy().astype(np.uint64)
    lots = (_mixed(numbers ^ np.uint64(start)) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return pl.DataFrame(
        {"portal": [mapping.portal] * len(lots), "table": [mapping.table] * len(lots), "key": key, "lot": np.maximum(lots, 2.0**-54)}
    )


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Returns the last step of SplitMix64: neighbouring numbers give distant results."""
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _risk(folder: RunFolder) -> pl.DataFrame:
    """Returns portal, table, key, why (text) of held and flagged rows."""
    held = [
        pl.DataFrame(t).select("portal", "table", "key", pl.col("reason").alias("why"))
        for s in layout.MADE_BY
        for t in folder.tables(s, layout.record(s, "held"))
    ]
    flag = [
        pl.DataFrame(t).select("portal", "table", "key", pl.col("rule").alias("why"))
        for s in layout.MADE_BY
        for t in folder.tables(s, layout.record(s, "flag"))
    ]
    return pl.concat([*held, *flag]).group_by("portal", "table", "key").agg(pl.col("why").unique().sort().str.join(" "))


class Sealed:
    """Shows values in one file: equal values look equal, and guesses cannot be tested against them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def text(self, value: object) -> str:
        """Returns the number of characters and a digest of a text; for bytes the same."""
        if value is None:
            return "NULL"
        if isinstance(value, bytes | bytearray | memoryview):
            return self.content(len(bytes(value)), hashlib.sha256(value).hexdigest())
        return f"{len(str(value)):,} characters, {self._digest(str(value).encode(errors='surrogatepass'))}"

    def content(self, size: object, sha256: str) -> str:
        """Returns the number of bytes and their SHA-256."""
        return f"{size:,} bytes, {self._digest(sha256.encode())}"

    def _digest(self, exact: bytes) -> str:
        return hmac.new(self._key, exact, hashlib.sha256).hexdigest()[:16]


def _bytes_in(folder: RunFolder, row: Drawn) -> tuple[int, str] | None:
    """Returns size in bytes and SHA-256 of the row's document when it was read; None where it had none, or an unreadable one."""
    if not any(into.table == "stored_object" for into in row.mapping.into):
        return None
    (content,) = folder.files("extract", layout.CONTENT)
    found = pl.DataFrame(folder.read_table(content)).filter(
        (pl.col("portal") == row.mapping.portal) & (pl.col("table") == row.mapping.table) & (pl.col("key") == row.key)
    )
    return (found["size"][0], found["sha256"][0]) if found.height else None


def _side_by_side(
    store: Reading, mappings: Mappings, origins: Origins, row: Drawn, content: tuple[int, str] | None, sealed: Sealed
) -> list[tuple[str, ...]]:
    """Returns (old column, old value, new table, account, new column, new value) for every column that is carried over unchanged."""
    lines: list[tuple[str, ...]] = []
    for into in row.mapping.into:
        plain = {name: form.columns[0] for name, form in into.columns.items() if form.kind == "plain"}
        condition = origins.of(row.mapping, into, row.key)
        if condition is None:
            continue
        shape = mappings.target.tables[into.table]
        if into.table == "stored_object" and content is not None:
            (column,) = {name for form in into.columns.values() for name in form.columns}
            for found in store.rows(f"SELECT sha256, size_bytes FROM stored_object WHERE {condition.sql}", *condition.values):
                new = sealed.content(found["size_bytes"], found["sha256"])
                lines.append((column, sealed.content(*content), into.table, "", "sha256, size_bytes", new))
        if not plain:
            continue
        table = quoted(into.table)
        owned = "account_id" in shape.by_name
        number = f"(SELECT a.account_number FROM entity_account a WHERE a.account_id = {table}.account_id)" if owned else "''"
        chosen = ", ".join(f"{_selected(store, shape.by_name[name])} AS {quoted(name)}" for name in plain)
        statement = f"SELECT {chosen}, {number} AS _account FROM {table} WHERE {condition.sql} ORDER BY {quoted(shape.key[0])}"
        for found in store.rows(statement, *condition.values):
            for name, column in plain.items():
                family = row.mapping.shape.by_name[column].family
                show = sealed.text if family == "binary" or (family == "text" and not column.endswith(("_cd", "_ind"))) else _plain
                lines.append((column, show(row.values[column]), into.table, str(found["_account"] or ""), name, show(found[name])))
    if lines:
        return lines
    held = "legacy_portal_cd = ? AND legacy_table = ? AND legacy_key = ?"
    found_held = store.rows(f"SELECT reason_cd FROM migration_holding WHERE {held}", row.mapping.portal, row.mapping.table, row.key)
    return [("", "", "migration_holding" if found_held else "(no row of its own)", "", "", row.why)]


def _selected(store: Reading, column: Column) -> str:
    """Returns the SQL that selects a column: bytes unchanged, everything else as text."""
    return quoted(column.name) if column.family == "binary" else store.as_text(quoted(column.name))


def _plain(value: object) -> str:
    return "NULL" if value is None else masked(str(value))


def _safe(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
