"""Files of a run folder, opened relative to descriptors of their folders: written durably by a rename, read with their digest."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import DISK_FULL, EvidenceAltered, MigrationError

if TYPE_CHECKING:
    import pyarrow as pa

HASHING = 2  # files compared in parallel; hashing releases Python's lock


_verified: dict[tuple[str, str, str], tuple[int, ...]] = {}  # by root, path and digest: the file that had this digest in this process


@dataclass(frozen=True)
class StageFile:
    """A stage file in the manifest: path relative to the run folder, rows, bytes, SHA-256."""

    path: str
    rows: int
    size: int
    sha256: str


def write_table(root: Path, path: str, table: pa.Table) -> StageFile:
    """Writes a table as a stage file and returns its entry; the same table gives the same bytes."""
    return write_bytes(root, path, parquet(table), table.num_rows)


def write_bytes(root: Path, path: str, content: bytes | memoryview, rows: int = 0) -> StageFile:
    """Writes a stage file durably, mode 0600, and returns its entry."""
    parent, _, name = path.rpartition("/")
    with within(root, parent) as folder:
        write_in(folder, name, content)
    return StageFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def read_table(root: Path, file: StageFile) -> pa.Table:
    """Returns the table in a stage file; raises EvidenceAltered (exit 6) where its bytes differ from the manifest."""
    return table_of(read_verified(root, file))


def read_columns(root: Path, file: StageFile, columns: list[str]) -> pa.Table:
    """Returns some columns of a stage file; raises EvidenceAltered (exit 6) where its bytes differ from the manifest.

    A process computes the digest once while the file stays the same and unchanged; the columns come from the file that was opened then, even if the
    path leads to another file meanwhile.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    again = "Start again in a new run folder."
    try:
        with _opened(root / file.path) as stream:
            descriptor = stream.fileno()
            before, known = _state(descriptor), (str(root), file.path, file.sha256)
            if _verified.get(known) != before and hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise EvidenceAltered(f"{file.path} of the run's folder does not match the manifest.", again)
            # By the descriptor, not by the path: the same file, read by Arrow.
            found = pq.ParquetFile(f"/dev/fd/{descriptor}", page_checksum_verification=True).read(columns=columns, use_threads=False)
            if _state(descriptor) != before:
                raise EvidenceAltered(f"{file.path} of the run's folder was changed while it was being read.", again)
            _verified[known] = before
            return found
    except (OSError, pa.ArrowInvalid):
        raise EvidenceAltered(f"{file.path} of the run's folder cannot be read or is damaged.", again) from None


def _state(descriptor: int) -> tuple[int, ...]:
    """Returns what changes with a file: its identity, its size, and the time of the last write, which no user can set back."""
    about = os.fstat(descriptor)
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _opened(path: Path) -> io.BufferedReader:
    """Returns the open file; raises OSError for a link, and for what is not a regular file: a pipe may have no writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> bytes:
    """Returns the bytes of a file of the run folder; raises OSError for a link, a pipe, or what else is not a regular file."""
    with _opened(path) as stream:
        return stream.read()


def read_verified(root: Path, file: StageFile) -> bytes:
    """Returns the bytes of a stage file; raises EvidenceAltered (exit 6) where they differ from the manifest."""
    try:
        content = read_regular(root / file.path)
    except OSError as error:
        raise EvidenceAltered(
            f"{file.path} of the run's folder cannot be read ({error.strerror}).", "Start again in a new run folder."
        ) from None
    if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
        raise EvidenceAltered(f"{file.path} of the run's folder does not match the manifest.", "Start again in a new run folder.")
    return content


def parquet(table: pa.Table) -> memoryview:
    """Returns the table as a Parquet file with a checksum for every page; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    # No dictionaries, no statistics: both cost time for long texts and save nothing.
    pq.write_table(table, buffer, compression="lz4", use_dictionary=False, write_statistics=False, write_page_checksum=True)
    return buffer.getbuffer()


def table_of(content: bytes) -> pa.Table:
    """Returns the table in the bytes of a Parquet file, after a check of every page's checksum."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Not pq.read_table: it imports pyarrow.dataset and pandas, which takes seconds.
    return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read(use_threads=False)


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Writes a temporary file, makes it durable, renames it, makes the folder durable; mode 0600 under any umask."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        write_in(folder, path.name, content)
    finally:
        os.close(folder)


# All access to the run folder uses descriptors of folders, not paths: another process may put a link into a path at any moment.
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def write_in(folder: int, name: str, content: bytes | memoryview) -> None:
    """Writes a file of the open folder durably, mode 0600; replaces an existing one in one step."""
    beside = f".{name}.writing"
    with suppress(FileNotFoundError):
        os.unlink(beside, dir_fd=folder)
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        os.unlink(beside, dir_fd=folder)
        raise
    os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


@contextmanager
def within(root: Path, path: str) -> Iterator[int]:
    """Yields a descriptor of that folder below the root; missing folders are created, and none of them may be a link."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in filter(None, path.split("/")):
            folder = inside(folder, part)
        yield folder
    finally:
        os.close(folder)


def inside(folder: int, name: str) -> int:
    """Returns a descriptor of the folder of that name in the open one, which is closed."""
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
        inner = os.open(name, OPEN_FOLDER, dir_fd=folder)
        os.fchmod(inner, 0o700)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise EvidenceAltered(f"{name} in the run's folder is not a folder.", "Start again in a new run folder.") from None
        if error.errno in DISK_FULL:
            raise
        message = f"The folder {name} of the run's folder cannot be created ({error.strerror})."
        raise MigrationError(message, "Give --run a writable folder.") from None
    os.close(folder)
    return inner


def removed_entries(parent: int, name: str) -> tuple[int, int]:
    """Removes the file, link or folder with its content from the open folder; returns (files, bytes), 0 where it does not exist."""
    try:
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return 0, 0
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        size = os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
        os.unlink(name, dir_fd=parent)
        return 1, size
    try:
        within = [removed_entries(folder, inner) for inner in sorted(os.listdir(folder), reverse=True)]  # noqa: PTH208  # of a descriptor
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)
    return sum(files for files, _ in within), sum(size for _, size in within)


def rows_of(files: Iterable[StageFile]) -> int:
    """Returns the total rows of these files."""
    return sum(file.rows for file in files)
