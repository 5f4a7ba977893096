"""Loads and rollbacks of PostgreSQL, whatever its statistics say: `python -m tests.benchmarks.reload [--profiles 300 1200] [--json FILE]`.

A store that has no tables; the same again after its rollback, emptied tables vacuumed and analysed; a store whose tables were made and analysed
before; a delta of a thousandth of the rows into it. Prints seconds, and their ratio to the first load.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from mappings.read import HOME
from sample_data.synthetic import write_synthetic

from .measuring import ROOT
from .results import Results
from .servers import Server, two_servers


class Night:
    """A world on SQLite that is migrated into databases of one server."""

    def __init__(self, folder: Path, profiles: int) -> None:
        self.folder = folder
        (folder / "files").mkdir()
        self.rows = sum(write_synthetic(self.old("portal2"), self.old("tc"), folder / "files", profiles, 7).values())

    def old(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.sqlite"

    def run(self, target: str, name: str, *steps: str) -> float:
        """Seconds of the load, as the run itself says."""
        words = ["--source", self.old("portal2"), "--tc", self.old("tc"), "--files", str(self.folder / "files"), "--target", target]
        words += [
            "--objects",
            str(self.folder / "objects"),
            "--run",
            str(self.folder / name),
            "--freeze-from",
            "2023-09-16",
            "--freeze-to",
            "2023-09-30",
        ]
        for step in steps:
            _command(step, *words)
        manifest = json.loads((self.folder / name / "manifest.json").read_bytes())
        return float(manifest["run"]["steps"]["load"]["facts"]["seconds"])

    def rollback(self, target: str, name: str) -> float:
        """Seconds of the command, its start (0.5 s of imports) included."""
        began = time.monotonic()
        _command("rollback", "--run", str(self.folder / name), "--target", target, "--yes")
        return time.monotonic() - began


STEPS = ("extract", "split", "reattach", "check", "load")


def _command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def measured(night: Night, server: Server) -> dict[str, float]:
    """Seconds by what was done."""
    seen: dict[str, float] = {}
    empty = server.fresh("reload")
    seen["first load"] = night.run(empty, "run", *STEPS)
    seen["its rollback"] = night.rollback(empty, "run")
    _tidied(empty)
    seen["load after rollback"] = night.run(empty, "run", *STEPS)
    seen["rollback again"] = night.rollback(empty, "run")
    made = server.fresh("made")
    with psycopg.connect(made, autocommit=True) as session:
        session.execute((HOME / "schemas" / "portal3.sql").read_bytes())
    _tidied(made)
    seen["load into made tables"] = night.run(made, "made", *STEPS)
    with sqlite3.connect(night.folder / "portal2.sqlite") as lite:
        lite.execute("UPDATE profile_response SET response_text = response_text || '.' WHERE response_id % 1000 = 0")
        lite.execute("DELETE FROM message WHERE message_id % 1000 = 0")
    lite.close()
    seen["delta"] = night.run(made, "delta", *STEPS)
    seen["rollback of the delta"] = night.rollback(made, "delta")
    return seen


def _tidied(url: str) -> None:
    """What autovacuum does by itself soon after a rollback."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("VACUUM FULL")
        session.execute("ANALYZE")


def main(sizes: Sequence[int], place: Path | None = None) -> None:
    results = Results.begun_now("reload", profiles=list(sizes))
    for profiles in sizes:
        with tempfile.TemporaryDirectory() as scratch, two_servers(Path(scratch)) as (_, server):
            folder = Path(scratch) / "night"
            folder.mkdir()
            night = Night(folder, profiles)
            seen = measured(night, server)
        print(f"\n{profiles:,} profiles, {night.rows:,} rows\n\n| what | seconds | of the first load |\n|---|---|---|")  # noqa: T201 - its answer
        for what, seconds in seen.items():
            results.add(f"{profiles} profiles: {what}", seconds)
            print(f"| {what} | {seconds:.1f} | {seconds / seen['first load']:.2f} |", flush=True)  # noqa: T201
    results.write(place)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--profiles", type=int, nargs="+", default=[300, 1200])
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    main(given.profiles, given.json)
