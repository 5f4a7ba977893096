"""Locks on files of a run's folder. The kernel drops one when its holder dies: a dead run's lock never needs a hand."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_PAUSE = 0.02  # seconds


def only(place: Path) -> int | None:
    """The lock's descriptor, where nobody else has any; it is held until that is closed. None: somebody has."""
    return _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB)


def shared(place: Path) -> None:
    """A lock that others of its kind do not mind, held until this process ends, however it does."""
    _locked(place, fcntl.LOCK_SH)


def free_within(place: Path, seconds: float) -> bool:
    """Whether nobody has a lock there any more, waited for so long."""
    until = time.monotonic() + seconds
    while (descriptor := only(place)) is None:
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    os.close(descriptor)
    return True


def held(place: Path) -> bool:
    """Whether somebody has the lock now; asked without making the file."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(place: Path, how: int) -> int | None:
    descriptor = os.open(place, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
