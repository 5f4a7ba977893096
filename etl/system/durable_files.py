"""Folders that nobody else can enter; and making hundreds of files durable at once."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any


def make_private(folder: Path) -> None:
    """Makes the folder and those above it that are missing, each 0700 under any umask; one that is there and empty is closed to others."""
    for place in (*reversed(folder.absolute().parents), folder):  # not `parents=True`: what it makes has the mode of the umask
        if not place.is_dir():
            place.mkdir(mode=0o700)
    if not any(folder.iterdir()):
        folder.chmod(0o700)


def syncs_whole() -> bool:
    """Whether this system can make a whole file system durable and says so when it could not."""
    return _call() is not None


def sync_whole(folder: int) -> None:
    """All that was written to the file system of the opened folder lasts from here on: one wait for hundreds of small files, where `syncs_whole`.

    OSError where something could not be written; what that was is not told.
    """
    call = _call()
    assert call is not None  # noqa: S101  # asked before
    if call(folder):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@lru_cache(maxsize=1)
def _call() -> Any:
    """The system's `syncfs`; None where there is none, or where it keeps a failed write to itself (Linux before 5.8)."""
    try:
        numbers = tuple(int(part) for part in platform.release().split(".")[:2])
        return ctypes.CDLL(None, use_errno=True).syncfs if platform.system() == "Linux" and numbers >= (5, 8) else None
    except (AttributeError, ValueError, OSError):
        return None
