"""`python -m tests.planted`: plants every fault, one by one, and prints which were found before anything was published. Exit code 1 where one was not.

`python -m tests.planted 11 20` plants the 11th to the 20th only.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sample_data.world import write_cast
from tests.planted.faults import FAULTS
from tests.planted.planting import outcome, planted
from tests.support.command import Workspace


def main(words: list[str]) -> int:
    """1 where a fault was not found, else 0."""
    first, last = (int(word) for word in words) if words else (1, len(FAULTS))
    missed = 0
    for fault in FAULTS:
        with planted(fault):
            pass  # raises where the loader has no such function: before any minute is spent
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        write_cast(folder / "cast" / "legacy")
        workspace = Workspace(folder / "cast")
        assert workspace.command("extract").code == 0
        for number, fault in list(enumerate(FAULTS, start=1))[first - 1 : last]:
            path = folder / str(number)
            path.mkdir()
            began = time.monotonic()
            ended = outcome(fault, workspace, path)
            missed += not ended.found
            said = "found" if ended.found else "MISSED"
            sys.stdout.write(f"{number:2} {said:6} {ended.code} {time.monotonic() - began:5.1f} s  {fault.name}: {ended.why[:400]}\n")
            sys.stdout.flush()
        # In the same process, behind all of them: nothing of a fault was left, and what failed the checks was the fault alone.
        control = workspace.command("run", "--workers", "1")
        assert control.code == 0, control.err
    sys.stdout.write(f"{last - first + 1 - missed:,} of {last - first + 1:,} found before anything was published\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
