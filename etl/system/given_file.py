"""The bytes of a small file that an option or the environment names: bounded, and without a wait for a pipe that nobody writes to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FROM_THE_SHELL = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  # `<(command)`: its writer runs


def given_bytes(path: Path, most: int) -> bytes:
    """Returns the file's bytes; raises OSError where it is not a regular file (unless the shell opened it), or has more than `most` bytes."""
    opened = str(path).startswith(_FROM_THE_SHELL)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if opened else os.O_NONBLOCK))
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not (stat.S_ISREG(kind) or opened):
            raise OSError(errno.EINVAL, "not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes")
    return content
