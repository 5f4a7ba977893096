"""The difference between this run's rows and those of the published run, computed from the two run folders without querying the store.

It is available only if the earlier run's folder is beside this one's and its stage files match the store's record. The store detects
itself, when it is changed, whether it still holds exactly those rows. In all other cases every row is sent and compared.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from etl.databases.target import Difference, Known, RunRecord
from etl.errors import MigrationError
from etl.load.staged_rows import files_of, recorded, run_id_of, shape_of
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.runfolder.stage_file_io import StageFile
from mappings.schema import Schema, Table

_FEW = 100_000  # rows that are never too many
_found: dict[tuple[str, str], Known] = {}  # the last result of this process: both the check and the load need it


def known_difference(folder: RunFolder, schema: Schema, record: RunRecord) -> Known | None:
    """Returns by table the rows that differ from that run, and its marks; None if its rows are not available or too many differ for memory."""
    earlier = _earlier(folder, record)
    if earlier is None:
        return None
    run_id = run_id_of(folder)
    asked = (_digest(earlier), run_id)  # not of the check, which asks before it ends
    if asked not in _found:
        tables = {name: table for name, table in schema.tables.items() if name != "migration_run"}
        try:
            differences = {name: _of_table(folder, earlier, table, run_id) for name, table in tables.items()}
        except (MigrationError, OSError):  # its files do not match its manifest, or were removed meanwhile
            return None
        _found.clear()
        _found[asked] = Known(
            earlier.steps["load"].facts["marks"], {name: found for name, found in differences.items() if found is not None}
        )
    known = Known(earlier.steps["load"].facts["marks"], _found[asked].differences)  # the same rows may have been loaded elsewhere meanwhile
    rows = sum(file.rows for table in schema.tables.values() if table.name != "migration_run" for file in files_of(folder, table))
    return known if sum(len(found.came) + len(found.before) for found in known.differences.values()) <= max(rows // 4, _FEW) else None


def _earlier(folder: RunFolder, record: RunRecord) -> RunFolder | None:
    """Returns the folder of that run among those beside this one; None if there is none that matches the store's record."""
    try:
        siblings = sorted(folder.path.absolute().parent.iterdir())
    except OSError:  # the parent folder may belong to another user
        return None
    for path in siblings:
        try:
            if path == folder.path.absolute() or not (path / layout.MANIFEST).is_file():
                continue
            found = open_readonly(path)
            marks = found.steps["load"].facts.get("marks") if "load" in found.steps and not found.settings.purged else None
            if marks and run_id_of(found) == record.run_id and _digest(found) == record.manifest_sha256:
                return found
        except (MigrationError, OSError):  # another's folder, or one that was altered
            continue
    return None


def _digest(folder: RunFolder) -> str:
    """Returns the digest of the steps before the load, as the run's record in the store has it."""
    return folder.digest(*(name for name in layout.BEFORE_LOAD if name in folder.steps))


def _of_table(new: RunFolder, old: RunFolder, table: Table, run_id: str) -> Difference | None:
    """Returns the difference of one table, None if there is none; file by file, then among the rest, because a row may have moved between files."""
    came, gone = [], []
    files = {file.path: file for file in files_of(new, table)}, {file.path: file for file in files_of(old, table)}
    for path in sorted(files[0].keys() | files[1].keys()):
        both = files[0].get(path), files[1].get(path)
        if both[0] is not None and both[1] is not None and both[0].sha256 == both[1].sha256:
            continue
        rows = _unlike(_rows(new, both[0], table, run_id), _rows(old, both[1], table, run_id), table)
        came.append(rows[0])
        gone.append(rows[1])
    if not came:
        return None
    rows = _unlike(pa.concat_tables(came), pa.concat_tables(gone), table)
    if not len(rows[0]) and not len(rows[1]):
        return None
    key = list(table.key)
    stays = _keys(rows[1], key).join(_keys(rows[0], key), on=key, how="semi", maintain_order="left")
    left = _keys(rows[1], key).with_row_index("position").join(stays, on=key, how="anti", maintain_order="left")["position"]
    return Difference(rows[0], rows[1].select(key), rows[1].select(key).take(left.to_arrow()))


def _rows(folder: RunFolder, file: StageFile | None, table: Table, run_id: str) -> pa.Table:
    """Returns the file's rows as the store has them; no rows for None."""
    shape = shape_of(table)
    return shape.empty_table() if file is None else recorded(folder.read_table(file), table, run_id).select(shape.names).cast(shape)


def _unlike(one: pa.Table, other: pa.Table, table: Table) -> tuple[pa.Table, pa.Table]:
    """Returns the rows of each side that have no equal row on the other, compared column by column."""
    key = list(table.key)
    frames = [pl.DataFrame(rows) for rows in (one, other)]
    pairs = frames[0].select(key).with_row_index("one").join(frames[1].select(key).with_row_index("other"), on=key, how="inner")
    same = pl.repeat(True, pairs.height, eager=True)
    for column in table.columns:
        if column.name not in table.key:
            same &= frames[0][column.name].gather(pairs["one"]).eq_missing(frames[1][column.name].gather(pairs["other"]))
    alike = pairs.filter(same)
    return tuple(rows.take(_others(alike[name], len(rows)).to_arrow()) for name, rows in (("one", one), ("other", other)))


def _others(positions: pl.Series, rows: int) -> pl.Series:
    """Returns the places that are not among these."""
    every = pl.DataFrame({"position": pl.int_range(rows, dtype=pl.UInt32, eager=True)})
    return every.join(positions.to_frame("position"), on="position", how="anti", maintain_order="left")["position"]


def _keys(rows: pa.Table, key: list[str]) -> pl.DataFrame:
    return pl.DataFrame(rows.select(key))
