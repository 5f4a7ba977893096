"""Rows 4, 15 and 16 of faults.md, as many kills as fit into every change's tests: at system calls, at points of the wire, at random moments.

Nearly all of them in series: killed, given again and killed later, resumes of resumes too; at the end the very same bytes as an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from .calls import KINDS, injected, killed, made, needs_strace, spread
from .conftest import Reference
from .postgres import Server
from .proxy import Fault, Proxy
from .scene import Content, Ended, Scene, difference, object_content, stage_content, staging_left, store_content
from .series import Series, Shot, at_random
from .tally import KILL_CALLS, KILL_COMMIT, KILL_RANDOM
from .test_connections import broken
from .test_kill_calls import litter, same_as_reference
from .test_kill_random import EAGER

pytestmark = pytest.mark.kills
Scenes = Callable[[Scene], Scene]
_CALLS = {"extract": 32, "split": 26, "reattach": 28, "load": 32, "reconcile": 6, "report": 10}
_MOMENTS = {"extract": 8, "split": 6, "reattach": 6, "load": 10}


def _step(step: str, row: str, reference: Reference, scenes: Scenes) -> Series:
    publishes = reference.before(step).target if step == "load" else ""
    before = store_content(reference.before(step).target, reference.before(step).folder)
    return Series(
        step,
        lambda: scenes(reference.before(step)),
        lambda scene: same_as_reference(scene, step, reference),
        [before, reference.store],
        row,
        publishes,
    )


@pytest.mark.parametrize("step", _CALLS)
def test_calls(step: str, reference: Reference, scenes: Scenes) -> None:
    """At calls that make, move, remove or secure a file, evenly spread over all that the step makes, from the first to the last."""
    needs_strace()
    points = spread(made(scenes(reference.before(step)), step, tuple(KINDS)), _CALLS[step])
    shots: list[Shot] = [partial(killed, command=step, call=call, number=number) for call, number in points]
    assert _step(step, KILL_CALLS, reference, scenes).shoot(shots) > len(points) // 2


@pytest.mark.parametrize("step", _MOMENTS)
def test_moments(step: str, reference: Reference, scenes: Scenes) -> None:
    """At random moments of a step."""
    shots = at_random(step, reference.seconds[step], f"{step} in short", _MOMENTS[step])
    assert _step(step, KILL_RANDOM, reference, scenes).shoot(shots)


def test_check(reference: Reference, scenes: Scenes) -> None:
    """The step that takes longest to start: at files that it leaves, from the first to the last, and at random moments."""
    needs_strace()
    points = made(scenes(reference.before("check")), "check", ("fsync", "rename"))
    points = [*points[:3], points[-1]]  # looking at every call of a step that imports so much takes half a minute for a late one
    shots: list[Shot] = [partial(killed, command="check", call=call, number=number) for call, number in points]
    # Last: the first start of all is slower than those behind it, so a late moment may find the step at its end.
    shots += at_random("check", reference.seconds["check"], "check in short", 3)
    assert _step("check", KILL_CALLS, reference, scenes).shoot(shots) >= len(points)


def test_run(reference: Reference, scenes: Scenes) -> None:
    """At random moments of the command that does all steps, from nothing to the report; each time in a new interpreter."""

    def whole(scene: Scene) -> None:
        assert not difference(store_content(scene.target, scene.folder), reference.store)
        assert not difference(object_content(scene.objects), reference.objects)

    first = reference.before("extract")
    first.really = True
    series = Series("run", lambda: scenes(first), whole, [{}, reference.store], KILL_RANDOM, first.target)
    assert series.shoot(at_random("run", sum(reference.seconds.values()) * 0.9, "run in short", 10, starting=reference.starting))


def test_workers(reference: Reference, scenes: Scenes) -> None:
    """With worker processes, some of them left to the next start."""

    def fresh() -> Scene:
        scene = scenes(reference.before("reattach"))
        scene.launcher = EAGER
        return scene

    more = ("--workers", "2")
    series = Series("reattach", fresh, lambda scene: same_as_reference(scene, "reattach", reference), [{}], KILL_RANDOM, more=more)
    lasts = reference.starting + reference.seconds["reattach"]  # a worker's start is another one
    assert series.shoot(at_random("reattach", lasts, "workers in short", 6, *more, alone=False, starting=reference.starting))


# The same for workers that read an old portal: each takes some rows of a table, in the snapshot that the run holds.
EAGER_READERS = (
    "-c",
    "import sys, etl.system.worker_pool, etl.extract.table_batch; etl.system.worker_pool.WORTH_WORKERS = 0; etl.extract.table_batch.ROWS_PER_FILE = 20; sys.argv[0] = 'cli'; import cli; cli.main()",
)


def test_workers_that_read(postgres_extract: Reference, scenes: Scenes) -> None:
    """Extract by worker processes, killed again and again: what an undisturbed one gives, file by file."""
    more = ("--workers", "2")

    def fresh() -> Scene:
        scene = scenes(postgres_extract.before("extract"))
        scene.launcher = EAGER_READERS
        return scene

    first = fresh()
    first.run("extract", *more, code=0)
    expected = stage_content(first.run_folder, ["extract"])
    assert len(expected) > len(postgres_extract.stages), "no table was cut"

    def whole(scene: Scene) -> None:
        assert not difference(stage_content(scene.run_folder, ["extract"]), expected)
        assert not difference(object_content(scene.objects), postgres_extract.objects_after("extract"))
        assert not litter(scene), f"left behind: {litter(scene)}"

    series = Series("extract", fresh, whole, [{}], KILL_RANDOM, more=more)
    lasts = postgres_extract.starting + postgres_extract.seconds["extract"]
    assert series.shoot(at_random("extract", lasts, "readers in short", 8, *more, alone=False, starting=postgres_extract.starting))


def test_publishing(reference: Reference, scenes: Scenes) -> None:
    """At writes into the store's own file, of which the last make the commit: the transaction is whole or was never there."""
    needs_strace()

    def shot(number: int) -> Shot:
        return lambda scene: injected(scene, "load", "pwrite64", f"signal=KILL:when={number}", path=scene.store)

    assert _step("load", KILL_CALLS, reference, scenes).shoot([shot(number) for number in (1, 2, 3, 5, 9, 40, 80, 120, 160, 200)]) > 5


@pytest.mark.parametrize("call", ["unlink", "fdatasync", "pwrite64"])
def test_commit_of_the_journal(call: str, reference: Reference, scenes: Scenes) -> None:
    """At the first calls that can be the commit of the store's journal, each in a scene of its own: nothing or everything, then the same command."""
    needs_strace()
    journal = reference.before("load").store.with_name("new.sqlite-journal").name
    fired = 0
    for number in (1, 2):
        shot = lambda scene, number=number: injected(  # noqa: E731
            scene, "load", call, f"signal=KILL:when={number}", path=scene.folder / journal
        )
        fired += _step("load", KILL_COMMIT, reference, scenes).shoot([shot])
    assert fired, "nothing was killed"


def _into_postgres(reference: Reference, store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> Series:
    """Loads into PostgreSQL through the proxy."""

    def fresh() -> Scene:
        scene = scenes(reference.before("load"))
        server.fresh("kills")
        scene.target = server.url("kills", proxy.port)
        return scene

    direct = server.url("kills")

    def whole(scene: Scene) -> None:
        assert not difference(store_content(direct, scene.folder), store)
        assert not staging_left(direct)

    return Series("load", fresh, whole, [{}, store], KILL_COMMIT, direct)


def _on_the_wire(command: str, proxy: Proxy, at: str, number: int) -> Shot:
    def shot(scene: Scene) -> Ended:
        return broken(scene, command, proxy, Fault(at, number), kill=True)

    return shot


def test_postgresql(
    reference: Reference, postgres_store: Content, load_counts: dict[str, int], server: Server, proxy: Proxy, scenes: Scenes
) -> None:
    """Before statements, during COPY, before the COMMIT, and after it when the client has not received the response."""
    points = [("statement", number) for number in spread(range(1, load_counts["statement"]), 20)]
    points += [("sent", number) for number in spread(range(1, load_counts["sent"]), 12)[1:-1]]
    last = load_counts["commit"]  # the one that publishes; the others are those of staging tables
    points += [("commit", last // 2), ("committed", last // 2), ("commit", last), ("commit", last), ("committed", last)]
    series = _into_postgres(reference, postgres_store, server, proxy, scenes)
    assert series.shoot([_on_the_wire("load", proxy, at, number) for at, number in points]) >= len(points) - 2


def test_postgresql_at_random(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    """At random moments of a load into PostgreSQL."""
    series = _into_postgres(reference, postgres_store, server, proxy, scenes)
    series.row = KILL_RANDOM
    assert series.shoot(at_random("load", 1.5 * reference.seconds["load"], "postgresql in short", 10))


def test_postgresql_source(postgres_extract: Reference, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    """In mid SELECT and at random moments of an extract out of PostgreSQL: it starts whole again, in a new snapshot, with the same files."""
    proxy.arm(Fault())
    scenes(postgres_extract.before("extract")).run("extract", code=0)
    received = proxy.counts["received"]
    shots = [_on_the_wire("extract", proxy, "received", number) for number in spread(range(1, received, 997), 8)[1:-1]]
    shots += at_random("extract", postgres_extract.seconds["extract"], "postgresql source in short", 6)
    series = Series(
        "extract",
        lambda: scenes(postgres_extract.before("extract")),
        lambda scene: same_as_reference(scene, "extract", postgres_extract),
        [{}],
        KILL_RANDOM,
    )
    assert series.shoot(shots) > 6
