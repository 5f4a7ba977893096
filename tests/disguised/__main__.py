"""`python -m tests.disguised`: damages an adapter or its old portal in every way, one at a time, and prints what `plan` reported. Exit code 1 if one was missed.

`python -m tests.disguised 11 20` does the 11th to the 20th only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.disguised.trying import all_damages, tried
from tests.disguised.world import whole_world


def main(words: list[str]) -> int:
    """1 where a damage was missed, else 0."""
    with tempfile.TemporaryDirectory(prefix="disguised-") as name:
        folder = Path(name)
        foreign = whole_world(folder)
        every = all_damages(foreign)
        first, last = (int(word) for word in words) if words else (1, len(every))
        missed = 0
        for number, damage in list(enumerate(every, start=1))[first - 1 : last]:
            with tempfile.TemporaryDirectory(dir=folder) as path:
                why = tried(damage, foreign, Path(path))
            missed += bool(why)
            sys.stdout.write(f"{number:3} {'MISSED' if why else 'named'}  {damage.name}{': ' + why if why else ''}\n")
            sys.stdout.flush()
    tried_ = min(last, len(every)) - first + 1
    sys.stdout.write(f"{tried_ - missed:,} of {tried_:,} damages named by plan\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
