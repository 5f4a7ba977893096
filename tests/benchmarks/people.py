"""What the lists for people cost on a run of PROFILES companies: `python -m tests.benchmarks.people [PROFILES] [FOLDER] [--json FILE]`.

Readiness (points, company status, activation, dates, crosswalk, clocks, as CSV, workbook and page), the letters, the report, and how both pages open in
Chromium. Each command is a process of its own; its memory is that of all its processes together. With FOLDER the world and its run are kept there,
and found again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from .lookups import migrated
from .measuring import measured
from .pages import opened
from .results import Results

SENDER = "Migration office, office@migration.example"
GOALS = {
    "readiness": (15.0, "s"),
    "readiness: memory": (600.0, "MB"),
    "letters: memory": (600.0, "MB"),
    "letters: milliseconds each": (1.0, "ms"),
    "report": (10.0, "s"),
    "readiness.html: size": (3.0, "MB"),
    "readiness.html: opened": (2.0, "s"),
    "readiness.html: search": (50.0, "ms"),
    "report.html: size": (3.0, "MB"),
    "report.html: opened": (2.0, "s"),
    "report.html: search": (50.0, "ms"),
}


def commands(folder: Path, letters: Path, results: Results) -> None:
    """Adds what each command costs, and how long one letter takes. `letters`: a new folder for them."""
    lists, report = folder / "lists", folder / "run" / "report"
    shutil.rmtree(lists, ignore_errors=True)
    wanted = {
        "readiness": ("readiness", "--run", "run", "--names", "--out", str(lists)),
        "letters": ("company", "--run", "run", "--folder", str(letters), "--sender", SENDER),
        "report": ("report", "--run", "run"),
    }
    for name, words in wanted.items():
        cost = measured([sys.executable, "-m", "cli", *words], (), cwd=folder)
        results.add(name, cost.seconds)
        results.add(f"{name}: processor time", cost.client_cpu)
        results.add(f"{name}: memory", cost.client_mb, unit="MB")
        if name == "letters":
            written = sum(1 for _ in letters.glob("company-*.md"))
            results.add("letters: milliseconds each", 1000 * cost.seconds / written, unit="ms")
            results.add("letters: processor milliseconds each", 1000 * cost.client_cpu / written, unit="ms")
    for page in (lists / "readiness.html", report / "report.html"):
        results.add(f"{page.name}: size", page.stat().st_size / 1e6, unit="MB")


def pages(folder: Path, results: Results) -> None:
    """Adds the time of each page in Chromium, or a note if it is not installed."""
    for page in (folder / "lists" / "readiness.html", folder / "run" / "report" / "report.html"):
        found = opened(page)
        if found is None:
            print("Chromium is not installed: pages were not opened")  # noqa: T201 - its answer
            return
        for what, (value, unit) in found.items():
            results.add(f"{page.name}: {what}", value, unit=unit)


def main() -> None:
    parser = argparse.ArgumentParser(description="What readiness, letters and report of a run cost, and how long their pages take to open.")
    parser.add_argument("profiles", type=int, nargs="?", default=5000)
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the world and its run there, and finds them again")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    results = Results.begun_now("people", profiles=given.profiles)
    with tempfile.TemporaryDirectory(prefix="people-") as scratch:
        path = (given.folder or Path(scratch)).absolute()
        migrated(path, given.profiles)
        # Nothing is removed between rounds: ext4 makes files slowly for a minute where ten thousand have just gone.
        written = [path / f"letters-{number}" for number in range(given.rounds)]
        for letters in written:
            commands(path, letters, results)
            pages(path, results)
        for letters in written:
            shutil.rmtree(letters)
    print(results.as_table(GOALS))  # noqa: T201 - its answer
    results.write(given.json)


if __name__ == "__main__":
    main()
