"""This code compared with an earlier commit, alternating on this machine: `python -m tests.benchmarks.paired [--before COMMIT] [--profiles 60] [--seconds 45]`.

One world on SQLite; each pair of runs, in changing order, until the time is used up. It prints what `compare` says of them, and is a report: where there is no earlier
commit, or that one does not run, it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sample_data.synthetic import write_synthetic

from .compare import report
from .measuring import whole_run
from .results import ROOT, Results, commit, git


class DoesNotRun(Exception):
    """The run of one side failed: nothing can be said of it."""


@contextmanager
def earlier(name: str) -> Iterator[Path | None]:
    """Yields the files of that commit in a temporary folder; None if there is no such commit."""
    with tempfile.TemporaryDirectory(prefix="before-") as scratch:
        archive = Path(scratch) / "tree.tar"
        if git(ROOT, "archive", "-o", str(archive), name) is None:
            yield None
            return
        tree = Path(scratch) / "tree"
        tree.mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree


def migrated(tree: Path, world: Path, path: Path) -> dict[str, float]:
    """Seconds of the steps and of the whole run of that tree's code; DoesNotRun where it fails."""
    path.mkdir()
    began = time.monotonic()
    done = subprocess.run(
        whole_run(world, path),
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise DoesNotRun(done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"])
    steps = json.loads((path / "run" / "manifest.json").read_bytes())["run"]["steps"]
    return {**{name: float(step["facts"]["seconds"]) for name, step in steps.items()}, "whole": seconds}


def pairs(before: Path, name: str, profiles: int, seconds: float) -> tuple[Results, Results]:
    """The figures of both sides, as many rounds of each as fit into the time; at least one."""
    began = time.monotonic()
    old = Results.begun_now("paired", profiles=profiles, paired=True)
    new = replace(old, figures={})
    old = replace(old, figures={}, versions={**old.versions, "commit": name})
    with tempfile.TemporaryDirectory(prefix="paired-") as scratch:
        world = Path(scratch) / "world"
        world.mkdir()
        write_synthetic(f"sqlite:///{world / 'portal2.sqlite'}", f"sqlite:///{world / 'tc.sqlite'}", world / "files", profiles, 7)
        number, longest = 0, 0.0
        for tree in (before, ROOT):  # not counted: modules are compiled, files come into memory
            subprocess.run([sys.executable, "-m", "compileall", "-q", "cli.py", "etl", "mappings", "checks"], cwd=tree, check=False)
        while number == 0 or time.monotonic() - began + longest < seconds:
            started = time.monotonic()
            sides = [("before", before, old), ("after", ROOT, new)]
            for side, tree, results in sides if number % 2 == 0 else reversed(sides):
                for step, took in migrated(tree, world, Path(scratch) / f"{side}-{number}").items():
                    results.add(step, took)
            number, longest = number + 1, max(longest, time.monotonic() - started)
    return old, new


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="This code beside an earlier commit, turn by turn on this machine.")
    parser.add_argument("--before", metavar="COMMIT", help="default: HEAD where files differ from it, else the commit before")
    parser.add_argument("--profiles", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=45, help="no new pair is begun that would end later")
    parser.add_argument("--json", type=Path, metavar="DIR", help="writes before.json and after.json there")
    given = parser.parse_args(words)
    name = given.before or ("HEAD" if commit(ROOT).endswith("+") else "HEAD^")
    with earlier(name) as tree:
        if tree is None:
            _say(f"paired: there is no earlier commit {name} to compare with; nothing was measured.")
            return
        shown = subprocess.run(
            ["git", "rev-parse", "--short=12", name], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        try:
            old, new = pairs(tree, shown, given.profiles, given.seconds)
        except DoesNotRun as error:
            _say(f"paired: a run failed, so there is nothing to compare: {' '.join(error.args[0])}")
            return
    for line in report(old, new):
        _say(line)
    if given.json is not None:
        old.write(given.json / "before.json")
        new.write(given.json / "after.json")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
