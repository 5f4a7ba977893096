"""Prefetches: reads the next rows while the previous ones are written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_WAITING = 3  # items that may wait: enough to even out, few enough to keep memory small

T = TypeVar("T")


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order, made by a thread that stays a few ahead; its error is raised where its item would have come."""
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
        except BaseException as error:  # not swallowed: handed over to the thread that waits
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
