"""Making files durable: one by one, or hundreds at once."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any


def sync_folder(folder: Path) -> None:
    """The names in the folder last from here on; OSError where they may not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def syncs_whole() -> bool:
    """Whether this system can make a whole file system durable and says so when it could not."""
    return _call() is not None


def sync_whole(folder: Path) -> None:
    """All that was written to the folder's file system lasts from here on: one wait for hundreds of small files, where `syncs_whole`.

    OSError where something could not be written; what that was is not told.
    """
    call = _call()
    assert call is not None  # noqa: S101  # asked before
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if call(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


@lru_cache(maxsize=1)
def _call() -> Any:
    """The system's `syncfs`; None where there is none, or where it keeps a failed write to itself (Linux before 5.8)."""
    try:
        numbers = tuple(int(part) for part in platform.release().split(".")[:2])
        return ctypes.CDLL(None, use_errno=True).syncfs if platform.system() == "Linux" and numbers >= (5, 8) else None
    except (AttributeError, ValueError, OSError):
        return None
