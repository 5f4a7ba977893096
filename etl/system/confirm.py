"""Questions at a terminal, and the confirmation before a change that another run of the command cannot undo."""

from __future__ import annotations

import os
import select
import signal
import sys

from etl.errors import MigrationError, WrongUsage
from etl.system.visible import harmless, lines


def refuse_unasked(command: str, yes: bool) -> None:
    """Raises WrongUsage where input is not a terminal and `--yes` is not given."""
    if not yes and not _asked():
        raise WrongUsage(
            f"{command} requires confirmation, and there is no terminal to confirm on. Nothing was changed.",
            "Give --yes to confirm in advance.",
        )


def confirm(question: str, yes: bool) -> None:
    """Returns after the answer yes; raises MigrationError (exit 1) after any other answer, with nothing changed."""
    if yes:
        return
    if ask(f"{question} [y/N]").lower() not in ("y", "yes"):
        raise MigrationError("Not confirmed. Nothing was changed.", "Give the same command again and answer y, or give --yes.")


def ask(question: str) -> str:
    """Writes the question to stderr and returns the line typed on stdin, stripped; "" for an empty line and at the end of input.

    Call it in the main thread. A signal interrupts the waiting, also one that arrives before the waiting begins.
    """
    sys.stderr.write(f"{harmless(lines(question))} ")
    sys.stderr.flush()
    # Python runs a signal's handler after the blocking call that the signal interrupts. A signal just before the call, or one that the kernel
    # gives to another thread, interrupts nothing: the pipe ends the waiting for these.
    readable, writable = os.pipe()
    try:
        os.set_blocking(writable, False)
        before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        try:
            select.select([sys.stdin, readable], [], [])
        finally:
            signal.set_wakeup_fd(before)
    finally:
        os.close(readable)
        os.close(writable)
    return sys.stdin.readline().strip()


def _asked() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
