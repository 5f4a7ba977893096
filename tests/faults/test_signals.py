"""Rows 1 and 17 of faults.md: interrupted by any signal, by a closed terminal, or with closed output; each time the same command resumes."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import signal
import subprocess
import termios
import time
from collections.abc import Callable

import pytest

from .conftest import Reference
from .postgres import Server
from .scene import Content, Scene, difference, ended, staging_left, store_content
from .tally import SIGNALS, tried
from .test_kill_calls import nothing_or_all, same_as_reference

Scenes = Callable[[Scene], Scene]
PROMISED = 10.0  # seconds within which it has stopped
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stopped(scene: Scene, command: str, number: int, moment: float, times: int = 1) -> bool:
    """Whether the command was stopped by the signal so many seconds after its start, in time and with the right code; not where it had ended."""
    process = scene.start(command)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        for _ in range(times):
            process.send_signal(number)
    began = time.monotonic()
    end = ended(process)
    assert time.monotonic() - began < PROMISED, f"took {time.monotonic() - began:.1f} s to stop\n{end}"
    # Before Python has installed its handlers the signal itself ends it: the shell sees the same number.
    assert end.code in (0, 128 + number, -number), end
    assert "Traceback" not in end.err or end.code == -number, end
    return end.code != 0


@pytest.mark.parametrize("step", ["extract", "split", "reattach", "load"])
def test_some_signals(step: str, reference: Reference, scenes: Scenes) -> None:
    _signals(step, 2, reference, scenes)


@pytest.mark.full
@pytest.mark.parametrize("step", ["extract", "split", "reattach", "check", "load", "reconcile", "report"])
def test_signals_full(step: str, reference: Reference, scenes: Scenes) -> None:
    _signals(step, 10, reference, scenes)


def _signals(step: str, many: int, reference: Reference, scenes: Scenes) -> None:
    """At random moments: exit 130, 143 or 129 within 10 seconds, no partial changes, and the same command ends it."""
    chance = random.Random(f"signals {step} {many}")
    scene = scenes(reference.before(step))
    before = store_content(scene.target, scene.folder)
    for number in STOPS * many:
        with tried(SIGNALS):
            fired = stopped(scene, step, number, reference.seconds[step] * chance.uniform(0.3, 0.95), chance.choice((1, 1, 2)))
            assert store_content(scene.target, scene.folder) in (before, reference.store)
        if not fired:
            break
    scene.run(step, code=0)
    same_as_reference(scene, step, reference)


def test_postgresql(reference: Reference, postgres_store: Content, server: Server, scenes: Scenes) -> None:
    """The same on PostgreSQL: the server's session ends with the command."""
    chance = random.Random("signals postgresql")
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("signals")
    for number in STOPS:
        with tried(SIGNALS):
            stopped(scene, "load", number, reference.seconds["load"] * chance.uniform(0.4, 0.9))
            assert store_content(scene.target, scene.folder) in ({}, postgres_store)
            assert not staging_left(scene.target)
    scene.run("load", code=0)
    assert not difference(store_content(scene.target, scene.folder), postgres_store)


@pytest.mark.parametrize("what", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("words", [(), ("--output", "json")], ids=["human", "json"])
def test_a_closed_pipe(what: str, words: tuple[str, ...], reference: Reference, scenes: Scenes) -> None:
    """Row 1: the reader has closed the pipe (`| head -0`): the work is completed, and the exit code is 0."""
    scene = scenes(reference.before("load"))
    reader, writer = os.pipe()
    os.close(reader)
    places = {"stdout": {"stdout": writer}, "stderr": {"stderr": writer}, "both": {"stdout": writer, "stderr": writer}}[what]
    with tried(SIGNALS):
        end = scene.run("load", *words, before=(), **places)
        os.close(writer)
        nothing_or_all(scene, {}, reference)
        assert end.code == 0, end
        assert "Traceback" not in end.err
        same_as_reference(scene, "load", reference)


def test_started_without_streams(reference: Reference, scenes: Scenes) -> None:
    """Row 1: started with closed descriptors (`>&- 2>&-`): none of their numbers is given to the store's file, which would then be written into."""
    scene = scenes(reference.before("load"))
    with tried(SIGNALS):
        scene.run("load", before=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"], code=0)
        same_as_reference(scene, "load", reference)


@pytest.mark.parametrize("words", [(), ("--output", "json")], ids=["human", "json"])
def test_full_stdout(words: tuple[str, ...], reference: Reference, scenes: Scenes) -> None:
    """Row 1: output cannot be written (`> /dev/full`): never exit 0, no traceback; the same command then prints it."""
    scene = scenes(reference.before("load"))
    with tried(SIGNALS):
        with open("/dev/full", "w") as full:  # noqa: PTH123  # a device
            end = scene.run("load", *words, stdout=full)
        nothing_or_all(scene, {}, reference)
        assert end.code == 1, end
        assert "Traceback" not in end.err
        scene.run("load", code=0)
        same_as_reference(scene, "load", reference)


def test_closed_terminal(reference: Reference, scenes: Scenes) -> None:
    """Row 17: the terminal is closed under it: it stops within 10 seconds, and the same command ends it elsewhere."""
    for moment in (0.4, 0.6, 0.8):
        scene = scenes(reference.before("load"))
        master, slave = pty.openpty()

        def control(slave: int = slave) -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        process = scene.start("load", stdin=slave, stdout=slave, stderr=slave, preexec_fn=control)
        os.close(slave)
        time.sleep(reference.starting + reference.seconds["load"] * moment)
        began = time.monotonic()
        os.close(master)
        with tried(SIGNALS):
            end = ended(process)
            assert time.monotonic() - began < PROMISED
            assert end.code in (0, 129, -signal.SIGHUP), end
            nothing_or_all(scene, {}, reference)
            scene.run("load", code=0)
            same_as_reference(scene, "load", reference)
