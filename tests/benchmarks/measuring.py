"""What a contender costs: seconds, cpu of client and servers, and the peak memory of its processes together."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from .servers import Server

ROOT = Path(__file__).resolve().parents[2]
_EVERY, _SERVERS_EVERY = (
    0.5,
    10,
)  # seconds between two looks at the memory; looks of the client to one of the servers: those cost a quarter of a second each


@dataclass(frozen=True)
class Cost:
    """Seconds, seconds of cpu, and the most MB of memory at once (shared pages counted once: PSS), of the client and of the servers."""

    seconds: float
    client_cpu: float
    server_cpu: float
    client_mb: float
    server_mb: float


def whole_run(world: Path, path: Path) -> list[str]:
    """Returns the command that migrates a world of SQLite files into a new store, document store and run folder below `path`."""
    sources = [
        "--source",
        f"sqlite:///{world / 'portal2.sqlite'}",
        "--tc",
        f"sqlite:///{world / 'tc.sqlite'}",
        "--files",
        str(world / "files"),
    ]
    new = ["--target", f"sqlite:///{path / 'portal3.sqlite'}", "--objects", str(path / "objects"), "--run", str(path / "run")]
    freeze = ["--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30"]
    return [sys.executable, "-m", "cli", "run", *sources, *new, *freeze]


def measured(
    command: list[str],
    servers: tuple[Server, ...],
    watch: bool = True,
    look: Callable[[float], None] = lambda _megabytes: None,
    cwd: Path = ROOT,
) -> Cost:
    """Returns the cost of a command; raises SystemExit if it fails, because a benchmark of a wrong result is meaningless. `watch`: its memory too, which takes time from it.

    `look`: receives each sample of the memory. `cwd`: where it is started.
    """
    before, own = sum(server.cpu() for server in servers), resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # nobody compiles at every start
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**environment, "PYTHONPATH": str(ROOT)}
    )
    client_peak = server_peak = 0.0
    looks = 0
    errors = b""
    while True:
        if watch:
            now_used = together(process.pid)
            look(now_used)
            client_peak = max(client_peak, now_used)
        if watch and looks % _SERVERS_EVERY == 0:
            server_peak = max(server_peak, sum(together(server.pid) for server in servers))
        looks += 1
        try:
            _, errors = process.communicate(timeout=_EVERY)
            break
        except subprocess.TimeoutExpired:
            continue
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:6])} ended with status {process.returncode}:\n{errors.decode(errors='replace')[-2000:]}")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    client = now.ru_utime + now.ru_stime - own.ru_utime - own.ru_stime
    return Cost(seconds, client, sum(server.cpu() for server in servers) - before, client_peak, server_peak)


def together(pid: int) -> float:
    """MB of a process and of all below it, right now."""
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total / 1024
