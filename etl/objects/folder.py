"""The new object store as a folder.

An object is written to a temporary file, made durable, renamed, read back and compared; only then does a row refer to it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import stat
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from etl.errors import DISK_FULL, MigrationError, Refused
from etl.objects import CHUNK_BYTES, NOTES, Stored, note_key, object_key
from etl.objects.journal import append_to_journal
from etl.system.durable_files import sync_whole, syncs_whole

_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # a store may be shared by machines
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TOP = "sha256"
_NOTE_BYTES = 64 << 10
_COPIED = 1 << 30  # bytes in one read
_REMOVERS = 4  # threads; more than cores, because a removal waits for the file system's journal
_HASHED_FIRST = 16 << 20  # bytes: a document up to this size is hashed before it is written


class FolderObjects:
    """Implements `Readable` with files of a folder, mode 0600 in folders of mode 0700, all owned by this user.

    All access uses descriptors of folders, and none below the root may be a link; write permission of other users on a folder is removed first.
    """

    def __init__(self, root: Path, journal: Path | None = None) -> None:
        self._shown, self._journal = root, journal
        self._not_durable: set[str] = set()
        self._folders: set[str] = set()  # existing ones, as far as this process knows
        try:
            for folder in (*reversed(root.absolute().parents), root):  # not `parents=True`: its folders would have the mode of the umask
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise
            raise MigrationError(f"--objects: {root} cannot be created ({error.strerror}).", "Give a writable folder.") from None
        weakref.finalize(self, os.close, self._root)
        _require_private(self._root, str(root))

    def put(self, chunks: Iterable[bytes]) -> Stored:
        digest, waiting = hashlib.sha256(), iter(chunks)
        first = _first(waiting)
        digest.update(first)
        if len(first) <= _HASHED_FIRST:  # the whole document: an object that exists is not written again
            sha256 = digest.hexdigest()
            if self._holds(sha256, len(first)):
                return Stored(sha256, len(first), False)
        with self._written(chain([first], _hashed(waiting, digest))) as (written, size, descriptor):
            sha256 = digest.hexdigest()
            known = self._holds(sha256, size)
            if not known:  # a failed fsync is final: the file is deleted, never synced again
                os.fsync(descriptor)
        if known:
            self._discard(written)
            return Stored(sha256, size, False)
        self._note([sha256])
        return self._moved(written, sha256, size)

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        if not syncs_whole():
            return [self.put([content]) for content in contents]
        found: dict[str, Stored] = {}
        waiting: dict[str, tuple[str, int]] = {}
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        try:
            for sha256, content in dict(zip(digests, contents, strict=True)).items():
                if self._holds(sha256, len(content)):
                    found[sha256] = Stored(sha256, len(content), False)
                    continue
                with self._written([content]) as (written, size, _):
                    waiting[sha256] = written, size
            if waiting:
                sync_whole(self._root)
        except BaseException:
            for written, _ in waiting.values():
                self._discard(written)
            raise
        self._note(waiting)
        for sha256, (written, size) in waiting.items():
            found[sha256] = self._moved(written, sha256, size)
        return [found[sha256] for sha256 in digests]

    # -- by descriptors -------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _subfolder(self, name: str) -> Iterator[int]:
        """Yields the descriptor of the folder `sha256/ab`; raises FileNotFoundError where it does not exist."""
        top = self._opened_top()
        try:
            _require_private(top, f"{self._shown}/{_TOP}")
            subfolder = os.open(name, _FOLDER, dir_fd=top)
        except OSError as error:
            raise self._strange(f"{_TOP}/{name}", error) from None
        finally:
            os.close(top)
        try:
            _require_private(subfolder, f"{self._shown}/{_TOP}/{name}")
            yield subfolder
        finally:
            os.close(subfolder)

    def _make_subfolder(self, name: str) -> None:
        if name in self._folders:
            return
        with suppress(FileExistsError):
            os.mkdir(_TOP, 0o700, dir_fd=self._root)
            self._lasts(self._root)
        top = self._opened_top()
        try:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=top)
                self._lasts(top)
        finally:
            os.close(top)
        self._folders.add(name)

    def _opened_top(self) -> int:
        try:
            return os.open(_TOP, _FOLDER, dir_fd=self._root)
        except OSError as error:
            raise self._strange(_TOP, error) from None

    def _strange(self, name: str, error: OSError) -> Exception:
        """Returns the exception for a folder that cannot be opened: a link or a file in its place is refused."""
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return Refused(f"--objects: {self._shown}/{name} is not a folder.", "Find out who put it there, or give another folder.")
        return error

    def _lasts(self, folder: int) -> None:
        if not syncs_whole():  # otherwise `make_durable` does it, together with the folder's entries
            os.fsync(folder)

    @contextmanager
    def _written(self, chunks: Iterable[bytes]) -> Iterator[tuple[str, int, int]]:
        """Yields (name, size, open file) of a new file with these bytes; the block closes it, and an exception removes it."""
        # All in one folder: the file system keeps the files close together and writes less metadata. Names are unpredictable.
        written = f".writing-{_MACHINE}-{os.getpid()}-{secrets.token_hex(8)}"
        size = 0
        descriptor = os.open(written, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._root)
        try:
            try:
                for chunk in chunks:
                    size += len(chunk)
                    write_all(descriptor, chunk)
                yield written, size, descriptor
            finally:
                os.close(descriptor)
        except BaseException:
            self._discard(written)
            raise

    def _discard(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._root)

    def _moved(self, written: str, sha256: str, size: int) -> Stored:
        self._make_subfolder(sha256[:2])
        with self._subfolder(sha256[:2]) as subfolder:
            os.rename(written, sha256, src_dir_fd=self._root, dst_dir_fd=subfolder)
            self._not_durable.add(sha256[:2])
            if not _holds(subfolder, sha256, size):
                message = f"The object store returned bytes that differ from those written ({object_key(sha256)})."
                raise MigrationError(message, "Check the disk, then run again.")
        return Stored(sha256, size, True)

    def _holds(self, sha256: str, size: int) -> bool:
        try:
            with self._subfolder(sha256[:2]) as subfolder:
                return _holds(subfolder, sha256, size)
        except FileNotFoundError:
            return False

    def _note(self, digests: Iterable[str]) -> None:
        append_to_journal(self._journal, digests)

    def make_durable(self) -> None:
        if self._not_durable and syncs_whole():
            sync_whole(self._root)
            self._not_durable.clear()
        while self._not_durable:
            with self._subfolder(self._not_durable.pop()) as subfolder:
                os.fsync(subfolder)

    def stop(self) -> None:
        return  # a group takes only a moment

    def clean(self) -> None:
        _clean(self._root)
        with suppress(FileNotFoundError, NotADirectoryError):
            top = self._opened_top()
            try:
                shelves = os.listdir(top)  # noqa: PTH208  # of a descriptor
            finally:
                os.close(top)
            for name in shelves:  # earlier versions wrote temporary files beside the object
                with suppress(FileNotFoundError), self._subfolder(name) as subfolder:
                    _clean(subfolder)

    def size(self, sha256: str) -> int | None:
        return self.sizes([sha256])[0]

    def sizes(self, digests: Sequence[str]) -> list[int | None]:
        found: dict[str, int] = {}
        for name, together in groupby(sorted(digests), key=lambda sha256: sha256[:2]):
            with suppress(OSError), self._subfolder(name) as subfolder:
                for sha256 in together:
                    with suppress(OSError):
                        about = os.stat(sha256, dir_fd=subfolder, follow_symlinks=False)
                        if stat.S_ISREG(about.st_mode):
                            found[sha256] = about.st_size
        return [found.get(sha256) for sha256 in digests]

    def remove(self, sha256: str) -> bool:
        return self.remove_all([sha256]) == 1

    def remove_all(self, digests: Sequence[str]) -> int:
        groups = [(name, list(together)) for name, together in groupby(sorted(digests), key=lambda sha256: sha256[:2])]
        if len(groups) <= 1:
            gone = sum(self._remove_from(*group) for group in groups)
        else:  # a file system removes entries of several folders at a time
            with ThreadPoolExecutor(_REMOVERS) as removers:
                gone = sum(removers.map(self._remove_from, *zip(*groups, strict=True)))
        with suppress(OSError):  # it still has other objects
            top = self._opened_top()
            try:
                for name, _ in groups:
                    with suppress(OSError):
                        os.rmdir(name, dir_fd=top)
                    self._folders.discard(name)
            finally:
                os.close(top)
            os.rmdir(_TOP, dir_fd=self._root)
            self._folders.clear()
        return gone

    def _remove_from(self, name: str, digests: Sequence[str]) -> int:
        gone = 0
        with suppress(FileNotFoundError), self._subfolder(name) as subfolder:
            for sha256 in digests:
                with suppress(FileNotFoundError):
                    os.unlink(sha256, dir_fd=subfolder)
                    gone += 1
        return gone

    def copy(self, sha256: str, path: Path) -> None:
        """Writes a separate file, mode 0600: changes of it do not reach the store. Blocks are shared where the file system can."""
        with self._subfolder(sha256[:2]) as subfolder:
            source = os.open(sha256, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=subfolder)
        try:
            new = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _copied(source, new)
            finally:
                os.close(new)
        finally:
            os.close(source)

    # -- notes of the stores that refer to objects here -----------------------------------------------------------------------------------

    def record_store(self, store: str, called: str) -> None:
        name = note_key(store)
        if called:
            with self._written([called.encode()]) as (written, _, descriptor):
                os.fsync(descriptor)
            os.rename(written, name, src_dir_fd=self._root, dst_dir_fd=self._root)
        else:
            self._discard(name)
        os.fsync(self._root)

    def others(self, store: str) -> list[str]:
        ours = note_key(store)
        names = sorted(name for name in os.listdir(self._root) if name.startswith(NOTES) and name != ours)  # noqa: PTH208  # of a descriptor
        return [self._read(name) for name in names]

    def _read(self, name: str) -> str:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_NOTE_BYTES).decode(errors="replace")


def _clean(folder: int) -> None:
    """Removes files that ended processes of this machine left unfinished in the open folder."""
    for name in os.listdir(folder):
        if not name.startswith(".writing-") or name.count("-") < 3:
            continue
        machine, process = name.split("-")[1:3]
        try:
            if machine == _MACHINE and int(process) == os.getpid():
                raise ProcessLookupError  # compared before the first write: an earlier process may have had the same number, as in a restarted container
            if machine == _MACHINE:
                os.kill(int(process), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        except (OSError, ValueError, OverflowError):
            continue  # it runs, or it belongs to another user or program


def _require_private(folder: int, shown: str) -> None:
    """Raises Refused where another user owns the folder; removes the permissions of other users, as for the run folder."""
    found = os.fstat(folder)
    if found.st_uid != os.geteuid():
        raise Refused(f"--objects: {shown} belongs to another user.", "Give --objects a folder that you own.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        os.fchmod(folder, 0o700)


def write_all(descriptor: int, chunk: bytes | memoryview) -> None:
    """Writes all bytes, in as many writes as needed."""
    rest = memoryview(chunk)
    while len(rest):
        rest = rest[os.write(descriptor, rest) :]


def _copied(source: int, new: int) -> None:
    with suppress(OSError, AttributeError):  # not available on every file system; the rest is copied below
        while os.copy_file_range(source, new, _COPIED):
            pass
    while chunk := os.read(source, CHUNK_BYTES):
        write_all(new, chunk)


def _first(chunks: Iterator[bytes]) -> bytes:
    """Returns the first bytes: the whole content up to _HASHED_FIRST, or one chunk more than that."""
    found, size = list[bytes](), 0
    for chunk in chunks:
        found.append(chunk)
        size += len(chunk)
        if size > _HASHED_FIRST:
            break
    return b"".join(found)


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _holds(subfolder: int, sha256: str, size: int) -> bool:
    """Returns whether a regular file of this user, not writable by others, has these bytes; reads it again."""
    try:
        # Non-blocking: a FIFO in an object's place must not block the run.
        descriptor = os.open(sha256, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=subfolder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):  # missing, a link, a socket: not an object
            return False
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return False
        digest = hashlib.sha256()
        while chunk := os.read(descriptor, min(size + 1, CHUNK_BYTES)):
            digest.update(chunk)
        return digest.hexdigest() == sha256
    finally:
        os.close(descriptor)
