"""A store written from the rows that the verifier expects has no difference, for any sample world."""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from etl.domain.id_recipe import as_text, hashed_digits, row_id, tag
from etl.reconcile import Reconciliation, reconcile
from etl.reconcile.compare.hashing import ACCOUNT, fingerprint, identity, own_id
from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.engine.cells import plain
from etl.reconcile.engine.expected import Expected
from etl.reconcile.engine.frames import LOCATOR
from etl.reconcile.engine.source import KEY, Source
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.engine.world import ExpectedRows, ExpectedState
from etl.reconcile.selftest.harness import selftest
from sample_data.world import World, write_cast


@dataclass(frozen=True)
class WrittenStore:
    """Two old portals, and the URL of a store and the root of an object store that hold exactly what is expected of them."""

    old: World
    target: str
    objects: str


FREEZE = (date(2023, 9, 16), date(2023, 9, 30))
BEGAN = datetime(2023, 9, 17, 1, 2, 3, 4)
SCHEMA = Path(__file__).resolve().parents[2] / "mappings" / "schemas" / "portal3.sql"
SPEC = read_spec()


def write_store(old: World, folder: Path) -> tuple[str, str]:
    """URL of a new store and root of its objects, holding exactly what the verifier expects of the old portals at `old`."""
    sources = {p: Source(SPEC, p, SqliteDatabase(Path(url.removeprefix("sqlite:///")))) for p, url in (("P2", old.source), ("TC", old.tc))}
    world = ExpectedState(SPEC, sources, old.files, FREEZE, BEGAN)
    expected = Expected(world)
    path, objects = folder / "portal3.sqlite", folder / "objects"
    objects.mkdir(parents=True)
    db = sqlite3.connect(path)
    db.executescript(re.sub(r"\bBYTEA\b", "BLOB", re.sub(r"\bUUID\b", "TEXT", SCHEMA.read_text(encoding="utf-8"))))
    db.execute(
        "INSERT INTO migration_run VALUES ('r1', 'PUBLISHED', ?, ?, ?, ?, 0, 0, 15, true, ?, NULL, ?)",
        (str(BEGAN), str(BEGAN), *map(str, FREEZE), "0" * 64, "0" * 64),
    )
    ids: dict[str, str] = {}
    for batch in expected.first_pass():
        _insert(db, batch, ids)
    _renamed(db, ids)
    for rule, portal, table, key in world.ledger.flags().iter_rows():
        db.execute("INSERT INTO migration_exception VALUES (?, ?, ?, ?, 'r1', 'look at it')", (rule, portal, table, key))
    for row in world.ledger.held().iter_rows(named=True):
        source = sources[row["portal"]]
        never = source.spec.never_read(source.portal, row["table"])
        columns = [c for c in source.table(row["table"]).columns.values() if c.name not in never and c.kind != "binary"]
        [(_, raws)] = source.database.rows(row["table"], [c.name for c in columns], [row[LOCATOR]])
        text = json.dumps({c.name: plain(raw, c) for raw, c in zip(raws, columns, strict=True)})
        db.execute(
            "INSERT INTO migration_holding VALUES (?, ?, ?, 'r1', ?, ?, ?)",
            (row["portal"], row["table"], row["key"], row["reason"], text, row["digest"]),
        )
    for data in _bytes(old, sources):
        (objects / hashlib.sha256(data).hexdigest()).write_bytes(data)
    db.commit()
    db.close()
    for source in sources.values():
        source.database.close()
    return f"sqlite:///{path}", str(objects)


def _renamed(db: sqlite3.Connection, ids: dict[str, str]) -> None:
    """Gives every row the id of the recipe, and every reference to it."""
    db.execute("CREATE TEMP TABLE renamed (old TEXT PRIMARY KEY, new TEXT)")
    db.executemany("INSERT INTO renamed VALUES (?, ?)", ids.items())
    for name, table in SPEC.target.items():
        columns = [c for c in table.columns if c == own_id(table) or (c in table.refers and own_id(SPEC.target[table.refers[c]]))]
        for column in [*columns, *(["target_id"] if name == "document_link" else [])]:
            db.execute(f"UPDATE {name} SET {column} = coalesce((SELECT new FROM renamed WHERE old = {column}), {column})")
    db.execute("DROP TABLE renamed")


def _id_of(batch: ExpectedRows, row: dict[str, object]) -> str | None:
    """The row's id as the recipe for one row gives it; None where its table has none."""
    key, portal, source = row[KEY], batch.portal, batch.source
    if batch.table == "login":
        return as_text(hashed_digits(tag("login"), str(row["email_key"])))
    if batch.table == "svi_link":
        ends = f"{key}|{row['monitor_account_id']}|{row['monitored_account_id']}"
        return as_text(hashed_digits(tag("svi_link", portal, source), ends))
    if batch.table == "entity_account":
        return row_id(tag(batch.table, portal, source), int(str(row["legacy_entity_id"])), int(str(row["legacy_entity_id"])))
    if "legacy_key" not in row:
        return None
    owner = row.get(ACCOUNT)
    return row_id(tag(batch.table, portal, source), int(str(row["legacy_key"])), None if owner is None else int(str(owner)))


def _insert(db: sqlite3.Connection, batch: ExpectedRows, ids: dict[str, str]) -> None:
    table = SPEC.target[batch.table]
    everything = batch.frame(np.ones(len(batch), np.bool_))
    numbers = fingerprint((everything[name] for name in identity(SPEC, batch.table)), len(everything))
    for number, row in zip(numbers.tolist(), everything.iter_rows(named=True), strict=True):
        values = []
        for name in table.columns:
            parent = table.refers.get(name)
            if name == own_id(table):
                values.append(_uuid(batch.table, number))
                ids[values[-1]] = _id_of(batch, row) or values[-1]
            elif (batch.table, name) == ("document_link", "target_id"):
                values.append(_uuid(SPEC.link_targets[row["target_cd"]][1], row[name]))
            elif parent == "entity_account":
                values.append(None if row[name] is None else _uuid_of_entity(row[name]))  # type: ignore[arg-type]  # a null is a value too
            elif parent and own_id(SPEC.target[parent]):
                values.append(None if row[name] is None else _uuid(parent, row[name]))  # type: ignore[arg-type]  # a null is a value too
            elif (batch.table, name) == ("stored_object", "object_key"):
                values.append(row["sha256"])
            else:
                values.append(str(row[name]) if isinstance(row[name], (date, datetime)) else row[name])
        db.execute(f"INSERT INTO {batch.table} VALUES ({', '.join('?' * len(values))})", values)


def _uuid(table: str, number: int) -> str:
    digits = hashlib.sha256(f"{table} {number}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _uuid_of_entity(entity: int) -> str:
    return _uuid("entity_account", int(fingerprint([pl.Series("legacy_entity_id", [entity], dtype=pl.Int64)], 1)[0]))


def _bytes(old: World, sources: dict[str, Source]) -> list[bytes]:
    """Every run of bytes that an old portal holds: contents, files, texts that are no Unicode."""
    found = []
    for url in (old.source, old.tc):
        db = sqlite3.connect(url.removeprefix("sqlite:///"))
        db.text_factory = bytes
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {name.decode()}"):
                found += [value for value in row if isinstance(value, bytes)]
        db.close()
    return found + [path.read_bytes() for path in old.files.rglob("*") if path.is_file()]


def written_store_in(folder: Path) -> WrittenStore:
    """The cast, and the store written from its expected rows."""
    old = write_cast(folder / "legacy")
    return WrittenStore(old, *write_store(old, folder))


@pytest.fixture(scope="module")
def written_store(tmp_path_factory: pytest.TempPathFactory) -> WrittenStore:
    return written_store_in(tmp_path_factory.mktemp("written"))


@pytest.fixture
def scratch(written_store: WrittenStore, tmp_path: Path) -> Iterator[tuple[WrittenStore, sqlite3.Connection]]:
    """A copy of the store and its objects that may be changed, and a connection that changes it at once."""
    shutil.copyfile(written_store.target.removeprefix("sqlite:///"), tmp_path / "store.sqlite")
    shutil.copytree(written_store.objects, tmp_path / "objects")
    db = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
    yield WrittenStore(written_store.old, f"sqlite:///{tmp_path / 'store.sqlite'}", str(tmp_path / "objects")), db
    db.close()


def answer(written_store: WrittenStore) -> Reconciliation:
    old = written_store.old
    return reconcile(old.source, old.tc, str(old.files), written_store.target, written_store.objects)


def found(written_store: WrittenStore) -> list[tuple[str, ...]]:
    """Table, kind, key, account and column of every difference."""
    return answer(written_store).differences.select("table", "kind", "legacy_key", "account_number", "column").rows()


def test_a_store_written_from_the_expected_rows_is_equal(written_store: WrittenStore) -> None:
    result = answer(written_store)
    assert result.differences.rows() == []
    assert result.answer == "equal"
    assert result.profiles_checked > 30
    assert result.logins_checked > 30
    assert result.objects.counted == result.tables["stored_object"].expected > 20
    assert set(result.tables) | {"migration_run"} == set(SPEC.target)
    for (portal, table), tally in result.sources.items():
        once = tally.read - tally.loaded - tally.retired
        assert once <= sum(tally.held.values()) <= once + tally.loaded, (portal, table)  # X2: loaded and held


def test_the_result_is_the_same_in_every_time_zone(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("UPDATE event_history SET occurred_at = '2020-01-01 05:00:00' WHERE legacy_key = '101'")
    code = "import sys; from etl.reconcile import reconcile; print(reconcile(*sys.argv[1:]).differences.write_csv())"
    old = written_store.old
    said = set()
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        command = [sys.executable, "-c", code, old.source, old.tc, str(old.files), written_store.target, written_store.objects]
        root = Path(__file__).resolve().parents[2]
        said.add(subprocess.run(command, env=os.environ | {"TZ": zone}, cwd=root, capture_output=True, text=True, check=True).stdout)
    assert len(said) == 1
    assert "event_history,changed,P2,101,,occurred_at" in said.pop()


def test_each_difference_names_table_key_account_and_column(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    account = "(SELECT account_id FROM entity_account WHERE legacy_entity_id = 101)"
    db.execute("UPDATE profile_response SET response_text = response_text || ' ' WHERE legacy_key = '101'")
    db.execute(f"DELETE FROM account_address WHERE legacy_key = '101' AND account_id = {account}")
    db.execute(f"INSERT INTO account_country_of_origin VALUES ({account}, 99, 'ZZ')")
    db.execute("UPDATE account_status_history SET from_at = '2005-08-31 00:00:00.000001' WHERE rowid = 1")
    db.execute("UPDATE login SET phone = '+1' WHERE email_key = 'rosa.field@harbor-pine.example'")
    rows = found(written_store)
    number = "10000101"
    assert ("profile_response", "changed", "101", number, "response_text") in rows
    assert ("account_address", "missing", "101", number, None) in rows
    assert ("account_country_of_origin", "unexpected", "101|99", number, None) in rows
    assert ("login", "changed", "101", None, "phone") in rows
    assert len(rows) == 5
    assert rows == [row for _, row in sorted((list(SPEC.target).index(row[0]), row) for row in rows)]


def test_personal_values_are_never_shown(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    for table in SPEC.target.values():
        for column in table.columns.values():
            if column.kind == "text" and not column.name.endswith(("_cd", "sha256")) and table.name != "migration_run":
                try:
                    db.execute(f"UPDATE {table.name} SET {column.name} = '123-45-6789 canary@word.example'")
                except sqlite3.IntegrityError:  # a key: one row will do
                    db.execute(f"UPDATE OR IGNORE {table.name} SET {column.name} = '123-45-6789 canary@word.example' WHERE rowid = 1")
    said = answer(written_store).differences.write_csv()
    assert len(said) > 10_000
    assert "canary" not in said
    assert "123-45-6789" not in said


def test_non_canonical_and_dangling_ids_are_differences(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("UPDATE portal_task SET task_id = upper(task_id) WHERE legacy_key = '101'")
    db.execute("UPDATE svi_link SET requested_by_login_id = '00000000-0000-4000-8000-000000000000' WHERE requested_by_login_id IS NOT NULL")
    db.execute("UPDATE account_program SET account_id = 'no id' WHERE rowid = 1")
    rows = found(written_store)
    assert ("portal_task", "changed", "101", "10000101", "task_id") in rows
    assert {row[4] for row in rows if row[0] == "svi_link"} == {"requested_by_login_id"}
    assert {row[1] for row in rows if row[0] == "account_program"} == {"missing", "unexpected"}


def test_an_unreadable_table_is_not_green(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("ALTER TABLE message ADD COLUMN mood TEXT")
    assert answer(written_store).answer == "not_checked"
    db.execute("DROP TABLE svi_link")
    result = answer(written_store)
    assert result.answer == "not_checked"
    assert result.differences.select("table", "kind", "column").rows() == [
        ("svi_link", "not_checked", None),
        ("message", "not_checked", "mood"),
    ]


def test_source_table_that_no_mapping_names_is_not_green(written_store: WrittenStore, tmp_path: Path) -> None:
    copy = tmp_path / "portal2.sqlite"
    shutil.copyfile(written_store.old.source.removeprefix("sqlite:///"), copy)
    db = sqlite3.connect(copy, isolation_level=None)
    db.execute("CREATE TABLE forgotten (id BIGINT PRIMARY KEY)")
    db.execute("ALTER TABLE message ADD COLUMN mood TEXT")
    db.close()
    old = written_store.old
    result = reconcile(f"sqlite:///{copy}", old.tc, str(old.files), written_store.target, written_store.objects)
    assert result.differences.select("table", "kind", "column").rows() == [
        ("P2.forgotten", "not_checked", None),
        ("P2.message", "not_checked", "mood"),
    ]


def test_store_without_a_published_run_is_different(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("UPDATE migration_run SET state_cd = 'ROLLED_BACK'")
    assert ("migration_run", "missing", None, None, "state_cd") in found(written_store)


def test_another_freeze_than_the_recorded_one_is_different(written_store: WrittenStore) -> None:
    old = written_store.old
    other = (FREEZE[0], date(2023, 10, 1))
    result = reconcile(old.source, old.tc, str(old.files), written_store.target, written_store.objects, other)
    assert ("migration_run", "changed", "freeze_to") in result.differences.select("table", "kind", "column").rows()


def test_exceptions_and_holdings(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("UPDATE migration_exception SET detail = 'of someone@there.example' WHERE rule_cd = 'A16'")
    db.execute("DELETE FROM migration_exception WHERE rule_cd = 'D4'")
    db.execute("UPDATE migration_holding SET row_json = replace(row_json, 'null', '\"\"') WHERE legacy_table = 'vetting_record'")
    db.execute("UPDATE migration_holding SET reason_cd = 'NO_OWNER' WHERE legacy_table = 'tc_account' AND reason_cd = 'TC_AMBIGUOUS'")
    db.execute(
        "UPDATE migration_holding SET row_json = json_insert(row_json, '$.more', 1) WHERE legacy_table = 'message' AND rowid % 2 = 0"
    )
    columns = {(row[0], row[1], row[4]) for row in found(written_store)}
    assert {
        ("migration_exception", "changed", "detail"),
        ("migration_exception", "missing", "D4"),
        ("migration_holding", "changed", "reason_cd"),
    } <= columns


def test_objects_missing_truncated_altered(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    keys = [key for (key,) in db.execute("SELECT object_key FROM stored_object WHERE size_bytes > 1 ORDER BY 1 LIMIT 4")]
    folder = Path(written_store.objects)
    (folder / keys[0]).unlink()
    (folder / keys[1]).write_bytes((folder / keys[1]).read_bytes()[:-1])
    (folder / keys[2]).write_bytes(b"?" + (folder / keys[2]).read_bytes()[1:])
    (folder / keys[3]).unlink()
    (folder / keys[3]).mkdir()
    (folder / "unreferenced").write_bytes(b"nobody minds")
    result = answer(written_store)
    assert (result.objects.missing, result.objects.altered) == (1, 2)
    assert result.differences["kind"].to_list() == ["changed", "changed", "missing", "not_checked"]


def test_reconcile_writes_nothing(written_store: WrittenStore) -> None:
    paths = [Path(url.removeprefix("sqlite:///")) for url in (written_store.old.source, written_store.old.tc, written_store.target)]
    before = [(path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) for path in paths]
    answer(written_store)
    assert [(path.read_bytes(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())) for path in paths] == before


def test_selftest_finds_a_fault_of_every_kind(written_store: WrittenStore) -> None:
    old = written_store.old
    score = selftest(old.source, old.tc, str(old.files), written_store.target, written_store.objects, n=52, seed=11, clean_rounds=1)
    assert score.missed == ()
    assert (score.planted, score.found, score.false_alarms) == (52, 52, 0)
    assert len(score.by_kind) == 26
    assert score.holds


def test_selftest_is_repeatable_and_detects_a_store_with_differences(scratch: tuple[WrittenStore, sqlite3.Connection]) -> None:
    written_store, db = scratch
    db.execute("UPDATE login SET phone = '+1' WHERE rowid = 1")
    old = written_store.old
    one, other = (
        selftest(old.source, old.tc, str(old.files), written_store.target, written_store.objects, n=3, seed=2, clean_rounds=1)
        for _ in range(2)
    )
    assert one == other
    assert one.false_alarms == 1
    assert not one.holds


def test_the_verifier_imports_nothing_of_the_loader() -> None:
    folder = Path(__file__).resolve().parents[2] / "etl" / "reconcile"
    allowed = ("etl.reconcile", "etl.errors")
    for path in folder.rglob("*.py"):
        for name in re.findall(
            r"^\s*(?:from|import) (etl[\w.]*|mappings[\w.]*|checks[\w.]*)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert name.startswith(allowed), f"{path.name} imports {name}"
