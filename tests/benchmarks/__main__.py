"""The whole run on SQLite against copying the same rows and bytes once, side by side: `python -m tests.benchmarks [PROFILES ...] [--json FILE]`.

Prints medians, ratios and the peak memory of all processes together. Great Expectations' import is taken off the run, as the checks do it.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sample_data.synthetic import write_synthetic

from .measuring import ROOT, measured, whole_run
from .results import Results

ROUNDS = 3


def copied(world: Path, path: Path) -> float:
    """Seconds that copying every source row with executemany, and every document's bytes into a file, takes."""
    began = time.monotonic()
    for name in ("portal2.sqlite", "tc.sqlite"):
        source, copy = sqlite3.connect(world / name), sqlite3.connect(path / name)
        source.text_factory = bytes
        for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1].decode() for row in source.execute(f'PRAGMA table_info("{table.decode()}")'))
            copy.execute(f'CREATE TABLE "{table.decode()}" ({columns})')  # without keys, which makes the copy only faster
            rows = source.execute(f'SELECT * FROM "{table.decode()}"').fetchall()
            if rows:
                copy.executemany(f'INSERT INTO "{table.decode()}" VALUES ({", ".join("?" * len(rows[0]))})', rows)
            if table.endswith(b"document_content"):
                for number, (_, content) in enumerate(rows):
                    (path / f"{name}-{number}").write_bytes(content or b"")
        copy.commit()
        copy.close()
        source.close()
    return time.monotonic() - began


def migrated(world: Path, path: Path) -> tuple[float, float, float]:
    """(seconds without the import of Great Expectations, seconds of the check step without it, peak memory in MB) of `portal-migrate run`."""
    cost = measured(whole_run(world, path), ())
    steps = json.loads((path / "run" / "manifest.json").read_bytes())["run"]["steps"]
    importing = _importing()
    return cost.seconds - importing, steps["check"]["facts"]["seconds"] - importing, cost.client_mb


def _importing() -> float:
    code = "from checks import expectations; print(expectations.tools().seconds)"
    return float(subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True).stdout)


def main(sizes: list[int], place_of_json: Path | None = None) -> None:
    found = Results.begun_now("run on SQLite", profiles=sizes)
    print("profiles      rows    copy s     run s   run/copy  check/run  peak MB")  # noqa: T201 - its answer
    for profiles in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            world = Path(scratch) / "world"
            world.mkdir()
            portal2, tc = (f"sqlite:///{world / name}" for name in ("portal2.sqlite", "tc.sqlite"))
            rows = sum(write_synthetic(portal2, tc, world / "files", profiles, 7).values())
            results = []
            for number in range(ROUNDS):
                path = Path(scratch) / str(number)
                (path / "copy").mkdir(parents=True)
                results.append((copied(world, path / "copy"), *migrated(world, path)))
            for what, unit, column in zip(
                ("copy", "run", "check", "memory"), ("s", "s", "s", "MB"), zip(*results, strict=True), strict=True
            ):
                found.add(f"{profiles} profiles: {what}", *column, unit=unit)
            copy, run, check, _ = (statistics.median(column) for column in zip(*results, strict=True))
            ratio = statistics.median(one[1] / one[0] for one in results)
            print(f"{profiles:8,} {rows:9,} {copy:9.2f} {run:9.2f} {ratio:10.1f} {check / run:10.2f} {max(r[3] for r in results):8,.0f}")  # noqa: T201

    found.write(place_of_json)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The whole run on SQLite against copying the same rows and bytes once.")
    parser.add_argument("profiles", type=int, nargs="*", default=[1000, 4000])
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    main(given.profiles, given.json)
