"""Whether two rehearsals forecast the third run: `python -m tests.benchmarks.forecast [--profiles 300] [--on sqlite postgresql] [--json FILE]`.

One world, migrated three times by the real command, each time into an empty store. Before the third one `plan` forecasts it from the first two. Prints each step's forecast
and what it took; the goal is the whole within 20%. Of a machine whose load changes meanwhile it says more than of the forecast: the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .results import ROOT, Results
from .servers import Server, two_servers
from .size import world

GOAL = 0.2
NAMES = ("first", "second", "third")


def seconds_of(run: Path) -> dict[str, float]:
    """Returns the seconds of each step, as recorded by the run."""
    steps = json.loads((run / "manifest.json").read_bytes())["run"]["steps"]
    return {name: float(step["facts"]["seconds"]) for name, step in steps.items()}


def forecast_and_seen(folder: Path, servers: tuple[Server, ...], profiles: int) -> tuple[dict[str, Any], dict[str, float]]:
    """(the forecast of `plan` before the third run, what that run took)."""
    source, tc, _ = world(folder, profiles, servers, 140.0)
    sources = ["--source", source, "--tc", tc, "--files", str(folder / "files")]
    runs = folder / "runs"
    runs.mkdir()
    known: dict[str, Any] = {}
    for name in NAMES:
        target = servers[1].fresh(f"store_{name}") if servers else f"sqlite:///{folder / name}.sqlite"
        stores = [*sources, "--target", target, "--run", str(runs / name)]
        if name == NAMES[-1]:
            known = json.loads(_command("plan", *stores, "--output", "json"))["data"]["forecast"]
        _command("run", *stores, "--objects", str(folder / f"{name}-objects"), "--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30")
    return known, seconds_of(runs / NAMES[-1])


def _command(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "cli", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Whether two rehearsals forecast the third run.")
    parser.add_argument("--profiles", type=int, default=300)
    parser.add_argument("--on", choices=("sqlite", "postgresql"), nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args(words)
    results = Results.begun_now("forecast", profiles=given.profiles, on=given.on)
    for kind in given.on:
        with tempfile.TemporaryDirectory(prefix="forecast-") as scratch, ExitStack() as stack:
            servers = stack.enter_context(two_servers(Path(scratch))) if kind == "postgresql" else ()
            folder = Path(scratch) / "runs"
            folder.mkdir()
            before = os.getloadavg()[0]
            known, seen = forecast_and_seen(folder, servers, given.profiles)
        _say(f"\n{kind}, {given.profiles:,} profiles, load {before:.1f} before and {os.getloadavg()[0]:.1f} after\n")
        _say("| step | forecast s | band | seen s | seen / forecast |\n|---|--:|--:|--:|--:|")
        spans = {**known["steps"], "whole": known["whole"]}
        for name, took in {**seen, "whole": sum(seen.values())}.items():
            span = spans[name]
            _say(
                f"| {name} | {span['seconds']:.1f} | {span['low']:.1f} to {span['high']:.1f} | {took:.1f} | {took / span['seconds']:.2f} |"
            )
            results.add(f"{kind}: {name}", took)
        ratio = sum(seen.values()) / known["whole"]["seconds"]
        results.add(f"{kind}: seen / forecast", ratio, unit="times")
        _say(f"\nwhole: {ratio:.2f} of the forecast: the goal of {GOAL:.0%} is {'met' if abs(ratio - 1) <= GOAL else 'missed'}")
    results.write(given.json)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
