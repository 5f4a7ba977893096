"""Opens a path so that the kernel keeps it below a folder (openat2, Linux 5.6); the verifier's implementation."""

import os
import struct
from ctypes import CDLL, c_long, create_string_buffer
from functools import cache
from typing import Any

CALL = 437
STAY_BELOW = 0x08 | 0x04 | 0x02  # beneath the folder; no links, neither symbolic ones nor magic links of /proc


@cache
def _kernel() -> Any:
    try:
        function = CDLL(None).syscall
    except (AttributeError, OSError):  # another system than Linux
        return None
    function.restype = c_long
    return function


def below(folder: int, path: bytes, flags: int) -> int:
    """Returns a descriptor of the file below `folder`; -1 if the kernel opens none, then the caller walks the path."""
    kernel = _kernel()
    if kernel is None or not path:
        return -1
    question = struct.pack("=QQQ", flags, 0, STAY_BELOW)
    answer = kernel(
        c_long(CALL), c_long(folder), create_string_buffer(path), create_string_buffer(question, len(question)), c_long(len(question))
    )
    return int(answer) if answer >= 0 else -1


def folder_of(path: bytes) -> int:
    """Returns a descriptor of the folder for relative look-ups."""
    return os.open(path, os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW | (os.O_PATH if hasattr(os, "O_PATH") else os.O_RDONLY))
