"""Row 9 of faults.md: a connection pooler between us and the new store. In transaction mode no lock of a session holds: refused (7)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Reference
from .pooler import pooled
from .postgres import Server
from .scene import Content, Scene, difference, staging_left, store_content
from .tally import TWO_RUNS, tried

Scenes = Callable[[Scene], Scene]
_POOLS = {
    "ordinary": {},
    "one server process": {"default_pool_size": 1},
    "server processes in turn": {"server_round_robin": 1, "min_pool_size": 4},
}


def locks(server: Server) -> int:
    """Returns the number of advisory locks of all sessions."""
    with server.connect() as connection:
        return int(connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()[0])


@pytest.mark.parametrize("pool", _POOLS)
def test_transaction_mode(pool: str, reference: Reference, server: Server, scenes: Scenes, tmp_path: Path) -> None:
    """Refused when the store is opened, for any pool: nothing is written, and no process of the pool keeps a lock."""
    scene = scenes(reference.before("load"))
    direct = server.fresh("pooled")
    with pooled(server, tmp_path / "pooler", pool_mode="transaction", **_POOLS[pool]) as port, tried(TWO_RUNS):
        scene.target = server.url("pooled", port)
        scene.run("plan", code=7)  # and a run at its start, not hours later
        end = scene.run("load", code=7)
        assert "pooler" in end.err, end
        assert "Connect directly to the server" in end.err, end
        assert store_content(direct, scene.folder) == {}
        assert staging_left(direct) == []
        assert locks(server) == 0


def test_rollback_in_transaction_mode(
    reference: Reference, server: Server, postgres_store: Content, scenes: Scenes, tmp_path: Path
) -> None:
    """A store published without the pooler is not rolled back through one."""
    scene = scenes(reference.before("load"))
    with pooled(server, tmp_path / "session", pool_mode="session") as port:
        scene.target = server.url("pooled", port)
        direct = server.fresh("pooled")
        with tried(TWO_RUNS):  # a pooler that pools whole sessions does not interfere
            scene.run("load", code=0)
            assert not difference(store_content(direct, scene.folder), postgres_store)
    with pooled(server, tmp_path / "transaction", pool_mode="transaction", listen_port=port), tried(TWO_RUNS):
        objects = sorted(scene.objects.rglob("*"))
        end = scene.run("rollback", code=7)
        assert "pooler" in end.err, end
        assert not difference(store_content(direct, scene.folder), postgres_store)
        assert sorted(scene.objects.rglob("*")) == objects
