"""Rows 4, 15 and 16 of faults.md: kill -9 at random times, again during the resume and during the resume of the resume, workers too.

Every start is the same command; the last one ends with exit code 0 and in the very same bytes as an undisturbed run.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Sequence

import pytest

from .conftest import Reference
from .poller import Poller, whole_or_nothing
from .postgres import Server
from .scene import (
    KILLED,
    STEPS,
    Content,
    Scene,
    _alive_in_group,
    difference,
    ended,
    left_behind,
    object_content,
    staging_left,
    store_content,
)
from .tally import KILL_RANDOM, READERS, tried
from .test_kill_calls import same_as_reference

SEEDS = (1, 2, 3, 4, 5)
_FIRST = 0.1  # of a step's time passes before the step does anything


def killed_at(scene: Scene, command: str, moment: float, *more: str, alone: bool = True, ends: Sequence[int] = (0,)) -> bool:
    """Whether the command was killed, so many seconds after its start; not where it had ended before."""
    process = scene.start(command, *more)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
    end = ended(process, alone=alone)
    assert end.code in (*ends, KILLED), end
    if not alone and end.code == KILLED and random.Random(moment).random() < 0.5:  # else they meet the next start
        assert not left_behind(process), "workers outlived the run"
    return end.code == KILLED


def storm(
    scene: Scene,
    command: str,
    seconds: float,
    chance: random.Random,
    kills: int,
    allowed: list[Content],
    *more: str,
    alone: bool = True,
    starting: float = 0.0,
) -> None:
    """Kills so many starts, each resuming the previous one, and then completes the command, which takes `starting` and so many seconds."""
    with Poller(scene.target, scene.folder) as poller:
        for _ in range(kills):
            fired = killed_at(scene, command, starting + seconds * chance.uniform(_FIRST, 1.05), *more, alone=alone)
            with tried(KILL_RANDOM, fired):
                content = store_content(scene.target, scene.folder)
                assert content in allowed, f"half of the run is in the store: {difference(content, allowed[-1])}"
        scene.run(command, *more, code=0)
    if command in ("load", "run"):
        with tried(READERS):
            whole_or_nothing(poller, None, poller.seen[-1])


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("step", STEPS)
def test_steps_full(step: str, seed: int, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    chance = random.Random(f"{step} {seed}")
    for _ in range(5):
        _step(step, reference, scenes, chance, 4)


def _step(step: str, reference: Reference, scenes: Callable[[Scene], Scene], chance: random.Random, kills: int) -> None:
    scene = scenes(reference.before(step))
    storm(scene, step, reference.seconds[step], chance, kills, [store_content(scene.target, scene.folder), reference.store])
    same_as_reference(scene, step, reference)


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
def test_run_full(seed: int, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    for _ in range(2):
        _run(reference, scenes, random.Random(f"run {seed}"), 10)


def _run(reference: Reference, scenes: Callable[[Scene], Scene], chance: random.Random, kills: int) -> None:
    """All steps by one command, from nothing to the report."""
    scene = scenes(reference.before("extract"))
    storm(scene, "run", sum(reference.seconds.values()) * 0.9, chance, kills, [{}, reference.store])
    assert not difference(store_content(scene.target, scene.folder), reference.store)
    assert not difference(object_content(scene.objects), reference.objects)


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
def test_postgresql_full(
    seed: int, reference: Reference, postgres_store: Content, server: Server, scenes: Callable[[Scene], Scene]
) -> None:
    for _ in range(5):
        _postgresql(reference, postgres_store, server, scenes, random.Random(f"postgresql {seed}"), 8)


def _postgresql(
    reference: Reference, postgres_store: Content, server: Server, scenes: Callable[[Scene], Scene], chance: random.Random, kills: int
) -> None:
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("random_kills")
    storm(scene, "load", reference.seconds["load"], chance, kills, [{}, postgres_store])
    assert not difference(store_content(scene.target, scene.folder), postgres_store)
    assert not staging_left(scene.target)


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
def test_postgresql_source(seed: int, postgres_extract: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """The extract out of PostgreSQL starts whole again, in a new snapshot, and gives the same files."""
    chance = random.Random(f"postgresql source {seed}")
    for _ in range(5):
        scene = scenes(postgres_extract.before("extract"))
        storm(scene, "extract", postgres_extract.seconds["extract"], chance, 4, [{}])
        same_as_reference(scene, "extract", postgres_extract)


# Worker processes are worth their start only from 200,000 rows on: the quick subset lowers that bar from outside.
EAGER = ("-c", "import sys, etl.system.worker_pool; etl.system.worker_pool.WORTH_WORKERS = 0; sys.argv[0] = 'cli'; import cli; cli.main()")


def test_workers_of_a_killed_run(reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Killed while workers run: they end immediately as well."""
    scene = scenes(reference.before("reattach"))
    scene.launcher = EAGER
    process = scene.start("reattach", "--workers", "2")
    while len(_alive_in_group(process.pid)) < 4:  # the run, the fork server, its tracker, a worker
        assert process.poll() is None, ended(process)
        time.sleep(0.01)
    process.kill()
    with tried(KILL_RANDOM):
        assert ended(process, alone=False).code == KILLED
        assert not left_behind(process), "workers outlived the run"
        scene.run("reattach", "--workers", "2", code=0)
        same_as_reference(scene, "reattach", reference)


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
def test_workers_full(seed: int, reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    chance = random.Random(f"workers {seed}")
    for _ in range(5):
        _workers(reference, scenes, chance, 4)


def _workers(reference: Reference, scenes: Callable[[Scene], Scene], chance: random.Random, kills: int) -> None:
    scene = scenes(reference.before("reattach"))
    scene.launcher = EAGER
    lasts = 1.5 * reference.starting + reference.seconds["reattach"]  # a worker's start is another one
    storm(scene, "reattach", lasts, chance, kills, [{}], "--workers", "2", alone=False, starting=reference.starting)
    same_as_reference(scene, "reattach", reference)
