"""Rows 8 and 47 of faults.md: for any damage to a stage file, the next command refuses it with 6 before the first write to the new store. Most cases
run in this process, because starting the interpreter would take hours; a sample of every kind by the real command.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from .conftest import Reference
from .scene import Scene, store_content
from .tally import STAGE, tried

STEPS = ("extract", "split", "reattach", "check")
KINDS = ("bit", "cut", "more", "empty", "swapped", "another run", "missing", "extra", "link", "manifest")


@contextmanager
def damaged(run: Path, other: Path, kind: str, chance: random.Random, steps: tuple[str, ...] = STEPS) -> Iterator[str]:
    """Damages one file of those steps in that way, and restores it after the block. Yields a description."""
    files = [path for step in steps for path in sorted((run / step).rglob("*")) if path.is_file()]
    path = chance.choice(files)
    before = path.read_bytes()
    added: Path | None = None
    second: tuple[Path, bytes] | None = None
    match kind:
        case "bit":
            position, bit = chance.randrange(len(before)), chance.randrange(8)
            path.write_bytes(before[:position] + bytes([before[position] ^ 1 << bit]) + before[position + 1 :])
        case "cut":
            path.write_bytes(before[: chance.randrange(len(before))])
        case "more":
            path.write_bytes(before + bytes([chance.randrange(256)]))
        case "empty":
            path.write_bytes(b"")
        case "swapped":
            partner = chance.choice([file for file in files if file.read_bytes() != before])
            second = (partner, partner.read_bytes())
            path.write_bytes(second[1])
            partner.write_bytes(before)
        case "another run":
            names = [
                file
                for file in files
                if (other / file.relative_to(run)).is_file() and (other / file.relative_to(run)).read_bytes() != file.read_bytes()
            ]
            path = chance.choice(names)
            before = path.read_bytes()
            path.write_bytes((other / path.relative_to(run)).read_bytes())
        case "missing":
            path.unlink()
        case "extra":
            added = path.with_name(chance.choice(["00099.parquet", ".hidden", "zz.json", path.name + "x"]))
            added.write_bytes(before)
        case "link":
            added = run.parent / "aside.parquet"
            added.write_bytes(before)
            path.unlink()
            path.symlink_to(added)
        case "manifest":
            path = run / "manifest.json"
            before = path.read_bytes()
            path.write_bytes(_edited(before, chance))
    try:
        yield f"{kind}: {path.relative_to(run)}"
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(before)
        path.chmod(0o600)
        if added is not None:
            added.unlink()
        if second is not None:
            second[0].write_bytes(second[1])


def _edited(content: bytes, chance: random.Random) -> bytes:
    """The manifest with one thing in it changed, as an editor would."""
    if chance.random() < 0.4:
        position = chance.randrange(len(content))
        return content[:position] + bytes([content[position] ^ 1 << chance.randrange(8)]) + content[position + 1 :]
    body = json.loads(content)
    steps = body["run"]["steps"]
    step = steps[chance.choice([name for name in STEPS if name in steps])]
    match chance.randrange(6):
        case 0:
            step["files"].pop(chance.randrange(len(step["files"])))
        case 1:
            chance.choice(step["files"])[1] += 1
        case 2:
            chance.choice(step["files"])[3] = "0" * 64
        case 3:
            step["facts"]["critical"] = ["something"]
        case 4:
            step["inputs"] = "0" * 64
        case 5:
            body["run"]["settings"]["source"] = "sqlite:///other.sqlite"
    return json.dumps(body, indent=1).encode()


@pytest.fixture(scope="module")
def other(second: Scene) -> Path:
    """The run's folder of another run."""
    return second.run_folder


def test_some_damages(reference: Reference, other: Path, scenes: Callable[[Scene], Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    _bulk(30, reference, other, scenes, monkeypatch)


@pytest.mark.full
def test_all_damages(reference: Reference, other: Path, scenes: Callable[[Scene], Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    _bulk(205, reference, other, scenes, monkeypatch)


def _bulk(each: int, reference: Reference, other: Path, scenes: Callable[[Scene], Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    """So many damages of each kind, and after them the load that nothing disturbs."""
    import etl.pipeline.binding
    import etl.pipeline.runner
    from etl.errors import EvidenceAltered
    from etl.options import Options
    from etl.system.progress import ProgressReporter

    scene = scenes(reference.before("load"))
    monkeypatch.chdir(scene.folder)
    monkeypatch.setattr(etl.pipeline.runner, "bound_mappings", cache(etl.pipeline.binding.bound_mappings))
    stores = Options(source=scene.source, tc=scene.tc, files="world/files", objects="objects", run=Path("run"))
    missed = []
    for kind in KINDS:
        chance = random.Random(f"{kind} {each}")
        for _ in range(each):
            with tried(STAGE), damaged(scene.run_folder, other, kind, chance) as what:
                try:
                    etl.pipeline.runner.run_steps(replace(stores, target=scene.target), ("load",), ProgressReporter())
                    missed.append(what)
                except EvidenceAltered:
                    assert not scene.store.exists(), f"{what}: written before it was refused"
    assert not missed, f"{len(missed)} damages were not noticed: {missed[:10]}"
    scene.run("load", code=0)
    assert store_content(scene.target, scene.folder) == reference.store


@pytest.mark.parametrize("kind", KINDS)
def test_by_the_command(kind: str, reference: Reference, other: Path, scenes: Callable[[Scene], Scene]) -> None:
    """The load, and a step before it that reads the damaged file: exit 6, the file named, the store untouched."""
    chance = random.Random(kind)
    scene = scenes(reference.before("load"))
    with tried(STAGE), damaged(scene.run_folder, other, kind, chance):
        end = scene.run("load", code=6)
        assert "run's folder" in end.err
        assert not scene.store.exists()
    scene.run("load", code=0)
    step, before = chance.choice([("split", "extract"), ("reattach", "split")])
    scene = scenes(reference.before(step))
    with tried(STAGE), damaged(scene.run_folder, other, kind, chance, (before,)) as what:
        end = scene.run(step)
        # A damage may lie in a file that this step does not read: then the load finds it, as above.
        assert end.code == 6 or (end.code == 0 and kind not in ("extra", "manifest")), f"{what}\n{end}"


def test_report_of_damaged_evidence(reference: Reference, other: Path, scenes: Callable[[Scene], Scene]) -> None:
    """No report is written from altered evidence."""
    scene = scenes(reference.before("report"))
    for kind in ("bit", "cut", "missing"):
        with tried(STAGE), damaged(scene.run_folder, other, kind, random.Random(kind), ("reattach/record",)):
            scene.run("report", code=6)


def test_event_log(reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """A line that a kill or a full disk left half written does not stop the run; a log that lacks an event of the manifest does."""
    scene = scenes(reference.before("load"))
    log = scene.run_folder / "events.jsonl"
    whole = log.read_bytes()
    with tried(STAGE):
        log.write_bytes(whole + whole.splitlines()[-1][:-40])
        scene.run("load", code=0)
        numbers = [json.loads(line)["seq"] for line in log.read_bytes().splitlines()]
        assert numbers == sorted(set(numbers)), "the chain goes on"
    scene = scenes(reference.before("load"))
    with tried(STAGE):
        (scene.run_folder / "events.jsonl").write_bytes(whole[:-40])
        end = scene.run("load", code=6)
        assert "events.jsonl was cut" in end.err, end


def test_links(reference: Reference, scenes: Callable[[Scene], Scene]) -> None:
    """Row 40: a run folder, a manifest or a log that is a link is refused; its target is not changed."""
    for name in ("manifest.json", "events.jsonl", "objects.journal", ".lock"):
        scene = scenes(reference.before("load"))
        command = "extract" if name == "objects.journal" else "load"
        if command == "extract":  # new objects, so that there is something to note
            shutil.rmtree(scene.run_folder / "extract")
            (scene.run_folder / "manifest.json").unlink()
            shutil.rmtree(scene.objects)
        aside = scene.folder / "aside"
        (scene.run_folder / name).rename(aside)
        (scene.run_folder / name).symlink_to(aside)
        content = aside.read_bytes()
        with tried(STAGE):
            end = scene.run(command)
            assert end.code in (1, 6, 7), (name, end)
            assert aside.read_bytes() == content
            assert not scene.store.exists() or name == "events.jsonl"
    scene = scenes(reference.before("extract"))
    (scene.folder / "elsewhere").mkdir()
    scene.run_folder.symlink_to(scene.folder / "elsewhere")
    with tried(STAGE):
        scene.run("extract", code=7)
        assert not list((scene.folder / "elsewhere").iterdir())
    for mode in (0o770, 0o777):
        scene = scenes(reference.before("load"))
        scene.run_folder.chmod(mode)
        with tried(STAGE):
            scene.run("load", code=0)
            assert scene.run_folder.stat().st_mode & 0o777 == 0o700
