"""Worker processes of this machine: they do what they are given, and end with the run that started them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from etl.errors import MigrationError
from etl.locks import shared


@contextmanager
def worker_processes(number: int, place: Path) -> Iterator[Executor]:
    """So many processes while the block runs, each with a lock on that file; where it ends by an error or a signal, what they have not begun is not begun any more."""
    # Not fork: polars and pyarrow have threads of their own. Not forkserver: its socket has no room in a temporary folder with a long path.
    pool = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_the_run, initargs=(place,))
    try:
        yield pool
    except BrokenProcessPool:
        message = "A worker process was killed from outside; often memory does not suffice."
        raise MigrationError(message, "Give fewer --workers, then run the same command again: it goes on.") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # nobody writes into the folder when its lock is gone


def _end_with_the_run(place: Path) -> None:
    """A worker of a run that was killed must not write into the folder of the one that goes on; the terminal's signals are the run's to answer."""
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
