"""A forked start and a real one: the same files, the same words, the same end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from . import forks
from .calls import KINDS, counted, injected, killed, needs_strace
from .conftest import Reference
from .scene import KILLED, STEPS, Ended, Scene, ended
from .stops import Stops
from .test_kill_calls import nothing_or_all, same_as_reference

pytestmark = pytest.mark.kills
Scenes = Callable[[Scene], Scene]
Both = Callable[[str], tuple[Scene, Scene]]


@pytest.fixture
def both(reference: Reference, scenes: Scenes) -> Both:
    """Makes two scenes before a step: one that forks, one that does not."""

    def made(step: str) -> tuple[Scene, Scene]:
        forked, real = scenes(reference.before(step)), scenes(reference.before(step))
        real.really = True
        assert forked.forked, forks.why_not()
        return forked, real

    return made


def _words(end: Ended) -> tuple[int, str, str]:
    """What it said and its code, without times: they differ."""
    out, err = ("".join("" if letter.isdigit() else letter for letter in text) for text in (end.out, end.err))
    return end.code, out, err


@pytest.mark.parametrize("step", STEPS)
def test_a_step(step: str, both: Both, reference: Reference) -> None:
    """Byte by byte what the other leaves, with the same words."""
    forked, real = both(step)
    assert _words(forked.run(step, code=0)) == _words(real.run(step, code=0))
    for scene in (forked, real):
        same_as_reference(scene, step, reference)


@pytest.mark.parametrize(
    ("words", "code"), [("load --no-such-option", 2), ("load --target sqlite:///nowhere/x", 1), ("status --output json", 0)]
)
def test_an_end(words: str, code: int, both: Both) -> None:
    """Usage, a refusal, JSON: the same code, the same two outputs."""
    command, *more = words.split()
    ends = [_words(scene.run(command, *more)) for scene in both("load")]
    assert ends[0] == ends[1]
    assert ends[0][0] == code


def test_a_full_output(both: Both) -> None:
    """What the interpreter says of an output that cannot be written."""
    ends = []
    for scene in both("load"):
        with open("/dev/full", "w") as full:  # noqa: PTH123  # a device
            ends.append(_words(scene.run("load", stdout=full)))
    assert ends[0] == ends[1]
    assert ends[0][0] == 1


def test_nothing_of_the_template_is_in_its_child(both: Both) -> None:
    """Session, folder, signals, open files: a command's own."""
    found = []
    for scene in both("load"):
        process = scene.start("load")
        while not (scene.run_folder / "load" / "staging.sqlite").exists():
            assert process.poll() is None, ended(process)
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGSTOP)
        assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
        assert Path(f"/proc/{process.pid}/cwd").readlink() == scene.folder
        lines = (line.partition(":") for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        masks = {f"{name} {value}" for name, _, value in lines if name in ("SigBlk", "SigIgn", "SigCgt")}
        kinds = {str(path.readlink()).partition(":")[0] for path in Path(f"/proc/{process.pid}/fd").iterdir()}
        found.append(
            masks | {kind for kind in kinds if not kind.startswith(str(scene.folder))}
        )  # of those it depends on the moment which are open
        process.kill()
        assert ended(process).code == KILLED
    assert found[0] == found[1]


def test_the_kernel_and_strace_kill_at_the_same_calls(both: Both, reference: Reference) -> None:
    """The numbers that both count, and what the start after the kill makes of it."""
    needs_strace()
    forked, real = both("split")
    assert forks.can_stop()
    assert forks.can_trace()
    counts = [counted(scene, "split", [kind for kind in KINDS if kind != "create"]) for scene in (forked, real)]
    assert counts[0] == counts[1]
    call, numbers = max(counts[0].items(), key=lambda item: len(item[1]))
    for scene in both("split"):
        assert killed(scene, "split", call, numbers[len(numbers) // 2]).code == KILLED
        scene.run("split", code=0)
        same_as_reference(scene, "split", reference)


def test_a_call_fails_in_both(both: Both, reference: Reference) -> None:
    needs_strace()
    ends = []
    for scene in both("load"):
        ends.append(_words(injected(scene, "load", "renameat", "error=EIO:when=1")))
        nothing_or_all(scene, {}, reference)
    assert ends[0] == ends[1]
    assert ends[0][0] == 1


def test_a_process_stops_only_at_the_named_calls(both: Both, reference: Reference) -> None:
    """And openat only where it creates a file."""
    forked, _ = both("split")
    stops = Stops(["openat", "mkdirat"])
    forked.run("split", stops=stops, code=0)
    same_as_reference(forked, "split", reference)
    assert {name for name, _ in stops.seen} == {"openat", "mkdirat"}
    created = sum(name == "openat" for name, _ in stops.seen)
    log = forked.folder / "calls.log"
    again = forked.copy(forked.folder / "again")
    again.run("split", traced=["-f", "-o", str(log), "-e", "trace=openat"], code=0)
    assert 0 < log.read_text().count("openat(") > created


def test_a_resume_has_another_hash_seed_than_the_run_that_was_killed() -> None:
    """Two templates in turn: what depends on the order of a set differs from start to start, as it does between new interpreters."""
    assert len(set(forks.hashes())) == len(forks.hashes()) > 1
