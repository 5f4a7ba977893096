"""A reader that queries the new store every 20 ms: it must see nothing or all of a run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

EVERY = 0.02
LOOKED_AT = ("migration_run", "entity_account", "profile_response", "document", "stored_object", "migration_holding", "migration_exception")
Seen = tuple[int, ...] | None  # rows of each of these tables in one snapshot; None: no such tables


class Poller:
    """Looks while the block runs; `seen`: each different sight in its order."""

    def __init__(self, target: str, folder: Path) -> None:
        self._target = target if not target.startswith("sqlite") else str(folder / target.removeprefix("sqlite:///"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: list[Seen] = []
        self.looks = 0

    def _look(self) -> None:
        while not self._stop.is_set():
            for sight in self._sights():
                self.looks += 1
                if not self.seen or self.seen[-1] != sight:
                    self.seen.append(sight)
            self._stop.wait(EVERY)

    def _sights(self) -> Iterator[Seen]:
        with _reader(self._target) as look:
            while not self._stop.is_set():
                sight = look()
                if sight is not _NO_ANSWER:
                    yield sight
                self._stop.wait(EVERY)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(30)


_NO_ANSWER: Any = object()


@contextmanager
def _reader(target: str) -> Iterator[Any]:
    if target.startswith("postgresql"):
        import psycopg

        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute("SET default_transaction_isolation = 'repeatable read'")

            def rows() -> Seen:
                try:
                    with connection.transaction():
                        return tuple(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in LOOKED_AT)  # type: ignore[index]
                except psycopg.errors.UndefinedTable:
                    return None
                except psycopg.Error:
                    return _NO_ANSWER  # type: ignore[no-any-return]

            yield rows
        return

    def looked() -> Seen:
        if not Path(target).exists():
            return None
        try:
            connection = sqlite3.connect(f"file:{target}?mode=ro", uri=True, isolation_level=None, timeout=0)
            try:
                connection.execute("BEGIN")
                return tuple(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in LOOKED_AT)
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            # Locked for the moment of the commit, or a dead writer's journal that a reader may not roll back: a missing answer is not a wrong one.
            return None if "no such table" in str(error) else _NO_ANSWER  # type: ignore[no-any-return]

    yield looked


def whole_or_nothing(poller: Poller, before: Seen, after: Seen) -> None:
    """Every sight is the store from before or the store with the whole run, and never the former after the latter."""
    assert set(poller.seen) <= {before, after}, f"a reader saw a part of the run: {poller.seen}, before {before}, after {after}"
    assert after not in poller.seen or before not in poller.seen[poller.seen.index(after) :] or before == after
