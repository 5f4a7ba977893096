"""The stores of documents: the old file share, read without following a path out of its root, and the new object store, addressed by digest.

An object's key is made of its SHA-256 and never of a name from the old portal (C12). It is written beside its place, made durable, moved,
read back and compared; only then does a row refer to it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import platform
import stat
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

from etl.durable import sync_folder, sync_whole, syncs_whole
from etl.errors import MigrationError, Unreadable
from etl.room import bytes_below

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

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        """As `put`, of many small ones at once, in their order."""
        ...

    def settle(self) -> None:
        """Makes the places of all objects durable that were put since: before anything refers to them."""
        ...

    def clean(self) -> None:
        """Takes away what processes that are no more had begun to write."""
        ...

    def size(self, sha256: str) -> int | None:
        """The object's bytes; None where there is none."""
        ...

    def remove(self, sha256: str) -> bool:
        """Takes the object away; whether there was one."""
        ...

    def note(self, store: str, called: str) -> None:
        """Durably: the new store of that identity refers to objects here; where it is `called` nothing, it does no more."""
        ...

    def others(self, store: str) -> list[str]:
        """What the other new stores are called that were noted here."""
        ...


def object_key(sha256: str) -> str:
    """The key under the store's root: `sha256/ab/abcd...`."""
    return f"sha256/{sha256[:2]}/{sha256}"


_NOTES = ".store-"


def note_key(store: str) -> str:
    """The key of the note that the new store of that identity refers to objects here."""
    return f"{_NOTES}{hashlib.sha256(store.encode()).hexdigest()[:32]}"


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

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        return [self.put([content]) for content in contents]

    def settle(self) -> None:
        return

    def clean(self) -> None:
        return

    def size(self, sha256: str) -> int | None:
        return None

    def remove(self, sha256: str) -> bool:
        return False

    def note(self, store: str, called: str) -> None:
        return

    def others(self, store: str) -> list[str]:
        return []


class FolderObjects:
    """Objects as files of a folder, mode 0600 in folders of mode 0700."""

    def __init__(self, root: Path, journal: Path | None = None) -> None:
        self._root, self._journal = root, journal
        self._unsettled: set[str] = set()
        self._folders: set[str] = set()  # that are there, as far as this process knows
        self._numbers = itertools.count()  # threads put side by side: each needs a name of its own
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise MigrationError(f"--objects: {root} cannot be made ({error.strerror}).", "Give a folder that can be written to.") from None

    def put(self, pieces: Iterable[bytes]) -> Stored:
        written, digest = self._beside(str(self._root)), hashlib.sha256()
        with _written(written, _hashed(pieces, digest)) as (size, descriptor):
            # A failed fsync is final: the file is thrown away, never synced a second time.
            os.fsync(descriptor)
        sha256 = digest.hexdigest()
        place = self._place(sha256)
        if _holds(place, sha256, size):
            Path(written).unlink()
            return Stored(sha256, size, False)
        self._note([sha256])
        return self._moved(written, place, sha256, size)

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        if not syncs_whole():
            return [self.put([content]) for content in contents]
        found: dict[str, Stored] = {}
        waiting: dict[str, tuple[str, str, int]] = {}
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        try:
            for sha256, content in dict(zip(digests, contents, strict=True)).items():
                place = self._place(sha256)
                if _holds(place, sha256, len(content)):
                    found[sha256] = Stored(sha256, len(content), False)
                    continue
                waiting[sha256] = self._beside(_parent(place)), place, len(content)
                with _written(waiting[sha256][0], [content]):
                    pass
            if waiting:
                sync_whole(self._root)
        except BaseException:
            for written, _, _ in waiting.values():
                Path(written).unlink(missing_ok=True)
            raise
        self._note(waiting)
        for sha256, (written, place, size) in waiting.items():
            found[sha256] = self._moved(written, place, sha256, size)
        return [found[sha256] for sha256 in digests]

    # Places are texts, not paths: making and joining paths cost as much as what the kernel does for a small document.
    def _beside(self, folder: str) -> str:
        return f"{folder}/.writing-{_MACHINE}-{os.getpid()}-{next(self._numbers)}"

    def _place(self, sha256: str) -> str:
        """Where the object belongs; its folder is there."""
        place = f"{self._root}/{object_key(sha256)}"
        parent = _parent(place)
        if parent not in self._folders:
            for folder in (Path(parent).parent, Path(parent)):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
                    sync_folder(folder.parent)
            self._folders.add(parent)
        return place

    def _moved(self, written: str, place: str, sha256: str, size: int) -> Stored:
        os.rename(written, place)  # noqa: PTH104  # see above
        self._unsettled.add(_parent(place))
        if not _holds(place, sha256, size):
            raise MigrationError(
                f"The object store gave back other bytes than were written ({object_key(sha256)}).", "Check the disk, then run again."
            )
        return Stored(sha256, size, True)

    def _note(self, digests: Iterable[str]) -> None:
        """Before the objects are there: an object that was noted and never came is none to take back, one unnoted would stay for ever."""
        # Each on a line of its own, whatever a full disk left of the one before.
        rest = memoryview("".join(f"\n{sha256}\n" for sha256 in digests).encode())
        if self._journal is not None and len(rest):
            descriptor = os.open(self._journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                while len(rest):
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)

    def settle(self) -> None:
        if self._unsettled and syncs_whole():
            sync_whole(self._root)
            self._unsettled.clear()
        while self._unsettled:
            sync_folder(Path(self._unsettled.pop()))

    def clean(self) -> None:
        for place in (*self._root.glob(".writing-*"), *self._root.glob("sha256/*/.writing-*")):
            machine, process = place.name.split("-")[1:3]
            try:
                if machine == _MACHINE and int(process) == os.getpid():
                    raise ProcessLookupError  # asked before anything is written: it was one of the same number, as in a container started again
                if machine == _MACHINE:
                    os.kill(int(process), 0)
            except ProcessLookupError:
                place.unlink(missing_ok=True)
            except OSError:
                continue  # it lives, and belongs to somebody else

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
            self._folders.discard(str(folder))
        return was_there

    def note(self, store: str, called: str) -> None:
        place = self._root / note_key(store)
        if called:
            written = self._beside(str(self._root))
            with _written(written, [called.encode()]) as (_, descriptor):
                os.fsync(descriptor)
            Path(written).rename(place)
        else:
            place.unlink(missing_ok=True)
        sync_folder(self._root)

    def others(self, store: str) -> list[str]:
        ours = note_key(store)
        return [place.read_text(errors="replace") for place in sorted(self._root.glob(f"{_NOTES}*")) if place.name != ours]


@contextmanager
def _written(place: str, pieces: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """(Size, the open file) of the new file with these bytes, closed behind the block; where that raises, there is none."""
    size = 0
    descriptor = os.open(place, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            for piece in pieces:
                size += len(piece)
                rest = memoryview(piece)
                while len(rest):
                    rest = rest[os.write(descriptor, rest) :]
            yield size, descriptor
        finally:
            os.close(descriptor)
    except BaseException:
        Path(place).unlink(missing_ok=True)
        raise


def _hashed(pieces: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _parent(place: str) -> str:
    return place.rpartition("/")[0]


def _holds(place: str, sha256: str, size: int) -> bool:
    """Whether a regular file with these bytes is there, read anew."""
    try:
        # Not blocking: a FIFO in an object's place must not hold up the night.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):  # nothing, a link, a socket: no object
            return False
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        digest = hashlib.sha256()
        while piece := os.read(descriptor, min(size + 1, PIECE)):
            digest.update(piece)
        return digest.hexdigest() == sha256
    finally:
        os.close(descriptor)


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
