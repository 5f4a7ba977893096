"""A Dask cluster as an executor that never waits without a limit: a lost or restarted scheduler, or no workers, end the command with an error."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import MigrationError, Refused
from etl.system.code_identity import code_identity
from etl.system.kept_resources import close_kept

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

PATIENCE = 30.0  # seconds for a scheduler to answer, to be reached again, and for a worker to appear
_EVERY = 1.0
_AGAIN = "Start scheduler and workers, then run the same command again: it resumes where it stopped."


@contextmanager
def cluster(address: str, security: Security | None, run: Path) -> Iterator[Executor]:
    """Yields an executor for the cluster behind that scheduler.

    Raises MigrationError where it cannot be reached, has no worker, or has one of another build or one that cannot see the run folder; Refused (7)
    where other machines can reach scheduler, worker or nanny without TLS.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MigrationError("--scheduler needs the package distributed.", "Install portal-migration[cluster], or use --workers.") from None
    try:
        client = Client(address, security=security, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise MigrationError(f"--scheduler: the scheduler cannot be reached ({type(error).__name__}).", _AGAIN) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise MigrationError(f"--scheduler: the scheduler has had no worker for {PATIENCE:.0f} seconds.", _AGAIN) from None
        blind = [worker for worker, sees in client.run(os.path.isdir, str(run)).items() if not sees]
        if blind:
            raise MigrationError(
                f"--scheduler: {len(blind)} of the cluster's workers do not see the run's folder {run}.",
                f"Share it under this path with every worker, and the object store likewise. {_AGAIN}",
            )
        ours = code_identity()
        others = [worker for worker, build in client.run(code_identity, on_error="return").items() if build != ours]
        if others:
            raise _other_build(f"{len(others)} of the cluster's workers run")
        if security is None and (open_to_all := _listening_everywhere(client)):
            raise _open_to_all(" and ".join(open_to_all))
        executor = _Watched(client, ours, security is None)
        try:
            yield executor
        finally:
            executor.shutdown(cancel_futures=True)
            executor.close_kept(run)


def _other_build(who: str) -> MigrationError:
    return MigrationError(f"--scheduler: {who} another build of this program.", f"Install the same build on every worker. {_AGAIN}")


def _open_to_all(who: str) -> Refused:
    return Refused(
        f"--scheduler: {who} can be reached from other machines without TLS: anyone who reaches them can run code here.",
        "Start scheduler and workers with --host 127.0.0.1, or with TLS and --scheduler tls://HOST:PORT (runbooks/roles.md).",
    )


def _listening_everywhere(client: Client) -> list[str]:
    """Returns which of scheduler, workers and nannies listen on more than this machine's own address, or do not say where."""
    try:
        scheduler = client.run_on_scheduler(lambda dask_scheduler: [one.listen_address for one in dask_scheduler.listeners])
        workers = client.run(lambda dask_worker: [one.listen_address for one in dask_worker.listeners])
        supervised = [name for name, nanny in client.run(lambda dask_worker: dask_worker.nanny).items() if nanny]
        nannies = client.run(lambda dask_worker: [one.listen_address for one in dask_worker.listeners], workers=supervised, nanny=True)
    except Exception:  # of another version of Dask: where they listen is unknown
        return ["the scheduler or a worker, as far as they say,"]
    found = {"the scheduler": [scheduler], "a worker": workers.values(), "a nanny": nannies.values() if supervised else []}
    return [who for who, listening in found.items() if not all(map(_is_local, listening))]


def _is_local(listening: Iterable[str]) -> bool:
    """Returns whether all these addresses of listeners belong to this machine alone."""
    return all(one.startswith(("inproc://", "tcp://127.", "tcp://[::1]")) for one in listening)


def of_build(build: str, only_here: bool, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Returns the function's result, in a worker of that build; raises MigrationError in any other, also in one that came later.

    `only_here`: also Refused in a worker that other machines can reach.
    """
    if code_identity() != build:
        raise _other_build("a worker runs")
    if only_here:
        from distributed import get_worker

        if not _is_local(one.listen_address for one in get_worker().listeners):
            raise _open_to_all("a worker")
    return fn(*args, **kwargs)


class _Watched(Executor):
    """Submits tasks to the cluster; every future ends, with an error where the cluster is lost."""

    def __init__(self, client: Client, build: str, only_here: bool) -> None:
        self._client, self._tasks, self._build, self._only_here = client, client.get_executor(), build, only_here
        self._open: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._lost: MigrationError | None = None
        self._over = threading.Event()
        self._scheduler = self._known()[0]
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submits a task and returns its future, which fails where the cluster is lost; raises the error of a cluster that is lost already."""
        with self._lock:
            if self._lost is not None:
                raise self._lost
            future: Future[Any] = Future()
            self._open.add(future)
        task = self._tasks.submit(of_build, self._build, self._only_here, fn, *args, **kwargs)
        task.add_done_callback(lambda done: self._complete(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancels tasks that have not begun; `wait` has no effect, because the manifest does not change through a running task."""
        self._over.set()
        with self._lock:
            left = list(self._open)
        for future in left:
            future.cancel()
        self._tasks.shutdown(wait=False)

    def close_kept(self, run: Path) -> None:
        """Closes what the workers keep for this run: they outlive the command, and a session left on an old portal would block its administrators."""
        if self._lost is None and self._client.status == "running":
            with suppress(Exception):  # a worker that was lost meanwhile has closed its sessions by that
                self._client.run(close_kept, run, on_error="ignore")

    def _complete(self, future: Future[Any], done: Future[Any]) -> None:
        with self._lock:
            if future not in self._open:
                return  # the cluster was lost meanwhile
            self._open.discard(future)
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(done.result())
        except CancelledError:
            future.set_exception(self._lost or MigrationError("The cluster dropped a task: its scheduler was lost.", _AGAIN))
        except Exception as error:
            killed = type(error).__name__ == "KilledWorker"  # Dask's message contains the cluster's addresses
            message = "Worker processes of the cluster were killed at the same task repeatedly; the usual cause is a lack of memory."
            future.set_exception(MigrationError(message, f"Give the workers more memory. {_AGAIN}") if killed else error)

    def _watch(self) -> None:
        well = time.monotonic()
        while not self._over.wait(_EVERY):
            problem = "it cannot be reached"
            if self._client.status == "running":
                scheduler, workers = self._known()
                if scheduler not in (None, self._scheduler):
                    self._give_up("it was started again and knows nothing of this run's tasks")
                    return
                problem = "" if workers else "it has no worker"
            if not problem:
                well = time.monotonic()
            elif self._client.status == "closed" or time.monotonic() - well > PATIENCE:
                self._give_up(problem)
                return

    def _known(self) -> tuple[str | None, int]:
        """Returns (the scheduler's id, the number of its workers); None and 0 where it does not answer."""
        try:
            known = self._client.scheduler_info(n_workers=-1)
        except Exception:  # any failure of the connection: the watch ends the command when it lasts
            return None, 0
        return known.get("id"), len(known.get("workers", ()))

    def _give_up(self, why: str) -> None:
        with self._lock:
            self._lost = MigrationError(f"--scheduler: the scheduler was lost: {why}.", _AGAIN)
            left, self._open = list(self._open), set()
        for future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(self._lost)
