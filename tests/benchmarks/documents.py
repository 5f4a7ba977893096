"""`python -m tests.benchmarks.documents [share] [sqlite] [postgresql] [--json FILE]`: the memory that very large documents cost, beyond what the same command needs without them.

One document of 2 GB and a byte on the file share; one of 1,000,000,000 bytes in PostgreSQL, stored as what does not compress is; and the largest that SQLite
holds. Memory is the process's own peak (the most resident bytes at once, as the kernel counted them). Needs 12 GB of disk for a while.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..faults.postgres import started, write_postgres_world
from ..faults.scene import Scene
from ..faults.world import write_world
from .results import Results

ON_THE_SHARE = (2 << 30) + 1
IN_POSTGRESQL = 1_000_000_000  # a row, and with it a value, ends a little below 2**30 bytes
IN_SQLITE = 1_000_000_000 - 1_000  # a row has at most 10**9
STEPS = ("extract", "split", "reattach", "check", "load", "reconcile")
_ROW = "INSERT INTO document VALUES ({key}, 'PARTNER', 1, 101, 'X', 'large.bin', NULL, NULL, NULL, {path}, 1, NULL, NULL, NULL, '2020-01-01 00:00:00', 'N')"


def peak(scene: Scene, command: str, *more: str) -> tuple[float, float]:
    """(most MB resident at once, seconds); SystemExit where it failed."""
    began = time.monotonic()
    errors = scene.folder / "errors"
    with errors.open("wb") as file:
        process = subprocess.Popen(scene.argv(command, *more), cwd=scene.folder, env=scene.env(), stdout=subprocess.DEVNULL, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{command} failed:\n{errors.read_text()}")
    return usage.ru_maxrss / 1024, time.monotonic() - began


def costs(scene: Scene) -> dict[str, tuple[float, float]]:
    """Peak and seconds of every step, and of the bundle with all documents in it."""
    found = {step: peak(scene, step) for step in STEPS}
    peak(scene, "report")
    bundle = Scene(scene.folder, launcher=scene.launcher)
    bundle.options = lambda command: ["--run", "run", "--bundle", "bundle", "--key", "key.pem", "--documents"]  # type: ignore[method-assign]
    found["evidence pack"] = peak(bundle, "evidence pack")
    return found


def on_the_share(scene: Scene) -> None:
    files = scene.own_world() / "files"
    shared = files.resolve()
    files.unlink()
    files.mkdir()
    for path in shared.iterdir():
        (files / path.name).symlink_to(path)
    with (files / "large.bin").open("wb") as file:
        file.truncate(ON_THE_SHARE)
    _do(scene, _ROW.format(key=700_000, path="'large.bin'"))


def in_sqlite(scene: Scene) -> None:
    _do(scene, _ROW.format(key=700_000, path="NULL"), f"INSERT INTO document_content VALUES (700000, zeroblob({IN_SQLITE}))")


def _do(scene: Scene, *statements: str) -> None:
    with sqlite3.connect(scene.own_world() / "portal2.sqlite") as lite:
        for statement in statements:
            lite.execute(statement)
    lite.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="The memory that very large documents cost.")
    parser.add_argument("chosen", nargs="*", metavar="share|sqlite|postgresql", help="default: all three")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    chosen = given.chosen or ["share", "sqlite", "postgresql"]
    if unknown := set(chosen) - {"share", "sqlite", "postgresql"}:
        parser.error(f"{', '.join(sorted(unknown))}: give share, sqlite or postgresql.")
    results = Results.begun_now("documents", chosen=chosen)
    print("| documents | command | peak MB | beyond none | s |\n|---|---|--:|--:|--:|")  # noqa: T201 - its answer
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_world(folder / "world")

        def measured(
            name: str, prepare: Callable[[Scene], object], none: dict[str, tuple[float, float]], **stores: Any
        ) -> dict[str, tuple[float, float]]:
            scene = Scene(folder / "scene", **stores)
            scene.folder.mkdir()
            (scene.folder / "world").symlink_to(folder / "world")
            prepare(scene)
            found = costs(scene)
            for command, (megabytes, seconds) in found.items():
                results.add(f"{name}: {command}, memory", megabytes, unit="MB")
                results.add(f"{name}: {command}", seconds)
                beyond = f"{megabytes - none[command][0]:,.0f}" if none else ""
                print(f"| {name} | {command} | {megabytes:,.0f} | {beyond} | {seconds:.1f} |", flush=True)  # noqa: T201
            shutil.rmtree(scene.folder)
            return found

        if {"share", "sqlite"} & set(chosen):
            none = measured("none, SQLite", lambda scene: None, {})
            for what, name, prepare in (
                ("share", f"{ON_THE_SHARE:,} bytes on the share", on_the_share),
                ("sqlite", f"{IN_SQLITE:,} bytes in SQLite", in_sqlite),
            ):
                if what in chosen:
                    measured(name, prepare, none)
        if "postgresql" in chosen:
            (folder / "server").mkdir()
            with started(folder / "server") as server:
                source, tc = write_postgres_world(server, folder / "world")
                target = server.fresh("store")
                none = measured("none, PostgreSQL", lambda scene: None, {}, source=source, tc=tc, target=target)
                with server.connect("legacy_portal2") as connection:
                    connection.execute("ALTER TABLE document_content ALTER COLUMN content SET STORAGE EXTERNAL")
                    connection.execute(_ROW.format(key=700_000, path="NULL").encode())
                    connection.execute(
                        f"INSERT INTO document_content VALUES (700000, convert_to(repeat('x', {IN_POSTGRESQL}), 'UTF8'))".encode()
                    )
                server.fresh("store")
                measured(f"{IN_POSTGRESQL:,} bytes in PostgreSQL", lambda scene: None, none, source=source, tc=tc, target=target)
    results.write(given.json)


if __name__ == "__main__":
    main()
