"""Marks, the world, the undisturbed run that all others are compared with, and a PostgreSQL server."""

from __future__ import annotations

import compileall
import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from . import forks
from .postgres import Server, started, write_postgres_world
from .proxy import Fault, Proxy
from .scene import ROOT, STEPS, Content, Scene, canaries_in, object_content, stage_content, store_content
from .world import write_later_world, write_world


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: belongs to the full matrix only (python -m tests.faults)")
    config.addinivalue_line("markers", "kills: belongs to the kills that every change has to pass (python -m tests.faults --kills)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without an expression that names it, the full matrix is left out: it takes hours."""
    if "full" not in (config.getoption("markexpr") or ""):
        full = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]


@dataclass
class Reference:
    """An undisturbed run: what it left, its scene before each step, how long each step took as a fork, and what a real start adds to that."""

    folder: Path
    stores: dict[str, Any]
    stages: dict[str, str]
    store: Content
    objects: dict[str, str]
    seconds: dict[str, float]
    starting: float

    def before(self, step: str) -> Scene:
        """The scene as it was when the step had not been started."""
        return Scene(self.folder / f"before-{step}", **self.stores)

    def done(self) -> Scene:
        """The scene when all was done."""
        return self.before("")

    def objects_after(self, step: str) -> dict[str, str]:
        """The object store as it was when the step was done."""
        following = self.before(STEPS[STEPS.index(step) + 1]) if step != STEPS[-1] else self.done()
        return object_content(following.objects) if following.folder.exists() else self.objects

    def keep(self) -> None:
        """Writes down what `kept` reads."""
        facts = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "folder"}
        (self.folder / "reference.json").write_text(json.dumps(facts), encoding="utf-8")

    @staticmethod
    def kept(folder: Path) -> Reference:
        return Reference(folder, **json.loads((folder / "reference.json").read_text(encoding="utf-8")))

    def stages_of(self, step: str) -> dict[str, str]:
        return {name: digest for name, digest in self.stages.items() if name.startswith(f"{step}/")}


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of that name, made by the first of pytest-xdist's workers that comes here; the others wait for it."""
    common = tmp_path_factory.getbasetemp()
    common = common.parent if "PYTEST_XDIST_WORKER" in os.environ else common
    folder, done = common / name, common / f"{name}.done"
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            assert not folder.exists(), f"{name} could not be made by the first who tried"
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "world", write_world)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, world: Path) -> Reference:
    """Computed once: the cast into SQLite, step by step."""

    def make(folder: Path) -> None:
        for place in ("etl", "mappings", "checks", "sample_data"):  # what is started hundreds of times is compiled once
            compileall.compile_dir(ROOT / place, quiet=2)
        undisturbed(folder, world, STEPS).keep()

    return Reference.kept(once(tmp_path_factory, "reference", make))


def undisturbed(folder: Path, world: Path, steps: Sequence[str], **stores: Any) -> Reference:
    """These steps of a run of that world, the scene before each of them kept."""
    scene = Scene(folder / "scene", **stores)
    scene.folder.mkdir()
    (scene.folder / "world").symlink_to(world)
    seconds = {}
    forks.why_not()  # not to be counted as time of the first step
    for step in steps:
        shutil.copytree(scene.folder, folder / f"before-{step}", symlinks=True, ignore=shutil.ignore_patterns("home", "tmp"))
        seconds[step] = scene.run(step, code=0).seconds
    assert not canaries_in(scene.folder / "tmp")
    assert not canaries_in(scene.folder / "home")
    shutil.copytree(scene.folder, folder / "before-", symlinks=True, ignore=shutil.ignore_patterns("home", "tmp"))
    store = store_content(scene.target, scene.folder) if "load" in steps else {}
    again = Scene(folder / f"before-{steps[0]}", **stores, really=True).copy(folder / "really")
    starting = max(0.0, again.run(steps[0], code=0).seconds - seconds[steps[0]])
    shutil.rmtree(again.folder)
    return Reference(folder, stores, stage_content(scene.run_folder, steps), store, object_content(scene.objects), seconds, starting)


@pytest.fixture(scope="session")
def postgres_store(reference: Reference, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What the same run leaves in a store that is PostgreSQL."""
    scene = reference.before("load").copy(tmp_path_factory.mktemp("postgres_store") / "scene")
    scene.target = server.fresh("undisturbed")
    scene.run("load", code=0)
    return store_content(scene.target, scene.folder)


@pytest.fixture(scope="session")
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.socket) as running:
        yield running


@pytest.fixture(scope="session")
def load_counts(reference: Reference, server: Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Counts the statements of an undisturbed load. `commit`: the number of the COMMIT that publishes; sessions that only read commit after it."""
    scene = reference.before("load").copy(tmp_path_factory.mktemp("counts") / "scene")
    server.fresh("counts")
    scene.target = server.url("counts", proxy.port)
    proxy.arm(Fault())
    scene.run("load", code=0)
    with server.connect("counts") as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')").fetchone()
    assert row is not None
    assert proxy.counts["commit"] >= row[0] > 50, "one for each staging table (all but the run's record), and the one that publishes"
    return {**proxy.counts, "commit": row[0]}


@pytest.fixture(scope="session")
def postgres_extract(server: Server, proxy: Proxy, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The extract out of the same world in PostgreSQL, read through the proxy."""
    write_postgres_world(server, world)
    source, tc = (server.url(f"legacy_{schema}", proxy.port) for schema in ("portal2", "tc"))
    return undisturbed(tmp_path_factory.mktemp("postgres_extract"), world, ["extract"], source=source, tc=tc)


@pytest.fixture(scope="session")
def second(reference: Reference, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The scene before the load of a later run: the old portal went on for a while after a cancelled freeze (K2). Its store is not there yet."""
    folder = tmp_path_factory.mktemp("second")
    write_later_world(world, folder / "world")
    scene = Scene(folder / "scene")
    scene.folder.mkdir()
    (scene.folder / "world").symlink_to(folder / "world")
    for step in ("extract", "split", "reattach", "check"):
        scene.run(step, code=0)
    return scene


@pytest.fixture
def scenes(tmp_path: Path) -> Iterator[Callable[[Scene], Scene]]:
    """Makes copies of a scene for one test; afterwards nothing that they wrote outside of the data holds a secret."""
    numbers = itertools.count()
    made: list[Scene] = []

    def copy(scene: Scene) -> Scene:
        made.append(scene.copy(tmp_path / f"scene-{next(numbers)}"))
        return made[-1]

    yield copy
    for scene in made:
        for name in ("home", "tmp"):
            if (scene.folder / name).is_dir():
                assert not canaries_in(scene.folder / name), "a secret was left in a temporary file"
        shutil.rmtree(scene.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("postgresql")) as running:
        yield running
