"""The processes that help with a step: workers of this machine, which end with the run that started them, however it ends; or a Dask cluster."""

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

from etl.errors import WrongUsage
from etl.system.cluster import cluster
from etl.system.locks import shared

if TYPE_CHECKING:
    from distributed.security import Security

_WORTH_WORKERS = 200_000  # rows; below that starting processes costs more than they save
# Rows; above that what they keep in memory from one step to the next weighs more than the second that starting others takes.
_MANY = 2_000_000


class WorkerPool:
    """Helping processes, started when the first step asks for them and kept for the steps behind it: starting takes a second of each.

    `number`: how many of this machine, None as many as it has cores; `place`: the file that each of them locks; `scheduler`: of a Dask cluster.
    """

    def __init__(self, number: int | None, place: Path, scheduler: str | None = None) -> None:
        self._number, self._place, self._scheduler = number or os.cpu_count() or 1, place, scheduler
        self._stack = ExitStack()
        self._pool: Executor | None = None
        self._rows = 0

    def executor_for(self, rows: int) -> Executor | None:
        """The processes for a step over so many rows; None where they would cost more than they save."""
        self._rows = rows
        if self._pool is None:
            if self._scheduler is not None:
                self._pool = self._stack.enter_context(cluster(self._scheduler, secured(self._scheduler), self._place.parent))
            elif self._number > 1 and rows >= _WORTH_WORKERS:
                self._pool = self._stack.enter_context(worker_processes(self._number, self._place))
        return self._pool

    def release_if_large(self) -> None:
        """Behind a step: of this machine's those go that keep much in memory."""
        if self._rows > _MANY and self._scheduler is None:
            self.shutdown()

    def shutdown(self) -> None:
        """Ends them, and with them whatever they keep in memory."""
        self._pool = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()


def secured(address: str) -> Security | None:
    """What a connection to that scheduler is secured by; None where it stays on this machine.

    WrongUsage where it does not: whoever reaches a scheduler runs code there, and is sent what the old portals' rows are read with.
    """
    scheme, _, place = address.rpartition("://")
    host = urllib.parse.urlsplit(f"//{place}").hostname or ""
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
    """A task for a cluster holds the database's URL: WrongUsage where that has a password, which every worker, log and dashboard would see."""
    import sqlalchemy

    if url is None:
        return
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return  # another's to refuse
    if parsed.password is not None or {"password", "sslpassword"} & {name.lower() for name in parsed.query}:
        message = f"{option}: with --scheduler a URL must not contain a password: it would be in every task."
        raise WrongUsage(message, "Leave it out; let each worker read it from its own PGPASSFILE (or service file).")


@contextmanager
def worker_processes(number: int, place: Path) -> Iterator[Executor]:
    """So many processes while the block runs, each with a lock on that file; where it ends by an error or a signal, what they have not begun is not begun any more."""
    # A worker, and Python's tracker of shared resources, start with `python -c`: without this they would import from the current folder.
    os.environ["PYTHONSAFEPATH"] = "1"
    # Not fork: polars and pyarrow have threads of their own. Not forkserver: its socket has no room in a temporary folder with a long path.
    pool = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_the_run, initargs=(place,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # nobody writes into the folder when its lock is gone


def _end_with_the_run(place: Path) -> None:
    """A worker of a killed run must not write into the folder of the resumed one; the main process handles the terminal's signals."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    shared(place)  # before asking whether the run lives: a start that waits for this lock waits for all that may still write
    run = multiprocessing.parent_process()
    if run is None or not run.is_alive():
        os._exit(1)

    def wait() -> None:
        run.join()  # the kernel closes its end of a pipe, whatever it died of
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
