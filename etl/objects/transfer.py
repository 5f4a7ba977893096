"""Copies documents from the old portals to the object store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from etl.errors import Unreadable
from etl.objects import Objects, Stored

_SMALL = 1 << 20
# Small documents are made durable in groups: one wait for the disk costs the same for one or for hundreds.
_TOGETHER, _BYTES_TOGETHER = 500, 16 << 20
_GROUPS = 2


def store_all(documents: Iterator[tuple[str, Iterator[bytes]]], objects: Objects) -> dict[str, Stored]:
    """Returns, by key, where each document's bytes are stored; omits documents that became unreadable while they were read."""
    stored: dict[str, Stored] = {}
    group: dict[str, bytes] = {}
    size = 0
    with ThreadPoolExecutor(_GROUPS) as pool, _stopped_by_errors(objects):  # some groups are made durable while the next is read
        waiting: deque[Future[dict[str, Stored]]] = deque()
        for key, chunks in documents:
            try:
                first = next(chunks, b"")
                if len(first) < _SMALL:
                    group[key] = b"".join((first, *chunks))
                    size += len(group[key])
                else:
                    stored[key] = objects.put(_chained(first, chunks))
            except Unreadable:
                continue
            if len(group) >= _TOGETHER or size >= _BYTES_TOGETHER:
                if len(waiting) == _GROUPS:
                    stored |= waiting.popleft().result()
                waiting.append(pool.submit(_put, objects, group))
                group, size = {}, 0
        for future in waiting:
            stored |= future.result()
        stored |= _put(objects, group)
    objects.make_durable()
    return stored


@contextmanager
def _stopped_by_errors(objects: Objects) -> Iterator[None]:
    """Stops the work on further groups at a signal or an error."""
    try:
        yield
    except BaseException:
        objects.stop()
        raise


def _put(objects: Objects, group: dict[str, bytes]) -> dict[str, Stored]:
    return dict(zip(group, objects.put_all(list(group.values())), strict=True))


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
