"""Legacy worlds that change between two runs, migrated in sequence into the same store, and rolled back in reverse."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from etl.databases import Source
from etl.databases.registry import open_source, open_target
from etl.databases.target import Agree, agreed
from etl.extract.step import extract
from etl.load.step import RolledBack, foreseen, load, rollback
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.runfolder.folder import RunFolder, open_locked
from etl.runfolder.layout import JOURNAL
from etl.transform.reattach import reattach
from etl.transform.split import split
from mappings.model import Portal
from tests.support.legacy import FREEZE, MAPPINGS, Legacy, _silent
from tests.support.worlds import CONTENTS, OFFSETS, _value

Content = dict[str, list[tuple[Any, ...]]]
KINDS = ("delete", "insert", "update", "swap", "value")


def evolved(world: Legacy, seed: int) -> Legacy:
    """Returns the world some days later: rows removed, added, with other parents or values; two rows of a table have swapped values."""
    chance, later = Random(f"evolution {seed}"), copy.deepcopy(world)
    for mapping in MAPPINGS.tables.values():
        rows = later.tables.get(mapping.table, [])
        others = [column for column in mapping.shape.columns if column.name not in mapping.key]
        for _ in range(chance.choice((0, 1, 1, 2))):
            match chance.choice(KINDS) if rows else "none":
                case "delete":
                    rows.remove(chance.choice(rows))
                case "insert":
                    _insert(rows, mapping.key, chance)
                case "swap" if others and len(rows) > 1:
                    one, other = chance.sample(rows, 2)
                    for column in chance.sample(others, chance.randint(1, len(others))):
                        one[column.name], other[column.name] = other[column.name], one[column.name]
                case "update" if others:  # names another parent, mostly: a value of the same column elsewhere
                    name = chance.choice(others).name
                    chance.choice(rows)[name] = chance.choice(rows)[name]
                case "value" if others:
                    column = chance.choice(others)
                    offsets = dict.fromkeys(MAPPINGS.target.tables, 0) | {m.table: OFFSETS[0] for m in MAPPINGS.tables.values()}
                    chance.choice(rows)[column.name] = _value(mapping, column, 1, 3, chance, offsets, sound=True)
    for path in list(later.files):
        if chance.random() < 0.3:
            later.files[path] = chance.choice([content for content in CONTENTS if isinstance(content, bytes)])
        elif chance.random() < 0.2:
            del later.files[path]
    return later


def _insert(rows: list[dict[str, object]], key: tuple[str, ...], chance: Random) -> None:
    row, name = dict(chance.choice(rows)), key[-1]
    row[name] = row[name] + chance.randint(1, 50) if isinstance(row[name], int) else f"{row[name]}"[:4] + str(chance.randint(0, 99))  # type: ignore[operator]
    if tuple(row[part] for part in key) not in {tuple(other[part] for part in key) for other in rows}:
        rows.append(row)


@dataclass
class Staged:
    """A run that is ready to be loaded: its folder and its object store."""

    folder: Path
    objects: Path

    def load(self, url: str, agree: Agree = agreed) -> dict[str, Any]:
        """Loads the run and returns the facts of the step."""
        with open_locked(self.folder) as run:
            target = open_target(url, run.path / "load")
            try:
                step = load(run, MAPPINGS, target, FREEZE, lambda: None, _silent, agree=agree)
            finally:
                target.close()
            run.steps["load"] = step
            (row,) = (row for row in step.facts["record"] if row["run_id"] == step.facts["run_id"])
            run.record("load", "loaded", {}, {"run": row})  # as the command does
            return step.facts

    def foreseen(self, url: str) -> list[list[object]]:
        """Returns the changes predicted before a load, in the form in which the load reports them."""
        with open_locked(self.folder) as run:
            return [[c.table, c.inserted, c.updated, c.removed] for c in foreseen(run, MAPPINGS, url)]

    def rollback(self, url: str) -> RolledBack:
        """Rolls back the run and returns the counts."""
        with open_locked(self.folder) as run:
            target = open_target(url, run.path / "load")
            objects = open_objects(str(self.objects), run.path / JOURNAL)
            try:
                taken = rollback(run, MAPPINGS, target, objects, url, _silent)
                run.clear("load")  # as the command does
                return taken
            finally:
                target.close()


def staged(world: Legacy, folder: Path, objects: Path, beside: bool = True) -> Staged:
    """Returns the world written, extracted, split and reattached. `beside`: the run's folder is beside those of the other runs, whose rows it can use."""
    run_path = folder.with_name(f"{folder.name}.run") if beside else folder / "run"
    written = world.write(folder / "legacy")
    sources: dict[Portal, Source] = {"P2": open_source(written.source, "Portal 2.0"), "TC": open_source(written.tc, "Trade Compliance")}
    with open_locked(run_path) as run, sources["P2"], sources["TC"]:
        _steps(run, sources, str(written.files), objects)
    return Staged(run_path, objects)


def _steps(run: RunFolder, sources: dict[Portal, Source], files: str, objects: Path) -> None:
    put = open_objects(str(objects), run.path / JOURNAL)
    run.steps["extract"] = extract(sources, Share(files), put, MAPPINGS, run, _silent)
    run.steps["split"] = split(run, MAPPINGS, FREEZE)
    run.steps["reattach"] = reattach(run, MAPPINGS, str(objects), FREEZE, None, _silent, files)
    run.save()


def content(url: str) -> Content:
    """Returns every row of the contract's tables but `migration_run`, sorted, without `run_id`; empty if there are no tables."""
    tables = {
        name: [column.name for column in table.columns if column.name != "run_id"]
        for name, table in MAPPINGS.target.tables.items()
        if name != "migration_run"
    }
    with _session(url) as session:
        return {
            name: sorted(session.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall(), key=repr)
            for name, columns in tables.items()
        }


def constraints(url: str) -> list[tuple[Any, ...]]:
    """Returns every constraint and index of the store, with its name."""
    with _session(url) as session:
        if url.startswith("sqlite"):
            return sorted(
                session.execute("SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'migration_undo%'").fetchall(), key=repr
            )
        found = session.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace AND conrelid::regclass::text NOT LIKE 'migration_undo%'"
        ).fetchall()
        indexes = "SELECT indexname, indexdef, '', true FROM pg_indexes WHERE schemaname = current_schema() AND tablename NOT LIKE 'migration_undo%'"
        return sorted([*found, *session.execute(indexes).fetchall()], key=repr)


@contextmanager
def _session(url: str) -> Iterator[Any]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite:
            yield lite
    else:
        with psycopg.connect(url, autocommit=True) as session:
            yield session


def differing(one: Content, other: Content) -> list[str]:
    """Returns the tables whose rows differ."""
    return [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]


def forwards_and_back(runs: Sequence[Staged], url: str, fresh: Sequence[Content]) -> list[str]:
    """Loads the runs one after the other, then rolls them back in reverse; returns a sentence per difference from the fresh stores."""
    found = []
    for number, run in enumerate(runs):
        ahead = run.foreseen(url)
        found += [
            f"run {number}: {said} foreseen, {done} done"
            for said, done in zip(ahead, run.load(url)["changes"], strict=True)
            if said != done
        ]
        found += [f"run {number}: {name}" for name in differing(content(url), fresh[number])]
    demanded = constraints(url)
    for number in range(len(runs) - 1, 0, -1):
        runs[number].rollback(url)
        found += [f"back to {number - 1}: {name}" for name in differing(content(url), fresh[number - 1])]
    runs[0].rollback(url)
    found += [f"back to nothing: {name}" for name, rows in content(url).items() if rows]
    return found + [f"constraint: {one}" for one in set(demanded) ^ set(constraints(url))]
