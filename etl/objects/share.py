"""The old file share, read without following a path out of its root."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from etl.errors import MigrationError, Unreadable
from etl.objects import PIECE
from etl.objects.place import folder_of
from etl.runfolder.disk_space import bytes_below


class Share:
    """The old file share: reads only regular files that lie under its root when every link is followed (C6, fine print 46)."""

    def __init__(self, uri: str) -> None:
        self._root = folder_of(uri, "--files")
        if not self._root.is_dir():
            raise MigrationError(f"--files: there is no folder {self._root}.", "Give the root of the old file share.")
        self._real = self._root.resolve()

    def size(self) -> int:
        """The bytes of all files that lie there."""
        return bytes_below(self._real)

    def pieces(self, object_path: str) -> Iterator[bytes] | None:
        """The bytes of the file at that path; None where there is no readable file inside the root."""
        place = self._inside(object_path)
        if place is None:
            return None
        try:
            # Not blocking: a FIFO must not hold up the night; then only a regular file counts.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return _pieces_of(descriptor)

    def _inside(self, object_path: str) -> Path | None:
        if not object_path or object_path.startswith("/") or "\0" in object_path:
            return None
        depth = 0
        for part in object_path.split("/"):
            depth += -1 if part == ".." else 0 if part in ("", ".") else 1
            if depth < 0:
                return None
        try:
            place = (self._real / object_path).resolve()
        except (OSError, RuntimeError):
            return None
        return place if place.is_relative_to(self._real) else None


def _pieces_of(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while piece := _read(file):
            yield piece


def _read(file: FileIO) -> bytes:
    try:
        return file.read(PIECE) or b""
    except OSError:
        raise Unreadable from None
