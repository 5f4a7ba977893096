"""No network: the page that installs from a folder of wheels, and a program without network connections."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.handbook import ROOT, blocks

from .test_packaging import plain_copy

# Loaded by every Python process of the command: it refuses, and writes down, whatever is not for this machine.
_REFUSES = """
import ipaddress, os, sys

def loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "", None)

def refuse(event, about):
    place = None
    if event == "socket.getaddrinfo":
        place = about[0].decode() if isinstance(about[0], bytes) else about[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(about[1], tuple):
        place = about[1][0]
    if place is not None and not loopback(place):
        with open(os.environ["ASKED"], "a") as file:
            file.write(f"{event} {place}\\n")
        raise OSError(101, "Network is unreachable")

with open(os.environ["ASKED"] + ".started", "a") as file:
    file.write(f"{os.getpid()}\\n")
sys.addaudithook(refuse)
"""


def block(mark: str) -> str:
    (code,) = [code for name, code in blocks(ROOT / "runbooks" / "closed-network.md", "sh") if name == mark]
    return code


def cut_off() -> list[str]:
    """The words before a command that give it a network of its own, without a way out; none where the system does not allow that."""
    words = ["unshare", "--map-root-user", "--net"]
    try:
        allowed = subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    return words if allowed else []


def test_the_documented_download_installs_and_runs_without_a_network(tmp_path: Path) -> None:
    """As documented, in a network namespace without connections (if the system allows it); a replaced wheel is refused."""
    copy = plain_copy(tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PORTAL_MIGRATE", "VIRTUAL_ENV"))}
    environment["PATH"] = f"{Path(sys.executable).resolve().parent}:{environment['PATH']}"  # not the test run's own environment
    fetched = subprocess.run(["bash", "-euc", block("fetch")], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if fetched.returncode and "connection" in fetched.stderr.lower():
        pytest.skip("no package index can be reached")
    assert fetched.returncode == 0, fetched.stderr[-2000:]
    shutil.rmtree(copy / ".fetch")
    done = subprocess.run(
        [*cut_off(), "bash", "-euc", block("install")], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Published and equal" in done.stdout
    exchanged = min((copy / "wheels").glob("click-*.whl"))
    with exchanged.open("ab") as file:
        file.write(b"\0")
    install = [line for line in block("install").splitlines() if "--require-hashes" in line]
    again = subprocess.run(
        ["bash", "-euc", f"{install[0]} --force-reinstall --no-deps"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode != 0
    assert "DO NOT MATCH THE HASHES" in again.stderr
    check = subprocess.run(["bash", "-euc", block("install").splitlines()[0]], cwd=copy, capture_output=True, check=False)
    assert check.returncode != 0


def test_a_migration_opens_no_network_connection(tmp_path: Path) -> None:
    """Every process of `demo` and of a rehearsal with workers: what is looked up or connected to beyond this machine is written down. Nothing is."""
    (tmp_path / "sitecustomize.py").write_text(_REFUSES)
    asked = tmp_path / "asked"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_MIGRATE", "GX_"))}
    environment |= {"PYTHONPATH": f"{tmp_path}:{ROOT}", "ASKED": str(asked)}
    probe = [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80), 1)"]
    assert subprocess.run(probe, env=environment, capture_output=True, check=False).returncode == 1
    assert asked.read_text() == "socket.getaddrinfo 192.0.2.1\n", "the hook sees what is asked"
    asked.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "world"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    started = (tmp_path / "asked.started").read_text().split()
    assert len(set(started)) > 1, "the processes of the workers load the hook too"
    assert not asked.exists(), asked.read_text()
