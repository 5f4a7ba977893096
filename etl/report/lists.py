"""The report's lists: flagged rows, held rows, failed checks' keys, differences; masked, in a fixed order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.domain.masking import SUSPECT, masked, masked_key
from etl.holding.causes import causes, holding
from etl.holding.row_counts import RowsByProfile
from etl.placement.held_rows import HELD
from etl.placement.row_placement import FLAG
from etl.report.companies import companies
from etl.report.decided import decided
from etl.report.failure_causes import failure_causes
from etl.report.set_aside import closed_accounts
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_verified
from mappings.model import Mappings

HELD_SHOWN = [name for name in HELD if name != "row_json"]  # a whole row is personal: it stays in the store
FAILURE = {"check_id": pl.String, "severity": pl.String, "table": pl.String, "key": pl.String}
DIFFERENCE = {
    "table": pl.String,
    "kind": pl.String,
    "legacy_portal": pl.String,
    "legacy_key": pl.String,
    "account_number": pl.String,
    "column": pl.String,
    "expected": pl.String,
    "actual": pl.String,
}
_NINE = r"\|.*\d{9}"  # and those that `masked_key` has


@dataclass(frozen=True)
class Lists:
    """`held`: HELD without the row itself, and BECAUSE; `exceptions`: FLAG; `failures`: FAILURE and BECAUSE; `differences`: DIFFERENCE. Steps not done: empty.

    `closed`: CLOSED, accounts without a usable login, of `visible` that trade may see; `narrow`: those that only restricted or Trade Compliance
    contacts can open. `companies`: COMPANIES, `chapters`: CHAPTERS of companies.py.
    """

    held: pl.DataFrame
    exceptions: pl.DataFrame
    failures: pl.DataFrame
    differences: pl.DataFrame
    closed: pl.DataFrame
    visible: int | None
    narrow: int
    companies: pl.DataFrame
    chapters: pl.DataFrame
    decided: dict[str, int | None]


def lists(folder: RunFolder, mappings: Mappings) -> Lists:
    """Returns all lists of the run, masked and sorted; raises EvidenceAltered (6) if a stage file is not that of the manifest."""
    whole = _recorded(folder, "held", pl.Schema(HELD))
    flagged = _recorded(folder, "flag", pl.Schema(FLAG))
    rows, where = holding(mappings, whole, flagged), RowsByProfile(folder, mappings)
    where.expect(flagged)
    held = whole.select(HELD_SHOWN).hstack(causes(folder, mappings, whole, rows, where))
    failed = _table(folder, "check", layout.FAILURES, pl.Schema(FAILURE))
    failures = failed.hstack(failure_causes(failed, without_personal(held, "key"), mappings))
    texts = _text_parts(mappings)
    visible, closed, narrow = closed_accounts(folder)
    complete, by_chapter = companies(folder, mappings, rows, where, held, flagged, closed)
    return Lists(
        _caused(held, texts).sort("portal", "table", "key"),
        without_personal(_keys(flagged, "key", texts), "key", "detail").sort("rule", "portal", "table", "key"),
        _caused(failures, texts).sort("severity", "check_id", "table", "key"),
        differences(folder, mappings),
        without_personal(closed, "account_number"),
        visible,
        narrow,
        complete,
        by_chapter,
        decided(folder, mappings),
    )


def differences(folder: RunFolder, mappings: Mappings) -> pl.DataFrame:
    """Returns DIFFERENCE: what the verifier found, masked and sorted; no rows before it ran."""
    found = _keys(_table(folder, "reconcile", layout.DIFFERENCES, pl.Schema(DIFFERENCE)), "legacy_key", _text_parts(mappings))
    return without_personal(found, "legacy_key", "expected", "actual").sort(list(DIFFERENCE))


def _caused(frame: pl.DataFrame, texts: dict[str, list[int]]) -> pl.DataFrame:
    """Returns the frame (table, key, BECAUSE) with each of its three keys masked."""
    own = _keys(frame, "key", texts)
    return without_personal(
        _keys(_keys(own, "because_key", texts, "because_table"), "root_key", texts, "root_table"), "key", "because_key", "root_key"
    )


def _text_parts(mappings: Mappings) -> dict[str, list[int]]:
    """Returns by old or new table which parts of its key are texts long enough for nine digits."""
    found: dict[str, set[int]] = {}
    for schema in (*mappings.sources.values(), mappings.target):
        for table in schema.tables.values():
            columns = [table.by_name[name] for name in table.key]
            found.setdefault(table.name, set()).update(
                position
                for position, column in enumerate(columns)
                if len(columns) > 1 and column.family == "text" and (column.length or 9) >= 9
            )
    return {name: sorted(positions) for name, positions in found.items() if positions}


def _keys(frame: pl.DataFrame, column: str, texts: dict[str, list[int]], of: str = "table") -> pl.DataFrame:
    """Returns the frame with nine digits masked in text parts of keys (H6), because an importer's number may be a person's.

    `of`: the column that names the key's table.
    """
    suspects = frame[of].is_in(list(texts)) & frame[column].str.contains(_NINE).fill_null(False)
    suspects = suspects.fill_null(False)
    if not suspects.any():
        return frame
    pairs = frame.filter(suspects).select(of, column).unique()
    shown = pairs.with_columns(pl.Series("_shown", [masked_key(key, texts[table]) for table, key in pairs.iter_rows()], dtype=pl.String))
    joined = frame.join(shown, on=[of, column], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("_shown", column).alias(column)).drop("_shown")


def without_personal(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Returns the frame with everything masked that has the form of a natural person's number (H6)."""
    for column in columns:
        suspects = frame[column].str.contains(SUSPECT).fill_null(False)
        if suspects.any():
            clean = frame[column].filter(suspects).unique()
            by_text = {text: masked(text) for text in clean.to_list()}
            frame = frame.with_columns(pl.when(suspects).then(pl.col(column).replace(by_text)).otherwise(pl.col(column)).alias(column))
    return frame


def document(folder: RunFolder, step: str, path: str) -> Any:
    """Returns the JSON of a step's file; None if the step is not done or has no such file."""
    for file in folder.steps[step].files if step in folder.steps else ():
        if file.path == path:
            return json.loads(read_verified(folder.path, file))
    return None


def _recorded(folder: RunFolder, name: str, schema: pl.Schema) -> pl.DataFrame:
    return pl.concat([_table(folder, step, layout.record(step, name), schema) for step in layout.MADE_BY])


def _table(folder: RunFolder, step: str, path: str, schema: pl.Schema) -> pl.DataFrame:
    if step not in folder.steps:
        return schema.to_frame()
    frames = [pl.DataFrame(table) for table in folder.tables(step, path)]
    return pl.concat([schema.to_frame(), *(frame.select(pl.col(name).cast(kind) for name, kind in schema.items()) for frame in frames)])
