"""The command `readiness`: work lists from a finished or rehearsed run, as CSV, as a workbook and as one page."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl.commands.lookups import published
from etl.errors import MigrationError
from etl.options import Options, needed_run
from etl.path_overlap import of_run, refuse_overlap
from etl.readiness.gather import work_lists
from etl.readiness.page import as_page
from etl.readiness.points import COLUMNS
from etl.report.csv_files import csv_bytes
from etl.report.workbook import workbook
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.runfolder.rehearsed import was_rehearsal
from etl.system.private_folder import PrivateFolder
from mappings.model import Mappings
from mappings.read import read_mappings
from mappings.readiness import read_points

_IDENTITY = ["point_cd", "company_profile_id", "account_number", "legacy_portal_cd", "legacy_table", "legacy_key"]


def readiness(options: Options, out: Path | None, since: Path | None, bounces: Path | None, names: bool) -> dict[str, Any]:
    """Writes the lists into `out` (default: readiness/ in the run folder; 0700, files 0600); returns the number of lines of each.

    Raises Refused where the run has published nothing or was purged, MigrationError where the bounce list cannot be read.
    """
    folder_of_run = needed_run(options.run)
    folder = _finished(folder_of_run)
    if out is not None:
        refuse_overlap(of_run(options, folder.settings), ("--out", out))
    mappings = read_mappings(options.mappings)
    bounced, unknown, doubled = _bounced(bounces)
    with published(options) as store:
        lists = work_lists(folder, store, mappings, bounced)
        known = {row["email_key"] for row in store.rows("SELECT email_key FROM login")} if bounced else set()
    changes = _since(lists.points, since, options, mappings) if since is not None else None
    kinds = read_points(mappings.home)
    run = _run(folder)
    tables = {
        "points": lists.points,
        "companies": lists.companies,
        "crosswalk": lists.crosswalk,
        "dates": lists.dates,
        "clocks": lists.clocks,
        **({"since": changes} if changes is not None else {}),
        **({"activation": lists.activation} if names else {}),
    }
    output = PrivateFolder(out or folder_of_run / layout.READINESS)
    for name, frame in tables.items():
        output.write(f"{name}.csv", csv_bytes(frame))
    more = lists.points.with_columns(pl.col("point_cd").replace_strict({k.code: k.by for k in kinds.values()}, default="").alias("by"))
    more = more.with_columns(lists.specialists)
    output.write("readiness.xlsx", workbook("Readiness", {**tables, "points": more, "companies": lists.more_companies}, run["made_at"]))
    output.write("readiness.html", as_page(more, lists.more_companies, lists.to_review, kinds, run, changes).encode())
    output.remove_others({f"{name}.csv" for name in tables} | {"readiness.xlsx", "readiness.html"}, {"since.csv", "activation.csv"})
    return {
        "folder": str(output.path),
        "lines": {name: frame.height for name, frame in tables.items()},
        "weights": {weight: lists.points.filter(pl.col("weight_cd") == weight).height for weight in ("critical", "attention", "info")},
        "points": dict(lists.points.group_by("point_cd").len().sort("point_cd").iter_rows()),
        "bounces": {"unknown": len(bounced - known), "double": doubled, "invalid": unknown} if bounces is not None else None,
        "since": dict(changes.group_by("since_cd").len().sort("since_cd").iter_rows()) if changes is not None else None,
    }


def _finished(run: Path, option: str = "--run") -> RunFolder:
    folder = open_readonly(run, option)
    folder.refuse_purged("The lists are built from the stage files: give a run that was not purged.")
    return folder


def _run(folder: RunFolder) -> dict[str, Any]:
    facts = folder.steps["load"].facts
    started = str(facts.get("started") or "")
    try:
        made_at = datetime.fromisoformat(started).replace(tzinfo=None)
    except ValueError:
        made_at = datetime(2000, 1, 1)
    return {
        "id": facts["run_id"],
        "rehearsal": was_rehearsal(folder.settings),
        "published_at": f"{made_at:%Y-%m-%d %H:%M}",
        "made_at": made_at,
    }


def _bounced(file: Path | None) -> tuple[frozenset[str], int, int]:
    """Returns (e-mail keys of returned mail, number of cells that are not an e-mail, number of duplicate addresses), from the CSV's column `email`."""
    if file is None:
        return frozenset(), 0, 0
    from etl.domain.emails import email_key

    wanted = "Give a UTF-8 file whose columns are separated by commas, with a column email in its first line."
    if file.exists() and not file.is_file():  # a pipe or a device may never end
        raise MigrationError(f"--bounces: {file} is not a file.", wanted)
    try:
        text = file.read_bytes().decode("utf-8-sig")
        frame = pl.read_csv(io.StringIO(text), infer_schema=False, truncate_ragged_lines=True)
    except OSError as error:
        raise MigrationError(f"--bounces: {file} cannot be read ({error.strerror}).", wanted) from None
    except pl.exceptions.NoDataError:
        raise MigrationError(f"--bounces: {file} is empty.", wanted) from None
    except (UnicodeDecodeError, pl.exceptions.PolarsError):
        raise MigrationError(f"--bounces: {file} is not a UTF-8 CSV file.", wanted) from None
    columns = {name.strip().casefold(): name for name in frame.columns}
    if "email" not in columns:
        raise MigrationError(f"--bounces: {file} has no column email.", wanted)
    cells = [cell for cell in frame[columns["email"]].to_list() if cell and cell.strip()]
    keys = [key for cell in cells if (key := email_key(cell)) is not None]
    return frozenset(keys), len(cells) - len(keys), len(keys) - len(set(keys))


def _since(points: pl.DataFrame, earlier: Path, options: Options, mappings: Mappings) -> pl.DataFrame:
    """Returns the points of both runs with `since_cd`: new, gone or still."""
    before = _points_of(earlier, options, mappings)
    marked = [
        points.join(before, on=_IDENTITY, how="anti", nulls_equal=True).with_columns(since_cd=pl.lit("new")),
        before.join(points, on=_IDENTITY, how="anti", nulls_equal=True).with_columns(since_cd=pl.lit("gone")),
        points.join(before, on=_IDENTITY, how="semi", nulls_equal=True).with_columns(since_cd=pl.lit("still")),
    ]
    return pl.concat(marked).select("since_cd", *COLUMNS)


def _points_of(run: Path, options: Options, mappings: Mappings) -> pl.DataFrame:
    """Returns the points of an earlier run, computed from its folder and its store."""
    folder = _finished(run, "--since")
    own = Options(run=run, target=None if folder.settings.connectable("target") else options.target, mappings=options.mappings)
    with published(own) as store:
        return work_lists(folder, store, mappings).points
