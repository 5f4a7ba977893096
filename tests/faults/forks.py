"""Starts of the command without the start: children of a process that has done the interpreter's start and the imports (`template.py`).

Three quarters of the second that a step of the cast takes are Python's start and imports, and under strace they are most of its system calls. So nearly
all starts of the harness are forks, and a kill costs what the step costs. What runs in the child is the same code by the same entry point: `-m cli`.

What a fork cannot show is left to real starts (`Scene.really`, and whatever `Scene.start` cannot fork): a kill while the interpreter starts, a module
that a command needs and forgets to import, environment variables and libraries that act at the start, workers, and a hash seed of its own for each
process. Of the latter there are two here, because starts are forked by two templates in turn: the resume has another seed than the run that was killed.
`test_forks.py` compares both ways.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any

from .stops import Stops, why_no_numbers
from .template import HARMLESS

_TEMPLATES = 2
_PATIENCE = 60  # seconds for what takes milliseconds, on a crowded machine
_LEFT = 10  # seconds after which a process that the command left behind is not waited for
# Where a library would start a thread of its own as soon as it is imported.
_ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


class Forked:
    """A started command, used like a `subprocess.Popen` of texts. `pipes`: of stdout and stderr; `watched`: what ends when nothing of it runs any more."""

    def __init__(
        self,
        args: list[str],
        pid: int,
        channel: socket.socket,
        pipes: Sequence[int | None],
        watched: subprocess.Popen[bytes] | threading.Thread | None,
    ) -> None:
        self.args, self.pid, self.returncode = args, pid, None
        self._watched = watched
        self._read: list[list[bytes]] = [[] for _ in pipes]
        self._readers = [
            threading.Thread(target=_read, args=(pipe, into), daemon=True)
            for pipe, into in zip(pipes, self._read, strict=True)
            if pipe is not None
        ]
        self._waiter = threading.Thread(target=self._wait, args=(channel,), daemon=True)
        for thread in (*self._readers, self._waiter):
            thread.start()

    returncode: int | None

    def _wait(self, channel: socket.socket) -> None:
        with channel:
            told = channel.recv(100)
        if isinstance(self._watched, threading.Thread):
            self._watched.join(_LEFT)
        elif self._watched is not None:
            with suppress(subprocess.TimeoutExpired):
                self._watched.wait(_LEFT)
            self._watched.kill()
            self._watched.communicate()
        self.returncode = int(told)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._waiter.join(timeout)
        if self._waiter.is_alive():
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        assert self.returncode is not None, "the template has died"
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Both outputs, empty where they went elsewhere; when the process has ended and no process has them open any more."""
        until = None if timeout is None else time.monotonic() + timeout
        for reader in self._readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        out, err = (b"".join(parts).decode() for parts in self._read)
        return out, err

    def send_signal(self, number: int) -> None:
        if self._waiter.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _read(pipe: int, into: list[bytes]) -> None:
    with open(pipe, "rb", buffering=0) as file:  # a descriptor
        while part := file.read(1 << 16):
            into.append(part)


Started = subprocess.Popen[str] | Forked


class _Template:
    """One such process, which ends with this one."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home = tempfile.TemporaryDirectory(prefix="template-")
        atexit.register(self.end)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.template", str(theirs.fileno())],
                cwd=self._home.name,
                env={**environment, **_ONE_THREAD, "GX_ANALYTICS_ENABLED": "false", "HOME": self._home.name, "TMPDIR": self._home.name},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    @cached_property
    def ready(self) -> dict[str, Any]:
        """The `threads` that it has besides its own, and the `hash` of a text; waits until all is imported."""
        return dict(json.loads(self._requests.recv(1 << 16)))

    def fork(
        self, words: list[str], calls: list[str], folder: Path, environment: dict[str, str], descriptors: list[int]
    ) -> tuple[int, socket.socket]:
        """The child's process number, and the channel by which its end is told. The last of the descriptors may be a gate."""
        mine, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"words": words, "calls": calls, "folder": str(folder), "environment": environment}).encode()
            socket.send_fds(self._requests, [request], [*descriptors[:3], theirs.fileno(), *descriptors[3:]])
        mine.settimeout(_PATIENCE)
        told = b""
        while not told.endswith(b"\n"):
            part = mine.recv(1)
            assert part, "the template has died"
            told += part
        mine.settimeout(None)
        return int(told), mine

    def end(self) -> None:
        self._requests.close()
        self._process.wait(_PATIENCE)
        self._home.cleanup()


@cache
def _templates() -> tuple[list[_Template], Iterator[_Template]]:
    """The templates; and the same, in turn, for ever."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "USER", "LOGNAME")}
    root = str(Path(__file__).resolve().parents[2])
    made = [_Template({**kept, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}) for _ in range(_TEMPLATES)]
    return made, itertools.cycle(made)


@cache
def why_not() -> str:
    """Why nothing can be forked here; empty where it can."""
    others = {name for template in _templates()[0] for name in template.ready["threads"]} - HARMLESS
    return f"libraries have started threads: {sorted(others)}" if others else ""


def hashes() -> list[int]:
    """The hash of the same text in each template."""
    return [template.ready["hash"] for template in _templates()[0]]


def fork(
    argv: list[str],
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    traced: Sequence[str] = (),
    stops: Stops | None = None,
    **streams: Any,
) -> Forked:
    """The command with these words. `argv`: how it would be started; `traced`: strace's words; streams as for `subprocess.Popen`."""
    ours: list[int | None] = []
    theirs: list[int] = []
    given: list[int] = []  # closed here as soon as the child has them
    for name in ("stdin", "stdout", "stderr"):
        place: int | IO[Any] = streams[name]
        reader = None
        if place == subprocess.PIPE:
            reader, writer = os.pipe()
            given.append(writer)
        elif place == subprocess.DEVNULL:
            given.append(os.open(os.devnull, os.O_RDWR))
        theirs.append(given[-1] if place in (subprocess.PIPE, subprocess.DEVNULL) else place if isinstance(place, int) else place.fileno())
        ours.append(reader)
    mine, gate = socket.socketpair()
    with mine, gate:
        closed = bool(traced) or stops is not None
        calls = list(stops.names) if stops is not None else []
        _, templates = _templates()
        pid, channel = next(templates).fork(list(words), calls, folder, environment, [*theirs, *([gate.fileno()] if closed else [])])
        gate.close()
        for descriptor in given:
            os.close(descriptor)
        watched = _stopping(mine, stops) if stops is not None else _attached(pid, traced) if traced else None
        if closed:
            mine.send(b".")
    return Forked(argv, pid, channel, ours[1:], watched)


def _stopping(gate: socket.socket, stops: Stops) -> threading.Thread:
    _, descriptors, _, _ = socket.recv_fds(gate, 1, 1)
    assert descriptors, "the kernel does not report the system calls of a process"
    return stops.follow(descriptors[0])


def _attached(pid: int, traced: Sequence[str]) -> subprocess.Popen[bytes]:
    """Strace, attached to the process."""
    tracer = subprocess.Popen(["strace", *traced, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    assert tracer.stderr is not None
    for line in tracer.stderr:
        if line.rstrip().endswith(b"attached"):
            return tracer
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"strace ended with {tracer.wait()}")


def _answers(traced: Sequence[str] = (), stops: Stops | None = None) -> bool:
    """Whether a command that does nothing runs to its end so."""
    null: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        return fork([], ["--version"], Path("/"), {"PATH": os.environ.get("PATH", "")}, traced, stops, **null).wait(_PATIENCE) == 0
    except (AssertionError, subprocess.TimeoutExpired, FileNotFoundError):
        return False


@cache
def can_stop() -> bool:
    """Whether the kernel reports system calls of a forked command here."""
    return not why_not() and not why_no_numbers() and _answers(stops=Stops(["fsync", "openat"]))


@cache
def can_trace() -> bool:
    """Whether strace may be attached to a forked command here."""
    return not why_not() and _answers(traced=["-f", "-o", os.devnull, "-e", "trace=fsync"])
