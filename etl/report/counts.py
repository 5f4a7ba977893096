"""The report's numbers, counted from the stage files themselves: rows read, loaded, held, retired; rows made; documents; columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import EvidenceAltered
from etl.placement.table_outcome import TALLY
from etl.report.lists import Lists
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile, read_columns
from mappings.model import Mappings, TableMapping

_RECORDS = {"migration_holding": "held", "migration_exception": "flag"}
_DOCUMENT = pl.Schema({"content_state_cd": pl.String, "legacy_portal_cd": pl.String, "legacy_key": pl.String})
STATES = {
    "PRESENT": "The bytes are stored and match the record.",
    "MISSING": "The old portal has a record of the document, but no bytes (C6).",
    "SIZE_MISMATCH": "The bytes are stored unchanged; their size differs from the recorded one (C8).",
    "DIGEST_MISMATCH": "The bytes are stored unchanged; their digest differs from the recorded one (C8).",
}


def conservation(folder: RunFolder, mappings: Mappings, found: Lists) -> list[dict[str, Any]]:
    """Returns one entry per source table read: read, loaded, made, held, retired, difference (rows); null if a step is not done.

    `held`: rows held only, by reason; `held_and_loaded`: rows loaded with an unreadable value and also held (X2), counted by their flag.
    """
    if "extract" not in folder.steps:
        return []
    tallies = {(row["portal"], row["table"]): row for row in _tallies(folder).to_dicts()}
    made = made_rows(folder)
    x2 = found.exceptions.filter(pl.col("rule") == "X2").select("portal", "table", "key")
    both = found.held.filter(pl.col("reason") == "UNREADABLE_VALUE").join(x2, on=["portal", "table", "key"], how="semi")
    alone = found.held.join(both, on=["portal", "table", "key"], how="anti")
    also = _counted(both, "portal", "table")
    by_reason: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (portal, table, reason), rows in sorted(_counted(alone, "portal", "table", "reason").items()):
        by_reason[portal, table][reason] = rows
    entries = []
    for portal in folder.steps["extract"].facts["levels"]:
        for mapping in mappings.of(portal):
            key = (mapping.portal, mapping.table)
            entries.append(_entry(folder, mapping, tallies.get(key), made.get(key, {}), by_reason.get(key, {}), also.get(key, 0)))
    return entries


def _entry(
    folder: RunFolder, mapping: TableMapping, tally: dict[str, Any] | None, made: dict[str, int], held: dict[str, int], both: int
) -> dict[str, Any]:
    read = sum(rows_in(folder, file) for file in folder.files("extract", layout.extracted(mapping.portal, mapping.table)))
    retires = not mapping.into  # a mapping without any target retires the rows, each column with its reason
    entry: dict[str, Any] = {
        "portal": mapping.portal,
        "table": mapping.table,
        "chapter": "",
        "read": read,
        "loaded": None,
        "made": made,
        "made_rows": sum(made.values()),
        "held": held,
        "held_rows": sum(held.values()),
        "held_and_loaded": both,
        "retired": 0,
        "difference": None,
        "lands": "accounts" if any(into.per in ("account", "part") for into in mapping.into) else "once",
    }
    if tally is not None:
        loaded = 0 if retires else int(tally["loaded"])
        retired = int(tally["loaded"]) if retires else 0
        entry |= {"loaded": loaded, "retired": retired, "difference": read - loaded - entry["held_rows"] - retired}
    return entry


def made_rows(folder: RunFolder) -> dict[tuple[str, str], dict[str, int]]:
    """Returns by source table the number of rows of each target table made from it, from `step/TARGET/PORTAL.source.NNNNN.parquet`."""
    made: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for file in _made_files(folder):
        portal, _, table = layout.origin(file.path).partition(".")
        if portal in ("P2", "TC"):
            made[portal, table][layout.group(file.path)] += rows_in(folder, file)
    for (portal, table), digests in _contents(folder).items():
        made[portal, table]["stored_object"] += digests
    return {key: dict(sorted(counts.items())) for key, counts in made.items()}


def _contents(folder: RunFolder) -> dict[tuple[str, str], int]:
    """Returns by source table with documents' bytes the number of distinct contents, held rows' included; equal bytes are one object (C9)."""
    if "reattach" not in folder.steps:
        return {}
    frames = [pl.DataFrame(table).filter(pl.col("table") != "document") for table in folder.tables("extract", layout.CONTENT)]
    grouped = pl.concat(frames).group_by("portal", "table").agg(pl.col("sha256").n_unique())
    return {(portal, table): int(digests) for portal, table, digests in grouped.iter_rows()}


def targets(folder: RunFolder, mappings: Mappings) -> list[dict[str, Any]]:
    """Returns one entry per target table: `expected` rows (null before reattach is done), `actual` (null here), and `from`, its source tables."""
    expected: Counter[str] = Counter()
    done = [step for step in layout.MADE_BY if step in folder.steps]
    for file in _made_files(folder):
        expected[layout.group(file.path)] += rows_in(folder, file)
    for table, record in _RECORDS.items():
        files = [file for step in done for file in folder.files(step, layout.record(step, record))]
        expected[table] = sum(rows_in(folder, file) for file in files)
    makers = {name: sorted(f"{maker.portal}.{maker.table}" for maker in mappings.makers(name)) for name in mappings.target.tables}
    return [
        {"table": name, "expected": expected[name] if len(done) == len(layout.MADE_BY) else None, "actual": None, "from": makers[name]}
        for name in mappings.target.tables
        if name != "migration_run"
    ]


def _made_files(folder: RunFolder) -> list[StageFile]:
    return [file for step in layout.MADE_BY if step in folder.steps for file in folder.files(step) if layout.holds_rows(file.path)]


def documents(folder: RunFolder) -> dict[str, Any]:
    """Returns by state of the bytes the number of old documents and of rows, and the number and bytes of stored objects (null before reattach)."""
    if "reattach" not in folder.steps:
        return {"states": [], "objects": None, "bytes": None}
    every = _made_columns(folder, "document", _DOCUMENT)
    grouped = every.group_by("content_state_cd").agg(pl.len(), pl.struct("legacy_portal_cd", "legacy_key").n_unique().alias("old"))
    counted = {state: (old, rows) for state, rows, old in grouped.iter_rows()}
    states = []
    for state in [*STATES, *sorted(counted.keys() - STATES.keys())]:
        old, rows = counted.get(state, (0, 0))
        states.append({"state": state, "meaning": STATES.get(state, ""), "documents": old, "rows": rows})
    sizes = _made_columns(folder, "stored_object", pl.Schema({"size_bytes": pl.Int64}))["size_bytes"]
    return {"states": states, "objects": len(sizes), "bytes": int(sizes.sum())}


def _made_columns(folder: RunFolder, target: str, columns: pl.Schema) -> pl.DataFrame:
    files = folder.files("reattach", layout.made("reattach", target))
    frames = [pl.DataFrame(read_columns(folder.path, file, columns.names())).select(columns.names()) for file in files]
    return pl.concat([columns.to_frame(), *frames])


def coverage(folder: RunFolder, mappings: Mappings) -> dict[str, Any]:
    """Returns the number of tables, of source columns and of accounted ones, and the retired columns with their reasons."""
    portals = list(folder.steps["extract"].facts["levels"]) if "extract" in folder.steps else list(mappings.sources)
    chosen = [mapping for portal in portals for mapping in mappings.of(portal)]
    columns = [(mapping, column.name) for mapping in chosen for column in mapping.shape.columns]
    accounted = sum(column in _accounted(mapping) for mapping, column in columns)
    retired = [
        {"portal": mapping.portal, "table": mapping.table, "column": column, "reason": reason}
        for mapping in chosen
        for column, reason in mapping.retired.items()
    ]
    return {"tables": len(chosen), "columns": len(columns), "accounted": accounted, "retired": retired}


def _accounted(mapping: TableMapping) -> set[str]:
    routes = {route.column for route in (*mapping.owner, *mapping.needs)}
    return {*mapping.key, *mapping.taken, *routes, *mapping.used, *mapping.retired}


def rows_in(folder: RunFolder, file: StageFile) -> int:
    """Returns the number of rows of a stage file; raises EvidenceAltered (6) if it is not that of the manifest."""
    try:
        rows = int(pq.read_metadata(folder.path / file.path).num_rows)
    except (OSError, pa.ArrowInvalid):
        rows = -1
    if rows != file.rows:
        raise EvidenceAltered(f"{file.path} of the run's folder does not match the manifest.", "Start again in a new run folder.")
    return rows


def _tallies(folder: RunFolder) -> pl.DataFrame:
    done = [step for step in layout.MADE_BY if step in folder.steps]
    frames = [pl.DataFrame(table) for step in done for table in folder.tables(step, layout.record(step, "tally"))]
    return pl.concat([pl.DataFrame(schema=TALLY), *frames])


def _counted(frame: pl.DataFrame, *columns: str) -> dict[tuple[str, ...], int]:
    return {tuple(row[:-1]): int(row[-1]) for row in frame.group_by(*columns).len().iter_rows()}
