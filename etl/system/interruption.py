"""Whether a signal asked to stop: for libraries that look only when they are asked to, and swallow what a signal's handler raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

_OFTEN = 1_000_000  # instructions of SQLite's machine between two looks: some hundredths of a second
received: list[int] = []  # signals that came since the command began


class Asking(Protocol):
    """A connection that calls back while it is at work, and ends its statement where the answer is not 0."""

    def set_progress_handler(self, handler: Callable[[], int], n: int, /) -> None: ...


Of = TypeVar("Of", bound=Asking)


def interruptible(connection: Of) -> Of:
    """The connection; a signal ends its statements too, however long one takes: Python runs no handler within SQLite's own call."""
    connection.set_progress_handler(lambda: 1 if received else 0, _OFTEN)
    return connection
