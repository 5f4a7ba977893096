"""The protocols of the new object store, addressed by digest; each kind of store has a module.

An object's key follows from its SHA-256, never from a name in the old portal (C12). An object is stored and verified before a row refers to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

CHUNK_BYTES = 1 << 20
_AT_ONCE, _IN_A_ROW = 8, 20
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Stored:
    """A stored object: SHA-256, size in bytes, and whether this call stored it."""

    sha256: str
    size: int
    created: bool


class Objects(Protocol):
    """The new object store."""

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Stores the bytes under their SHA-256 and reads them back; equal bytes are one object. `make_durable` makes the folder entry durable."""
        ...

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        """Stores many small objects as `put` does; returns them in order."""
        ...

    def make_durable(self) -> None:
        """Makes the folder entries of all objects since the last call durable; required before a row refers to them."""
        ...

    def stop(self) -> None:
        """Stops `put_all` from starting further work in other threads, because the command ends."""
        ...

    def clean(self) -> None:
        """Removes partial files of ended processes."""
        ...

    def size(self, sha256: str) -> int | None:
        """Returns the object's size in bytes; None where it does not exist."""
        ...

    def sizes(self, digests: Sequence[str]) -> list[int | None]:
        """Returns sizes as `size` does, in the order of the digests."""
        ...

    def remove(self, sha256: str) -> bool:
        """Removes the object; returns whether it existed."""
        ...

    def remove_all(self, digests: Sequence[str]) -> int:
        """Removes these objects; returns how many existed."""
        ...

    def record_store(self, store: str, called: str) -> None:
        """Durably records that the new store with that identity refers to objects here; an empty `called` removes the record."""
        ...

    def others(self, store: str) -> list[str]:
        """Returns the names of the other new stores that are recorded here."""
        ...


class Readable(Objects, Protocol):
    """An object store that also returns the bytes."""

    def copy(self, sha256: str, path: Path) -> None:
        """Writes the object's bytes to a new file at that path."""
        ...


def object_key(sha256: str) -> str:
    """Returns the key under the store's root: `sha256/ab/abcd...`."""
    return f"sha256/{sha256[:2]}/{sha256}"


NOTES = ".store-"  # the prefix of the keys of notes


def note_key(store: str) -> str:
    """Returns the key of the note that the new store with that identity refers to objects here."""
    return f"{NOTES}{hashlib.sha256(store.encode()).hexdigest()[:32]}"


def of_each(ask: Callable[[str], Answer], digests: Sequence[str]) -> list[Answer]:
    """Returns the answers in the order of the digests, several asked in parallel, because a store may be remote; raises the first error."""
    several = [digests[n : n + _IN_A_ROW] for n in range(0, len(digests), _IN_A_ROW)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [answer for part in pool.map(lambda some: [ask(sha256) for sha256 in some], several) for answer in part]


class DigestOnlyStore:
    """An object store that keeps nothing, for comparisons: returns digests and sizes only."""

    def put(self, chunks: Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
        return Stored(digest.hexdigest(), size, False)

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        return [self.put([content]) for content in contents]

    def make_durable(self) -> None:
        return

    def stop(self) -> None:
        return

    def clean(self) -> None:
        return

    def size(self, sha256: str) -> int | None:
        return None

    def sizes(self, digests: Sequence[str]) -> list[int | None]:
        return [None] * len(digests)

    def remove(self, sha256: str) -> bool:
        return False

    def remove_all(self, digests: Sequence[str]) -> int:
        return 0

    def record_store(self, store: str, called: str) -> None:
        return

    def others(self, store: str) -> list[str]:
        return []
