"""The stores of documents: the old file share, read without following a path out of its root, and the new object store, addressed by digest.

An object's key is made of its SHA-256 and never of a name from the old portal (C12). It is written beside its place, made durable, moved,
read back and compared; only then does a row refer to it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import stat
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from etl.errors import MigrationError, Unreadable

PIECE = 1 << 20
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # a store may be shared between machines


@dataclass(frozen=True)
class Stored:
    """An object that is in the store: digest, size in bytes, and whether this call brought it there."""

    sha256: str
    size: int
    created: bool


class Objects(Protocol):
    """The new object store."""

    def put(self, pieces: Iterable[bytes]) -> Stored:
        """Stores the bytes under their digest, read back; the same bytes twice are one object. `settle` makes its place durable."""
        ...

    def settle(self) -> None:
        """Makes the places of all objects durable that were put since: before anything refers to them."""
        ...

    def size(self, sha256: str) -> int | None:
        """The object's bytes; None where there is none."""
        ...

    def remove(self, sha256: str) -> bool:
        """Takes the object away; whether there was one."""
        ...


def object_key(sha256: str) -> str:
    """The key under the store's root: `sha256/ab/abcd...`."""
    return f"sha256/{sha256[:2]}/{sha256}"


JOURNAL = "objects.journal"  # in the run's folder: the digest of every object that the run brought into the store


def open_objects(uri: str, journal: Path | None = None) -> Objects:
    """The object store behind a folder's path or a file:// URI. `journal`: where to note what is brought there, for rollback."""
    return FolderObjects(folder_of(uri, "--objects"), journal)


def journaled(journal: Path) -> set[str]:
    """The digests that a run noted."""
    return set(journal.read_text(encoding="ascii").split()) if journal.is_file() else set()


def folder_of(uri: str, option: str) -> Path:
    """The local folder that a path or file:// URI names."""
    scheme, _, rest = uri.partition("://")
    if rest and scheme != "file":
        raise MigrationError(f"{option}: {scheme}:// is no kind of store that is known here.", f"Give {option} a folder or file:///folder.")
    return Path(urllib.parse.unquote(rest) if rest else uri)


class Nowhere:
    """Keeps nothing: digests and sizes for whoever only compares."""

    def put(self, pieces: Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
        return Stored(digest.hexdigest(), size, False)

    def settle(self) -> None:
        return

    def size(self, sha256: str) -> int | None:
        return None

    def remove(self, sha256: str) -> bool:
        return False


class FolderObjects:
    """Objects as files of a folder, mode 0600 in folders of mode 0700."""

    def __init__(self, root: Path, journal: Path | None = None) -> None:
        self._root, self._journal = root, journal
        self._unsettled: set[Path] = set()
        self._numbers = itertools.count()  # threads put side by side: each needs a name of its own
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_leftovers(root)
        except OSError as error:
            raise MigrationError(f"--objects: {root} cannot be made ({error.strerror}).", "Give a folder that can be written to.") from None

    def put(self, pieces: Iterable[bytes]) -> Stored:
        written = self._root / f".writing-{_MACHINE}-{os.getpid()}-{next(self._numbers)}"
        sha256, size = _write_durably(written, pieces)
        place = self._root / object_key(sha256)
        if place.is_file() and digest_of(place) == (sha256, size):
            written.unlink()
            return Stored(sha256, size, False)
        for folder in (place.parent.parent, place.parent):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                _sync_folder(folder.parent)
        self._note(sha256)
        written.rename(place)
        self._unsettled.add(place.parent)
        if digest_of(place) != (sha256, size):
            raise MigrationError(
                f"The object store gave back other bytes than were written ({object_key(sha256)}).", "Check the disk, then run again."
            )
        return Stored(sha256, size, True)

    def _note(self, sha256: str) -> None:
        """Before the object is there: an object that was noted and never came is none to take back, one unnoted would stay for ever."""
        if self._journal is not None:
            descriptor = os.open(self._journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                rest = memoryview(f"\n{sha256}\n".encode())  # on a line of its own, whatever a full disk left of the one before
                while len(rest):
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)

    def settle(self) -> None:
        while self._unsettled:
            _sync_folder(self._unsettled.pop())

    def size(self, sha256: str) -> int | None:
        try:
            return (self._root / object_key(sha256)).stat().st_size
        except OSError:
            return None

    def remove(self, sha256: str) -> bool:
        place = self._root / object_key(sha256)
        was_there = place.is_file()
        place.unlink(missing_ok=True)
        for folder in (place.parent, place.parent.parent):
            try:
                folder.rmdir()
            except OSError:
                break
        return was_there


def _remove_leftovers(root: Path) -> None:
    """Takes away what processes that are no more had begun to write."""
    for place in root.glob(".writing-*"):
        machine, process = place.name.split("-")[1:3]
        try:
            if machine == _MACHINE:
                os.kill(int(process), 0)
        except ProcessLookupError:
            place.unlink(missing_ok=True)
        except OSError:
            continue  # it lives, and belongs to somebody else


def _write_durably(place: Path, pieces: Iterable[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                rest = memoryview(piece)
                while len(rest):
                    rest = rest[file.write(rest) :]
            # A failed fsync is final: the file is thrown away, never synced a second time.
            os.fsync(descriptor)
    except BaseException:
        place.unlink(missing_ok=True)
        raise
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(file: Path) -> tuple[str, int]:
    """(SHA-256, size) of a file's bytes as they are now."""
    with file.open("rb", buffering=0) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return digest, stream.tell()


class Share:
    """The old file share: reads only regular files that lie under its root when every link is followed (C6, fine print 46)."""

    def __init__(self, uri: str) -> None:
        self._root = folder_of(uri, "--files")
        if not self._root.is_dir():
            raise MigrationError(f"--files: there is no folder {self._root}.", "Give the root of the old file share.")
        self._real = self._root.resolve()

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
