"""A process that has imported the command and all that its steps import, and forks one child for each start of the command.

`python -m tests.faults.template FD`: requests come by that socket. Each names working folder, environment and words, and brings descriptors: stdin,
stdout, stderr, the channel for the child's process number and end, and sometimes a gate, at which the child waits until somebody watches its calls.

The child is made as like a newly started process as can be: session, folder, environment, streams, search path and arguments of its own; nothing of
the template's is open in it, and it runs `-m cli`. Where that ends with an exit code, the child ends like the interpreter (threads, exit functions,
unreachable objects, streams), except that it does not take the modules apart: of the second that this saves in ten, nothing is the command's own.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .stops import report

# What a step imports when it comes to it, beyond the project's own modules: found in `sys.modules` behind each step of an ordinary run.
_LATE = (
    "_strptime",
    "adbc_driver_sqlite",
    "encodings.idna",
    "encodings.utf_8_sig",
    "multiprocessing.synchronize",
    "numpy.random",
    "pwd",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.dialects.sqlite",
    "xlsxwriter",
)
# A thread that polars starts when it is imported; it waits, without a lock, for files to remove: nothing of a fork depends on it.
HARMLESS = frozenset({"polars-ooc-clea"})
_PR_SET_PTRACER = 0x59616D61  # of prctl: where only ancestors may trace, this lets anyone who may signal the process
_Request = tuple[dict[str, Any], list[int]]


def threads() -> dict[str, str]:
    """Returns the name and the state (S: it waits) of every thread but the only one that matters."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) != os.getpid():
            name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
            found[name] = rest.split()[0]
    return found


def _imports() -> None:
    from checks import expectations

    with expectations._quick_imports():  # first: as in a `check`, where the packages that it leaves out have not been imported by others
        importlib.import_module("great_expectations.expectations")
    for package in ("etl", "checks", "mappings"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)
    for name in ("cli", *_LATE):
        importlib.import_module(name)


@contextmanager
def _told_of_deaths() -> Iterator[int]:
    """Yields a descriptor that can be read when a child has ended."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(reader)
        os.close(writer)


def _ended(running: dict[int, int]) -> None:
    """Tells of each child that has ended, by its channel."""
    for pid in list(running):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            channel = running.pop(pid)
            os.write(channel, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(channel)


def serve(requests: socket.socket) -> _Request | None:
    """Returns in the template, with None, when nobody is left to ask; and in each child, with its request."""
    running: dict[int, int] = {}  # process -> channel
    with _told_of_deaths() as deaths:
        requests.send(json.dumps({"threads": sorted(threads()), "hash": hash("of a text")}).encode())
        while True:
            ready, _, _ = select.select([requests.fileno(), deaths], [], [])
            if deaths in ready:
                os.read(deaths, 1 << 12)
                _ended(running)
            if requests.fileno() not in ready:
                continue
            words, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 5)
            if not words:
                return None
            channel = descriptors.pop(3)
            busy = {name: state for name, state in threads().items() if name not in HARMLESS or state != "S"}
            assert not busy, f"a fork beside running threads could wait for them forever: {busy}"
            pid = os.fork()
            if not pid:
                for other in (*running.values(), channel, requests.detach()):
                    os.close(other)
                return json.loads(words), descriptors
            running[pid] = channel
            os.write(channel, b"%d\n" % pid)
            for descriptor in descriptors:
                os.close(descriptor)


def _stream(number: int, like: Any) -> Any:
    """Returns the stream of that number as the interpreter makes it when it starts; `like`: the one that it made for the template."""
    binary = open(number, "rb" if number == 0 else "wb", closefd=False)  # noqa: SIM115  # a descriptor; lives as long as the process
    lines = number == 2 or binary.isatty()
    return io.TextIOWrapper(binary, encoding=like.encoding, errors=like.errors, newline=None if number == 0 else "\n", line_buffering=lines)


def become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Makes this child the process that was asked for."""
    os.setsid()
    streams, gate = descriptors[:3], descriptors[3:]
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in streams:
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (_stream(*pair) for pair in enumerate((sys.stdin, sys.stdout, sys.stderr)))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = os.getcwd()  # noqa: PTH109  # what `-m` puts there
    sys.argv = ["-m", *request["words"]]
    for descriptor in gate:
        _watched(descriptor, request["calls"])


def _watched(gate: int, calls: list[str]) -> None:
    """Returns when somebody watches: with a listener for these calls, else by ptrace."""
    with socket.socket(fileno=gate) as watcher:
        if calls:
            listener = report(calls)
            socket.send_fds(watcher, [b"."], [listener] if listener >= 0 else [])
            os.close(listener)
        else:
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
        watcher.recv(1)


def run() -> None:
    """Runs the command as `-m cli`; returns or raises for the interpreter's own end where it does not end with an exit code."""
    code = 0
    try:
        runpy.run_module("cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        code = end.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:  # which the interpreter tells in its own way
        sys.exit(code)
    os._exit(code & 0xFF)


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    _imports()
    gc.collect()
    gc.freeze()  # else each child's collections copy every page that holds an object
    request = serve(requests)
    if request is not None:
        become(*request)
        run()


if __name__ == "__main__":
    main()
