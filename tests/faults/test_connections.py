"""Rows 4, 18 and 19 of faults.md: the connection breaks, or the tool dies, at every point of the protocol that matters; nothing hangs."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .calls import spread
from .conftest import Reference
from .forks import Started
from .poller import Poller, whole_or_nothing
from .postgres import Server
from .proxy import Fault, Proxy
from .scene import KILLED, Content, Ended, Scene, difference, ended, staging_left, store_content
from .tally import DROPPED, KILL_COMMIT, READERS, tried
from .test_kill_calls import same_as_reference

Scenes = Callable[[Scene], Scene]
BrokenLoads = Callable[[str, list[int], bool], None]


def broken(scene: Scene, command: str, proxy: Proxy, fault: Fault, kill: bool) -> Ended:
    """The command with the fault: the tool killed where the fault is met, or its connection dropped under it."""
    began: list[Started] = []
    ready = threading.Event()

    def act() -> None:
        if kill and ready.wait(60):
            began[0].kill()
            began[0].wait()  # dead before the server learns of it

    fault.act = act
    proxy.arm(fault)
    process = scene.start(command)
    began.append(process)
    ready.set()
    end = ended(process)
    proxy.arm(Fault())
    return end


def into_postgres(reference: Reference, server: Server, proxy: Proxy, scenes: Scenes) -> tuple[Scene, str]:
    """Returns the scene before a load into PostgreSQL through the proxy, and the direct URL."""
    scene = scenes(reference.before("load"))
    direct = server.fresh("wire")
    scene.target = server.url("wire", proxy.port)
    return scene, direct


def break_and_go_on(
    scene: Scene, direct: str, proxy: Proxy, fault: Fault, kill: bool, before: Content, after: Content, row: str, command: str = "load"
) -> None:
    """The fault; nothing or everything is in the store; the same command then ends it."""
    with Poller(direct, scene.folder) as poller:
        end = broken(scene, command, proxy, fault, kill)
        with tried(row, fault.fired):
            if fault.fired:
                assert end.code in ((KILLED,) if kill else (0, 1)), end  # 0: it looked, and tried again by itself
            content = store_content(direct, scene.folder)
            assert content in (before, after), f"half of the run is in the store: {difference(content, after)}"
            if end.code == 0:
                assert content == after
            assert kill or not staging_left(direct), "only a kill may leave staging tables"
            scene.run(command, code=0)
            assert not difference(store_content(direct, scene.folder), after)
            assert not staging_left(direct)
    with tried(READERS):
        whole_or_nothing(poller, poller.seen[0], poller.seen[-1])


@pytest.fixture
def broken_loads(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> BrokenLoads:
    """Breaks one load into PostgreSQL at each of these points of the protocol."""

    def broken_at(at: str, numbers: list[int], kill: bool) -> None:
        for number in numbers:
            scene, direct = into_postgres(reference, server, proxy, scenes)
            break_and_go_on(scene, direct, proxy, Fault(at, number), kill, {}, postgres_store, KILL_COMMIT if kill else DROPPED)

    return broken_at


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
@pytest.mark.parametrize("at", ["commit", "committed"])
def test_commit(at: str, kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    """Broken before the last COMMIT reaches the server: nothing is published; after its response: everything, although the command has no response. It queries the record."""
    broken_loads(at, spread(range(1, load_counts["commit"] + 1), 3), kill)


@pytest.mark.full
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
@pytest.mark.parametrize("at", ["commit", "committed"])
def test_every_commit(at: str, kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    """At each staging table's COMMIT too."""
    broken_loads(at, list(range(1, load_counts["commit"])), kill)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
@pytest.mark.parametrize("at", ["commit", "committed"])
def test_commit_of_a_later_run(
    at: str,
    kill: bool,
    reference: Reference,
    second: Scene,
    later_store: tuple[Content, Content],
    server: Server,
    proxy: Proxy,
    load_counts: dict[str, int],
    scenes: Scenes,
) -> None:
    """The same where the store holds an earlier run, and the last commit brings the difference."""
    scene = scenes(second)
    direct = server.copied("wire", "undisturbed")
    scene.target = server.url("wire", proxy.port)
    break_and_go_on(scene, direct, proxy, Fault(at, load_counts["commit"]), kill, *later_store, KILL_COMMIT if kill else DROPPED)


@pytest.fixture(scope="session")
def later_store(
    postgres_store: Content, second: Scene, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Content, Content]:
    """The store before and after an undisturbed later run."""
    scene = second.copy(tmp_path_factory.mktemp("later") / "scene")
    scene.target = server.copied("later", "undisturbed")
    scene.run("load", code=0)
    return postgres_store, store_content(scene.target, scene.folder)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
def test_some_statements(kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    broken_loads("statement", spread(range(1, load_counts["statement"] + 1), 4), kill)


@pytest.mark.full
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
def test_every_statement(kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    broken_loads("statement", list(range(1, load_counts["statement"] + 1, 1 if kill else 3)), kill)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
def test_mid_copy(kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    broken_loads("sent", _drawn(4, kill, load_counts["sent"]), kill)


@pytest.mark.full
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "dropped"])
def test_mid_copy_full(kill: bool, broken_loads: BrokenLoads, load_counts: dict[str, int]) -> None:
    broken_loads("sent", _drawn(60, kill, load_counts["sent"]), kill)


def _drawn(many: int, kill: bool, sent: int) -> list[int]:
    """Returns that many numbers of bytes after which to cut: most bytes to the server are rows in a COPY."""
    chance = random.Random(f"copy {many} {kill}")
    return sorted(chance.randrange(1, sent) for _ in range(many))


def test_mid_select(postgres_extract: Reference, proxy: Proxy, scenes: Scenes) -> None:
    _select(6, postgres_extract, proxy, scenes)


@pytest.mark.full
def test_mid_select_full(postgres_extract: Reference, proxy: Proxy, scenes: Scenes) -> None:
    _select(80, postgres_extract, proxy, scenes)


def _select(many: int, postgres_extract: Reference, proxy: Proxy, scenes: Scenes) -> None:
    """The source's answer cut after n bytes: the extract ends with an error and starts again as a whole in a new snapshot, with the same files."""
    proxy.arm(Fault())
    scenes(postgres_extract.before("extract")).run("extract", code=0)
    received = proxy.counts["received"]
    for number in spread(range(1, received, max(1, received // 97)), many):
        scene = scenes(postgres_extract.before("extract"))  # each from the beginning
        fault = Fault("received", number)
        end = broken(scene, "extract", proxy, fault, kill=False)
        with tried(DROPPED, fault.fired):
            assert fault.fired
            assert end.code in (0, 1), end
            if end.code == 0:  # only the end of the session was cut: everything was received
                same_as_reference(scene, "extract", postgres_extract)
            scene.run("extract", code=0)
            same_as_reference(scene, "extract", postgres_extract)


def test_server_crashes(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    _crash(2, reference, postgres_store, server, proxy, scenes)


@pytest.mark.full
def test_server_crashes_full(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    _crash(10, reference, postgres_store, server, proxy, scenes)


def _crash(many: int, reference: Reference, store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    """The server loses all its sessions and recovers, during a load: a backend is killed, so that the postmaster restarts all others."""
    import signal

    for number in range(1, many + 1):
        scene, direct = into_postgres(reference, server, proxy, scenes)

        def crash() -> None:
            with server.connect() as connection:
                row = connection.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = 'wire' AND application_name = 'portal-migrate'"
                ).fetchone()
            assert row is not None
            os.kill(row[0], signal.SIGKILL)
            time.sleep(0.2)  # the postmaster has to see its death

        fault = proxy.arm(Fault("statement", 40 * number % 97 + 20, crash))
        end = scene.run("load")
        proxy.arm(Fault())
        with tried(DROPPED):
            assert fault.fired
            assert end.code in (0, 1), end
            _until_up(server)
            assert store_content(direct, scene.folder) == ({} if end.code else store)
            scene.run("load", code=0)
            assert not difference(store_content(direct, scene.folder), store)


def _until_up(server: Server) -> None:
    """Waits until the server has recovered."""
    import psycopg

    for _ in range(300):
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)  # in recovery
    raise AssertionError("the server did not come back")


def test_sessions_terminated(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    """pg_terminate_backend, four times in one run's life: more often than it tries by itself."""
    scene, direct = into_postgres(reference, server, proxy, scenes)
    left = [100, 60, 30, 3]

    def terminate() -> None:
        with server.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'wire' AND application_name = 'portal-migrate'"
            )
        if left:
            proxy.arm(Fault("statement", left.pop(), terminate))

    proxy.arm(Fault("statement", left.pop(), terminate))
    with tried(DROPPED, 4):
        assert scene.run("load", code=1)
        assert store_content(direct, scene.folder) == {}
        scene.run("load", code=0)
        assert not left
        assert not difference(store_content(direct, scene.folder), postgres_store)
        assert not staging_left(direct)
    proxy.arm(Fault())


def test_killed_load_that_is_abandoned(
    reference: Reference, server: Server, proxy: Proxy, load_counts: dict[str, int], scenes: Scenes
) -> None:
    """Its staged rows are removed by the rollback, which has nothing else to roll back."""
    scene, direct = into_postgres(reference, server, proxy, scenes)
    with tried(KILL_COMMIT):
        assert broken(scene, "load", proxy, Fault("commit", load_counts["commit"]), kill=True).code == KILLED
        assert staging_left(direct)
        scene.run("rollback", code=7)
        assert not staging_left(direct)
        assert store_content(direct, scene.folder) == {}


def test_read_only_server(reference: Reference, postgres_store: Content, server: Server, scenes: Scenes) -> None:
    """A standby, or a role that may not write: a clear end, nothing written."""
    scene = scenes(reference.before("load"))
    scene.target = server.fresh("wire")
    with server.connect() as connection:
        connection.execute("ALTER DATABASE wire SET default_transaction_read_only = on")
    with tried(DROPPED):
        end = scene.run("load", code=1)
        assert "read-only" in end.err
        assert store_content(scene.target, scene.folder) == {}
        with server.connect() as connection:
            connection.execute("ALTER DATABASE wire RESET default_transaction_read_only")
        scene.run("load", code=0)
        assert not difference(store_content(scene.target, scene.folder), postgres_store)


def test_a_silent_server(reference: Reference, scenes: Scenes) -> None:
    """No server there: exit 1 and the next step, not a wait."""
    scene = scenes(reference.before("load"))
    scene.target = "postgresql://postgres:canary-password-9d2e@127.0.0.1:1/wire"
    with tried(DROPPED):
        assert scene.run("load", code=1).seconds < 60


def test_slow_network(reference: Reference, postgres_store: Content, server: Server, proxy: Proxy, scenes: Scenes) -> None:
    """Row 31: 5 ms for every message: it takes its time, and is right."""
    scene, direct = into_postgres(reference, server, proxy, scenes)
    proxy.arm(Fault())
    proxy.delay = 0.005
    try:
        with tried(DROPPED):
            scene.run("load", code=0)
            assert not difference(store_content(direct, scene.folder), postgres_store)
    finally:
        proxy.delay = 0.0


def test_a_silent_connection_is_detected(postgres_extract: Reference, proxy: Proxy, scenes: Scenes) -> None:
    """A server that disappears silently: the system probes every connection after half a minute instead of two hours."""
    scene = scenes(postgres_extract.before("extract"))
    before: list[list[float]] = []
    reached = threading.Event()

    def look() -> None:
        before.append(_asked_after(proxy.port))
        reached.set()

    proxy.arm(Fault("statement", 40, look))
    with tried(DROPPED):
        scene.run("extract")  # dropped there
        assert reached.is_set()
        assert len(before[0]) >= 3, "both readers of Portal 2.0 and one of Trade Compliance at least"
        assert max(before[0]) <= 30
    proxy.arm(Fault())


def _asked_after(port: int) -> list[float]:
    """Returns, for each connection of this machine to that port, the seconds until the system probes the other end."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, _, timer, *_ = line.split()
        if state == "01" and int(remote.rpartition(":")[2], 16) == port:
            kind, _, ticks = timer.partition(":")
            found.append(int(ticks, 16) / os.sysconf("SC_CLK_TCK") if kind in ("01", "02") else math.inf)
    return found
