"""What was tried and what came out right, by row of issue 4's table; `python -m tests.faults` adds it up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KILL_CALLS = "kill at every rename, fsync, unlink, mkdir, creating open, truncate"
KILL_RANDOM = "kill -9 at random times"
KILL_COMMIT = "kill -9 before and after each COMMIT, then the same command"
READERS = "readers see a partial load"
TWO_RUNS = "two runs at once"
SOURCE = "source written to during the run"
DROPPED = "connection dropped at each COMMIT, in mid COPY, in mid SELECT; server restarted"
STAGE = "stage file damaged"
HOSTILE = "hostile values"
ZERO = "zero-byte document"
DOCUMENTS = "documents missing, unreadable, a directory, a FIFO, changed while read, out of the root, 2 GB"
SPACE = "disk full, file size limit, failed fsync"
BUCKET = "the bucket refuses, resets, cuts short, lies"
SIGNALS = "SIGINT, SIGTERM, SIGHUP, closed stdout"
SECRETS = "secrets and personal data"
CLOCK = "the clock jumps"
BACK = "rollback, purge, resume with something else"
ROWS = (
    KILL_COMMIT,
    KILL_RANDOM,
    KILL_CALLS,
    READERS,
    TWO_RUNS,
    SOURCE,
    DROPPED,
    STAGE,
    HOSTILE,
    ZERO,
    DOCUMENTS,
    SPACE,
    BUCKET,
    SIGNALS,
    SECRETS,
    CLOCK,
    BACK,
)


def note(row: str, word: str, count: int) -> None:
    """Counts so many faults of the row as `tried` or as `right`."""
    path = os.environ.get("FAULTS_TALLY")
    if path and count:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{row}\t{word}\t{int(count)}\n")


@contextmanager
def tried(row: str, count: int = 1) -> Iterator[None]:
    """The block tries so many faults of the row; they came out right where it ends without an error."""
    note(row, "tried", count)
    yield
    note(row, "right", count)


def added_up(file: Path) -> dict[str, tuple[int, int]]:
    """For each row: (right, tried)."""
    sums = {row: [0, 0] for row in ROWS}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        row, word, count = line.split("\t")
        sums[row][word == "tried"] += int(count)
    return {row: (right, all_of_them) for row, (right, all_of_them) in sums.items()}
