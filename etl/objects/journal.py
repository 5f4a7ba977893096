"""What a run notes in its folder about the objects that it brings, a digest a line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


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
    """The digests that a run noted."""
    return set(journal.read_text(encoding="ascii").split()) if journal.is_file() else set()
