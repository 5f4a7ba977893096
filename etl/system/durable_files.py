"""Private folders, and making hundreds of files durable with one call."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any


def make_private(folder: Path) -> None:
    """Creates the folder and missing parents, each 0700 under any umask; an existing empty folder gets mode 0700."""
    for path in (*reversed(folder.absolute().parents), folder):  # not `parents=True`: its folders would have the mode of the umask
        if not path.is_dir():
            path.mkdir(mode=0o700)
    if not any(folder.iterdir()):
        folder.chmod(0o700)


def syncs_whole() -> bool:
    """Returns whether this system can make a whole file system durable and reports a failure."""
    return _call() is not None


def sync_whole(folder: int) -> None:
    """Makes everything that was written to the open folder's file system durable: one wait for hundreds of small files, where `syncs_whole`.

    Raises OSError where something could not be written, without its name.
    """
    call = _call()
    assert call is not None  # noqa: S101  # asked before
    if call(folder):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@lru_cache(maxsize=1)
def _call() -> Any:
    """Returns the system's `syncfs`; None where it does not exist, or does not report a failed write (Linux before 5.8)."""
    try:
        numbers = tuple(int(part) for part in platform.release().split(".")[:2])
        return ctypes.CDLL(None, use_errno=True).syncfs if platform.system() == "Linux" and numbers >= (5, 8) else None
    except (AttributeError, ValueError, OSError):
        return None
