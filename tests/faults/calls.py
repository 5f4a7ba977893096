"""The system calls of a command: counted, killed at the n-th, made to fail at the n-th; all by strace, from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from .scene import Ended, Scene

# The calls after and before which a file is, is not, or is only half there.
KINDS: dict[str, tuple[str, ...]] = {
    "rename": ("rename", "renameat", "renameat2"),
    "fsync": ("fsync", "fdatasync", "syncfs"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "create": ("openat",),  # with O_CREAT only
    "truncate": ("ftruncate", "truncate"),
}
_LINE = re.compile(r"^(?:\[pid +)?(\d+)\]? +(\w+)\((.*)$")


@cache
def why_not() -> str:
    """Why nothing can be injected here; empty where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=fsync", sys.executable, "-c", ""],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "ptrace is not permitted here"


def needs_strace() -> None:
    if why_not():
        pytest.skip(why_not())


def counted(scene: Scene, command: str, kinds: Sequence[str]) -> dict[str, list[int]]:
    """For each system call that the (undisturbed) command makes: the numbers at which to inject.

    strace counts by thread, so a number stands for the n-th call of every thread; `create` keeps the numbers of those openat that create.
    """
    log = scene.folder / "calls.log"
    names = [name for kind in kinds for name in KINDS[kind]]
    scene.run(command, before=["strace", "-f", "--seccomp-bpf", "-o", str(log), "-e", f"trace={','.join(names)}"], code=0)
    seen: Counter[tuple[str, str]] = Counter()
    numbers: dict[str, set[int]] = {}
    for line in log.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found and "resumed>" not in line.split("(")[0]:
            thread, name, rest = found.groups()
            seen[thread, name] += 1
            if name != "openat" or "O_CREAT" in rest:
                numbers.setdefault(name, set()).add(seen[thread, name])
    log.unlink()
    return {name: sorted(found) for name, found in numbers.items()}


def injected(scene: Scene, command: str, call: str, what: str, *, path: Path | str | None = None) -> Ended:
    """The command, with `what` (`signal=KILL:when=3`, `error=EIO:when=1`) injected into that call."""
    only = ["-P", str(path)] if path is not None else []
    # Not --seccomp-bpf: strace 6 injects no signal with it, and says nothing.
    before = ["strace", "-f", "-o", "/dev/null", *only, "-e", f"trace={call}", "-e", f"inject={call}:{what}"]
    return scene.run(command, before=before)


def killed(scene: Scene, command: str, call: str, number: int) -> Ended:
    """The command, killed when one of its threads is about to make that call for the n-th time."""
    return injected(scene, command, call, f"signal=KILL:when={number}")


def spread(numbers: Sequence[int], at_most: int) -> list[int]:
    """Some of the numbers, the first and the last among them."""
    if len(numbers) <= at_most:
        return list(numbers)
    return (
        [numbers[round(place * (len(numbers) - 1) / (at_most - 1))] for place in range(at_most)]
        if at_most > 1
        else [numbers[len(numbers) // 2]]
    )
