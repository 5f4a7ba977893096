"""How time and memory grow with a portal's size: `python -m tests.benchmarks.size 25000 100000 [--on sqlite] [--fsync] [--folder DIR] [--json FILE]`.

For each size a world is made, migrated by the real command (all steps), and removed. Shown are seconds and the most memory of all processes together (PSS, two
looks a second), whole and by step, and how both grew. 100,000 profiles are about 26 million rows and 600,000 documents; they need 35 GB of disk for a while,
25 GB with `--median-text 40`.
Goals for four times the profiles: at most 4.4 times the time, at most 2 GB.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sample_data.synthetic import MEDIAN_TEXT

from .measuring import ROOT, Cost, measured
from .results import Results
from .servers import Server, two_servers

GROWTH, MEMORY_MB = 1.1, 2048  # times as many profiles may take so much more than as many times the time
_SAMPLE = """
import sys; from pathlib import Path; from sample_data.synthetic import write_synthetic
print(sum(write_synthetic(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), 7, median_text=float(sys.argv[5])).values()))
"""


@dataclass
class Peaks:
    """The most MB seen in each step; `note`: where the command at work writes which step that is."""

    note: Path
    by_step: dict[str, float]

    def look(self, megabytes: float) -> None:
        try:
            step = str(json.loads(self.note.read_bytes())["step"])
        except (OSError, ValueError, KeyError):
            return
        self.by_step[step] = max(self.by_step.get(step, 0.0), megabytes)


def world(folder: Path, profiles: int, servers: tuple[Server, ...], text: float) -> tuple[str, str, int]:
    """(Portal 2.0, Trade Compliance, rows) of a new world; it is made by a process of its own, whose memory is not counted."""
    if servers:
        old = servers[0]
        old.fresh("world")
        with psycopg.connect(old.url("world"), autocommit=True) as session:
            session.execute("CREATE SCHEMA portal2")
            session.execute("CREATE SCHEMA tc")
        urls = old.url("world", "portal2"), old.url("world", "tc")
    else:
        urls = f"sqlite:///{folder / 'portal2.sqlite'}", f"sqlite:///{folder / 'tc.sqlite'}"
    command = [sys.executable, "-c", _SAMPLE, *urls, str(folder / "files"), str(profiles), str(text)]
    rows = int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    if servers:
        with psycopg.connect(servers[0].url("world"), autocommit=True) as session:
            session.execute("VACUUM ANALYZE")
    return *urls, rows


def migrated(folder: Path, profiles: int, servers: tuple[Server, ...], text: float, results: Results) -> Cost:
    """What the whole run costs; its parts go to `results` and are printed."""
    began = time.monotonic()
    source, tc, rows = world(folder, profiles, servers, text)
    _say(f"\n## {profiles:,} profiles, {rows:,} rows (made in {time.monotonic() - began:.0f} s)\n")
    target = servers[1].fresh("store") if servers else f"sqlite:///{folder / 'portal3.sqlite'}"
    stores = ["--source", source, "--tc", tc, "--files", str(folder / "files"), "--target", target, "--objects", str(folder / "objects")]
    peaks = Peaks(folder / "run" / ".progress.json", {})
    freeze = ["--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30"]
    cost = measured([sys.executable, "-m", "cli", "run", *stores, "--run", str(folder / "run"), *freeze], servers, look=peaks.look)
    steps = json.loads((folder / "run" / "manifest.json").read_bytes())["run"]["steps"]
    _say("| step | s | share | MB |\n|---|--:|--:|--:|")
    for name, step in steps.items():
        seconds = float(step["facts"]["seconds"])
        _say(f"| {name} | {seconds:.1f} | {seconds / cost.seconds:.2f} | {peaks.by_step.get(name, 0):,.0f} |")
        results.add(f"{profiles} profiles: {name}", seconds)
    _say(f"| whole | {cost.seconds:.1f} | 1.00 | {cost.client_mb:,.0f} |")
    _say(f"\nProcessor seconds: {cost.client_cpu:.0f}, servers {cost.server_cpu:.0f}; most memory of the servers: {cost.server_mb:,.0f} MB")
    results.add(f"{profiles} profiles: whole", cost.seconds)
    results.add(f"{profiles} profiles: processor time", cost.client_cpu + cost.server_cpu)
    results.add(f"{profiles} profiles: memory", cost.client_mb, unit="MB")
    results.add(f"{profiles} profiles: rows", rows, unit="rows")
    return cost


def grown(sizes: list[int], costs: list[Cost], say: Callable[[str], None]) -> None:
    """Prints, for each size after the first, the growth of time and memory, and whether it meets the goals."""
    first = costs[0]
    for size, cost in zip(sizes[1:], costs[1:], strict=True):
        times, goal = cost.seconds / first.seconds, GROWTH * size / sizes[0]
        work = (cost.client_cpu + cost.server_cpu) / (first.client_cpu + first.server_cpu)
        verdicts = ("met" if times <= goal else "missed", "met" if cost.client_mb <= MEMORY_MB else "missed")
        say(f"\n{size:,} / {sizes[0]:,} profiles: time {times:.2f} (goal {goal:.1f}: {verdicts[0]}), processor time {work:.2f},")
        say(f"memory {cost.client_mb / first.client_mb:.2f}, {cost.client_mb:,.0f} MB (goal {MEMORY_MB:,}: {verdicts[1]})")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How time and memory grow with a portal's size.")
    parser.add_argument("profiles", type=int, nargs="+", help="sizes; with two or more, growth is shown")
    parser.add_argument("--on", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--fsync", action="store_true", help="servers wait for their disks")
    parser.add_argument("--median-text", type=float, default=MEDIAN_TEXT, help="characters; shorter texts need less disk, not fewer rows")
    parser.add_argument("--folder", type=Path, help="where worlds and servers lie meanwhile (default: the system's temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args(words)
    results = Results.begun_now("size", profiles=given.profiles, on=given.on, fsync=given.fsync, median_text=given.median_text)
    costs = []
    for profiles in given.profiles:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="size-") as scratch, ExitStack() as stack:
            settings = {"fsync": "on" if given.fsync else "off", "max_wal_size": "512MB", "min_wal_size": "80MB"}
            servers = stack.enter_context(two_servers(Path(scratch), **settings)) if given.on == "postgresql" else ()
            path = Path(scratch) / "cutover"
            path.mkdir()
            costs.append(migrated(path, profiles, servers, given.median_text, results))
            shutil.rmtree(path)
    grown(given.profiles, costs, _say)
    results.write(given.json)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
