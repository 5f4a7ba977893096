"""The old file share: the bytes at a path, if they lie under its root (C6)."""

import hashlib
import os
import stat
from pathlib import Path

PIECE = 1 << 20


def digest_at(root: Path | None, path: str | None) -> tuple[str, int] | None:
    """SHA-256 and size of the file at `path` under `root`; None where there is no readable file, or the path leads out of the root.

    A leading `/` or a `..` or a link that leaves the root is outside; `\\` is an ordinary character (fine print 46).
    """
    if root is None or path is None or path.startswith("/") or "\0" in path:
        return None
    top = os.path.realpath(os.fsencode(root))
    real = os.path.realpath(os.path.join(top, path.encode("utf-8")))
    if os.path.commonpath([top, real]) != top:
        return None
    try:
        # Not blocking: the other end of a pipe may never come.
        handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        digest, size = hashlib.sha256(), 0
        while piece := os.read(handle, PIECE):
            digest.update(piece)
            size += len(piece)
    except OSError:
        return None
    finally:
        os.close(handle)
    return digest.hexdigest(), size
