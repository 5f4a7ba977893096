"""The verifier verified: single faults planted in scratch copies of a migrated world, and how many of them it finds."""

import itertools
import random
import shutil
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy.engine import make_url

from etl.reconcile.compare.actual import Store
from etl.reconcile.compare.recorded_runs import recorded_runs
from etl.reconcile.engine.source import Source
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.errors import ReconcileError
from etl.reconcile.result import Reconciliation
from etl.reconcile.selftest.corruption import Planted, Planter, Spot, spots
from etl.reconcile.verifier import Side, actual_side, compared, compute, expected_side, open_database

CLEAN_ROUNDS = 20


@dataclass(frozen=True)
class Corruption:
    """Number of faults of a kind that were planted, that reconcile found, and that it reported under the affected table."""

    planted: int
    found: int
    named: int


@dataclass(frozen=True)
class Score:
    """The result of a self-test: faults by kind, the missed ones, and differences reported for unchanged copies (`false_alarms`)."""

    by_kind: dict[str, Corruption]
    missed: tuple[Planted, ...]
    clean_rounds: int
    false_alarms: int
    tables: int  # in how many of the store's tables a fault was planted
    columns: int  # and in how many of their columns

    @property
    def planted(self) -> int:
        """The number of faults that were planted."""
        return sum(kind.planted for kind in self.by_kind.values())

    @property
    def found(self) -> int:
        """The number of faults that reconcile found."""
        return sum(kind.found for kind in self.by_kind.values())

    @property
    def holds(self) -> bool:
        """Whether every fault was found, at least one was planted, and the unchanged copy gave no difference."""
        return not self.missed and not self.false_alarms and self.planted > 0


def selftest(
    source: str,
    tc: str | None,
    files: str | None,
    target: str,
    objects: str,
    n: int = 200,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
    freeze: tuple[date, date] | None = None,
    clean_rounds: int = CLEAN_ROUNDS,
) -> Score:
    """Returns the score of `n` faults, planted one at a time in scratch copies of a SQLite store and an object folder; the originals are only read."""
    path = Path(make_url(target).database or "")
    if make_url(target).get_backend_name() != "sqlite" or not path.is_file():
        raise ReconcileError(
            "selftest needs a migrated SQLite store and an object folder.", "Run it on the demo or on a rehearsal's store."
        )
    spec = read_spec()
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    databases = {portal: open_database(url) for portal, url in (("P2", source), ("TC", tc)) if url}
    try:
        store = Store(spec, open_database(target))
        runs = recorded_runs(store, freeze)
        store.database.close()
        sources = {portal: Source(spec, portal, database) for portal, database in databases.items()}
        side = expected_side(spec, sources, files, runs.freeze, runs.began, grace=runs.grace)
        compute(side, _silent)
        with tempfile.TemporaryDirectory(prefix="selftest-") as scratch:
            bench = Bench(side, path, Path(objects), Path(scratch))
            alarms = sum(1 for _ in range(clean_rounds) if len(bench.compared().differences))
            planted, found, named = Counter[str](), Counter[str](), Counter[str]()
            missed: list[Planted] = []
            columns_planted: set[tuple[str, str]] = set()
            for fault in itertools.islice(_faults(bench, chance), n):
                kind, tables = fault.spot.kind, set(bench.compared().differences["table"].to_list())
                bench.restore(fault)
                planted[kind] += 1
                found[kind] += bool(tables)
                named[kind] += fault.spot.table in tables
                columns_planted.add((fault.spot.table, fault.spot.column))
                missed += [] if tables else [fault]
                if progress:
                    progress(sum(planted.values()), n)
    finally:
        for database in databases.values():
            database.close()
    kinds = {kind: Corruption(planted[kind], found[kind], named[kind]) for kind in sorted(planted)}
    return Score(
        kinds,
        tuple(missed),
        clean_rounds,
        alarms,
        len({table for table, _ in columns_planted}),
        sum(1 for _, column in columns_planted if column),
    )


class Bench:
    """A scratch copy of a store and its objects; the expected side is computed once for all comparisons."""

    def __init__(self, side: Side, path: Path, objects: Path, scratch: Path) -> None:
        self.side, self._original, self._objects = side, path, objects
        self.store, self.objects = scratch / "store.sqlite", scratch / "objects"
        shutil.copyfile(path, self.store)
        shutil.copytree(objects, self.objects)

    def compared(self) -> Reconciliation:
        """Returns the reconciliation of the copy as it is now."""
        store = Store(self.side.expected.world.spec, open_database(f"sqlite:///{self.store}"))
        try:
            runs = recorded_runs(store, self.side.expected.world.freeze)
            return compared(self.side, actual_side(self.side.columns, store, str(self.objects), _silent), store, runs, _silent)
        finally:
            store.database.close()

    def restore(self, fault: Planted) -> None:
        """Restores the copy to the state of the original."""
        shutil.copyfile(self._original, self.store)
        for key in fault.objects:
            shutil.copyfile(self._objects / key, self.objects / key)


def _silent(what: str, done: int, total: int) -> None:
    """Ignores the progress."""


def _faults(bench: Bench, chance: random.Random) -> Iterator[Planted]:
    """Yields the requested number of planted faults in random order: each kind once, then each column of each table once, then the kinds in turn."""
    planter = Planter(bench.side.expected.world.spec, bench.store, bench.objects, chance)
    by_kind: dict[str, deque[Spot]] = defaultdict(deque)
    by_column: dict[tuple[str, str], list[Spot]] = defaultdict(list)
    for spot in chance.sample(every := spots(bench.side.expected.world.spec), len(every)):
        by_kind[spot.kind].append(spot)
        by_column[spot.table, spot.column].append(spot)
    used = Counter[str]()

    def planted(among: Iterable[Spot]) -> Planted | None:
        fault = next((fault for spot in among if (fault := planter.plant(spot)) is not None), None)
        if fault is not None:
            used[fault.spot.kind] += 1
            by_column.pop((fault.spot.table, fault.spot.column), None)
        return fault

    for _, waiting in sorted(by_kind.items()):
        if (fault := planted(waiting)) is not None:
            yield fault
    for column in list(by_column):
        kinds = sorted(by_column.get(column, ()), key=lambda spot: used[spot.kind])  # the kinds that were planted least
        if (fault := planted(kinds)) is not None:
            yield fault
    while by_kind:
        for kind, waiting in sorted(by_kind.items()):
            if (fault := planted(waiting)) is None:  # this store has no place for such a fault
                del by_kind[kind]
                continue
            waiting.rotate(-waiting.index(fault.spot) - 1)
            yield fault
