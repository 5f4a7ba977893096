"""PgBouncer in front of the tests' PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from .postgres import PASSWORD, Server

# Debian keeps it where only administrators look.
_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooled(server: Server, folder: Path, **settings: str | int) -> Iterator[int]:
    """The port of a pooler with these settings; the test is skipped where there is none."""
    if _PROGRAM is None:
        pytest.skip("pgbouncer is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        free_port = int(free.getsockname()[1])
    folder.mkdir()
    (folder / "users").write_text(f'"postgres" "{PASSWORD}"\n')
    ours = {
        "listen_addr": "127.0.0.1",
        "listen_port": free_port,
        "unix_socket_dir": "",
        "auth_type": "plain",
        "auth_file": folder / "users",
    }
    chosen: dict[str, object] = {**ours, **settings}
    lines = [f"* = host={server.host} port={server.port}", "[pgbouncer]", *(f"{name} = {value}" for name, value in chosen.items())]
    (folder / "pgbouncer.ini").write_text("[databases]\n" + "\n".join(lines) + "\n")
    as_server = ["-u", Path(server.host).owner()] if os.geteuid() == 0 else []  # it refuses to be root
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([_PROGRAM, *as_server, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(str(chosen["listen_port"]))), timeout=1):
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.02)  # until it listens
        yield int(str(chosen["listen_port"]))
    finally:
        process.kill()
        process.wait()
