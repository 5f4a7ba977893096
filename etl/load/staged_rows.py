"""The rows of the new store as the steps before the load left them in the run's folder."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from etl.placement.target_rows import arrow_type
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import StageFile
from mappings.schema import Table

_RECORDS = {"migration_holding": "held", "migration_exception": "flag"}


def run_id_of(folder: RunFolder) -> str:
    """Returns the id of the run; equal sources, mappings and options give the same id."""
    return "run-" + folder.digest(*layout.BEFORE_CHECK)[:32]


def files_of(folder: RunFolder, table: Table) -> list[StageFile]:
    """Returns the stage files with the rows of that target table."""
    return [file for step in layout.MADE_BY for file in folder.files(step, _prefix(step, table))]


def _prefix(step: str, table: Table) -> str:
    """Returns the path prefix of the step's rows of that table."""
    record = _RECORDS.get(table.name)
    return layout.record(step, record) if record else layout.made(step, table.name)


def rows_of(folder: RunFolder, table: Table, run_id: str) -> Iterator[pa.Table]:
    """Yields the rows of one target table from the stage files of all earlier steps."""
    for step in layout.MADE_BY:
        for rows in folder.tables(step, _prefix(step, table)):
            yield recorded(rows, table, run_id)


def recorded(rows: pa.Table, table: Table, run_id: str) -> pa.Table:
    """Returns rows of a stage file as the store has them: holding and exceptions get `run_id` and the contract's column names."""
    if table.name not in _RECORDS:
        return rows
    source = {
        "legacy_portal_cd": "portal",
        "legacy_table": "table",
        "legacy_key": "key",
        "reason_cd": "reason",
        "rule_cd": "rule",
    }
    arrays = [
        pl.repeat(run_id, rows.num_rows, eager=True).to_arrow()
        if column.name == "run_id"
        else rows[source.get(column.name, column.name)].cast(arrow_type(column))
        for column in table.columns
    ]
    return pa.table(arrays, names=[column.name for column in table.columns])


def shape_of(table: Table) -> pa.Schema:
    """Returns the Arrow schema of such rows."""
    return pa.schema([(column.name, arrow_type(column)) for column in table.columns])
