"""Keeps freed memory from staying with a process: during a step, and behind it, so that the next step's peak is not added to it."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable

import pyarrow as pa

# Options of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 1 << 18  # bytes


def limit_free_memory() -> None:
    """Makes the C library's allocator return freed arrays of 256 KB and more at once; changes nothing else.

    By default its limit grows with the largest freed array, to 32 MB, and each thread keeps free pages of its own: at 25,000 profiles a third of
    the memory of a step. For a process that will hold much, before it starts threads.
    """
    option = _of_glibc("mallopt")
    if option is not None:
        for name, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, 2 * _LARGE), (_ARENA_MAX, 1)):
            option(name, value)


def give_memory_back() -> None:
    """Collects unreachable objects and lets the allocators return free pages; changes nothing else.

    Remaining objects are excluded from later collections: modules and mappings stay, and each scan takes a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    pa.default_memory_pool().release_unused()
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Returns that function of glibc; None where the C library is another one."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
