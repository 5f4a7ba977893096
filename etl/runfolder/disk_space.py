"""Checks the free disk space before each step, because a full disk would interrupt the cut-over."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from etl.errors import NoSpace
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import rows_of

# Bytes for each row of the old portals: about three times what the steps wrote for synthetic data, whose text compresses well.
STAGED_PER_ROW = {"extract": 120, "split": 20, "reattach": 160, "check": 4, "load": 0, "reconcile": 2, "report": 20}
_LOADED_PER_ROW = 900
_AT_LEAST = 2 << 20  # bytes of each step, for any number of rows: empty tables, questions and answers, the report's page


@dataclass(frozen=True)
class Need:
    """A need of disk space: `size` bytes for `what` in `folder`; `there` returns the bytes that may exist already, called only where space is short."""

    folder: Path
    size: int
    what: str
    there: Callable[[], int] = lambda: 0


def need_of_step(folder: RunFolder, step: str) -> Need:
    """Returns what the step will write into the folder of a run that has read the old portals."""
    return Need(folder.path, staged_bytes(step, rows_of(folder.files("extract"))), f"what {step} keeps")


def staged_bytes(step: str, rows: int) -> int:
    """Returns about how many bytes the step writes into the run folder for this total number of source rows."""
    return _AT_LEAST + STAGED_PER_ROW[step] * rows


def loaded_bytes(rows: int) -> int:
    """Returns about how many bytes the new store needs for this total number of source rows."""
    return _AT_LEAST + _LOADED_PER_ROW * rows


def require_room(needs: Iterable[Need]) -> None:
    """Raises NoSpace where a disk has less free space than the total to be written to it."""
    by_disk: dict[int, list[Need]] = {}
    for need in needs:
        by_disk.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for on_disk in by_disk.values():
        free = shutil.disk_usage(_existing(on_disk[0].folder)).free
        if free >= sum(need.size for need in on_disk):
            continue
        wanted = [(need, max(0, need.size - need.there())) for need in on_disk]
        if free < sum(size for _, size in wanted):
            listed = ", ".join(f"{size:,} bytes for {need.what} in {need.folder}" for need, size in wanted)
            message = f"Not enough disk space: about {listed} are needed, {free:,} are free."
            raise NoSpace(message, "Free space, or give another folder; then run the same command again.")


def bytes_below(folder: Path) -> int:
    """Returns the bytes of all regular files in the folder and below; does not follow links, omits what cannot be read."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
