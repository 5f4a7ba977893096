"""Work that goes on in a thread while something else is done: the actual side is read while the expected side is computed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Look = Callable[[], None]


class _Stopped(Exception):
    """Nobody wants the result any more."""


@contextmanager
def beside(work: Callable[[Look], T]) -> Iterator[Future[T]]:
    """What comes of the work, which is given a function to call often: it ends the work where the block has ended early."""
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
