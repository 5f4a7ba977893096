"""Row 5 of faults.md: the source is written to during the run. Exit 5, the tables named, nothing published; and no torn row in the extract."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from .calls import injecting, needs_strace, why_not
from .conftest import Reference
from .postgres import Server, write_postgres_world
from .scene import Content, Scene, ended, has_open, object_content, stage_content, store_content
from .tally import SOURCE, tried

Scenes = Callable[[Scene], Scene]

# One change each, and the tables that have to be named.
CHANGES = {
    "a text": ("UPDATE message SET body = 'changed' WHERE message_id = (SELECT min(message_id) FROM message)", "P2.message"),
    "a date": ("UPDATE portal_task SET due_dt = '2001-01-01' WHERE task_id = (SELECT max(task_id) FROM portal_task)", "P2.portal_task"),
    "a row more": ("INSERT INTO highway_crossing SELECT entity_id, 'ZZ' FROM highway_crossing LIMIT 1", "P2.highway_crossing"),
    "a row less": ("DELETE FROM internal_note WHERE note_id = (SELECT min(note_id) FROM internal_note)", "P2.internal_note"),
    "bytes": (
        "UPDATE document_content SET content = '\\x0102' WHERE document_id = (SELECT min(document_id) FROM document_content)",
        "P2.document_content",
    ),
    "a key": ("UPDATE svi_link SET link_id = link_id + 1000000 WHERE link_id = (SELECT max(link_id) FROM svi_link)", "P2.svi_link"),
    "null for empty": (
        "UPDATE company_profile SET fax = '' WHERE company_profile_id = (SELECT min(company_profile_id) FROM company_profile WHERE fax IS NULL)",
        "P2.company_profile",
    ),
}


def lite(scene: Scene, name: str = "portal2") -> sqlite3.Connection:
    return sqlite3.connect(scene.own_world() / f"{name}.sqlite", isolation_level=None)


@pytest.mark.parametrize("what", CHANGES)
def test_sqlite(what: str, reference: Reference, scenes: Scenes) -> None:
    """Changed after the check: the load refuses, names the table, publishes nothing and brings nothing into the object store."""
    statement, table = CHANGES[what]
    scene = scenes(reference.before("load"))
    objects = object_content(scene.objects)
    with lite(scene) as connection:
        assert connection.execute(statement.replace("'\\x0102'", "x'0102'")).rowcount == 1
    connection.close()
    with tried(SOURCE):
        end = scene.run("load", code=5)
        assert table in end.err
        assert end.err.count("P2.") == 1, "only the changed table is named"
        assert store_content(scene.target, scene.folder) == {}
        assert object_content(scene.objects) == objects
        assert scene.run("load", code=5)  # and again: there is no way around it


def test_sqlite_touched_only(reference: Reference, scenes: Scenes) -> None:
    """The file's bytes differ (VACUUM), its rows do not: no false alarm."""
    scene = scenes(reference.before("load"))
    with lite(scene) as connection:
        connection.execute("VACUUM")
    connection.close()
    with tried(SOURCE):
        scene.run("load", code=0)
        assert store_content(scene.target, scene.folder) == reference.store


@pytest.mark.parametrize("kind", ["portal2", "tc"])
def test_sqlite_new_table_or_column(kind: str, reference: Reference, scenes: Scenes) -> None:
    """DDL during the run: unmapped tables and columns are reported (K5)."""
    for statement in (
        "CREATE TABLE something_new (x INTEGER)",
        f"ALTER TABLE {'message' if kind == 'portal2' else 'tc_message'} ADD COLUMN something_new TEXT",
    ):
        scene = scenes(reference.before("load"))
        with lite(scene, kind) as connection:
            connection.execute(statement)
        connection.close()
        with tried(SOURCE):
            end = scene.run("load")
            assert end.code in (1, 5), end
            assert "something_new" in end.err or "message" in end.err
            assert store_content(scene.target, scene.folder) == {}


class Writer:
    """Commits into several tables at once, every few milliseconds, as long as the block runs; `number` is in all rows of one commit."""

    TABLES = ("message", "internal_note", "portal_task", "finding_response", "response_comment")

    def __init__(self, connect: Callable[[], Any], mark: str) -> None:
        self._connect, self._mark = connect, mark
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.commits = 0

    def _write(self) -> None:
        connection = self._connect()
        while not self._stop.is_set():
            number = self.commits + 1
            key, text, mark = 5_000_000 + number, f"commit {number}", self._mark
            try:
                connection.execute("BEGIN")
                for statement, values in (
                    (
                        f"INSERT INTO message VALUES ({mark}, (SELECT min(thread_id) FROM message_thread), NULL, NULL, {mark}, '2020-01-01 00:00:00')",
                        (key, text),
                    ),
                    (
                        f"INSERT INTO internal_note VALUES ({mark}, (SELECT min(company_profile_id) FROM company_profile), NULL, 'X', {mark}, NULL, '2020-01-01 00:00:00')",
                        (key, text),
                    ),
                    (f"INSERT INTO finding_response VALUES ({mark}, 1, 1, {mark}, NULL, NULL, NULL)", (key, text)),
                    (f"INSERT INTO response_comment VALUES ({mark}, 1, NULL, 'N', {mark}, '2020-01-01 00:00:00')", (key, text)),
                    (
                        f"INSERT INTO portal_task VALUES ({mark}, (SELECT min(company_profile_id) FROM company_profile), NULL, {mark}, NULL, NULL)",
                        (key, f"C{number}"),
                    ),
                ):
                    connection.execute(statement, values)
                connection.execute("COMMIT")
                self.commits = number
            except sqlite3.OperationalError:  # locked by the reader: the old portal would try again too
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._stop.wait(0.003)
        connection.close()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join(30)


def commits_in_extract(run: Path) -> set[int]:
    """How many of the writer's commits each table of the extract holds: all tables the same number, or rows are torn."""
    counts = set()
    for table, key in (
        ("message", "message_id"),
        ("internal_note", "note_id"),
        ("finding_response", "finding_response_id"),
        ("response_comment", "comment_id"),
        ("portal_task", "task_id"),
    ):
        files = sorted((run / "extract" / f"P2.{table}").glob("*.parquet"))
        keys = pl.concat([pl.read_parquet(file).select(pl.col(key).cast(pl.Int64)) for file in files])[key]
        counts.add(int((keys > 5_000_000).sum()))
    return counts


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_sqlite_live_writer(journal: str, reference: Reference, scenes: Scenes) -> None:
    """A live writer during the extract and afterwards: the extract is one consistent state, and the load detects the change."""
    scene = scenes(reference.before("extract"))
    file = scene.own_world() / "portal2.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.close()
    writer = Writer(lambda: sqlite3.connect(file, isolation_level=None, timeout=0.05), "?")
    # Every page that is read takes its time: the writer has every chance to come between two of them.
    slowly = injecting("pread64", "delay_enter=10000", path=file)
    with tried(SOURCE):
        with writer.at_work():
            scene.run("extract", traced=[] if why_not() else slowly, code=0)
        assert writer.commits > 0
        assert len(commits_in_extract(scene.run_folder)) == 1, "torn: the tables hold different commits"
        scene.run("split", code=0)
        scene.run("reattach", code=0)
        scene.run("check")
        end = scene.run("load")
        extracted, committed = commits_in_extract(scene.run_folder).pop(), writer.commits
        assert end.code in ((0, 3) if extracted == committed else (3, 5)), (extracted, committed, end)


def test_sqlite_lock_is_kept(reference: Reference, scenes: Scenes) -> None:
    """During the extract no session can write to a SQLite source with a rollback journal, so one consistent state is read."""
    scene = scenes(reference.before("extract"))
    file = scene.own_world() / "portal2.sqlite"
    process = scene.start("extract")
    while len(list(scene.run_folder.glob("extract/P2.*"))) < 5:
        assert process.poll() is None, ended(process)
        time.sleep(0.002)  # looking often enough to meet it inside
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with tried(SOURCE), sqlite3.connect(file, timeout=0) as connection, pytest.raises(sqlite3.OperationalError, match="locked"):
            connection.execute("BEGIN EXCLUSIVE")
        connection.close()
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert ended(process).code == 0


def test_sqlite_commit_between_snapshot_and_mark(reference: Reference, scenes: Scenes) -> None:
    """One commit (WAL) at every moment of the extract's beginning: it is in the extract, or the load ends with 5. Never neither."""
    needs_strace()
    for number in range(1, 4):
        scene = scenes(reference.before("extract"))
        file = scene.own_world() / "portal2.sqlite"
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA journal_mode = wal")
        connection.close()
        keeper = sqlite3.connect(file, isolation_level=None)  # keeps the WAL from being folded in when others close
        keeper.execute("SELECT count(*) FROM message").fetchone()
        # The tool is slowed down at its reads of the database's file: the n-th of them waits, and in that time the portal commits.
        process = scene.start("extract", traced=injecting("read", f"delay_enter=1500000:when={number}", path=file))
        done = threading.Event()

        def commit(keeper: sqlite3.Connection = keeper, process: Any = process, done: threading.Event = done, file: Path = file) -> None:
            while process.poll() is None and not has_open(process, file):
                time.sleep(0.005)
            time.sleep(0.7)  # into the wait
            keeper.execute("UPDATE message SET body = 'committed meanwhile' WHERE message_id = (SELECT min(message_id) FROM message)")
            done.set()

        commit()
        assert ended(process).code == 0
        assert done.is_set()
        files = sorted((scene.run_folder / "extract" / "P2.message").glob("*.parquet"))
        seen = "committed meanwhile" in pl.concat([pl.read_parquet(f) for f in files])["body"].to_list()
        for step in ("split", "reattach"):
            scene.run(step, code=0)
        with tried(SOURCE):
            scene.run("check", code=0)
            end = scene.run("load")
            assert end.code == (0 if seen else 5), f"read {number}: the commit is{'' if seen else ' not'} in the extract\n{end}"
        keeper.close()


# -- PostgreSQL -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def great(reference: Reference, server: Server, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The scene before the load, out of PostgreSQL into PostgreSQL; the sources are as they were extracted."""
    urls = write_postgres_world(server, world)
    for schema in ("portal2", "tc"):
        server.copied(f"kept_{schema}", f"legacy_{schema}")
    scene = Scene(tmp_path_factory.mktemp("great") / "scene", source=urls[0], tc=urls[1])
    scene.folder.mkdir()
    (scene.folder / "world").symlink_to(world)
    for step in ("extract", "split", "reattach", "check"):
        scene.run(step, code=0)
    return scene


@pytest.mark.parametrize("what", CHANGES)
def test_postgresql(what: str, great: Scene, server: Server, scenes: Scenes) -> None:
    """As `test_sqlite`."""
    statement, table = CHANGES[what]
    scene = scenes(great)
    objects = object_content(scene.objects)
    scene.target = server.fresh("source_changed")
    try:
        with server.connect("legacy_portal2") as connection:
            assert connection.execute(statement).rowcount == 1
        with tried(SOURCE):
            end = scene.run("load", code=5)
            assert table in end.err
            assert end.err.count("P2.") == 1, f"only the changed table is named: {end}"
            assert store_content(scene.target, scene.folder) == {}
            assert object_content(scene.objects) == objects
    finally:
        server.copied("legacy_portal2", "kept_portal2")


def test_postgresql_live_writer(great: Scene, reference: Reference, server: Server, world: Path, scenes: Scenes) -> None:
    _live_writer(1, great, reference, server, scenes)


@pytest.mark.full
def test_postgresql_live_writer_full(great: Scene, reference: Reference, server: Server, scenes: Scenes) -> None:
    _live_writer(20, great, reference, server, scenes)


def _live_writer(many: int, great: Scene, reference: Reference, server: Server, scenes: Scenes) -> None:
    """Commits into five tables at once during the extract: no inconsistent rows, and exit 5 if anything was committed after the snapshot."""
    for number in range(many):
        for schema in ("portal2", "tc"):
            server.copied(f"legacy_{schema}", f"kept_{schema}")
        scene = scenes(reference.before("extract"))
        scene.source, scene.tc, scene.target = great.source, great.tc, server.fresh("source_changed")
        writer = Writer(lambda: server.connect("legacy_portal2"), "%s")
        with tried(SOURCE):
            with writer.at_work():
                scene.run("extract", code=0)
            assert writer.commits > 0
            assert len(commits_in_extract(scene.run_folder)) == 1, "torn: the tables hold different commits"
            if number == 0:
                for step in ("split", "reattach"):
                    scene.run(step, code=0)
                if scene.run("check").code:  # after a slow extract most rows of two tables are the writer's, and refer to nothing
                    continue
                end = scene.run("load", code=5)
                assert all(f"P2.{table}" in end.err for table in Writer.TABLES), end
                assert store_content(scene.target, scene.folder) == {}
    for schema in ("portal2", "tc"):
        server.copied(f"legacy_{schema}", f"kept_{schema}")


def test_postgresql_locked_table(great: Scene, server: Server, scenes: Scenes) -> None:
    """A session that holds a table locked: nothing waits for it for ever; for `freeze check` it is a writer (5)."""
    _locked(great, server, scenes, {"PGOPTIONS": "-c lock_timeout=1s"}, plan=1)


@pytest.mark.full
def test_postgresql_locked_table_full(great: Scene, server: Server, scenes: Scenes) -> None:
    """The same where neither server nor role set a lock_timeout; `plan` then names the session, whose lock is older than a minute."""
    _locked(great, server, scenes, {}, plan=7)


def _locked(great: Scene, server: Server, scenes: Scenes, environment: dict[str, str], plan: int) -> None:
    scene = scenes(great)
    scene.environment = environment
    scene.target = server.fresh("source_changed")
    scene.run("load", code=0)
    before = stage_content(scene.run_folder, ["extract"])
    for database in ("legacy_portal2", "source_changed"):
        with server.connect(database) as connection, connection.transaction():
            connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
            for command in ("freeze check", "plan", "reconcile") if database == "legacy_portal2" else ("rollback", "reconcile"):
                with tried(SOURCE):
                    end = scene.run(command, code={"freeze check": 5, "plan": plan}.get(command, 1))
                    assert "lock" in end.err, end
                    assert stage_content(scene.run_folder, ["extract"]) == before
    scene.run("reconcile", code=0)


def test_freeze_check_ignores_its_own_sessions(great: Scene, server: Server, scenes: Scenes) -> None:
    """It reports other connections, and none if there are none."""
    scene = scenes(great)
    with tried(SOURCE, 2):
        assert "other sessions" not in scene.run("freeze check", "--seconds", "0", code=0).out
        with server.connect("legacy_portal2"):
            assert "1 other sessions" in scene.run("freeze check", "--seconds", "0", code=0).out


def test_postgresql_new_column(great: Scene, server: Server, postgres_store: Content, scenes: Scenes) -> None:
    """DDL during the run (K5)."""
    scene = scenes(great)
    scene.target = server.fresh("source_changed")
    with server.connect("legacy_portal2") as connection:
        connection.execute("ALTER TABLE message ADD COLUMN something_new TEXT")
        try:
            with tried(SOURCE):
                end = scene.run("load")
                assert end.code in (1, 5), end
                assert "message" in end.err
                assert store_content(scene.target, scene.folder) == {}
        finally:
            connection.execute("ALTER TABLE message DROP COLUMN something_new")


def test_freeze_check(reference: Reference, scenes: Scenes) -> None:
    """`freeze check` sees a writer, and sees nothing where there is none."""
    scene = scenes(reference.before("extract"))
    with tried(SOURCE):
        scene.run("freeze check", "--seconds", "0.2", code=0)
    file = scene.own_world() / "portal2.sqlite"
    writer = Writer(lambda: sqlite3.connect(file, isolation_level=None, timeout=1), "?")
    with tried(SOURCE), writer.at_work():
        scene.run("freeze check", "--seconds", "1", code=5)


def test_freeze_check_of_a_locked_source(reference: Reference, scenes: Scenes) -> None:
    """A writer that blocks readers (SQLite, rollback journal) counts as a writer: exit 5, not a read error."""
    scene = scenes(reference.before("extract"))
    keeper = sqlite3.connect(scene.own_world() / "portal2.sqlite", isolation_level=None)
    keeper.execute("BEGIN EXCLUSIVE")
    with tried(SOURCE):
        assert "writing" in scene.run("freeze check", "--seconds", "0.2", code=5).err
    keeper.close()
