"""The new object store, addressed by digest; one module per kind of it, the rest of the project sees only the protocols below.

An object's key is made of its SHA-256 and never of a name from the old portal (C12). That it is there, and whole, is known before a row refers to it.
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
    """An object that is in the store: digest, size in bytes, and whether this call brought it there."""

    sha256: str
    size: int
    created: bool


class Objects(Protocol):
    """The new object store."""

    def put(self, chunks: Iterable[bytes]) -> Stored:
        """Stores the bytes under their digest, read back; the same bytes twice are one object. `make_durable` makes its place durable."""
        ...

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        """As `put`, of many small ones at once, in their order."""
        ...

    def make_durable(self) -> None:
        """Makes the places of all objects durable that were put since: before anything refers to them."""
        ...

    def stop(self) -> None:
        """The command ends: what `put_all` has not begun in other threads is not begun any more."""
        ...

    def clean(self) -> None:
        """Removes files that ended processes had begun to write."""
        ...

    def size(self, sha256: str) -> int | None:
        """The object's bytes; None where there is none."""
        ...

    def sizes(self, digests: Sequence[str]) -> list[int | None]:
        """As `size`, of many, in their order."""
        ...

    def remove(self, sha256: str) -> bool:
        """Takes the object away; whether there was one."""
        ...

    def remove_all(self, digests: Sequence[str]) -> int:
        """Takes these objects away; how many there were."""
        ...

    def record_store(self, store: str, called: str) -> None:
        """Durably: the new store of that identity refers to objects here; where it is `called` nothing, it does no more."""
        ...

    def others(self, store: str) -> list[str]:
        """What the other new stores are called that were noted here."""
        ...


class Readable(Objects, Protocol):
    """One that also gives the bytes back."""

    def copy(self, sha256: str, place: Path) -> None:
        """The object's bytes as a file at that place, where there is none yet."""
        ...


def object_key(sha256: str) -> str:
    """The key under the store's root: `sha256/ab/abcd...`."""
    return f"sha256/{sha256[:2]}/{sha256}"


NOTES = ".store-"  # how the keys of notes begin


def note_key(store: str) -> str:
    """The key of the note that the new store of that identity refers to objects here."""
    return f"{NOTES}{hashlib.sha256(store.encode()).hexdigest()[:32]}"


def of_each(ask: Callable[[str], Answer], digests: Sequence[str]) -> list[Answer]:
    """The answers in the order of the digests, several asked for at the same time: a store may be far away. The first error ends it."""
    several = [digests[n : n + _IN_A_ROW] for n in range(0, len(digests), _IN_A_ROW)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [answer for part in pool.map(lambda some: [ask(sha256) for sha256 in some], several) for answer in part]


class DigestOnlyStore:
    """Keeps nothing: digests and sizes for whoever only compares."""

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
