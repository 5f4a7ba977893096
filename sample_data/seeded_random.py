"""Random numbers that depend on (seed, stream, index) alone.

Each value is a pure function of integers (the SplitMix64 finaliser), so a world does not depend on the block size, the order of generation or
the version of numpy: `numpy.random.Generator` does not promise equal numbers across versions. A stream names the decision ("user.locked"),
an index the row that it is about.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def roll(seed: int, stream: str, index: Ints) -> Words:
    """Returns 64 uniformly distributed bits for each index."""
    start = np.uint64(int.from_bytes(blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest(), "big"))
    with np.errstate(over="ignore"):
        word = index.astype(np.uint64) * _GOLDEN + start
        word = (word ^ (word >> np.uint64(30))) * _MIX_1
        word = (word ^ (word >> np.uint64(27))) * _MIX_2
    mixed: Words = word ^ (word >> np.uint64(31))
    return mixed


def below(seed: int, stream: str, index: Ints, limit: int | Ints) -> Ints:
    """Returns for each index a number from 0 to limit - 1 (limit up to 2**31, one for all or one for each)."""
    top = roll(seed, stream, index) >> np.uint64(33)
    scaled = (top * np.asarray(limit).astype(np.uint64)) >> np.uint64(31)
    return scaled.astype(np.int64)


def happens(seed: int, stream: str, index: Ints, per_mille: int) -> Bools:
    """Returns for each index whether an event of probability `per_mille` / 1000 occurs."""
    return below(seed, stream, index, 1000) < per_mille


def choose(seed: int, stream: str, index: Ints, weights: Sequence[int]) -> Ints:
    """Returns for each index a position in `weights`, with a probability proportional to its weight."""
    edges = np.cumsum(np.asarray(weights, dtype=np.int64))
    return np.searchsorted(edges, below(seed, stream, index, int(edges[-1])), side="right").astype(np.int64)


def starts(counts: Ints) -> Ints:
    """Returns where the children of each parent begin in one sequence, and at the end the total: [2, 0, 3] -> [0, 2, 2, 5]."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])


def children(counts: Ints) -> tuple[Ints, Ints]:
    """Returns for each child the position of its parent, and its number among the children of that parent (from 0)."""
    parent = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    number = np.arange(len(parent), dtype=np.int64) - starts(counts)[parent]
    return parent, number
