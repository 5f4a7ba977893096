"""A worker of a cluster that returns wrong, cut, stale or foreign results: found before anything is published."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_cluster import Cluster, running
from tests.support.command import ROOT, Workspace
from tests.support.legacy import Legacy

_TRAP = """import sys
if any("dask_worker" in word for word in sys.orig_argv):
    from tests.support.planted_worker import plant
    plant()
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Workspace, Path]]:
    """A cluster with one faulty worker, a migration of which extract and split are done, and the file that names the fault."""
    folder = tmp_path_factory.mktemp("planted")
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5)
    world.thread(1, profile=1)
    for number in (1, 2, 3):
        world.message(number, thread_id=1, body=f"text {number}")
    world.task(1, profile=1)
    world.write(folder / "ready" / "legacy")
    ready, fault = Workspace(folder / "ready"), folder / "fault"
    fault.write_text("")
    for step in ("extract", "split"):
        assert ready.command(step).code == 0
    (folder / "trap").mkdir()
    (folder / "trap" / "sitecustomize.py").write_text(_TRAP)
    with pytest.MonkeyPatch.context() as patch, running(folder / "cluster", 0) as cluster:
        patch.setenv("PLANTED", str(fault))
        cluster.worker(root=Path(f"{folder / 'trap'}:{ROOT}"))
        yield cluster, ready, fault


@pytest.mark.parametrize(
    ("faults", "command", "code", "words"),
    [
        ("", "run", 0, ""),
        ("digest", "run", 6, "does not match the manifest"),
        ("cut", "run", 6, "does not match the manifest"),
        ("fewer", "run", 3, "conserved.P2.message"),
        ("fewer passes", "run", 3, "verifier.staged_rows"),  # every check answers that all is well
        ("stale", "run", 3, "verifier.staged_rows"),
        ("other", "reattach", 1, "an answer that does not belong to its task (reattach extract/P2.message/00000.parquet)"),
        ("nothing", "reattach", 1, "an answer that does not belong to its task (reattach extract/P2.message/00000.parquet)"),
        ("further", "run", 1, "an answer that does not belong to its task (checks of"),
    ],
)
def test_a_wrong_result_of_a_worker_is_found_before_anything_is_published(
    planted: tuple[Cluster, Workspace, Path], tmp_path: Path, faults: str, command: str, code: int, words: str
) -> None:
    cluster, ready, fault = planted
    fault.write_text(faults)
    one = Workspace(Path(shutil.copytree(ready.folder, tmp_path / "cutover")))
    done = one.process(command, "--scheduler", cluster.address)
    assert (done.code, words in done.err) == (code, True), done.err
    assert "Internal error" not in done.err
    assert one.target.exists() == (code == 0)
