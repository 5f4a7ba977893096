"""Whether a signal asked to stop: for libraries that look only when they are asked to, and swallow what a signal's handler raises."""

from __future__ import annotations

import sqlite3

_OFTEN = 1_000_000  # instructions of SQLite's machine between two looks: some hundredths of a second
received: list[int] = []  # signals that came since the command began


def interruptible(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection; a signal ends its statements too, however long one takes: Python runs no handler within SQLite's own call."""
    connection.set_progress_handler(lambda: 1 if received else 0, _OFTEN)
    return connection
