"""Which other users can change a file or folder that a command is given: mappings, adapter, decisions, configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_SHOWN = 5


def other_writers(option: str, path: Path) -> list[str]:
    """Returns at most one sentence: what others can change of the path, of everything below it, and of the folders that lead to it.

    Empty where only this user and root can. In a folder with the sticky bit (/tmp) others cannot replace an entry.
    """
    found = list(dict.fromkeys(_changeable(path)))
    if not found:
        return []
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return [
        f"{option}: other users can change {', '.join(found[:_SHOWN])}{more}: a run uses the bytes whose digest it fixed at its start,"
        " but not necessarily those that were reviewed (chmod go-w, chown)"
    ]


def _changeable(path: Path) -> Iterator[str]:
    for start in (path.absolute(), path.resolve()):
        for folder in start.parents:
            yield from _judged(folder, str(folder), leads=True)
    real = path.resolve()
    yield from _judged(real, str(path))
    if real.is_dir():
        for entry in sorted(real.rglob("*")):
            yield from _judged(entry, str(path / entry.relative_to(real)))


def _judged(path: Path, shown: str, leads: bool = False) -> Iterator[str]:
    """Yields the path with the reason, where others can write to it. `leads`: only an entry of the folder matters."""
    try:
        found = path.lstat()
    except OSError:
        return  # what cannot be read is refused where it is read
    if stat.S_ISLNK(found.st_mode) or (leads and found.st_mode & stat.S_ISVTX):
        return
    if found.st_uid not in (0, os.geteuid()):
        yield f"{shown} (belongs to user {found.st_uid})"
    elif found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid())):
        yield f"{shown} (mode {stat.S_IMODE(found.st_mode):04o})"
