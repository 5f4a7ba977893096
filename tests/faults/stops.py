"""System calls at which a process stops until this one has decided: it continues, the call fails, or the process is killed. By the kernel, without strace.

A seccomp filter of the process reports the named calls to the holder of its listener; all other calls run at full speed, so that a kill costs what
the step costs. Under strace every call stops, and on a busy machine that is most of the time.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import signal
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

# Numbers of Linux's calls on this processor; none for another one, where strace stops at them.
NUMBERS = {
    "write": 1,
    "pwrite64": 18,
    "fsync": 74,
    "fdatasync": 75,
    "truncate": 76,
    "ftruncate": 77,
    "rename": 82,
    "mkdir": 83,
    "rmdir": 84,
    "unlink": 87,
    "openat": 257,
    "mkdirat": 258,
    "unlinkat": 263,
    "renameat": 264,
    "syncfs": 306,
    "renameat2": 316,
}
_NAMES = {number: name for name, number in NUMBERS.items()}
_ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64
# Of <linux/filter.h>, <linux/seccomp.h> and <sys/prctl.h>.
_LOAD, _AND, _JUMP_IF, _RETURN = 0x20, 0x54, 0x15, 0x06
_CALL_AT, _ARCHITECTURE_AT, _FLAGS_AT = 0, 4, 32  # in struct seccomp_data; the flags of openat are its third argument
_ALLOW, _REPORT = 0x7FFF0000, 0x7FC00000
_PR_SET_NO_NEW_PRIVS, _SECCOMP, _SET_FILTER, _NEW_LISTENER = 38, 317, 1, 1 << 3
_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_RECEIVED = struct.Struct("QIIi60x")


class _Line(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("then", ctypes.c_ubyte), ("otherwise", ctypes.c_ubyte), ("operand", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.POINTER(_Line)))


def _program(numbers: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Reports these calls, openat only where it may create a file."""
    lines = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_JUMP_IF, 1, 0, _ARCHITECTURE), (_RETURN, 0, 0, _ALLOW)]
    for number in numbers:
        lines.append((_LOAD, 0, 0, _CALL_AT))
        if number == NUMBERS["openat"]:
            lines += [(_JUMP_IF, 0, 4, number), (_LOAD, 0, 0, _FLAGS_AT), (_AND, 0, 0, os.O_CREAT), (_JUMP_IF, 1, 0, 0)]
        else:
            lines.append((_JUMP_IF, 0, 1, number))
        lines.append((_RETURN, 0, 0, _REPORT))
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def report(names: Sequence[str]) -> int:
    """From now on this process stops at these calls; the listener's descriptor, or -1 where the kernel refuses."""
    lines = _program([NUMBERS[name] for name in names])
    program = _Program(len(lines), (_Line * len(lines))(*(_Line(*line) for line in lines)))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return int(libc.syscall(_SECCOMP, _SET_FILTER, _NEW_LISTENER, ctypes.byref(program)))


@dataclass
class Stops:
    """What happens at these calls. `number`: at the n-th of any thread, counted for each call and thread; without it at none.

    `error`: the name of the error with which that call fails; empty: the process is killed before it. `seen`: (call, its number) in order of time.
    """

    names: Sequence[str]
    number: int = 0
    error: str = ""
    seen: list[tuple[str, int]] = field(default_factory=list)

    def follow(self, listener: int) -> threading.Thread:
        """The thread that decides, until no process stops here any more."""
        thread = threading.Thread(target=self._decide, args=(listener,), daemon=True)
        thread.start()
        return thread

    def _decide(self, listener: int) -> None:
        made: Counter[tuple[int, str]] = Counter()
        asked = select.poll()
        asked.register(listener, select.POLLIN)
        while asked.poll()[0][1] & select.POLLIN:
            words = bytearray(_RECEIVED.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, words)
            except FileNotFoundError:  # it was interrupted before it was heard
                continue
            key, thread, _, call = _RECEIVED.unpack(words)
            name = _NAMES[call]
            made[thread, name] += 1
            self.seen.append((name, made[thread, name]))
            code = 0
            if made[thread, name] == self.number:
                if not self.error:
                    os.kill(thread, signal.SIGKILL)
                    continue
                code = -int(getattr(errno, self.error))
            try:
                fcntl.ioctl(listener, _SEND, struct.pack("QqiI", key, 0, code, 0 if code else _CONTINUE))
            except FileNotFoundError:
                continue
        os.close(listener)


def why_no_numbers() -> str:
    """Why calls are not known by their numbers here; empty where they are."""
    return "" if platform.machine() == "x86_64" else f"no numbers of system calls for {platform.machine()}"
