"""Tries each damage: copies the portal, damages it, runs the real `plan` and checks its output."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.disguised.damages import Damage, damages
from tests.support.command import Done, command

PORTALS = {"portal2": "portal2.sqlite", "tc": "tc.sqlite"}


def adapter_files(foreign: Path) -> dict[str, str]:
    """The adapter's files, by name."""
    root = foreign / "adapter"
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(root.rglob("*")) if path.is_file()}


def all_damages(foreign: Path) -> list[Damage]:
    """Those of this world."""
    return damages(adapter_files(foreign), {portal: _tables(foreign / file) for portal, file in PORTALS.items()})


def _tables(file: Path) -> dict[str, dict[str, str]]:
    with closing(sqlite3.connect(file)) as portal:
        names = [name for (name,) in portal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: {row[1]: row[2] for row in portal.execute(f'PRAGMA table_info("{name}")')} for name in names}


def tried(damage: Damage, foreign: Path, path: Path) -> str:
    """Returns why the response is wrong; empty if it is correct. `path`: an empty folder for the copies."""
    adapter = Path(shutil.copytree(foreign / "adapter", path / "adapter"))
    for name, content in damage.files.items():
        file = adapter / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            file.unlink()
        elif isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content, encoding="utf-8")
    urls = {portal: foreign / file for portal, file in PORTALS.items()}
    for portal, statements in damage.sql.items():
        urls[portal] = Path(shutil.copyfile(foreign / PORTALS[portal], path / PORTALS[portal]))
        with closing(sqlite3.connect(urls[portal])) as database, database:
            for statement in statements:
                database.execute(statement)
    done = command("plan", "--source", f"sqlite:///{urls['portal2']}", "--tc", f"sqlite:///{urls['tc']}", "--adapter", str(adapter))
    return _missed(damage, done)


def _missed(damage: Damage, done: Done) -> str:
    if "Internal error" in done.err or "Traceback" in done.err:
        return f"a fault of the toolkit: {done.err[-600:]}"
    if done.code != damage.code:
        return f"exit code {done.code}, not {damage.code}: {done.err[-600:]}"
    if damage.code == 0:
        return "" if any(all(part in line for part in damage.says) for line in done.out.splitlines()) else "not said in the plan"
    if not done.err.rstrip().splitlines()[-1].startswith("next: "):
        return f"no next step: {done.err[-200:]}"
    needed = (*damage.says, "found ", "expected ")
    if any(all(part in line for part in needed) for line in done.err.splitlines()):
        return ""
    return f"no line has {needed}:\n{done.err[:1500]}"
