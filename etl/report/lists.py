"""The lists that stand beside the counts: flagged rows, held rows, failed checks' keys, differences; masked, in a fixed order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.domain.masking import SUSPECT, masked
from etl.placement.held_rows import HELD
from etl.placement.row_placement import FLAG
from etl.runfolder.folder import RunFolder, read_verified

MADE_BY = ("split", "reattach")
HELD_SHOWN = [name for name in HELD if name != "row_json"]  # a whole row is personal: it stays in the store
FAILURE = {"check_id": pl.String, "severity": pl.String, "table": pl.String, "key": pl.String}
DIFFERENCE = {
    "table": pl.String, "kind": pl.String, "legacy_portal": pl.String, "legacy_key": pl.String, "account_number": pl.String,
    "column": pl.String, "expected": pl.String, "actual": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Lists:
    """`held`: HELD without the row itself; `exceptions`: FLAG; `failures`: FAILURE; `differences`: DIFFERENCE. Steps not done: empty."""

    held: pl.DataFrame
    exceptions: pl.DataFrame
    failures: pl.DataFrame
    differences: pl.DataFrame


def lists(folder: RunFolder) -> Lists:
    """All lists of the run, from stage files whose bytes are those of the manifest (else EvidenceAltered)."""
    held = _recorded(folder, "held", pl.Schema(HELD)).select(HELD_SHOWN)
    flagged = _recorded(folder, "flag", pl.Schema(FLAG))
    failures = _table(folder, "check", "check/failures.parquet", pl.Schema(FAILURE))
    differences = _table(folder, "reconcile", "reconcile/differences.parquet", pl.Schema(DIFFERENCE))
    return Lists(
        without_personal(held, "key").sort("portal", "table", "key"),
        without_personal(flagged, "key", "detail").sort("rule", "portal", "table", "key"),
        without_personal(failures, "key").sort("severity", "check_id", "table", "key"),
        without_personal(differences, "legacy_key", "expected", "actual").sort(list(DIFFERENCE)),
    )


def without_personal(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The frame with everything masked that is a natural person's number by its form (H6)."""
    for column in columns:
        suspects = frame[column].str.contains(SUSPECT).fill_null(False)
        if suspects.any():
            clean = frame[column].filter(suspects).unique()
            by_text = {text: masked(text) for text in clean.to_list()}
            frame = frame.with_columns(pl.when(suspects).then(pl.col(column).replace(by_text)).otherwise(pl.col(column)).alias(column))
    return frame


def document(folder: RunFolder, step: str, path: str) -> Any:
    """The JSON of a step's file; None where the step has not been done or left no such file."""
    for file in folder.steps[step].files if step in folder.steps else ():
        if file.path == path:
            return json.loads(read_verified(folder.path, file))
    return None


def _recorded(folder: RunFolder, name: str, schema: pl.Schema) -> pl.DataFrame:
    return pl.concat([_table(folder, step, f"{step}/record/{name}.parquet", schema) for step in MADE_BY])


def _table(folder: RunFolder, step: str, path: str, schema: pl.Schema) -> pl.DataFrame:
    if step not in folder.steps:
        return schema.to_frame()
    frames = [pl.DataFrame(table) for table in folder.tables(step, path)]
    return pl.concat([schema.to_frame(), *(frame.select(pl.col(name).cast(kind) for name, kind in schema.items()) for frame in frames)])
