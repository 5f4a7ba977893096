"""Documents' bytes on their way from the old portals to the object store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from etl.errors import Unreadable
from etl.objects import Objects, Stored

_SIDE_BY_SIDE = 8  # making a document durable waits for the disk, not for the processor
_SMALL = 1 << 20


def store_all(documents: Iterator[tuple[str, Iterator[bytes]]], objects: Objects) -> dict[str, Stored]:
    """By key, where each document's bytes are now; one that became unreadable while it was read is left out."""
    stored: dict[str, Stored] = {}
    waiting: dict[str, Future[Stored]] = {}
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for key, pieces in documents:
            try:
                first = next(pieces, b"")
                if len(first) < _SMALL:  # the pool makes it durable while the next one is read
                    rest = b"".join(pieces)
                    waiting[key] = pool.submit(objects.put, [first + rest])
                else:
                    stored[key] = objects.put(_chained(first, pieces))
            except Unreadable:
                continue
            if len(waiting) >= 4 * _SIDE_BY_SIDE:
                oldest = next(iter(waiting))
                stored[oldest] = waiting.pop(oldest).result()
        stored.update((key, future.result()) for key, future in waiting.items())
    objects.settle()
    return stored


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
