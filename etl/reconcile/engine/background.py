"""Work in a thread: the actual side is read while the expected side is computed, and the next rows are computed while the last ones are in use."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

T = TypeVar("T")
Look = Callable[[], None]


class _Stopped(Exception):
    """The result is not needed any more."""


@contextmanager
def run_in_background(work: Callable[[Look], T]) -> Iterator[Future[T]]:
    """Yields the future of `work`, which runs in a thread; the function given to it raises when the block has ended, and so ends the work."""
    stop = threading.Event()

    def look() -> None:
        if stop.is_set():
            raise _Stopped

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, look)
        try:
            yield future
        finally:
            stop.set()


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """Yields the same items; a thread computes the next one while the caller uses the current one."""
    with ThreadPoolExecutor(1) as pool:
        end = object()
        coming: Future[T | object] = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield cast(T, item)
