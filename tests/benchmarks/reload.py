"""Loads, rollbacks and deltas: `python -m tests.benchmarks.reload [--profiles 300 1200] [--only postgresql] [--changed 100] [--made] [--fsync] [--json FILE]`.

A whole run into an empty store, its rollback, the same run again, a run of the same portals after one row in `--changed` of each large table was changed
and a tenth as many came and went, and its rollback. Prints seconds, and their ratio to the first load or to the first run. What a rollback takes
contains the start of the command, which is measured as well: of one that finds nothing to roll back. "cpu" is the processor time of client and
server together, of the whole command.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import psycopg

from mappings.read import HOME
from sample_data.synthetic import write_synthetic

from .measuring import ROOT
from .results import Results
from .servers import Server, two_servers

BEFORE = ("extract", "split", "reattach", "check")
KINDS = ("sqlite", "postgresql")
# By table: its key, and a text of it.
LARGE = {
    "profile_response": ("response_id", "response_text"),
    "event_history": ("event_id", "new_value"),
    "message": ("message_id", "body"),
    "response_comment": ("comment_id", "comment_text"),
    "internal_note": ("note_id", "note_text"),
    "company_contact": ("contact_id", "last_name"),
    "document": ("document_id", "file_name"),
    "validation_finding": ("finding_id", "finding_text"),
}


class Workspace:
    """A world on SQLite that is migrated into stores of one kind."""

    def __init__(self, folder: Path, profiles: int) -> None:
        self.folder = folder
        (folder / "files").mkdir()
        self.rows = sum(write_synthetic(self.old("portal2"), self.old("tc"), folder / "files", profiles, 7).values())

    def old(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.sqlite"

    def run(self, target: str, name: str, *steps: str) -> float:
        """Seconds of these commands."""
        words = ["--source", self.old("portal2"), "--tc", self.old("tc"), "--files", str(self.folder / "files"), "--target", target]
        words += ["--objects", str(self.folder / "objects"), "--run", str(self.folder / name)]
        words += ["--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30"]
        began = time.monotonic()
        for step in steps:
            _command(step, *words)
        return time.monotonic() - began

    def load_seconds(self, name: str) -> float:
        """Returns the seconds of the load, as recorded by the run."""
        manifest = json.loads((self.folder / name / "manifest.json").read_bytes())
        return float(manifest["run"]["steps"]["load"]["facts"]["seconds"])

    def rollback(self, target: str, name: str, wanted: int = 0) -> float:
        """Seconds of the command."""
        began = time.monotonic()
        _command("rollback", "--run", str(self.folder / name), "--target", target, "--yes", wanted=wanted)
        return time.monotonic() - began

    def change(self, one_in: int) -> int:
        """Changes one row in so many of each large table, removes a tenth as many answers and messages, adds as many answers; how many in all."""
        changed = 0
        with closing(sqlite3.connect(self.folder / "portal2.sqlite")) as lite:
            for table, (key, text) in LARGE.items():
                changed += lite.execute(f"UPDATE {table} SET {text} = {text} || '.' WHERE {key} % {one_in} = 0").rowcount
            for table in ("message", "response_comment"):
                changed += lite.execute(f"DELETE FROM {table} WHERE {LARGE[table][0]} % {10 * one_in} = 1").rowcount
            (last,) = lite.execute("SELECT max(event_id) FROM event_history").fetchone()
            columns = [row[1] for row in lite.execute("SELECT * FROM pragma_table_info('event_history')")]
            values = ", ".join("event_id + ?" if column == "event_id" else column for column in columns)
            came = f"INSERT INTO event_history SELECT {values} FROM event_history WHERE event_id % {10 * one_in} = 2"
            changed += lite.execute(came, (last,)).rowcount
            lite.commit()
        return changed


def _command(*words: str, wanted: int = 0) -> None:
    ended = subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, check=False, capture_output=True)
    if ended.returncode != wanted:
        raise SystemExit(f"{words[0]} ended with status {ended.returncode}:\n{ended.stderr.decode(errors='replace')[-2000:]}")


def measured(workspace: Workspace, server: Server | None, one_in: int, made: bool) -> dict[str, tuple[float, float, str]]:
    """By what was done: seconds, seconds of processor time, and to what they are a ratio."""
    seen: dict[str, tuple[float, float, str]] = {}

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime + (server.cpu() if server else 0.0)

    spent = [cpu()]

    def told(what: str, seconds: float, of: str = "fresh: load") -> None:
        seen[what] = seconds, cpu() - spent[0], of
        spent[0] = cpu()
        print(f"{what}: {seconds:.1f} s, {seen[what][1]:.1f} s cpu", file=sys.stderr, flush=True)  # noqa: T201 - a long way to the table

    def whole(store: str, name: str, called: str) -> None:
        """A whole run; the duration of its load is taken from the run's record."""
        told(f"{called}: whole run", workspace.run(store, name, "run"), "fresh: whole run")
        seen[f"{called}: load"] = workspace.load_seconds(name), math.nan, "fresh: load"

    def loaded(store: str, name: str, called: str) -> None:
        """A load; only its duration is reported."""
        workspace.run(store, name, *BEFORE)
        spent[0] = cpu()
        workspace.run(store, name, "load")
        told(called, workspace.load_seconds(name))

    store = server.fresh("reload") if server else f"sqlite:///{workspace.folder / 'reload'}.sqlite"
    whole(store, "run", "fresh")
    told("rollback", workspace.rollback(store, "run"))
    told("start of a rollback", workspace.rollback(store, "run", wanted=7))
    if server:
        _tidied(store)
    whole(store, "again", "after rollback")  # a whole run like the first: a load of its own also starts processes and reads files again
    if made and server:
        empty = server.fresh("made")
        with psycopg.connect(empty, autocommit=True) as session:
            session.execute((HOME / "schemas" / "portal3.sql").read_bytes())
        _tidied(empty)
        loaded(empty, "made", "load into made tables")
    changed = workspace.change(one_in)
    print(f"{changed:,} rows of {workspace.rows:,} changed", file=sys.stderr, flush=True)  # noqa: T201
    whole(store, "delta", "delta")
    told("rollback of the delta", workspace.rollback(store, "delta"), "delta: load")
    return seen


def _tidied(url: str) -> None:
    """What autovacuum does by itself soon after a rollback."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("VACUUM FULL")
        session.execute("ANALYZE")


def main(sizes: Sequence[int], kinds: Sequence[str], one_in: int, made: bool, fsync: str = "off", path: Path | None = None) -> None:
    results = Results.begun_now("reload", profiles=list(sizes), fsync=fsync)
    for profiles in sizes:
        for kind in kinds:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "cutover"
                folder.mkdir()
                workspace = Workspace(folder, profiles)
                with two_servers(Path(scratch), fsync=fsync) if kind == "postgresql" else nullcontext((None, None)) as (_, server):
                    seen = measured(workspace, server, one_in, made)
            _say(f"\n{kind}, {profiles:,} profiles, {workspace.rows:,} rows\n\n| what | s | cpu s | of | s / |\n|---|--:|--:|---|--:|")
            for what, (seconds, cpu, of) in seen.items():
                results.add(f"{kind}, {profiles} profiles: {what}", seconds)
                used = "" if math.isnan(cpu) else f"{cpu:.1f}"
                _say(f"| {what} | {seconds:.1f} | {used} | {of} | {seconds / seen[of][0]:.2f} |")
    results.write(path)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--profiles", type=int, nargs="+", default=[300, 1200])
    parser.add_argument("--only", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--changed", type=int, default=100, metavar="N", help="one row in N of each large table changes before the delta")
    parser.add_argument("--made", action="store_true", help="also a load into tables that were made before")
    parser.add_argument("--fsync", action="store_const", const="on", default="off", help="servers wait for their disks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    main(given.profiles, given.only, given.changed, given.made, given.fsync, given.json)
