"""`python -m tests.faults [--kills | --quick]`: the harness, and the table of what was tried and what came out right."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from .tally import KILL_CALLS, KILL_COMMIT, KILL_RANDOM, added_up

HERE = Path(__file__).parent
KILLS = (KILL_COMMIT, KILL_RANDOM, KILL_CALLS)
_CHOSEN = {"--kills": "kills", "--quick": "not full"}


_MEMORY = Path("/dev/shm")  # noqa: S108  # a disk of memory, where Linux has one
_NEEDED = 8 << 30  # bytes, of which the document of 2 GB takes most


def place() -> Path | None:
    """Where the scenes are: in memory where there is enough of it. What a kill leaves does not depend on the disk, and its fsyncs take most of the time."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _NEEDED else None


class Failed:
    """Notes the tests that failed: a fault that broke a test outside of a counted block must not vanish from the table."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names.append(report.nodeid.removeprefix("tests/faults/"))
            print(f"\nfailed: {self.names[-1]}", flush=True)  # noqa: T201 - the matrix takes an hour


def main(words: list[str]) -> int:
    """Pytest's exit code."""
    with tempfile.TemporaryDirectory(dir=place()) as scratch:
        scenes = [] if any(word.startswith("--basetemp") for word in words) else [f"--basetemp={scratch}/scenes"]
        tally = Path(scratch) / "tally"
        os.environ["FAULTS_TALLY"] = str(tally)
        failed = Failed()
        chosen = next((_CHOSEN[word] for word in words if word in _CHOSEN), "full or not full")
        code = int(pytest.main([str(HERE), "-m", chosen, *scenes, *(word for word in words if word not in _CHOSEN)], plugins=[failed]))
        print("\n| fault | came out right | tried |\n|---|---:|---:|")  # noqa: T201 - its answer
        sums = {row: counts for row, counts in added_up(tally).items() if counts[1]}
        for row, (right, tried) in sums.items():
            print(f"| {row} | {right:,} | {tried:,} |")  # noqa: T201
        right, tried = (sum(sums[row][position] for row in KILLS if row in sums) for position in (0, 1))
        print(f"\n{tried:,} kills, {right:,} of them came out right")  # noqa: T201
        for name in failed.names:
            print(f"failed: {name}")  # noqa: T201
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
