"""The new object store as a folder.

An object is written beside its place, made durable, moved, read back and compared; only then does a row refer to it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import platform
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etl.errors import MigrationError
from etl.objects import NOTES, PIECE, Stored, note_key, object_key
from etl.objects.journal import note
from etl.system.durable_files import sync_folder, sync_whole, syncs_whole

_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # a store may be shared between machines


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
        written, digest = self._beside(), hashlib.sha256()
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
                waiting[sha256] = self._beside(), place, len(content)
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
    def _beside(self) -> str:
        # All in one folder: a file system keeps its files near it, and has less to write down for each.
        return f"{self._root}/.writing-{_MACHINE}-{os.getpid()}-{next(self._numbers)}"

    def _place(self, sha256: str) -> str:
        """Where the object belongs; its folder is there."""
        place = f"{self._root}/{object_key(sha256)}"
        parent = _parent(place)
        if parent not in self._folders:
            for folder in (Path(parent).parent, Path(parent)):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
                    if not syncs_whole():  # else `settle` makes it durable together with what is in it
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
        note(self._journal, digests)

    def settle(self) -> None:
        if self._unsettled and syncs_whole():
            sync_whole(self._root)
            self._unsettled.clear()
        while self._unsettled:
            sync_folder(Path(self._unsettled.pop()))

    def stop(self) -> None:
        return  # a group is on the disk within a moment

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
            return os.stat(f"{self._root}/{object_key(sha256)}").st_size  # noqa: PTH116  # as above: asked for every object
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

    def copy(self, sha256: str, place: Path) -> None:
        """A hard link where both lie on one disk."""
        try:
            place.hardlink_to(self._root / object_key(sha256))
        except OSError:
            shutil.copyfile(self._root / object_key(sha256), place)

    def note(self, store: str, called: str) -> None:
        place = self._root / note_key(store)
        if called:
            written = self._beside()
            with _written(written, [called.encode()]) as (_, descriptor):
                os.fsync(descriptor)
            Path(written).rename(place)
        else:
            place.unlink(missing_ok=True)
        sync_folder(self._root)

    def others(self, store: str) -> list[str]:
        ours = note_key(store)
        return [place.read_text(errors="replace") for place in sorted(self._root.glob(f"{NOTES}*")) if place.name != ours]


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
