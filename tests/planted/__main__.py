"""`python -m tests.planted`: plants every fault, one by one, and prints which were found before anything was published. Exit code 1 where one was not."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from sample_data.world import write_cast
from tests.planted.faults import FAULTS
from tests.planted.planting import outcome
from tests.support.command import Night


def main() -> int:
    """The number of faults that were published."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="planted-") as name:
        folder = Path(name)
        write_cast(folder / "cast" / "legacy")
        night = Night(folder / "cast")
        assert night.command("extract").code == 0
        for number, fault in enumerate(FAULTS, start=1):
            place = folder / str(number)
            place.mkdir()
            began = time.monotonic()
            ended = outcome(fault, night, place)
            missed += not ended.found
            said = "found" if ended.found else "MISSED"
            lines = [line for line in ended.said.splitlines() if "Critical checks failed" in line or line.startswith("A fault")]
            told = f"{said:6} {ended.code} {time.monotonic() - began:5.1f} s  {fault.name}: {(lines or [''])[0][:120]}"
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(FAULTS) - missed:,} of {len(FAULTS):,} found before anything was published\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
