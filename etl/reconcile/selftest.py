"""The verifier verified: single faults planted in scratch copies of a migrated world, and how many of them it finds."""

import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy.engine import make_url

from etl.reconcile.actual import Store
from etl.reconcile.corruption import Planted, Planter, Spot, spots
from etl.reconcile.errors import ReconcileError
from etl.reconcile.result import Reconciliation
from etl.reconcile.runs import recorded_runs
from etl.reconcile.source import Source
from etl.reconcile.spec import read_spec
from etl.reconcile.verifier import Side, compared, expected_side, opened

CLEAN_ROUNDS = 20


@dataclass(frozen=True)
class Kind:
    """How many faults of a kind were planted, how many reconcile found, and how many of those under the table in which they lie."""

    planted: int
    found: int
    named: int


@dataclass(frozen=True)
class Score:
    by_kind: dict[str, Kind]
    missed: tuple[Planted, ...]
    clean_rounds: int
    false_alarms: int

    @property
    def planted(self) -> int:
        return sum(kind.planted for kind in self.by_kind.values())

    @property
    def found(self) -> int:
        return sum(kind.found for kind in self.by_kind.values())

    @property
    def holds(self) -> bool:
        """Everything found, and nothing where there was nothing."""
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
    """The score of `n` faults, one at a time, in scratch copies of a SQLite store and an object folder; the originals are only read."""
    path = Path(make_url(target).database or "")
    if make_url(target).get_backend_name() != "sqlite" or not path.is_file():
        raise ReconcileError(
            "selftest needs a migrated SQLite store and an object folder.", "Run it on the demo or on a rehearsal's store."
        )
    spec = read_spec()
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    databases = {portal: opened(url) for portal, url in (("P2", source), ("TC", tc)) if url}
    try:
        store = Store(spec, opened(target))
        runs = recorded_runs(store, freeze)
        store.database.close()
        sources = {portal: Source(spec, portal, database) for portal, database in databases.items()}
        side = expected_side(spec, sources, files, runs.freeze, runs.began, lambda what, done, total: None)
        with tempfile.TemporaryDirectory(prefix="selftest-") as scratch:
            bench = Bench(side, path, Path(objects), Path(scratch))
            alarms = sum(1 for _ in range(clean_rounds) if len(bench.turn(None)[1].differences))
            planted, found, named = Counter[str](), Counter[str](), Counter[str]()
            missed: list[Planted] = []
            for done, spot in enumerate(_chosen(spots(spec), chance)):
                if sum(planted.values()) == n or done > 20 * n:
                    break
                fault, result = bench.turn(lambda p, o, s=spot: Planter(spec, p, o, chance).plant(s))  # type: ignore[misc]
                if fault is None:
                    continue
                planted[spot.kind] += 1
                if progress:
                    progress(sum(planted.values()), n)
                tables = set(result.differences["table"].to_list())
                found[spot.kind] += bool(tables)
                named[spot.kind] += spot.table in tables
                missed += [] if tables else [fault]
    finally:
        for database in databases.values():
            database.close()
    return Score({kind: Kind(planted[kind], found[kind], named[kind]) for kind in sorted(planted)}, tuple(missed), clean_rounds, alarms)


Plant = Callable[[Path, Path], Planted | None]


class Bench:
    """Scratch copies of a store and its objects, made new for each fault; the expected side is computed once for all."""

    def __init__(self, side: Side, path: Path, objects: Path, scratch: Path) -> None:
        self._side, self._path, self._objects = side, path, objects
        self._copy, self._folder = scratch / "store.sqlite", scratch / "objects"
        shutil.copytree(objects, self._folder)

    def turn(self, plant: Plant | None) -> tuple[Planted | None, Reconciliation]:
        """A fault in a clean copy, and what the comparison says of it."""
        shutil.copyfile(self._path, self._copy)
        fault = plant(self._copy, self._folder) if plant else None
        store = Store(self._side.expected.world.spec, opened(f"sqlite:///{self._copy}"))
        try:
            runs = recorded_runs(store, self._side.expected.world.freeze)
            return fault, compared(self._side, store, runs, str(self._folder), lambda what, done, total: None)
        finally:
            store.database.close()
            for key in fault.objects if fault else ():
                shutil.copyfile(self._objects / key, self._folder / key)


def _chosen(every: list[Spot], chance: random.Random) -> Iterator[Spot]:
    """Spots without end: the kinds in turn, and within a kind its tables and columns in turn, in an order by chance."""
    by_kind: dict[str, list[Spot]] = defaultdict(list)
    for spot in every:
        by_kind[spot.kind].append(spot)
    for listed in by_kind.values():
        chance.shuffle(listed)
    turn = 0
    while True:
        for listed in by_kind.values():
            yield listed[turn % len(listed)]
        turn += 1
