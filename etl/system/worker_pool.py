"""Helper processes of a step: workers of this machine, which end with the run however it ends; or a Dask cluster."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import signal
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from etl.errors import MigrationError, WrongUsage
from etl.system.cluster import cluster
from etl.system.locks import shared
from etl.system.memory import limit_free_memory

if TYPE_CHECKING:
    from distributed.security import Security

WORTH_WORKERS = 200_000  # rows; for fewer, starting processes costs more than it saves
# Rows; above this, the memory that they keep between steps costs more than the second that a new start takes.
_MANY = 2_000_000


class WorkerPool:
    """Helper processes, started by the first step that needs them and kept for later steps: a start takes a second.

    `number`: workers of this machine, None for one per core. `lock_file`: the file that each of them locks. `scheduler`: of a Dask cluster.
    """

    def __init__(self, number: int | None, lock_file: Path, scheduler: str | None = None) -> None:
        self._number, self._lock_file, self._scheduler = number or os.cpu_count() or 1, lock_file, scheduler
        self._stack = ExitStack()
        self._pool: Executor | None = None
        self._rows = 0

    @property
    def processes(self) -> int | None:
        """The number of worker processes; None for a cluster, whose workers come and go."""
        return self._number if self._scheduler is None else None

    def executor_for(self, rows: int) -> Executor | None:
        """Returns the processes for a step with this number of rows; None where they would cost more than they save."""
        self._rows = rows
        if self._pool is None:
            if self._scheduler is not None:
                executor = cluster(self._scheduler, secured(self._scheduler), self._lock_file.parent)
                self._pool = self._stack.enter_context(executor)
            elif self._number > 1 and rows >= WORTH_WORKERS:
                self._pool = self._stack.enter_context(worker_processes(self._number, self._lock_file))
        return self._pool

    def release_if_large(self) -> None:
        """Ends the workers of this machine after a step in which they keep much memory."""
        if self._rows > _MANY and self._scheduler is None:
            self.shutdown()

    def shutdown(self) -> None:
        """Ends the processes."""
        self._pool = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()


def secured(address: str) -> Security | None:
    """Returns the security of a connection to that scheduler; None where it stays on this machine.

    Raises WrongUsage where a remote connection is not secured: a scheduler's users can run code, and receive the credentials of the old portals.
    """
    scheme, _, authority = address.rpartition("://")
    try:
        host = urllib.parse.urlsplit(f"//{authority}").hostname or ""
    except ValueError:  # brackets around something else than an address
        host = ""
    if scheme in ("", "tcp") and _is_this_machine(host):
        return None
    if scheme != "tls":
        message = (
            "--scheduler: a cluster on other machines requires tls://; without it anyone who reaches the scheduler can run code there."
        )
        raise WrongUsage(
            message, "Give --scheduler tls://HOST:PORT, and certificates by DASK_DISTRIBUTED__COMM__TLS__* (runbooks/roles.md)."
        )
    from distributed.security import Security

    security = Security(require_encryption=True)  # certificates and key from Dask's configuration: environment or files
    lacking = [name for name in ("tls_ca_file", "tls_client_cert", "tls_client_key") if getattr(security, name) is None]
    if lacking:
        message = f"--scheduler: {', '.join(lacking)} of Dask's configuration is not set: the scheduler could not be authenticated."
        raise WrongUsage(message, "Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY (runbooks/roles.md).")
    return security


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_password(option: str, url: str | None) -> None:
    """Raises WrongUsage where the database's URL has a password: every worker, log and dashboard of a cluster would show it."""
    import sqlalchemy

    if url is None:
        return
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return  # refused elsewhere
    if parsed.password is not None or {"password", "sslpassword"} & {name.lower() for name in parsed.query}:
        message = f"{option}: with --scheduler a URL must not contain a password: it would be in every task."
        raise WrongUsage(message, "Leave it out; let each worker read it from its own PGPASSFILE (or service file).")


def wrong_answer(task: str) -> MigrationError:
    """Returns the error for a worker whose answer is not the one to its task: what it did is unknown, so nothing of it is used."""
    message = f"A worker process returned an answer that does not belong to its task ({task}). Nothing of it was used."
    return MigrationError(message, "Restart the workers, all with this build of the program; then run the same command again: it resumes.")


@contextmanager
def worker_processes(number: int, lock_file: Path) -> Iterator[Executor]:
    """Yields this number of processes, each with a lock on that file; after an error or a signal their waiting tasks are cancelled."""
    # A worker, and Python's resource tracker, start with `python -c`: without this they would import from the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    # Not fork: polars and pyarrow have threads. Not forkserver: its socket path is too long in a temporary folder with a long name.
    pool = ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_the_run, initargs=(lock_file,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # no worker writes into the folder after its lock is released


def _end_with_the_run(lock_file: Path) -> None:
    """Ends this worker when its run is killed: it must not write into the folder of the resumed run. The main process handles signals."""
    limit_free_memory()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shared(
        lock_file
    )  # before the check whether the run is alive: a start that waits for this lock waits for every process that may still write
    run = multiprocessing.parent_process()
    if run is None or not run.is_alive():
        os._exit(1)

    def wait() -> None:
        run.join()  # the kernel closes the run's end of the pipe however the run ended
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
