"""Rows 6, 7, 26 to 29 of faults.md: each hostile value arrives identical or is held by itself with the reason; its neighbours load.

Put alone into their tables, among 1,000 good rows, and (full matrix) each in a run of its own.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from .conftest import Reference
from .postgres import Server, write_postgres_world
from .scene import Scene
from .tally import HOSTILE, tried
from .values import BYTES, POSTGRES, SQLITE, TEXT, TargetColumn

Scenes = Callable[[Scene], Scene]
FIRST, GOOD, NEIGHBOURS = 7_000_000, 8_000_000, 1_000


def test_the_number_of_values_is_as_documented() -> None:
    assert len(POSTGRES) == 128
    assert len(SQLITE) == 17


def put(run: Callable[..., Any], column: TargetColumn, key: int, expression: str, values: Sequence[Any] = ()) -> None:
    """One row of the place's table; `expression`: its value in SQL."""
    columns = {column.key: str(key), **column.row, column.column: expression}
    run(f"INSERT INTO {column.table} ({', '.join(columns)}) VALUES ({', '.join(columns.values())})", values)


def good_rows(run: Callable[..., Any], column: TargetColumn) -> None:
    """A thousand rows of ordinary values in the same table, with keys before and after the hostile ones."""
    value = {
        "body": "'good'",
        "due_dt": "'2020-02-02'",
        "done_at": "'2020-02-02 02:02:02'",
        "profile_year": "2020",
        "size_bytes": "5",
        "country_cd": "'US'",
    }
    ordinary = value.get(column.column, "'good'")
    columns = {column.key: "n", **column.row, column.column: ordinary}
    for first in (FIRST - NEIGHBOURS, GOOD):
        run(
            f"WITH RECURSIVE c(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM c WHERE n < {first + NEIGHBOURS // 2 - 1})"
            f" INSERT INTO {column.table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM c"
        )


# Rows of these tables would all be held without those of the first: more than the plausibility gate lets pass.
_BELOW = {"document": ("document_link", "document_content"), "security_profile": ("response_comment", "profile_response")}


def emptied(run: Callable[..., Any], columns: Sequence[TargetColumn]) -> None:
    """Removes the other rows of these tables, and of those below them."""
    for table in sorted({column.table for column in columns} - {"message"}):
        for name in (*_BELOW.get(table, ()), table):
            run(f"DELETE FROM {name}")


def made_ready(run: Callable[..., Any], columns: Sequence[TargetColumn], neighbours: bool) -> None:
    """A thousand good rows in each of the places' tables, once where a table has two places; or no other rows at all."""
    if not neighbours:
        emptied(run, columns)
        return
    for column in {column.table: column for column in reversed(columns)}.values():
        good_rows(run, column)


def migrated(scene: Scene, *targets: str) -> None:
    for step in ("extract", "split", "reattach", "check"):
        scene.run(step, code=0)
    for target in targets:
        scene.target = target
        for step in ("load", "reconcile", "report"):
            scene.run(step, code=0)


# -- PostgreSQL -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def legacy(server: Server, world: Path) -> tuple[str, str]:
    """The URLs of the world in PostgreSQL, fresh for one test."""
    return write_postgres_world(server, world)


@pytest.mark.parametrize("neighbours", [False, True], ids=["alone", "among good rows"])
def test_postgresql(neighbours: bool, legacy: tuple[str, str], reference: Reference, server: Server, scenes: Scenes) -> None:
    scene = scenes(reference.before("extract"))
    scene.source, scene.tc = legacy
    with server.connect("legacy_portal2") as connection:
        columns = list(dict.fromkeys(column for column, _ in POSTGRES))
        made_ready(connection.execute, columns, neighbours)
        for number, (column, value) in enumerate(POSTGRES):
            put(connection.execute, column, FIRST + number, "%s", [value])
    migrated(scene, server.fresh("values"))
    with server.connect("legacy_portal2") as old, server.connect("values") as new:
        outcomes = [postgres_outcome(old, new, column, FIRST + number) for number, (column, _) in enumerate(POSTGRES)]
        for (column, value), outcome in zip(POSTGRES, outcomes, strict=True):
            with tried(HOSTILE):
                assert outcome in ("same", "held"), f"{column.table}.{column.column}: {value!r:.80}: {outcome}"
        if neighbours:
            for column in columns:
                keys = "legacy_key::bigint BETWEEN %s AND %s OR legacy_key::bigint >= %s"
                loaded = new.execute(
                    f"SELECT count(DISTINCT legacy_key) FROM {column.into} WHERE legacy_key ~ '^[0-9]+$' AND ({keys})",
                    (FIRST - NEIGHBOURS, FIRST - 1, GOOD),
                ).fetchone()[0]
                assert loaded == NEIGHBOURS, f"{column.table}: {loaded} of {NEIGHBOURS} neighbours were loaded"
    print(Counter(outcomes))  # noqa: T201  # the row's numbers: same, held


def postgres_outcome(old: Any, new: Any, column: TargetColumn, key: int) -> str:
    """Returns the row's outcome: both servers give the value as text, and the texts are compared."""
    form = "encode({}, 'hex')" if column is BYTES else "{}::text"
    (expected,) = old.execute(f"SELECT {form.format(column.column)} FROM {column.table} WHERE {column.key} = %s", (key,)).fetchone()
    found = {row[0] for row in new.execute(f"SELECT {form.format(column.as_column)} FROM {column.into} WHERE legacy_key = %s", (str(key),))}
    held = [
        row[0]
        for row in new.execute(
            "SELECT reason_cd FROM migration_holding WHERE legacy_table = %s AND legacy_key = %s", (column.table, str(key))
        )
    ]
    if found == {expected}:
        return "same"
    if not found and held:
        return "held"
    return f"changed: {expected!r:.60} became {found!r:.60}, held {held}"


@pytest.mark.full
def test_postgresql_each_alone(server: Server, legacy: tuple[str, str], world: Path, tmp_path: Path) -> None:
    """Each value in a run of its own, in this process."""
    with server.connect("legacy_portal2") as connection:
        emptied(connection.execute, [column for column, _ in POSTGRES])
    for number, (column, value) in enumerate(POSTGRES):
        with server.connect("legacy_portal2") as connection:
            put(connection.execute, column, FIRST + number, "%s", [value])
        in_process(legacy, world, tmp_path / str(number), server.fresh("values"))
        with tried(HOSTILE), server.connect("legacy_portal2") as old, server.connect("values") as new:
            outcome = postgres_outcome(old, new, column, FIRST + number)
            assert outcome in ("same", "held"), f"{column.table}.{column.column}: {value!r:.80}: {outcome}"
            old.execute(f"DELETE FROM {column.table} WHERE {column.key} = {FIRST + number}")


def in_process(legacy: tuple[str, str], world: Path, folder: Path, target_url: str) -> None:
    """Extract, split, reattach and load without an interpreter's start and without the checks."""
    from etl.databases.registry import open_source, open_target
    from etl.extract.step import extract
    from etl.load.step import load
    from etl.objects.registry import open_objects
    from etl.objects.share import Share
    from etl.runfolder.folder import open_locked
    from etl.transform.reattach import reattach
    from etl.transform.split import split
    from mappings.read import read_mappings

    mappings = read_mappings()
    with open_locked(folder / "run") as run:
        with open_source(legacy[0], "P2") as portal, open_source(legacy[1], "TC") as trade:
            run.steps["extract"] = extract(
                {"P2": portal, "TC": trade},
                Share(str(world / "files")),
                open_objects(str(folder / "objects")),
                mappings,
                run,
                lambda *_: None,
            )
        run.steps["split"] = split(run, mappings, None)
        run.steps["reattach"] = reattach(run, mappings, str(folder / "objects"), None, None, lambda *_: None)
        target = open_target(target_url, folder / "load")
        load(run, mappings, target, None, lambda: None, lambda *_: None)
        target.close()


# -- SQLite ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbours", [False, True], ids=["alone", "among good rows"])
def test_sqlite(neighbours: bool, reference: Reference, server: Server, scenes: Scenes) -> None:
    """Into both kinds of store: what only SQLite lets into a column is held, loaded with null and held, or flagged with its exact bytes."""
    scene = scenes(reference.before("extract"))
    connection = sqlite3.connect(scene.own_world() / "portal2.sqlite", isolation_level=None)
    columns = list(dict.fromkeys(column for column, _, _ in SQLITE))
    made_ready(connection.execute, columns, neighbours)
    for number, (column, expression, _) in enumerate(SQLITE):
        put(connection.execute, column, FIRST + number, expression)
    exact = {
        number: connection.execute(
            f"SELECT CAST({column.column} AS BLOB) FROM {column.table} WHERE {column.key} = {FIRST + number}"
        ).fetchone()[0]
        for number, (column, _, _) in enumerate(SQLITE)
    }
    connection.close()
    great = server.fresh("values")
    migrated(scene, great)
    first = store_rows(server, None)
    scene.run_folder.rename(scene.folder / "first")  # a run keeps to its store: the second store is another run's
    migrated(scene, "sqlite:///new.sqlite")
    for rows in (first, store_rows(server, scene)):
        for number, (column, expression, expected) in enumerate(SQLITE):
            with tried(HOSTILE):
                outcome = sqlite_outcome(rows, scene, column, str(FIRST + number), exact[number])
                assert outcome == expected, f"{column.table}.{column.column}: {expression}: {outcome}, expected {expected}"
        for column in columns if neighbours else ():
            loaded = {
                key
                for key, _ in rows[column.into, column.as_column]
                if key.isdigit() and (FIRST - NEIGHBOURS <= int(key) < FIRST or int(key) >= GOOD)
            }
            assert len(loaded) == NEIGHBOURS, f"{column.table}: {len(loaded)} of {NEIGHBOURS} neighbours were loaded"


def store_rows(server: Server, scene: Scene | None) -> dict[tuple[str, str], list[tuple[str, Any]]]:
    """(legacy key, value) of every column that a value has to arrive in, the holding and the flags; out of SQLite or PostgreSQL."""
    wanted = {(column.into, column.as_column): f"SELECT legacy_key, {column.as_column} FROM {column.into}" for column, _, _ in SQLITE}
    wanted["held", ""] = "SELECT legacy_key, reason_cd FROM migration_holding"
    wanted["flag", ""] = "SELECT legacy_key, rule_cd FROM migration_exception"
    if scene is None:
        with server.connect("values") as connection:
            return {name: connection.execute(statement).fetchall() for name, statement in wanted.items()}
    with sqlite3.connect(scene.store) as connection:
        rows = {name: connection.execute(statement).fetchall() for name, statement in wanted.items()}
    connection.close()
    return rows


def sqlite_outcome(rows: dict[tuple[str, str], list[tuple[str, Any]]], scene: Scene, column: TargetColumn, key: str, exact: bytes) -> str:
    found = [value for name, value in rows[column.into, column.as_column] if name == key]
    held = ("UNREADABLE_VALUE") in [reason for name, reason in rows["held", ""] if name == key]
    if not found:
        return "held" if held else "lost"
    if found[0] is None:
        return "null" if held else "null in silence"
    digest = hashlib.sha256(exact).hexdigest()
    if (column is TEXT and found[0] != exact.decode("utf-8", "replace")) or "\ufffd" in str(found[0]):
        stored = scene.objects / "sha256" / digest[:2] / digest
        flagged = "E8" in [rule for name, rule in rows["flag", ""] if name == key]
        whole = found[0] == exact.decode("utf-8", "replace").replace("\0", "\ufffd")
        return "flagged" if whole and flagged and stored.is_file() and stored.read_bytes() == exact else "changed in silence"
    return "same" if str(found[0]).encode() == exact else "changed in silence"


@pytest.mark.full
def test_sqlite_each_alone(world: Path, scenes: Scenes, reference: Reference, server: Server, tmp_path: Path) -> None:
    """Each value in a run of its own, in this process."""
    scene = scenes(reference.before("extract"))
    file = scene.own_world() / "portal2.sqlite"
    for number, (column, expression, expected) in enumerate(SQLITE):
        connection = sqlite3.connect(file, isolation_level=None)
        put(connection.execute, column, FIRST + number, expression)
        exact = connection.execute(
            f"SELECT CAST({column.column} AS BLOB) FROM {column.table} WHERE {column.key} = {FIRST + number}"
        ).fetchone()[0]
        connection.close()
        one = Scene(tmp_path / str(number))
        one.folder.mkdir()
        in_process((f"sqlite:///{file}", f"sqlite:///{world / 'tc.sqlite'}"), world, one.folder, f"sqlite:///{one.store}")
        with tried(HOSTILE):
            outcome = sqlite_outcome(store_rows(server, one), one, column, str(FIRST + number), exact)
            assert outcome == expected, f"{column.table}.{column.column}: {expression}: {outcome}, expected {expected}"
        with sqlite3.connect(file) as connection:
            connection.execute(f"DELETE FROM {column.table} WHERE {column.key} = {FIRST + number}")
        connection.close()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_time_zones(zone: str, reference: Reference, server: Server, world: Path, scenes: Scenes) -> None:
    """Row 3: the zone of the machine, of the role and of the databases changes no date and no moment."""
    from .scene import difference, stage_content

    scene = scenes(reference.before("extract"))
    scene.environment = {"TZ": zone, "PGTZ": zone}
    with tried(HOSTILE):
        scene.run("extract", code=0)
        assert not difference(stage_content(scene.run_folder, ["extract"]), reference.stages_of("extract"))
    urls = write_postgres_world(server, world)
    stages = []
    for zone_name in ("UTC", zone):
        with server.connect("legacy_portal2") as connection:
            connection.execute(f"ALTER DATABASE legacy_portal2 SET TimeZone = '{zone_name}'")
            connection.execute(f"ALTER DATABASE legacy_tc SET TimeZone = '{zone_name}'")
        scene = scenes(reference.before("extract"))
        scene.source, scene.tc = urls
        scene.environment = {"TZ": zone_name, "PGTZ": zone_name}
        scene.run("extract", code=0)
        stages.append(stage_content(scene.run_folder, ["extract"]))
    with tried(HOSTILE):
        assert not difference(*stages)
