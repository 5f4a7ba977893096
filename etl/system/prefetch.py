"""Reads the next rows while the previous ones are written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_WAITING = 3  # items in the queue: enough to balance the speeds, few enough to keep memory small

T = TypeVar("T")


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """Yields the same items in the same order, read ahead by a thread; raises its error in place of the item."""
    waiting: queue.Queue[T | BaseException | None] = queue.Queue(_WAITING)
    stop = threading.Event()

    def put(item: T | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            if all(put(item) for item in items):
                put(None)
        except BaseException as error:  # not suppressed: raised in the consuming thread
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
