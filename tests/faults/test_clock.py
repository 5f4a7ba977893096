"""Row 30 of faults.md: the clock is wrong, jumps during a run, or the run resumes in another time zone. libfaketime sets the time of our processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import Reference
from .postgres import Server
from .scene import STEPS, Content, Scene, difference, ended, object_content, stage_content, store_content
from .tally import CLOCK, tried
from .test_rollback_and_resume import rows_of
from .test_two_runs import _stopped_in_load

Scenes = Callable[[Scene], Scene]
_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)  # where Debian has it
needs_faketime = pytest.mark.skipif(_LIBRARY is None, reason="libfaketime is not installed")


def told(scene: Scene, offset: str) -> Path:
    """Shifts the time of the scene's following commands; the shift may be changed while a command runs. Monotonic clocks (waits, time-outs) are not
    shifted, as when a clock is set.
    """
    file = scene.folder / "clock"
    file.write_text(f"{offset}\n")
    scene.environment |= {
        "LD_PRELOAD": str(_LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    return file


def events(scene: Scene) -> list[tuple[int, str]]:
    """(number, time) of each event that the run's log has."""
    lines = (scene.run_folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [(event["seq"], event["at"]) for event in map(json.loads, lines)]


def undisturbed(scene: Scene, reference: Reference) -> None:
    """Everything is as an undisturbed run leaves it, but for the moments that the log, report and record tell."""
    steps = [step for step in STEPS if step not in ("check", "load", "reconcile", "report")]  # the others' files tell moments
    stages = {name: digest for name, digest in reference.stages.items() if name.split("/")[0] in steps}
    assert not difference(stage_content(scene.run_folder, steps), stages)
    assert not difference(store_content(scene.target, scene.folder), reference.store)
    assert not difference(object_content(scene.objects), reference.objects)
    numbers = [number for number, _ in events(scene)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= len(STEPS)


@needs_faketime
@pytest.mark.parametrize("offset", ["-1d", "+3650d"])
def test_wrong_clock(offset: str, reference: Reference, scenes: Scenes) -> None:
    scene = scenes(reference.before("extract"))
    told(scene, offset)
    with tried(CLOCK):
        scene.run("run", code=0)
        undisturbed(scene, reference)
    year = events(scene)[0][1][:4]
    assert (int(year) - time.gmtime().tm_year >= 9) == (offset == "+3650d"), "the clock was told otherwise"


@needs_faketime
def test_jumps_in_mid_run(reference: Reference, scenes: Scenes) -> None:
    """At every step that ends: most of a day on, then back, and so on. The log's moments go back, its numbers do not."""
    scene = scenes(reference.before("extract"))
    clock = told(scene, "+0")
    running = scene.start("run")
    log = scene.run_folder / "events.jsonl"

    def jump() -> None:
        seen = 0
        while running.poll() is None:
            steps = log.read_bytes().count(b"\n") if log.exists() else 0
            if steps != seen:
                seen = steps
                clock.write_text("+20h\n" if steps % 2 else "-1h\n")
            time.sleep(0.002)  # it has to jump while the next step is at work

    jumping = threading.Thread(target=jump)
    jumping.start()
    with tried(CLOCK):
        end = ended(running)
        jumping.join()
        assert end.code == 0, end
        undisturbed(scene, reference)
    moments = [at for _, at in events(scene)]
    assert any(later < earlier for earlier, later in pairwise(moments)), "it never jumped back"


@needs_faketime
def test_jumps_in_mid_load_into_postgresql(reference: Reference, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("clock")
    clock = told(scene, "+0")
    running = _stopped_in_load(scene)
    clock.write_text("-1d\n")
    os.kill(running.pid, signal.SIGCONT)
    with tried(CLOCK):
        assert ended(running).code == 0
        assert not difference(store_content(scene.target, scene.folder), postgres_store)


def test_resumed_in_another_time_zone(reference: Reference, scenes: Scenes) -> None:
    scene = scenes(reference.before("extract"))
    for step, zone in zip(
        STEPS, ("Pacific/Kiritimati", "America/St_Johns", "UTC", "Asia/Kathmandu", "Pacific/Pago_Pago", "Africa/Cairo", "UTC"), strict=True
    ):
        scene.environment["TZ"] = zone
        with tried(CLOCK):
            scene.run(step, code=0)
    undisturbed(scene, reference)


@needs_faketime
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_locks_do_not_expire(kind: str, reference: Reference, server: Server, scenes: Scenes) -> None:
    """Ten years later by the clock the run that holds the locks is still at work: the second is refused."""
    one, two = scenes(reference.before("load")), scenes(reference.before("load"))
    one.target = two.target = f"sqlite:///{one.store}" if kind == "sqlite" else server.fresh("clock")
    holder = _stopped_in_load(one)
    try:
        for second in (one, two):
            told(second, "+3650d")
            with tried(CLOCK):
                second.run("load", code=7)
    finally:
        os.kill(holder.pid, signal.SIGCONT)
    assert ended(holder).code == 0


@needs_faketime
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_later_run_by_an_earlier_clock(
    kind: str, reference: Reference, second: Scene, server: Server, postgres_store: Content, scenes: Scenes
) -> None:
    """Whatever the clock shows, the run that published last is the last one: it counts as published, is verified, and is rolled back first.

    Records of more than a day from now are a difference: such a run would stay the one in force for ever.
    """
    scene = scenes(second)
    shutil.rmtree(scene.run_folder)
    if kind == "postgresql":
        scene.target = server.copied("clock", "undisturbed")
    else:
        shutil.copyfile(reference.done().store, scene.store)
    before = store_content(scene.target, scene.folder)
    told(scene, "-20h")
    with tried(CLOCK):
        scene.run("run", code=0)
        after = store_content(scene.target, scene.folder)
        assert rows_of(after) != rows_of(before)
        end = scene.run("load", code=0)
        assert "nothing changed" in end.out + end.err, end
        assert store_content(scene.target, scene.folder) == after
    told(scene, "-400d")
    with tried(CLOCK):
        scene.run("reconcile", code=4)
        scene.run("rollback", code=0)
        assert not difference(rows_of(store_content(scene.target, scene.folder)), rows_of(before))
