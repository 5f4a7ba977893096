"""The duration of look-ups and of the report on a run of PROFILES companies: `python -m tests.benchmarks.lookups [PROFILES] [FOLDER] [--json FILE]`.

Each look-up is a separate process, as a user starts it; the best, the middle one and the processor time of the best are shown. With FOLDER
the world and its run are kept there, and found again.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sample_data.synthetic import write_synthetic

from .results import Results

ROUNDS = 15
GOAL = 0.2


def started(folder: Path, *words: str) -> tuple[float, float]:
    """(seconds, seconds of processor time) of the command, in that folder."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = status
    if status:
        raise SystemExit(f"{' '.join(words)} ended with status {status}: {process.stderr.read() if process.stderr else ''}")
    return seconds, usage.ru_utime + usage.ru_stime


def migrated(folder: Path, profiles: int) -> None:
    """The world and its run, unless they are there already."""
    if (folder / "run" / "report" / "report.html").exists():
        return
    (folder / "legacy").mkdir(parents=True, exist_ok=True)
    stores = ("--source", "sqlite:///legacy/portal2.sqlite", "--tc", "sqlite:///legacy/tc.sqlite", "--files", "legacy/files")
    legacy = f"sqlite:///{(folder / 'legacy').absolute()}"
    write_synthetic(f"{legacy}/portal2.sqlite", f"{legacy}/tc.sqlite", folder / "legacy" / "files", profiles, 1)
    target = ("--target", "sqlite:///portal3.sqlite", "--objects", "objects", "--run", "run")
    started(folder, "run", *stores, *target, "--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30")


def questions(folder: Path) -> dict[str, tuple[str, ...]]:
    """The look-ups: a row of the largest table, a document, the account with most answers, a person, the run."""
    with closing(sqlite3.connect(folder / "portal3.sqlite")) as store:
        answer, document, email = (
            str(store.execute(f"SELECT {column} FROM {table} LIMIT 1 OFFSET (SELECT count(*) / 2 FROM {table})").fetchone()[0])
            for table, column in (("profile_response", "legacy_key"), ("document", "legacy_key"), ("login", "email_key"))
        )
        statement = (
            "SELECT account_number FROM entity_account JOIN profile_response USING (account_id) GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
        )
        largest = store.execute(statement).fetchone()[0]
    return {
        "trace P2 profile_response KEY": ("trace", "P2", "profile_response", answer),
        "trace P2 document KEY": ("trace", "P2", "document", document),
        "trace --account NUMBER": ("trace", "--account", largest),
        "picker EMAIL": ("picker", email),
        "status": ("status",),
    }


def measured(folder: Path, results: Results) -> None:
    print(f"{'command':<40}{'best s':>8}{'middle s':>10}{'cpu s':>8}")  # noqa: T201 - its answer
    for name, words in questions(folder).items():
        for more in ((), ("--output", "json")):
            times = sorted(started(folder, *words, "--run", "run", *more) for _ in range(ROUNDS))
            results.add(name + (" (json)" if more else ""), *(took for took, _ in times))
            best, middle = times[0], times[ROUNDS // 2]
            verdict = "" if best[0] <= GOAL else f"   misses {GOAL} s"
            print(f"{name + (' (json)' if more else ''):<40}{best[0]:>8.3f}{middle[0]:>10.3f}{min(cpu for _, cpu in times):>8.3f}{verdict}")  # noqa: T201 - its answer
    seconds, cpu = started(folder, "report", "--run", "run")
    results.add("report", seconds)
    size = (folder / "run" / "report" / "report.html").stat().st_size
    print(f"report: {seconds:.1f} s ({cpu:.1f} s of processor time), report.html {size / 1e6:.2f} MB")  # noqa: T201 - its answer


def main() -> None:
    parser = argparse.ArgumentParser(description="How long look-ups and the report of a run take.")
    parser.add_argument("profiles", type=int, nargs="?", default=5000)
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the world and its run there, and finds them again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    results = Results.begun_now("lookups", profiles=given.profiles)
    with tempfile.TemporaryDirectory(prefix="lookups-") as scratch:
        path = given.folder or Path(scratch)
        migrated(path, given.profiles)
        measured(path, results)
    results.write(given.json)


if __name__ == "__main__":
    main()
