"""The confirmation before a change that another run of the command cannot undo."""

from __future__ import annotations

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
    sys.stderr.write(f"{harmless(lines(question))} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise MigrationError("Not confirmed. Nothing was changed.", "Give the same command again and answer y, or give --yes.")


def _asked() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
