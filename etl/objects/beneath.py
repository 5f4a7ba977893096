"""`openat2`: a Linux system call that opens a path below a folder and never leaves it. Python has no function for it."""

from __future__ import annotations

import ctypes
import os

NUMBER = 437  # the number of the system call, on every architecture of Linux
_NO_SYMLINKS, _BENEATH = 0x04, 0x08
_SIZE = 24  # bytes of `struct open_how`: flags, mode, resolve


def opened_beneath(folder: int, path: str, flags: int) -> int | None:
    """Returns a descriptor of the path below that folder, without links on the way; None where the kernel returns an error.

    None does not say that the file is missing: the kernel may lack or forbid the call, or a link may be on the way.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "syscall", None) if os.name == "posix" else None
    if call is None:
        return None
    how = (ctypes.c_uint64 * 3)(flags, 0, _BENEATH | _NO_SYMLINKS)
    call.restype = ctypes.c_long
    descriptor = call(
        ctypes.c_long(NUMBER), ctypes.c_int(folder), ctypes.c_char_p(os.fsencode(path)), ctypes.byref(how), ctypes.c_size_t(_SIZE)
    )
    return int(descriptor) if descriptor >= 0 else None
