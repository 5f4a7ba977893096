"""Memory that a step is done with goes back to the system, so that the next step's peak does not stand on top of it."""

from __future__ import annotations

import ctypes
import gc
import sys

import pyarrow as pa


def give_memory_back() -> None:
    """Collects what is unreachable and lets the allocators return their free pages; changes nothing else.

    What is left is not looked through again: modules and mappings stay anyway, and looking through them takes a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries have none
        if trim is not None:
            trim(0)
