"""The command `compare`: runs side by side: counts by table, rule and reason, step times, and new and missing rows, by key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import Refused, WrongUsage
from etl.options import Options
from etl.path_overlap import of_run, refuse_overlap
from etl.report.comparison_page import as_comparison_page
from etl.report.csv_files import csv_bytes
from etl.report.facts import facts
from etl.report.lists import Lists, lists
from etl.runfolder.folder import open_readonly
from etl.system.private_folder import PrivateFolder
from mappings.model import Mappings
from mappings.read import read_mappings

VERSION = 1
_NUMBER = {"section": pl.String, "portal": pl.String, "table": pl.String, "code": pl.String}
_KEYED = {"exceptions": ["rule", "portal", "table", "key"], "held": ["reason", "portal", "table", "key"]}


@dataclass(frozen=True)
class _Run:
    name: str
    facts: dict[str, Any]
    lists: Lists


def compare(options: Options, runs: Sequence[Path], out: Path | None) -> dict[str, Any]:
    """Writes compare.html, compare.csv and compare.json into `out` (default: compare/ in the last run's folder); returns the differences.

    Raises WrongUsage for fewer than two runs, Refused for a run whose stage files were purged or that has read nothing.
    """
    if len(runs) < 2:
        raise WrongUsage("A single run cannot be compared.", "Give the folders of two or more runs, the earliest first.")
    if Path() in runs:
        raise WrongUsage("A DIR is given, but empty.", "Give the folder of each run, `./` for the present one.")
    if out is not None:
        for run in runs:
            refuse_overlap(of_run(replace(options, run=run), open_readonly(run, "each DIR").settings), ("--out", out))
    mappings = read_mappings(options.mappings)
    known = [_read(run, mappings, f"{number} {run.name}") for number, run in enumerate(runs, 1)]
    numbers, keys = _numbers(known), _keys(known)
    goals = _goals(known)
    described: list[dict[str, Any]] = [
        {
            "name": run.name,
            "id": run.facts["run"]["id"],
            "verdict": run.facts["verdict"]["sentence"],
            "extract_began": run.facts["run"]["extract_began"],
            "mappings": run.facts["run"]["mappings"],
        }
        for run in known
    ]
    document = {"version": VERSION, "runs": described, "numbers": numbers.to_dicts(), "keys": keys.to_dicts(), "goals": goals}
    output = PrivateFolder(out or runs[-1] / "compare")
    output.write("compare.csv", csv_bytes(_as_lines(numbers, goals, keys, known)))
    output.write("compare.json", (json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())
    output.write("compare.html", as_comparison_page(described, numbers, keys, goals).encode())
    changed = numbers.filter(pl.any_horizontal(pl.col(run.name).ne_missing(pl.col(known[0].name)) for run in known[1:]))
    return {
        "folder": str(output.path),
        "runs": described,
        "numbers": numbers.height,
        "goals": goals,
        "changed": changed.filter(pl.col("section") != "step seconds").to_dicts(),
        "appeared": keys.filter(~pl.col(known[0].name) & pl.col(known[-1].name)).height,
        "disappeared": keys.filter(pl.col(known[0].name) & ~pl.col(known[-1].name)).height,
    }


def _read(run: Path, mappings: Mappings, name: str) -> _Run:
    folder = open_readonly(run, "each DIR")
    folder.refuse_purged("The lists are built from the stage files: give runs that were not purged.")
    if "extract" not in folder.steps:
        folder.refuse_rolled_back(f"{run} has no rows to compare.", "Leave it out, or run it again.")
        raise Refused(f"{run} has not read any rows yet.", "Give runs that have completed extract.")
    found = lists(folder, mappings)
    return _Run(name, facts(folder, mappings, found), found)


def _numbers(runs: Sequence[_Run]) -> pl.DataFrame:
    """Returns section, portal, table, code (text) and one column for each run: its number, null where the run did not reach that step."""
    rows: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for run in runs:
        for key, value in _numbers_of(run.facts):
            if value is not None:
                rows.setdefault(key, {})[run.name] = value
    # In a run that counted a section, a missing entry of it means 0.
    counted = {(key[0], name) for key, values in rows.items() for name in values}
    entries = [
        {
            **dict(zip(_NUMBER, key, strict=True)),
            **{run.name: values.get(run.name, 0 if (key[0], run.name) in counted else None) for run in runs},
        }
        for key, values in sorted(rows.items())
    ]
    return pl.DataFrame(entries, schema={**_NUMBER, **{run.name: pl.Float64 for run in runs}})


def _numbers_of(report: dict[str, Any]) -> list[tuple[tuple[str, str, str, str], float | None]]:
    found: list[tuple[tuple[str, str, str, str], float | None]] = []
    for row in report["conservation"]:
        for word, name in (("read", "read"), ("loaded", "loaded"), ("held_rows", "held"), ("retired", "retired")):
            found.append(((f"rows {name}", row["portal"], row["table"], ""), row[word]))
    found += [(("rows in the new store", "", row["table"], ""), row["expected"]) for row in report["targets"]]
    for entry in report["exceptions"]["rules"]:
        for name, count in entry["tables"].items():
            portal, _, table = name.partition(".")
            found.append((("exceptions by rule", portal, table, entry["rule"]), count))
    for entry in report["held"]["reasons"]:
        for name, count in entry["tables"].items():
            portal, _, table = name.partition(".")
            found.append((("held by reason", portal, table, entry["reason"]), count))
    found += [(("step seconds", "", "", step["step"]), step["seconds"]) for step in report["steps"]]
    return found


def _goals(runs: Sequence[_Run]) -> list[dict[str, Any]]:
    """Returns one entry for each goal, by name: `goal`, `subject` of the last run that has it, and `runs`: by run `state`, `found`, `signed`."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        for entry in run.facts["goals"]:
            goal = found.setdefault(entry["goal"], {"goal": entry["goal"], "subject": "", "runs": {}})
            goal["subject"] = entry["subject"]
            goal["runs"][run.name] = {name: entry[name] for name in ("state", "found", "signed")}
    return [found[name] for name in sorted(found)]


def _keys(runs: Sequence[_Run]) -> pl.DataFrame:
    """Returns list, code, portal, table, key (text) of each flagged or held row that not every run has, and whether each run has it."""
    found = []
    for name, columns in _KEYED.items():
        joined: pl.DataFrame | None = None
        for run in runs:
            mine = getattr(run.lists, name).select(columns).unique().with_columns(pl.lit(True).alias(run.name))
            joined = mine if joined is None else joined.join(mine, on=columns, how="full", coalesce=True)
        if joined is not None:
            flags = [pl.col(run.name).fill_null(False) for run in runs]
            found.append(
                joined.with_columns(flags)
                .filter(~pl.all_horizontal(run.name for run in runs))
                .select(pl.lit(name).alias("list"), pl.col(columns[0]).alias("code"), *columns[1:], *(run.name for run in runs))
            )
    return pl.concat(found).sort("list", "code", "portal", "table", "key")


def _as_lines(numbers: pl.DataFrame, goals: list[dict[str, Any]], keys: pl.DataFrame, runs: Sequence[_Run]) -> pl.DataFrame:
    """Returns all as one list: numbers, then goals with each run's result, then keys with `yes` for each run that has them."""
    first = numbers.select("section", "portal", "table", "code", pl.lit("").alias("key"), *(_plain(run.name) for run in runs))
    names = [pl.when(pl.col(run.name)).then(pl.lit("yes")).otherwise(pl.lit("")).alias(run.name) for run in runs]
    then = keys.select(pl.concat_str(pl.col("list"), pl.lit(" key")).alias("section"), "portal", "table", "code", "key", *names)
    told = [
        {
            **dict.fromkeys(("portal", "table", "key"), ""),
            "section": "goal",
            "code": goal["goal"],
            **{run.name: _told(goal["runs"].get(run.name)) for run in runs},
        }
        for goal in goals
    ]
    return pl.concat([first, pl.DataFrame(told, schema=first.schema), then])


def _told(answer: dict[str, str] | None) -> str:
    """Returns a run's result for a goal; empty where it did not have that goal."""
    return "" if answer is None else f"{answer['state']}: {answer['found'] or 'not known'}; signed: {answer['signed']}"


def _plain(name: str) -> pl.Expr:
    """Returns whole numbers without a decimal point."""
    whole = pl.col(name).cast(pl.Int64)
    return pl.when(pl.col(name) == whole).then(whole.cast(pl.String)).otherwise(pl.col(name).cast(pl.String)).alias(name)
