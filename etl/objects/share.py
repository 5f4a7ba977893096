"""The old file share: read without following a path out of its root.

Where the kernel can open a path below the root without leaving it (`openat2`), it does. Where it cannot, or a link is on the way, the path is walked
by the descriptors of its folders and links are resolved here: the file that was checked is the file that is opened, even if something is renamed
meanwhile.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from etl.errors import MigrationError, SourceChanged, Unreadable
from etl.objects import CHUNK_BYTES
from etl.objects.address import folder_of
from etl.objects.beneath import opened_beneath
from etl.runfolder.disk_space import bytes_below

_LINKS = 40  # links in one path, the kernel's limit: more are a cycle
# A folder with search permission and without read permission works too, where the system can open it so.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: a FIFO must not block the run; only regular files count.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class _Part:
    """A part of a path: its name, the folder in which it was looked up, and its descriptor where it is a folder (else None)."""

    name: str
    parent: int | None
    folder: int | None


class Share:
    """The old file share: reads only regular files that are under its root after every link is followed (C6, fine print 46)."""

    def __init__(self, uri: str) -> None:
        root = folder_of(uri, "--files")
        if not root.is_dir():
            raise MigrationError(f"--files: {root} is not an existing folder.", "Give the root of the old file share.")
        self._real = root.resolve()
        self._way: list[_Part] = []  # from the file system's root to the share's, opened once: the share stays the one that was given
        parent = None
        try:
            for name in self._real.parts:
                folder = os.open(name, _FOLDER, dir_fd=parent)
                weakref.finalize(self, os.close, folder)
                self._way.append(_Part(name, parent, folder))
                parent = folder
        except OSError as error:
            raise MigrationError(f"--files: {root} cannot be entered ({error.strerror}).", "Give the root of the old file share.") from None
        self._identity = _identity(self._way[-1])
        self._root = parent if parent is not None else -1

    def size(self) -> int:
        """Returns the total size in bytes of all files."""
        return bytes_below(self._real)

    def chunks(self, object_path: str) -> Iterator[bytes] | None:
        """Returns an iterator of the bytes of the file at that path; None where the root has no readable file there.

        The iterator raises Unreadable where the disk fails, SourceChanged where the file differs afterwards.
        """
        if not object_path or object_path.startswith("/") or "\0" in object_path or _climbs_out(object_path):
            return None
        try:
            descriptor = self._at_once(object_path)
            if descriptor is None:
                with ExitStack() as opened:
                    descriptor = self._opened(object_path, opened)
        except (OSError, ValueError):
            return None
        return None if descriptor is None else _chunks_of(descriptor)

    def _at_once(self, object_path: str) -> int | None:
        """Returns a descriptor of the regular file that the kernel finds without any link; None where the path has to be walked."""
        descriptor = opened_beneath(self._root, object_path, _FILE)
        if descriptor is not None and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return descriptor

    def _opened(self, object_path: str, opened: ExitStack) -> int | None:
        """Returns a descriptor of the regular file at that path; None where it does not exist or is outside of the root."""
        way, waiting, links = list(self._way), deque(object_path.split("/")), 0
        while waiting:
            name = waiting.popleft()
            if name in ("", "."):
                continue
            if name == "..":  # to the folder that was opened on the way, not to its present place in the file system
                del way[max(1, len(way) - 1) :]
                continue
            parent = way[-1].folder
            kind = _kind(name, parent)
            if kind == stat.S_IFLNK:
                links += 1
                if links > _LINKS:
                    return None
                target = os.readlink(name, dir_fd=parent)
                waiting.extendleft(reversed(target.split("/")))
                if target.startswith("/"):
                    del way[1:]
                continue
            folder = None
            if kind == stat.S_IFDIR:
                folder = os.open(name, _FOLDER, dir_fd=parent)
                opened.callback(os.close, folder)
            way.append(_Part(name, parent, folder))
        last = way[-1]
        if last.parent is None or all(_identity(part) != self._identity for part in way[:-1]):
            return None
        descriptor = os.open(last.name, _FILE, dir_fd=last.parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return descriptor


def _climbs_out(object_path: str) -> bool:
    """Returns whether `..` in the path leaves the root, even if the path enters it again."""
    depth = 0
    for name in object_path.split("/"):
        depth += -1 if name == ".." else 0 if name in ("", ".") else 1
        if depth < 0:
            return True
    return False


def _kind(name: str, parent: int | None) -> int:
    """Returns the file type (S_IFLNK, S_IFDIR ...); 0 where nothing exists."""
    if parent is None:
        return 0
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0


def _identity(part: _Part) -> tuple[int, int] | None:
    if part.folder is None:
        return None
    found = os.fstat(part.folder)
    return found.st_dev, found.st_ino


def _chunks_of(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        read = 0
        try:
            while read <= before.st_size and (chunk := file.read(CHUNK_BYTES)):  # a file that keeps growing would never end
                read += len(chunk)
                yield chunk
        except OSError:
            raise Unreadable from None
        after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or read != before.st_size:
        raise SourceChanged(
            "A file on the old file share changed while it was being read. Nothing was published.",
            "The share is not frozen. Freeze it, then start again with a new run folder.",
        )
