"""Locks on files of a run folder. The kernel releases a lock when its process ends: a dead run's lock needs no cleanup."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

_PAUSE = 0.02  # seconds


def only(path: Path) -> int | None:
    """Returns the descriptor of an exclusive lock, held until it is closed; None where another process has a lock."""
    return _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)


def shared(path: Path) -> None:
    """Takes a shared lock, which this process holds until it ends."""
    _locked(path, fcntl.LOCK_SH)


def free_within(path: Path, seconds: float) -> bool:
    """Returns whether no process has a lock on the file, after a wait of at most `seconds`."""
    until = time.monotonic() + seconds
    while (descriptor := only(path)) is None:
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    os.close(descriptor)
    return True


def held(path: Path) -> bool:
    """Returns whether a process holds the lock now; does not create the file, and waits for no pipe in its path."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # a link does not count as a lock: a run would refuse it
            return False
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(path: Path, how: int) -> int | None:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
