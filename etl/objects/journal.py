"""The journal of a run's new objects in its folder, one digest a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from etl.errors import EvidenceAltered


def append_to_journal(journal: Path | None, digests: Iterable[str]) -> None:
    """Appends the digests before the objects are stored: a listed object that was never stored is harmless, an unlisted one would never be removed."""
    # Each begins a line, even after a line that a full disk cut off.
    rest = memoryview("".join(f"\n{sha256}\n" for sha256 in digests).encode())
    if journal is not None and len(rest):
        descriptor = os.open(journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while len(rest):
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


def journaled(journal: Path) -> set[str]:
    """Returns the digests in a run's journal; raises EvidenceAltered for any other content, because it selects the objects that are removed.

    An incomplete digest (a full disk) belongs to an object that was never stored.
    """
    try:
        descriptor = os.open(journal, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return set()
    except OSError:
        raise _altered(journal) from None
    with os.fdopen(descriptor, "rb") as file:
        words = file.read().split()
    if not all(_PART.fullmatch(word) for word in words):
        raise _altered(journal)
    return {word.decode() for word in words if len(word) == _LENGTH}


_LENGTH = 64
_PART = re.compile(rb"[0-9a-f]{1,64}")


def _altered(journal: Path) -> EvidenceAltered:
    return EvidenceAltered(
        f"{journal.name} in the run's folder was altered, or is not a file.", "Restore the run's folder. Nothing was removed."
    )
