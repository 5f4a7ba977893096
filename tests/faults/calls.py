"""The system calls of a command: counted, killed at the n-th, made to fail at the n-th; all from outside, by the kernel's filter or by strace."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from . import forks
from .scene import Ended, Scene
from .stops import Stops

# The calls after and before which a file is, is not, or is only half there.
KINDS: dict[str, tuple[str, ...]] = {
    "rename": ("rename", "renameat", "renameat2"),
    "fsync": ("fsync", "fdatasync", "syncfs"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "create": ("openat",),  # with O_CREAT only
    "truncate": ("ftruncate", "truncate"),
}
Point = TypeVar("Point")
_ONCE = re.compile(r"(?:signal=KILL|error=(\w+)):when=(\d+)")
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


def made(scene: Scene, command: str, kinds: Sequence[str]) -> list[tuple[str, int]]:
    """Returns the system calls of the undisturbed command in order of time: (call, the number at which to inject).

    Counted by thread, so a number stands for the n-th call of every thread; of the openat only those count that create.
    """
    names = [name for kind in kinds for name in KINDS[kind]]
    if scene.forked and forks.can_stop():
        stops = Stops(names)
        scene.run(command, stops=stops, code=0)
        return stops.seen
    log = scene.folder / "calls.log"
    traced = ["-f", *([] if scene.forked else ["--seccomp-bpf"]), "-o", str(log), "-e", f"trace={','.join(names)}"]
    scene.run(command, traced=traced, code=0)
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match and "resumed>" not in line.split("(")[0]:
            thread, name, rest = match.groups()
            seen[thread, name] += 1
            if name != "openat" or "O_CREAT" in rest:
                found.append((name, seen[thread, name]))
    log.unlink()
    return found


def counted(scene: Scene, command: str, kinds: Sequence[str]) -> dict[str, list[int]]:
    """For each of these system calls that the (undisturbed) command makes: the numbers at which to inject."""
    numbers: dict[str, set[int]] = {}
    for name, number in made(scene, command, kinds):
        numbers.setdefault(name, set()).add(number)
    return {name: sorted(found) for name, found in numbers.items()}


def injecting(call: str, what: str, *, path: Path | str | None = None) -> list[str]:
    """Returns strace's words that inject `what` (`signal=KILL:when=3`, `error=EIO:when=1`) into that call, on that file only if one is given."""
    only = ["-P", str(path)] if path is not None else []
    # Not --seccomp-bpf: strace 6 injects no signal with it, and says nothing.
    return ["-f", "-o", "/dev/null", *only, "-e", f"trace={call}", "-e", f"inject={call}:{what}"]


def injected(scene: Scene, command: str, call: str, what: str, *, path: Path | str | None = None) -> Ended:
    """The command, with `what` injected into that call."""
    once = _ONCE.fullmatch(what)
    if once and path is None and scene.forked and forks.can_stop():
        error, number = once.groups()
        return scene.run(command, stops=Stops([call], int(number), error or ""))
    return scene.run(command, traced=injecting(call, what, path=path))


def killed(scene: Scene, command: str, call: str, number: int) -> Ended:
    """The command, killed when one of its threads is about to make that call for the n-th time."""
    return injected(scene, command, call, f"signal=KILL:when={number}")


def spread(points: Sequence[Point], at_most: int) -> list[Point]:
    """Some of the points, evenly spread, the first and the last among them."""
    if len(points) <= at_most:
        return list(points)
    if at_most == 1:
        return [points[len(points) // 2]]
    return [points[round(position * (len(points) - 1) / (at_most - 1))] for position in range(at_most)]
