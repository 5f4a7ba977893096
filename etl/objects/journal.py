"""What a run notes in its folder about the objects that it brings, a digest a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from etl.errors import EvidenceAltered


def append_to_journal(journal: Path | None, digests: Iterable[str]) -> None:
    """Written before the objects: a listed object that was never stored is harmless, an unlisted one would never be removed."""
    # Each on a line of its own, whatever a full disk left of the one before.
    rest = memoryview("".join(f"\n{sha256}\n" for sha256 in digests).encode())
    if journal is not None and len(rest):
        descriptor = os.open(journal, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while len(rest):
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


def journaled(journal: Path) -> set[str]:
    """The digests that a run noted; EvidenceAltered where it says anything else: what stands there names what is removed.

    A digest that was not written to its end (a full disk) was of an object that never came.
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
