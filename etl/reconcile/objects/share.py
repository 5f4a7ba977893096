"""The old file share: the bytes at a path, if they lie under its root (C6).

The kernel opens the path first, in one call that follows no link and stays below the root. If that fails, every name on the way is opened
in the folder before it without following links; links are read and resolved here. A path that is altered meanwhile leads to the file that
was opened, or to none.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from etl.reconcile.objects.below import below, folder_of

CHUNK_BYTES = 1 << 20
MOST_LINKS = 40
INNER = os.O_CLOEXEC | os.O_NOFOLLOW
ENTER = INNER | os.O_DIRECTORY | (os.O_PATH if hasattr(os, "O_PATH") else os.O_RDONLY)
READ = INNER | os.O_RDONLY | os.O_NONBLOCK  # not blocking: the other end of a pipe may never come


class Moving(Exception):
    """A file that changes while it is read: what its bytes are cannot be said."""


class _Nowhere(Exception):
    """The path leads to no readable file under the root."""


class _Walk:
    """A walk along one path: the open folders behind it, by their names; `None` for a name that cannot be entered."""

    def __init__(self, root: bytes) -> None:
        self._open: list[int] = []
        self._trail: list[tuple[bytes, int | None]] = [(b"/", self._entered(b"/", None))]
        self._links = 0
        self._go(root)
        self._root = self._same(self._trail[-1][1])

    def to(self, path: bytes) -> int:
        """Returns the descriptor of the file at `path` below the root, open for reading; raises _Nowhere if there is none."""
        self._go(path)
        if self._root not in [self._same(folder) for _, folder in self._trail[:-1]]:
            raise _Nowhere
        folder = self._trail[-2][1]
        if folder is None:  # by its name alone the file would be sought in the current folder
            raise _Nowhere
        handle = os.open(self._trail[-1][0], READ, dir_fd=folder)
        self._open.append(handle)
        return handle

    def end(self) -> None:
        for handle in self._open:
            os.close(handle)

    def _go(self, path: bytes) -> None:
        if path[:1] == b"/":
            self._trail = self._trail[:1]
        for name in path.split(b"/"):
            if name == b"..":
                self._trail = self._trail[:-1] or self._trail
            elif name not in (b"", b"."):
                self._step(name)

    def _step(self, name: bytes) -> None:
        here = self._trail[-1][1]
        mode = 0
        if here is not None:
            try:
                mode = os.lstat(name, dir_fd=here).st_mode
            except FileNotFoundError:
                mode = 0
        if stat.S_ISLNK(mode):
            self._links += 1
            if self._links > MOST_LINKS:
                raise _Nowhere
            self._go(os.readlink(name, dir_fd=here))
        else:
            self._trail = [*self._trail, (name, self._entered(name, here) if stat.S_ISDIR(mode) else None)]

    def _entered(self, name: bytes, where: int | None) -> int:
        handle = os.open(name, ENTER, dir_fd=where)
        self._open.append(handle)
        return handle

    @staticmethod
    def _same(folder: int | None) -> tuple[int, int]:
        if folder is None:
            return (-1, -1)
        seen = os.fstat(folder)
        return (seen.st_dev, seen.st_ino)


def digest_at(root: Path | None, path: str | None) -> tuple[str, int] | None:
    """Returns (SHA-256, size in bytes) of the file at `path` under the absolute `root`; None if it cannot be read or is outside the root.

    A leading `/`, a `..` or a link that leaves the root is outside; `\\` is an ordinary character (fine print 46). Raises Moving if
    the file changes while it is read.
    """
    if root is None or path is None or path.startswith("/") or "\0" in path or _leaves(path):
        return None
    try:
        with _file(_really(root), path.encode("utf-8")) as handle:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                return None
            digest, size = hashlib.sha256(), 0
            while size <= before.st_size and (chunk := os.read(handle, CHUNK_BYTES)):  # a file that keeps growing is not followed
                digest.update(chunk)
                size += len(chunk)
            after = os.fstat(handle)
    except (OSError, UnicodeEncodeError, _Nowhere):
        return None
    if size != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Moving
    return digest.hexdigest(), size


@contextmanager
def _file(root: bytes, path: bytes) -> Iterator[int]:
    folder = folder_of(root)
    try:
        handle = below(folder, path, READ)
    finally:
        os.close(folder)
    if handle >= 0:
        try:
            yield handle
        finally:
            os.close(handle)
        return
    walk = _Walk(root)
    try:
        yield walk.to(path)
    finally:
        walk.end()


@cache
def _really(root: Path) -> bytes:
    return os.path.realpath(os.fsencode(root))


def _leaves(path: str) -> bool:
    """Returns whether the path leaves the root, even if it enters it again."""
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False
