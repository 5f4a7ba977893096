"""Signals that ask to stop, for libraries that ignore exceptions of a signal handler and call back for an answer instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

_OFTEN = 1_000_000  # instructions of SQLite's virtual machine between two callbacks: some hundredths of a second
received: list[int] = []  # signals since the command began


class Asking(Protocol):
    """A connection that calls a handler during a statement, and ends the statement where it does not return 0."""

    def set_progress_handler(self, handler: Callable[[], int], n: int, /) -> None: ...


Of = TypeVar("Of", bound=Asking)


def interruptible(connection: Of) -> Of:
    """Returns the connection; a signal ends its statements too, however long they take: Python runs no handler during a call of SQLite."""
    connection.set_progress_handler(lambda: 1 if received else 0, _OFTEN)
    return connection
