"""Rows 10, 11, 32, 33 and 51 of faults.md: a second start, a store with other rows, other options, rollback, purge; also killed meanwhile."""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable

import pytest

from .calls import killed, needs_strace
from .conftest import Reference
from .postgres import Server
from .scene import KILLED, Content, Scene, canaries_in, difference, object_content, stage_content, store_content
from .tally import BACK, tried
from .test_kill_random import killed_at

Scenes = Callable[[Scene], Scene]
_EMPTY = hashlib.sha256().hexdigest()


def rows_of(content: Content) -> Content:
    """The tables' rows, without the run's own record: that keeps the run as ROLLED_BACK."""
    return {name: digest for name, digest in content.items() if " " not in name and name not in ("migration_run", "constraints", "columns")}


def empty(content: Content) -> bool:
    return set(rows_of(content).values()) <= {_EMPTY}


def without_undo(content: Content) -> Content:
    """Without the before-images that a later rollback would need."""
    return {name: digest for name, digest in content.items() if "migration_undo__" not in name and name != "columns"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rollback_of_the_only_run(kind: str, reference: Reference, postgres_store: Content, server: Server, scenes: Scenes) -> None:
    """Row 33: every row and object of the run is removed; the same run can be published again, identical in every bit."""
    scene = scenes(reference.before("load"))
    if kind == "postgresql":
        scene.target = server.fresh("rolled_back")
    scene.run("load", code=0)
    with tried(BACK):
        scene.run("rollback", code=0)
        assert empty(store_content(scene.target, scene.folder))
        assert object_content(scene.objects) == {}
        scene.run("rollback", code=7)  # nothing is left to roll back
        scene.run("run", code=0)
        after = without_undo(reference.store if kind == "sqlite" else postgres_store)
        assert not difference(without_undo(store_content(scene.target, scene.folder)), after)
        assert not difference(object_content(scene.objects), reference.objects)
        scene.run("rollback", code=0)
        assert empty(without_undo(store_content(scene.target, scene.folder)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rollback_with_another_store_on_the_same_objects(kind: str, reference: Reference, server: Server, scenes: Scenes) -> None:
    """Row 33: two new stores share one object store: a rollback of one removes no document of the other, and reports what it kept and why."""
    one, two = scenes(reference.before("load")), scenes(reference.before("load"))
    shutil.rmtree(two.objects)
    two.objects.symlink_to(one.objects)
    if kind == "postgresql":
        one.target, two.target = server.fresh("sharing_one"), server.fresh("sharing_two")
    one.run("load", code=0)
    two.run("load", code=0)
    there = object_content(one.objects)
    with tried(BACK):
        end = one.run("rollback", code=0)
        assert f"{len(there)} objects kept" in end.out, end
        assert ("sharing_two" if kind == "postgresql" else "new.sqlite") in end.out, end
        assert empty(store_content(one.target, one.folder))
        assert object_content(one.objects) == there
        two.run("reconcile", code=0)
    with tried(BACK):  # the other one is alone now
        end = two.run("rollback", code=0)
        assert "kept" not in end.out, end
        assert list(one.objects.iterdir()) == []


def later(reference: Reference, second: Scene, server: Server, kind: str, scenes: Scenes) -> tuple[Scene, Content]:
    """The scene of a later run before its load, its store filled by the first run; and that store's content."""
    scene = scenes(second)
    if kind == "postgresql":
        scene.target = server.copied("rolled_back", "undisturbed")
    else:
        shutil.copyfile(reference.done().store, scene.store)
    return scene, store_content(scene.target, scene.folder)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rollback_of_a_later_run(
    kind: str, reference: Reference, second: Scene, postgres_store: Content, server: Server, scenes: Scenes
) -> None:
    """Row 33: rows that the run changed or removed are restored, rows that it added are removed: every table has its earlier digest."""
    scene, before = later(reference, second, server, kind, scenes)
    scene.run("load", code=0)
    after = store_content(scene.target, scene.folder)
    assert rows_of(after) != rows_of(before)
    with tried(BACK):
        scene.run("rollback", code=0)
        assert not difference(rows_of(store_content(scene.target, scene.folder)), rows_of(before))


_OTHERS = {
    "a row more": "INSERT INTO account_group VALUES ('00000000-0000-8000-8000-000000000001', 'TRADE_ORG', 'theirs', NULL, NULL)",
    "a text": "UPDATE message SET body = 'theirs' WHERE message_id = (SELECT min(CAST(message_id AS TEXT)) FROM message){cast}",
    "a row less": "DELETE FROM event_account WHERE event_id = (SELECT min(CAST(event_id AS TEXT)) FROM event_account){cast}",
    "null for a text": "UPDATE message SET body = NULL WHERE message_id = (SELECT max(CAST(message_id AS TEXT)) FROM message){cast}",
}


@pytest.mark.parametrize("what", _OTHERS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rollback_where_others_wrote(
    kind: str, what: str, reference: Reference, postgres_store: Content, server: Server, scenes: Scenes
) -> None:
    """Row 33: exit 7, the table named, nothing changed: a rollback would lose what others wrote since."""
    scene = scenes(reference.done())
    if kind == "postgresql":
        scene = scenes(reference.before("load"))
        scene.target = server.fresh("rolled_back")
        scene.run("load", code=0)
        with server.connect("rolled_back") as connection:
            connection.execute(_OTHERS[what].replace("{cast}", "::uuid"))
    else:
        with sqlite3.connect(scene.store) as lite:
            assert lite.execute(_OTHERS[what].replace("{cast}", "")).rowcount >= 1
        lite.close()
    with tried(BACK):
        before, objects = store_content(scene.target, scene.folder), object_content(scene.objects)
        end = scene.run("rollback", code=7)
        assert any(table in end.err for table in ("account_group", "message", "event_account")), end
        assert store_content(scene.target, scene.folder) == before
        assert object_content(scene.objects) == objects


def test_rollback_killed(reference: Reference, second: Scene, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    _killed(6, reference, second, server, scenes)


@pytest.mark.full
def test_rollback_killed_full(reference: Reference, second: Scene, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    _killed(60, reference, second, server, scenes)


def _killed(many: int, reference: Reference, second: Scene, server: Server, scenes: Scenes) -> None:
    """Killed at random times, both kinds of store: the store is that before or after the rollback; the repeated command completes."""
    chance = random.Random(f"rollback {many}")
    for kind in ("sqlite", "postgresql"):
        done, before = later(reference, second, server, kind, scenes)
        done.run("load", code=0)
        after = store_content(done.target, done.folder)
        fired = True
        for _ in range(many):
            if not fired:
                break
            fired = killed_at(done, "rollback", reference.seconds["load"] * chance.uniform(0.2, 1.0), ends=(0, 7))
            with tried(BACK):
                rows = rows_of(store_content(done.target, done.folder))
                assert rows in (rows_of(before), {k: v for k, v in rows_of(after).items() if k in rows}), difference(rows, rows_of(before))
        with tried(BACK):
            # 7: the last one had ended already; then nothing is left to roll back.
            assert done.run("rollback").code in (0, 7)
            assert not difference(rows_of(store_content(done.target, done.folder)), rows_of(before))


def test_the_same_run_again(reference: Reference, scenes: Scenes) -> None:
    """Row 10: a finished run, started again, changes nothing and says so: no byte of the store, the objects or the stage files."""
    scene = scenes(reference.done())
    with tried(BACK):
        end = scene.run("load", code=0)
        assert "nothing changed" in end.out + end.err
        assert scene.store.read_bytes() == reference.done().store.read_bytes()
        assert not difference(object_content(scene.objects), reference.objects)
        assert not difference(
            stage_content(scene.run_folder, ["extract", "split", "reattach", "check"]),
            {k: v for k, v in reference.stages.items() if not k.startswith(("load", "reconcile", "report"))},
        )


def test_store_with_rows_of_others(reference: Reference, scenes: Scenes) -> None:
    """Row 11: tables of others stay as they are; rows of others in our tables are a refusal (7), never overwritten."""
    scene = scenes(reference.before("load"))
    with sqlite3.connect(scene.store) as lite:
        lite.execute("CREATE TABLE theirs (id INTEGER PRIMARY KEY, text TEXT)")
        lite.execute("INSERT INTO theirs VALUES (1, 'kept')")
    lite.close()
    with tried(BACK):
        theirs = store_content(scene.target, scene.folder)["theirs"]
        scene.run("load", code=0)
        content = store_content(scene.target, scene.folder)
        assert content.pop("theirs") == theirs
        content.pop("table theirs")
        assert not difference(content, reference.store)
    other = scenes(reference.before("load"))
    shutil.copyfile(reference.done().store, other.store)
    with sqlite3.connect(other.store) as lite:
        lite.execute(_OTHERS["a row more"])
    lite.close()
    with tried(BACK):
        before = store_content(other.target, other.folder)
        assert other.run("load").code in (0, 7)  # 0: it is published already, and says so
        assert store_content(other.target, other.folder) == before


def test_resume_with_other_options(reference: Reference, scenes: Scenes, tmp_path: object) -> None:
    """Row 32: another source, store, share or freeze than the run began with is refused (7), the difference named, nothing written."""
    scene = scenes(reference.done())
    for option, value, word in (
        ("--source", "sqlite:///world/tc.sqlite", "source"),
        ("--tc", "sqlite:///world/portal2.sqlite", "tc"),
        ("--target", "sqlite:///another.sqlite", "target"),
        ("--files", "world", "files"),
        ("--objects", "others", "objects"),
        ("--freeze-to", "2023-10-01", "freeze"),
    ):
        before = store_content(scene.target, scene.folder)
        with tried(BACK):
            end = scene.run("load", option, value, code=7)
            assert word in end.err, end
            assert store_content(scene.target, scene.folder) == before
            assert not (scene.folder / "another.sqlite").exists()
            assert not (scene.folder / "others").exists()


def test_purge(reference: Reference, scenes: Scenes) -> None:
    """Row 51: after a purge no secret and no stage file is left in the run's folder; after a kill the same command completes it."""
    scene = scenes(reference.done())
    with tried(BACK):
        scene.run("purge", code=0)
        left = canaries_in(scene.run_folder)
        assert not left, f"still there: {left}"
        assert not list(scene.run_folder.rglob("*.parquet"))
        assert not difference(store_content(scene.target, scene.folder), reference.store)
    needs_strace()
    again = scenes(reference.done())
    for number in (1, 40, 90, 60_000):
        end = killed(again, "purge", "unlink", number)
        with tried(BACK):
            assert end.code in (KILLED, 0), end
    with tried(BACK):
        again.run("purge", code=0)
        assert not canaries_in(again.run_folder)


def test_purge_before_the_load(reference: Reference, scenes: Scenes) -> None:
    """Row 51: what has not been published yet is not purged (7)."""
    scene = scenes(reference.before("load"))
    with tried(BACK):
        scene.run("purge", code=7)
        assert not difference(stage_content(scene.run_folder, ["extract"]), reference.stages_of("extract"))
