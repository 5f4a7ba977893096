"""The ways in which a command can end without success: each says what, where, and what to do next, and has its exit code.

Messages name tables, keys, columns and files, never values of personal data and never a password.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The disk is full, or the user's quota: not a fault of the path at which it showed. Such an OSError is raised again as it is, and is reported as NO_SPACE.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    """A disk, bucket or database is full, or has too little space for the next step (exit 1)."""

    code = "NO_SPACE"


class Disagreement(MigrationError):
    """Mappings, rules, loader, verifier and checks do not fit together."""

    code = "MAPPING"


class WrongUsage(MigrationError):
    """The command line cannot be understood or lacks an option; nothing was read or changed."""

    exit_code, code = 2, "USAGE"
    each: tuple[tuple[str, str], ...] = ()  # (message, next step) of each of several mistakes that the message joins


class CheckFailed(MigrationError):
    """A critical check or a signed goal is not met; nothing was published. With `selftest`: the verifier missed a planted fault."""

    exit_code, code = 3, "CHECK_FAILED"


class DifferencesFound(MigrationError):
    """The new store is not what the old portals give, or could not be compared completely."""

    exit_code, code = 4, "DIFFERENT"


class SourceChanged(MigrationError):
    """An old portal changed while it was read, or since (K1)."""

    exit_code, code = 5, "SOURCE_CHANGED"


class EvidenceAltered(MigrationError):
    """A file of a run or of a bundle is not the one that was recorded or signed."""

    exit_code, code = 6, "EVIDENCE_ALTERED"


class Refused(MigrationError):
    """A condition for this command is not met, by a rule or for safety; nothing was changed."""

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
