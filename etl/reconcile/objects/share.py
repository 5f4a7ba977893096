"""The old file share: the bytes at a path, if they lie under its root (C6)."""

import hashlib
import os
import stat
from functools import cache
from pathlib import Path

PIECE = 1 << 20


def digest_at(root: Path | None, path: str | None) -> tuple[str, int] | None:
    """SHA-256 and size of the file at `path` under `root`, which is absolute; None where there is no readable file, or the path leads out of the root.

    A leading `/` or a `..` or a link that leaves the root is outside; `\\` is an ordinary character (fine print 46).
    """
    if root is None or path is None or path.startswith("/") or "\0" in path or _leaves(path):
        return None
    top = _really(root)
    real = os.path.realpath(top + b"/" + path.encode("utf-8"))
    if os.path.commonpath([top, real]) != top:  # by a link
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


@cache
def _really(root: Path) -> bytes:
    return os.path.realpath(os.fsencode(root))


def _leaves(path: str) -> bool:
    """Whether the path climbs out of the root, even if it comes in again."""
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
