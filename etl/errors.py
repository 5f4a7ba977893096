"""The ways in which a command can end without success: each says what, where, and what to do next, and has its exit code.

Messages name tables, keys, columns and files, never values of personal data and never a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class MigrationError(Exception):
    """Could not be done (exit 1). `next_step` is the sentence that tells the engineer what to do."""

    exit_code = 1
    code = "FAILED"

    def __init__(self, message: str, next_step: str = "Correct what the message names, then run the same command again.") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.data: dict[str, Any] = {}  # what the command still has to report


class Transient(MigrationError):
    """Passes by itself: a lost connection, a deadlock, a server that restarts. The whole unit may be tried again."""

    code = "TRANSIENT"


class Busy(Transient):
    """A database in which somebody else holds a lock at this moment, so that it cannot be read or written: of an old one, a sign that it is in use."""

    code = "BUSY"


class NoSpace(MigrationError):
    code = "NO_SPACE"


class Disagreement(MigrationError):
    """Mappings, rules, loader, verifier and checks do not fit together."""

    code = "MAPPING"


class WrongUsage(MigrationError):
    exit_code, code = 2, "USAGE"


class CheckFailed(MigrationError):
    exit_code, code = 3, "CHECK_FAILED"


class DifferencesFound(MigrationError):
    exit_code, code = 4, "DIFFERENT"


class SourceChanged(MigrationError):
    exit_code, code = 5, "SOURCE_CHANGED"


class EvidenceAltered(MigrationError):
    exit_code, code = 6, "EVIDENCE_ALTERED"


class Refused(MigrationError):
    exit_code, code = 7, "REFUSED"


class Unreadable(Exception):  # not an ending: a document whose bytes end early counts as missing and never stops the others
    """The bytes of a document of the old portals cannot be read."""


def note(error: BaseException, name: str, what: str) -> None:
    """Keeps on an unforeseen error what its last words need to say; the first note of a name stands. It travels with the error between processes."""
    if name not in error.__dict__:
        error.__dict__[name] = what


@contextmanager
def concerning(table: str) -> Iterator[None]:
    """Notes on an unforeseen error which table (`P2.document`) it is about."""
    try:
        yield
    except Exception as error:
        note(error, "table", table)
        raise
