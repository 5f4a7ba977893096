"""Marks, the world, the undisturbed run that all others are compared with, and a PostgreSQL server."""

from __future__ import annotations

import compileall
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .postgres import Server, started
from .scene import ROOT, STEPS, Content, Scene, canaries_in, object_content, stage_content, store_content
from .world import write_world


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: belongs to the full matrix only (python -m tests.faults)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without an expression that names it, the full matrix is left out: it takes hours."""
    if "full" not in (config.getoption("markexpr") or ""):
        full = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=full)
        items[:] = [item for item in items if item not in full]


@dataclass
class Reference:
    """An undisturbed run: what it left, its scene before each step, and how long each step took."""

    folder: Path
    stages: dict[str, str]
    store: Content
    objects: dict[str, str]
    seconds: dict[str, float]

    def before(self, step: str) -> Scene:
        """The scene as it was when the step had not been started."""
        return Scene(self.folder / f"before-{step}")

    def objects_after(self, step: str) -> dict[str, str]:
        """The object store as it was when the step was done."""
        following = STEPS[STEPS.index(step) + 1 :]
        return object_content(self.before(following[0]).objects) if following else self.objects

    def stages_of(self, step: str) -> dict[str, str]:
        return {name: digest for name, digest in self.stages.items() if name.startswith(f"{step}/")}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, world: Path) -> Reference:
    """Computed once: the cast into SQLite, step by step."""
    folder = tmp_path_factory.mktemp("reference")
    scene = Scene(folder / "scene")
    scene.folder.mkdir()
    (scene.folder / "world").symlink_to(world)
    for place in ("etl", "mappings", "checks", "sample_data"):  # what is started hundreds of times is compiled once
        compileall.compile_dir(ROOT / place, quiet=2)
    seconds = {}
    for step in STEPS:
        shutil.copytree(scene.folder, folder / f"before-{step}", symlinks=True, ignore=shutil.ignore_patterns("home", "tmp"))
        seconds[step] = scene.run(step, code=0).seconds
    assert not canaries_in(scene.folder / "tmp")
    assert not canaries_in(scene.folder / "home")
    return Reference(
        folder, stage_content(scene.run_folder, STEPS), store_content(scene.target, scene.folder), object_content(scene.objects), seconds
    )


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
