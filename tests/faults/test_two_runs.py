"""Row 9 of faults.md: two runs at once. The second is refused with 7 and has written nothing; a dead run's lock needs no hand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Reference
from .forks import Started
from .postgres import Server
from .scene import KILLED, Content, Scene, difference, ended, stage_content, store_content
from .tally import TWO_RUNS, tried
from .test_kill_calls import same_as_reference

Scenes = Callable[[Scene], Scene]
OFFSETS = (0.0, 0.05, 0.2)  # seconds between the two starts


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file's size and time of change."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("step", ["extract", "load"])
def test_same_run_folder(step: str, reference: Reference, scenes: Scenes) -> None:
    """The second run is refused; the first ends as if it were alone."""
    for offset in OFFSETS:
        scene = scenes(reference.before(step))
        first = scene.start(step)
        time.sleep(offset)
        second = scene.start(step)
        with tried(TWO_RUNS):
            codes = sorted(ended(process).code for process in (first, second))
            # Both right: one after the other, where the second started when the first had ended.
            assert codes in ([0, 7], [0, 0]), codes
            same_as_reference(scene, step, reference)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_folders_one_store(kind: str, reference: Reference, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    store = reference.store if kind == "sqlite" else postgres_store
    for offset in OFFSETS:
        one, two = scenes(reference.before("load")), scenes(reference.before("load"))
        one.target = two.target = f"sqlite:///{one.store}" if kind == "sqlite" else server.fresh("two_runs")
        first = one.start("load")
        time.sleep(offset)
        second = two.start("load")
        with tried(TWO_RUNS):
            codes = sorted(ended(process).code for process in (first, second))
            assert codes in ([0, 7], [0, 0]), codes
            assert not difference(store_content(one.target, one.folder), store)
            two.run("load", code=0)  # the refused one finds it published
            assert not difference(store_content(one.target, one.folder), store)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_sleeping_holder(kind: str, reference: Reference, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    """SIGSTOP during the load: the second is refused and changes nothing; SIGCONT: the first resumes and ends. SIGKILL: the second resumes."""
    store = reference.store if kind == "sqlite" else postgres_store
    one, two = scenes(reference.before("load")), scenes(reference.before("load"))
    one.target = two.target = f"sqlite:///{one.store}" if kind == "sqlite" else server.fresh("two_runs")
    holder = _stopped_in_load(one)
    try:
        before = tree(one.folder) | tree(two.folder / "objects")
        with tried(TWO_RUNS):
            two.run("load", code=7)
            one.run("load", code=7)
            assert stage_content(two.run_folder, ["load"]) == {}
            assert tree(one.folder) | tree(two.folder / "objects") == before
            assert kind == "sqlite" or store_content(one.target, one.folder) == {}
    finally:
        os.kill(holder.pid, signal.SIGCONT)
    with tried(TWO_RUNS):
        assert ended(holder).code == 0
        assert not difference(store_content(one.target, one.folder), store)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_dead_holder(kind: str, reference: Reference, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    """SIGKILL during the load: the next start gets the lock, in the same folder and in another one."""
    store = reference.store if kind == "sqlite" else postgres_store
    for again in ("same", "other"):
        one, two = scenes(reference.before("load")), scenes(reference.before("load"))
        one.target = two.target = f"sqlite:///{one.store}" if kind == "sqlite" else server.fresh("two_runs")
        holder = _stopped_in_load(one)
        holder.kill()
        with tried(TWO_RUNS):
            assert ended(holder).code == KILLED
            (one if again == "same" else two).run("load", code=0)
            assert not difference(store_content(one.target, one.folder), store)


def _stopped_in_load(scene: Scene) -> Started:
    """A load that was stopped when it held its locks: it stages already, or its transaction is open."""
    import psycopg

    process = scene.start("load")
    for _ in range(6000):
        if scene.target.startswith("sqlite"):
            inside = (scene.run_folder / "load" / "staging.sqlite").exists()
        else:
            with psycopg.connect(scene.target) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'portal-migrate' AND xact_start IS NOT NULL"
                ).fetchone()
            inside = bool(row and row[0])
        if inside:
            os.kill(process.pid, signal.SIGSTOP)
            return process
        assert process.poll() is None, ended(process)
        time.sleep(0.002)  # looking often enough to meet it inside
    raise AssertionError("the load never began")


def test_rollback_beside_load(reference: Reference, scenes: Scenes) -> None:
    """Also a rollback, a purge, a report and a run in the same folder are refused while a run is at work in it."""
    scene = scenes(reference.before("load"))
    holder = _stopped_in_load(scene)
    try:
        for command in ("rollback", "purge", "report", "run"):
            with tried(TWO_RUNS):
                scene.run(command, code=7)
    finally:
        os.kill(holder.pid, signal.SIGCONT)
    assert ended(holder).code == 0
    same_as_reference(scene, "load", reference)
