"""Row 47 of faults.md: a stage file is edited and the whole manifest recomputed. A run with a key detects it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import Reference
from .scene import Scene, difference, stage_content
from .tally import STAGE, tried

Scenes = Callable[[Scene], Scene]


def forged(scene: Scene, but: Callable[[dict[str, Any]], object] = lambda body: None) -> None:
    """As an attacker with knowledge of the project: a stage file is replaced, and every digest that can be computed is correct again."""
    manifest = scene.run_folder / "manifest.json"
    body = json.loads(manifest.read_bytes())["run"]
    before = ""
    for step in body["steps"].values():
        one, other = step["files"][:2]
        (scene.run_folder / one[0]).write_bytes((scene.run_folder / other[0]).read_bytes())
        one[1:] = other[1:]
        step["before"] = before
        before = digest(step)
    but(body)
    manifest.write_text(json.dumps({"run": body, "sha256": digest(body)}), encoding="utf-8")


def digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def key(folder: Path, letter: bytes) -> str:
    path = folder / f"key-{letter.decode()}"
    path.write_bytes(letter * 32)
    return str(path)


def test_a_manifest_recomputed_without_the_key(reference: Reference, scenes: Scenes, tmp_path: Path) -> None:
    """Refused with the seal kept (6) and with it removed (7), before anything is written; the run itself equals one without a key."""
    sealed = scenes(reference.before("extract"))
    sealed.environment["PORTAL_MIGRATE_SEAL"] = key(tmp_path, b"k")
    sealed.run("extract", code=0)
    for but, code in ((lambda body: None, 6), (lambda body: body.pop("sealed"), 7)):
        scene = scenes(sealed)
        forged(scene, but)
        with tried(STAGE):
            scene.run("split", code=code)
            assert not (scene.run_folder / "split").exists()
    with tried(STAGE):
        sealed.run("run", code=0)
        assert not difference(
            stage_content(sealed.run_folder, ["extract", "split", "reattach"]),
            {name: it for name, it in reference.stages.items() if name.startswith(("extract/", "split/", "reattach/"))},
        )


def test_a_cluster_does_not_get_the_key(reference: Reference, scenes: Scenes, tmp_path: Path) -> None:
    scene = scenes(reference.before("extract"))
    scene.environment["PORTAL_MIGRATE_SEAL"] = key(tmp_path, b"k")
    with tried(STAGE):
        done = scene.run("extract", "--scheduler", "tcp://127.0.0.1:1", code=2)
        assert "cannot be combined" in done.err


def test_a_missing_other_or_late_key_is_refused(reference: Reference, scenes: Scenes, tmp_path: Path) -> None:
    scene = scenes(reference.before("extract"))
    scene.environment["PORTAL_MIGRATE_SEAL"] = key(tmp_path, b"k")
    scene.run("extract", code=0)
    scene.environment["PORTAL_MIGRATE_SEAL"] = key(tmp_path, b"x")
    with tried(STAGE):
        scene.run("split", code=6)
    del scene.environment["PORTAL_MIGRATE_SEAL"]
    with tried(STAGE):
        for command in ("split", "status", "purge"):
            assert "PORTAL_MIGRATE_SEAL" in scene.run(command, code=7).err
    without = scenes(reference.before("split"))
    without.environment["PORTAL_MIGRATE_SEAL"] = key(tmp_path, b"k")
    with tried(STAGE):
        without.run("split", code=7)
    for wrong in (tmp_path / "none", tmp_path / "short"):
        (tmp_path / "short").write_bytes(b"short")
        without.environment["PORTAL_MIGRATE_SEAL"] = str(wrong)
        with tried(STAGE):
            assert "PORTAL_MIGRATE_SEAL" in without.run("split", code=1).err
