"""The object store, read back: every object that the new store refers to, hashed (C9, K10)."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.difference import CHANGED, MISSING, NOT_CHECKED, differences
from etl.reconcile.errors import ReconcileError

CHUNK_BYTES = 1 << 20
AT_ONCE = 4  # hashing lets other threads run
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # not held up by a pipe
TOGETHER = 50  # objects that a thread reads in a row


@dataclass(frozen=True)
class ObjectCount:
    """Numbers of objects, and of bytes compared with their digest."""

    counted: int = 0
    verified_bytes: int = 0
    missing: int = 0
    altered: int = 0


@dataclass(frozen=True)
class ObjectState:
    """What an object key leads to: nothing, an unreadable object, or bytes with this digest and size."""

    digest: str | None
    size: int
    why: str = ""


def objects_read_back(store: Store, root: str, progress: Callable[[int], None] = lambda _: None) -> tuple[ObjectCount, pl.DataFrame]:
    """Returns (count of objects read, differences): objects that are missing, altered, of another size, or cannot be read (C9, K10)."""
    counted = verified = missing = altered = 0
    rows: list[tuple[str | None, ...]] = []
    read = _reader(root)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for listed in _stored(store):
            several = [listed[n : n + TOGETHER] for n in range(0, len(listed), TOGETHER)]
            read_back = (found for part in pool.map(lambda some: [read(key) for _, _, key in some], several) for found in part)
            for (digest, size, _), found in zip(listed, read_back, strict=True):
                counted += 1
                if found.why == "missing":
                    missing += 1
                    rows.append(("stored_object", MISSING, None, digest, None, "object_key", None, None))
                elif found.why:
                    rows.append(("stored_object", NOT_CHECKED, None, digest, None, "object_key", None, found.why))
                elif found.digest != digest or found.size != size:
                    altered += 1
                    column, expected, actual = (
                        ("sha256", digest, found.digest) if found.digest != digest else ("size_bytes", str(size), str(found.size))
                    )
                    rows.append(("stored_object", CHANGED, None, digest, None, column, expected, actual))
                else:
                    verified += found.size
            progress(counted)
    return ObjectCount(counted, verified, missing, altered), differences(rows)


def _stored(store: Store) -> Iterator[list[tuple[str, int, str]]]:
    columns = list(store.spec.target["stored_object"].columns.values())
    for part in store.database.parts("stored_object", columns, exact=True):
        yield list(part.frame.select("sha256", "size_bytes", "object_key").iter_rows())


def _reader(root: str) -> Callable[[str], ObjectState]:
    parts = urlsplit(root)
    if "://" not in root or parts.scheme == "file":
        return _from_folder(Path(unquote(parts.path) if "://" in root else root))
    if parts.scheme != "s3":
        raise ReconcileError(
            f"The object store: {parts.scheme}:// is not a supported kind of store.", "Give a folder or s3://bucket/prefix."
        )
    from etl.reconcile.objects.bucket import Bucket

    bucket = Bucket(root)
    return lambda key: ObjectState(*bucket.hashed(key))


def _from_folder(folder: Path) -> Callable[[str], ObjectState]:
    """Files below the folder. The real path of a file's folder is resolved once; links are followed only by resolving the full path."""
    top = folder.resolve()

    @cache
    def inside(head: str) -> bool:
        return (top / head).resolve().is_relative_to(top)

    def read(key: str) -> ObjectState:
        head = key.rpartition("/")[0]
        try:
            if key.startswith("/") or not inside(head):
                return ObjectState(None, 0, "the key points outside the store")
            path = f"{top}/{key}"  # as a text: a path object costs more than reading the object
            try:
                descriptor = os.open(path, _READING | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                if not Path(path).resolve().is_relative_to(top):
                    return ObjectState(None, 0, "the key points outside the store")
                descriptor = os.open(path, _READING)
        except FileNotFoundError:
            return ObjectState(None, 0, "missing")
        except (OSError, ValueError, RuntimeError):
            return ObjectState(None, 0, "cannot be read")
        try:
            return _hashed(descriptor)
        finally:
            os.close(descriptor)

    return read


def _hashed(descriptor: int) -> ObjectState:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return ObjectState(None, 0, "no file")
    digest, size = hashlib.sha256(), 0
    try:
        # One byte more than there should be: most objects are done with one look, the end included.
        while chunk := os.read(descriptor, min(found.st_size + 1, CHUNK_BYTES)):
            digest.update(chunk)
            size += len(chunk)
    except OSError:
        return ObjectState(None, 0, "cannot be read")
    return ObjectState(digest.hexdigest(), size)
