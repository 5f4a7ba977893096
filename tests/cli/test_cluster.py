"""A Dask cluster of real processes: the same bytes with any number of workers, and a clear message when a process is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from etl.errors import MigrationError
from etl.system import cluster
from etl.system.code_identity import code_identity
from etl.system.progress_note import at_work
from tests.support.command import ROOT, Workspace, command, started

STEPS = ("extract", "split", "reattach", "check")


def free_port() -> int:
    """Returns an unused port of this machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Cluster:
    """A scheduler on this machine and its workers, one process each, none of which a nanny starts again."""

    def __init__(self, folder: Path, *listening: str) -> None:
        self.folder, self.port, self.listening = folder, free_port(), listening or ("--host", "127.0.0.1")
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("distributed.cli.dask_scheduler", *self.listening, "--port", str(self.port))

    def worker(self, *more: str, root: Path = ROOT) -> subprocess.Popen[bytes]:
        scratch = self.folder / f"worker-{len(self.processes)}"
        nanny = () if "--nanny" in more else ("--no-nanny",)
        words = (self.address, "--nthreads", "1", *nanny, "--local-directory", str(scratch), *(more or ("--host", "127.0.0.1")))
        return self._start("distributed.cli.dask_worker", *words, root=root)

    def restart(self) -> None:
        """The scheduler is killed and started again at the same address; its workers end with it, and new ones come."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def _start(self, *words: str, root: Path = ROOT) -> subprocess.Popen[bytes]:
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words, "--no-dashboard"],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(root)},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process


@contextmanager
def running(folder: Path, workers: int, *listening: str) -> Iterator[Cluster]:
    made = Cluster(folder, *listening)
    try:
        for _ in range(workers):
            made.worker()
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    words = ("--source", "sqlite:///legacy/portal2.sqlite", "--tc", "sqlite:///legacy/tc.sqlite", "--files", "legacy/files")
    (folder / "legacy").mkdir()
    assert command("sample", *words, "--profiles", "20", folder=folder).code == 0
    return folder


def workspace(world: Path, folder: Path) -> Workspace:
    folder.mkdir()
    (folder / "legacy").symlink_to(world / "legacy")
    return Workspace(folder)


def staged(of: Workspace) -> dict[str, Any]:
    """By step the digests of its files."""
    steps = json.loads((of.run / "manifest.json").read_bytes())["run"]["steps"]
    return {name: steps[name]["files"] for name in STEPS}


def test_any_number_of_cluster_workers_gives_the_same_bytes_also_after_a_kill(world: Path, tmp_path: Path) -> None:
    alone = workspace(world, tmp_path / "alone")
    assert alone.process("run", "--workers", "1").code == 0
    for number in (1, 2, 4):
        with running(tmp_path / f"cluster-{number}", number) as workers:
            one = workspace(world, tmp_path / str(number))
            run = started(*one.words("run", "--scheduler", workers.address), folder=one.folder)
            if number == 4:
                _wait_for(one, run, "reattach", "check")
                workers.processes[-1].kill()
            out, err = run.communicate(timeout=300)
            assert run.returncode == 0, err
            assert "Published and equal" in out
            assert staged(one) == staged(alone), number
            assert (one.folder / "objects").is_dir()


def test_a_restarted_scheduler_ends_the_command_and_the_same_command_resumes(world: Path, tmp_path: Path) -> None:
    """Previously it waited for ever without a message, because a new scheduler never completes unknown tasks."""
    with running(tmp_path / "cluster", 2) as workers:
        one = workspace(world, tmp_path / "cutover")
        words = one.words("run", "--scheduler", workers.address)
        run = started(*words, folder=one.folder)
        _wait_for(one, run, "reattach", "check")
        workers.restart()
        out, err = run.communicate(timeout=120)
        assert run.returncode == 1, out + err
        assert "the scheduler was lost" in err
        assert err.rstrip().splitlines()[-1].startswith("next: Start scheduler and workers, then run the same command again")
        workers.worker()
        again = one.process("run", "--scheduler", workers.address)
        assert again.code == 0, again.err
        assert "extract: done before, unchanged" in again.err


def test_a_missing_scheduler_or_one_without_workers_ends_the_command(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 2.0)
    one = workspace(world, tmp_path / "cutover")
    for elsewhere in ("tcp://10.0.0.1:8786", "tcp://127.0.0.1@evil.example:8786", "tcp://127.0.0.1.evil.example:1", "tcp://[127.0.0.1]:1"):
        done = one.command("extract", "--scheduler", elsewhere)  # brackets around something else were an internal error
        assert (done.code, "a cluster on other machines requires tls://" in done.err) == (2, True), (elsewhere, done.err)
    done = one.command("extract", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert done.code == 1
    assert "the scheduler cannot be reached" in done.err
    with running(tmp_path / "cluster", 0) as workers:
        monkeypatch.setattr(cluster, "PATIENCE", 20.0)
        done = one.command("extract", "--scheduler", workers.address)
        assert done.code == 1
        assert "the scheduler has had no worker for 20 seconds" in done.err


def test_a_worker_of_another_build_and_a_cluster_that_others_can_reach_are_refused(world: Path, tmp_path: Path) -> None:
    """Its rows would follow other rules, in the evidence of this build. A scheduler accepts code from every client without authentication."""
    other = tmp_path / "build"
    for name in ("etl", "checks", "mappings", "sample_data"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "cli.py", other / "cli.py")
    with (other / "etl" / "rules" / "b_people.py").open("a") as module:
        module.write("# another build\n")
    with running(tmp_path / "cluster", 0) as workers:
        outside = workers.worker("--host", "0.0.0.0")  # noqa: S104  # the default of a worker, which this test is about
        one = workspace(world, tmp_path / "cutover")
        done = one.process("extract", "--scheduler", workers.address)
        assert (done.code, "a worker can be reached from other machines without TLS" in done.err) == (7, True), done.err
        assert "the scheduler and" not in done.err
        assert done.next.startswith("next: Start scheduler and workers with --host 127.0.0.1"), done.err
        outside.kill()
        outside.wait()
        workers.worker()
        done = one.process("extract", "--scheduler", workers.address)
        assert done.code == 0, done.err
        workers.worker(root=other)
        deadline = time.monotonic() + 60
        with Client(workers.address) as client:
            client.wait_for_workers(2, timeout=deadline - time.monotonic())
        done = one.process("split", "--scheduler", workers.address)
        assert done.code == 0, done.err  # it needs no worker
        done = one.process("reattach", "--scheduler", workers.address)
        assert (done.code, "1 of the cluster's workers run another build of this program" in done.err) == (1, True), done.err
    with pytest.raises(MigrationError, match="a worker runs another build"):  # one that came later
        cluster.of_build("0" * 64, False, len, "")
    assert cluster.of_build(code_identity(), False, len, "ab") == 2


def test_a_scheduler_or_nanny_that_listens_on_all_addresses_without_tls_is_refused(world: Path, tmp_path: Path) -> None:
    """Previously it was named, and the rows of the old portals were sent to it. A worker that joins later is refused by its first task."""
    one = workspace(world, tmp_path / "cutover")
    with running(tmp_path / "everywhere", 0, "--host", "0.0.0.0") as workers:  # noqa: S104  # what this test is about
        workers.worker()
        done = one.process("run", "--scheduler", workers.address)
        assert (done.code, "the scheduler can be reached from other machines without TLS" in done.err) == (7, True), done.err
        assert not (one.run / "extract").exists()
    with running(tmp_path / "nanny", 0) as workers:
        workers.worker("--nanny", "--host", "0.0.0.0")  # noqa: S104
        done = one.process("run", "--scheduler", workers.address)
        assert (done.code, "a worker and a nanny can be reached" in done.err) == (7, True), done.err
    with running(tmp_path / "later", 0) as workers:
        workers.worker("--host", "0.0.0.0")  # noqa: S104
        with Client(workers.address) as client:
            client.wait_for_workers(1, timeout=60)
            refused = client.submit(cluster.of_build, code_identity(), True, len, "").exception(timeout=60)
        assert "a worker can be reached from other machines" in str(refused)


def _wait_for(one: Workspace, run: subprocess.Popen[str], *steps: str) -> None:
    """Until the run is at one of these steps."""
    end = time.monotonic() + 200
    while time.monotonic() < end and run.poll() is None:
        noted = at_work(one.run / ".progress.json", one.run / ".lock")
        if noted is not None and noted["step"] in steps:
            return
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    raise AssertionError(f"the run never came to {steps}: {out}{err}")
