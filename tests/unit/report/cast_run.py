"""The cast, migrated once for all tests of the report, and copies of its run folder."""

import atexit
import io
import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from etl.databases.registry import open_source, open_target
from etl.extract.step import extract
from etl.load.step import load
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.report.facts import facts
from etl.report.templates import HERE
from etl.report.terminal import show
from etl.runfolder.folder import RunFolder, Step, open_locked
from etl.runfolder.settings import RunSettings
from etl.transform.reattach import reattach
from etl.transform.split import split
from mappings.read import read_mappings
from sample_data.world import write_cast

FREEZE = (date(2023, 9, 16), date(2023, 9, 30))
GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SCHEMA = json.loads((HERE / "schema.json").read_text(encoding="utf-8"))
MAPPINGS = read_mappings()
HOSTILE = "</td><script>alert(1)</script>&amp;\"'[red]x[/red]\x1b[31m\u202egnp.exe\x00|`**b**"
Report = dict[str, Any]


@dataclass(frozen=True)
class Cast:
    """The cast, migrated once for all tests of this process: where its run's folder, sources and new store lie."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"


@cache
def cast() -> Cast:
    """All steps but check and reconcile, whose answers `answered` and `reconciled` write: the report only reads them."""
    path = Cast(Path(mkdtemp(prefix="report-")))
    atexit.register(shutil.rmtree, path.folder, ignore_errors=True)
    world = write_cast(path.folder)
    objects = str(path.folder / "objects")
    with open_locked(path.run) as folder, open_source(world.source, "Portal 2.0") as p2, open_source(world.tc, "Trade Compliance") as tc:
        new_store, files = f"sqlite:///{path.folder / 'portal3.sqlite'}", str(world.files)
        folder.fix(RunSettings(world.source, world.tc, new_store, files, objects, FREEZE, MAPPINGS.digest))
        store = open_objects(objects)
        folder.steps["extract"] = extract({"P2": p2, "TC": tc}, Share(str(world.files)), store, MAPPINGS, folder, lambda *_: None)
        folder.steps["split"] = split(folder, MAPPINGS, FREEZE)
        folder.steps["reattach"] = reattach(folder, MAPPINGS, objects, FREEZE, None, lambda *_: None)
        answered(folder, [])
        target = open_target(new_store, folder.path / "load")
        folder.steps["load"] = load(folder, MAPPINGS, target, FREEZE, lambda: None, lambda *_: None)
        target.close()
        for step in folder.steps.values():
            step.facts["seconds"] = 1.5
        folder.save()
    return path


@pytest.fixture
def folder(tmp_path):
    """The cast's run folder, a copy for this test alone."""
    copy_of(cast().run, tmp_path / "run")
    with open_locked(tmp_path / "run") as copied:
        yield copied


def copy_of(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif path.name not in (".lock", ".workers"):
            there.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, there)


QUESTION = {
    "question": "Is it there?",
    "why": "Else it is lost.",
    "severity": "critical",
    "table": "entity_account",
    "asked": 71,
    "failed": 0,
}


def answered(folder: RunFolder, changes: list[Report]) -> None:
    """Writes what the step check leaves: one question that passed, and these."""
    answers = [{**QUESTION, "id": "present", "keys": []}, *({**QUESTION, "id": f"c{n}", "keys": [], **c} for n, c in enumerate(changes))]
    failures = [(a["id"], a["severity"], a["table"], key) for a in answers for key in a["keys"]]
    table = pl.DataFrame(failures, schema=["check_id", "severity", "table", "key"], orient="row").cast(pl.String)
    files = [
        folder.write_bytes("check/answers.json", json.dumps({"answers": answers}).encode()),
        folder.write_table("check/failures.parquet", table.to_arrow()),
    ]
    critical = [a["id"] for a in answers if a["failed"] and a["severity"] == "critical"]
    folder.steps["check"] = Step("", files, {"critical": critical, "sentence": f"{len(answers)} checks asked"})


DIFFERENCE = ("document", "changed", "P2", "17", "10000017", "deleted", "true", "false")


def reconciled(folder: RunFolder, differences: list[tuple[str, ...]], short: str = "") -> None:
    """Writes what the step reconcile leaves."""
    names = ["table", "kind", "legacy_portal", "legacy_key", "account_number", "column", "expected", "actual"]
    table = pl.DataFrame(differences, schema=dict.fromkeys(names, pl.String), orient="row")
    kinds = {row[1] for row in differences}
    answer = "different" if kinds - {"not_checked"} else "not_checked" if kinds else "equal"
    report = facts(folder, MAPPINGS)
    tables = [{"table": t["table"], "expected": t["expected"], "actual": t["expected"] - (t["table"] == short)} for t in report["targets"]]
    sources = [
        {
            **{name: row[name] for name in ("portal", "table", "read", "loaded", "retired")},
            "held": {**row["held"], "X2": row["held_and_loaded"]},
        }
        for row in report["conservation"]
    ]
    sources[0]["read"] += short == sources[0]["table"]
    counted = {"objects": {"counted": 57, "verified_bytes": 101_000}, "profiles_checked": 39, "logins_checked": 41}
    files = [
        folder.write_table("reconcile/differences.parquet", table.to_arrow()),
        folder.write_bytes(
            "reconcile/result.json", json.dumps({"answer": answer, "tables": tables, "sources": sources, **counted}).encode()
        ),
    ]
    folder.steps["reconcile"] = Step("", files, {"answer": answer, "sentence": answer, "seconds": 1.5})


def shown(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    show(report, Console(file=out, width=width, force_terminal=False), full=True)
    return out.getvalue()


def text_of(path: Path) -> str:
    """The file's text, a workbook's of all its parts."""
    if path.suffix != ".xlsx":
        return path.read_text(encoding="utf-8")
    with zipfile.ZipFile(path) as book:
        return "\n".join(book.read(name).decode() for name in book.namelist())


def hostile(folder: RunFolder) -> Report:
    change = {"id": "odd", "question": HOSTILE, "why": HOSTILE, "failed": 1, "severity": "warning", "keys": [HOSTILE]}
    answered(folder, [change])
    reconciled(folder, [("document", "changed", "P2", HOSTILE, HOSTILE, "file_name", HOSTILE, HOSTILE)])
    folder.settings = replace(folder.settings, files=HOSTILE)
    return facts(folder, MAPPINGS)


def normal(text: str, path: Path) -> str:
    """Without what differs from run to run: places, moments, times, sizes, digests of what holds a moment, versions."""
    text = text.replace(str(path), "RUN").replace(str(cast().folder), "WORLD")
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", re.sub(r"run-[0-9a-f]{32}", "RUN-ID", text))
    text = re.sub(r"[0-9-]{10}T[0-9:.]+Z", "MOMENT", re.sub(r"\| Versions \|.*", "| Versions | VERSIONS |", text))
    return re.sub(r"\| [0-9.,]+ (s|bytes|kB|MB)(?= \|)", "| SIZE", text)
