"""K9, K5 and fine print 60, 61, 63 on SQLite: any form of file and table is read as it is, or refused with the reason and what helps."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Workspace
from tests.support.legacy import MAPPINGS, Legacy

COLLATION = "NOCASE_UTF8"  # the old application's own


def legacy() -> Legacy:
    world = Legacy().profile(1).model(11).entity(101, type="IMP").entity(102, type="BRK").user(1, "a@x.example").contact(1, user=1)
    world.add("year", 11).add("answer", 11, response_text="Answer é").document(11, profile=1, model=11).content(11, b"bytes")
    world.link(11, "RESPONSE", 11, linked_at="2020-01-01 00:00:00").add("task", 1, company_profile_id=1).signature(1, 1, profile=1)
    return world


def made(folder: Path, alter: Callable[[str], str] = lambda ddl: ddl, before: str = "", after: str = "") -> Workspace:
    """The world, its Portal 2.0 written once more with another DDL; `before` is said first in the new file, `after` last."""
    legacy().write(folder / "legacy")
    file = folder / "legacy" / "portal2.sqlite"
    old = file.rename(folder / "old.sqlite")
    with closing(sqlite3.connect(old)) as source, closing(sqlite3.connect(file, isolation_level=None)) as target:
        target.create_collation(COLLATION, lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
        target.executescript(before + alter(re.sub(r"--[^\n]*", "", MAPPINGS.sources["P2"].text).replace("BYTEA", "BLOB")))
        target.execute("BEGIN")
        for table in MAPPINGS.sources["P2"].tables:
            for row in source.execute(f"SELECT * FROM {table}"):
                target.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        target.execute("COMMIT")
        target.executescript(after)
    return Workspace(folder)


def stored(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the new store but the run's own."""
    with workspace.database("portal3.sqlite") as store:
        return {
            table: sorted(store.execute(f"SELECT {', '.join(c.name for c in shape.columns if c.name != 'run_id')} FROM {table}"), key=repr)
            for table, shape in MAPPINGS.target.tables.items()
            if table != "migration_run"
        }


def _strict(ddl: str) -> str:
    ddl = re.sub(r"VARCHAR\(\d+\)|CHAR\(\d+\)|TIMESTAMP|\bDATE\b", "TEXT", ddl)
    return re.sub(r"BIGINT|SMALLINT", "INT", ddl).replace(");", ") STRICT;")


FORMS: dict[str, tuple[Callable[[str], str], str]] = {
    "WITHOUT ROWID": (lambda ddl: ddl.replace(");", ") WITHOUT ROWID;"), ""),
    "UTF-16": (lambda ddl: ddl, "PRAGMA encoding = 'UTF-16le';"),
    "UTF-16, WITHOUT ROWID": (lambda ddl: ddl.replace(");", ") WITHOUT ROWID;"), "PRAGMA encoding = 'UTF-16be';"),
    "STRICT": (_strict, ""),
    "NOCASE": (lambda ddl: re.sub(r"(VARCHAR\(\d+\)|CHAR\(\d+\))", r"\1 COLLATE NOCASE", ddl), ""),
    "a collation of its own": (lambda ddl: re.sub(r"(VARCHAR\(\d+\))", rf"\1 COLLATE {COLLATION}", ddl), ""),
}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The world in an ordinary file, migrated; and a text where bytes belong."""
    workspace = made(
        tmp_path_factory.mktemp("usual"),
        after="UPDATE document_content SET content = 'plain é text'; CREATE VIEW v_active AS SELECT 1 AS one",
    )
    assert workspace.command("run").code == 0
    return workspace


@pytest.mark.parametrize("form", FORMS)
def test_fp61_every_form_of_table_gives_the_store_of_an_ordinary_one(form: str, usual: Workspace, tmp_path: Path) -> None:
    alter, before = FORMS[form]
    text = "CAST('plain é text' AS BLOB)" if form == "STRICT" else "'plain é text'"  # STRICT keeps bytes bytes
    workspace = made(tmp_path, alter, before, f"UPDATE document_content SET content = {text}")
    done = workspace.command("run")
    assert done.code == 0, done.err
    assert stored(workspace) == stored(usual)
    assert {p.name for p in (workspace.folder / "objects").rglob("*") if p.is_file()} == {
        p.name for p in (usual.folder / "objects").rglob("*") if p.is_file()
    }
    if form == "a collation of its own":
        assert "not ruled out: P2: whether an index lacks rows is unknown (no such collation sequence" in workspace.command("plan").out


def test_fp60_views_are_reported_and_allowed(usual: Workspace) -> None:
    done = usual.command("plan")
    assert "not read: P2: view v_active" in done.out
    assert usual.json("plan").data["conditions"]["P2"]["beside"] == ["view v_active"]
    assert "P2, present but not read: view v_active." in (usual.run / "report" / "report.md").read_text().replace("\\", "")
    assert usual.json("reconcile").data["not_ruled_out"] == {"P2": [], "TC": []}


def test_fp60_a_mapped_table_that_is_a_view_is_read_as_a_table(usual: Workspace, tmp_path: Path) -> None:
    columns = [column.name for column in MAPPINGS.sources["P2"].tables["portal_task"].columns]
    with usual.database("legacy/portal2.sqlite") as old:
        (row,) = old.execute("SELECT * FROM portal_task")
    values = ", ".join(f"{'NULL' if value is None else repr(value)} AS {name}" for name, value in zip(columns, row, strict=True))
    workspace = made(
        tmp_path,
        after=f"UPDATE document_content SET content = 'plain é text'; DROP TABLE portal_task; CREATE VIEW portal_task AS SELECT {values}",
    )
    done = workspace.command("run")
    assert done.code == 0, done.err
    assert stored(workspace) == stored(usual)
    plan = workspace.command("plan").out
    assert "note: P2: portal_task is a view; it is read as a table" in plan
    assert "not ruled out: P2: portal_task: it is unknown which rows a view leaves out" in plan


def test_K5_generated_columns_are_recognised(tmp_path: Path) -> None:
    workspace = made(
        tmp_path, after="ALTER TABLE company_profile ADD COLUMN risk_txt TEXT GENERATED ALWAYS AS (company_name || '!') VIRTUAL"
    )
    for name in ("plan", "run"):
        done = workspace.command(name)
        assert (done.code, "P2.company_profile.risk_txt: this column is not in any mapping" in done.err) == (1, True), done.err


def test_fp63_rows_with_equal_keys_are_distinguished_in_a_table_without_its_key(tmp_path: Path) -> None:
    """Without rowid-less tables: their places are their rowids; NULL is not a key (43)."""
    workspace = made(
        tmp_path,
        lambda ddl: ddl.replace("task_id BIGINT PRIMARY KEY", "task_id BIGINT"),
        after="INSERT INTO portal_task SELECT * FROM portal_task; INSERT INTO portal_task (company_profile_id, task_kind_cd) VALUES (1, 'x')",
    )
    done = workspace.command("run")
    assert done.code == 0, done.err
    with workspace.database("portal3.sqlite") as store:
        held = store.execute("SELECT legacy_key, reason_cd FROM migration_holding WHERE legacy_table = 'portal_task' ORDER BY 1").fetchall()
    assert held == [("1#2", "UNREADABLE_VALUE"), ("NULL#1", "UNREADABLE_VALUE")]
    assert "portal_task has no unique key on task_id" in workspace.command("plan").out


def _lacks_a_row(file: Path) -> None:
    """The key's own index is put aside while a row is written."""
    with closing(sqlite3.connect(file, isolation_level=None)) as old:
        old.execute("CREATE UNIQUE INDEX twin ON portal_task (task_id)")
        (root,) = old.execute("SELECT rootpage FROM sqlite_master WHERE name = 'twin'").fetchone()
        old.execute("PRAGMA writable_schema = on")
        old.execute("DELETE FROM sqlite_master WHERE name = 'twin'")
    with closing(sqlite3.connect(file, isolation_level=None)) as old:
        old.execute("INSERT INTO portal_task (task_id, company_profile_id, task_kind_cd) VALUES (2, 1, 'x')")
        old.execute("PRAGMA writable_schema = on")
        old.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'sqlite_autoindex_portal_task_1'", (root,))


def test_K9_an_index_that_lacks_rows_is_refused(usual: Workspace, tmp_path: Path) -> None:
    workspace = made(tmp_path)
    assert workspace.command("run").code == 0
    _lacks_a_row(workspace.folder / "legacy" / "portal2.sqlite")
    for name, run in (("plan", ()), ("run", ("--run", "again"))):
        done = workspace.command(name, *run)
        assert done.code == 7, done
        assert "missing from index sqlite_autoindex_portal_task_1" in done.err
    audited = workspace.command("reconcile")
    assert (audited.code, "portal_task: an index has 1 rows and the table 2" in audited.err) == (7, True), audited.err


def _wal(file: Path) -> sqlite3.Connection:
    """A writer that stays connected, and whose last change is in the log."""
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE company_profile SET phone = '1'")
    return writer


def test_K1_a_write_ahead_log_is_searched_next_to_the_file_and_not_next_to_a_link(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    link = tmp_path / "current.db"
    link.symlink_to(workspace.folder / "legacy" / "portal2.sqlite")
    options = ("--source", f"sqlite:///{link}")
    with closing(_wal(workspace.folder / "legacy" / "portal2.sqlite")) as writer:
        for step in ("extract", "split", "reattach", "check"):
            assert workspace.command(step, *options).code == 0
        writer.execute("UPDATE model_entity SET status_cd = 'SUSPENDED' WHERE entity_id = 101")
        done = workspace.command("run", *options)
        assert (done.code, "P2.model_entity" in done.err) == (5, True), done.err


def test_K9_a_write_ahead_log_under_another_name_of_the_file_is_refused(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    file = workspace.folder / "legacy" / "portal2.sqlite"
    assert workspace.command("run").code == 0
    link = tmp_path / "link.db"
    link.symlink_to(file)
    (tmp_path / "link.db-wal").write_bytes(b"what nobody reads")
    for name in ("plan", "reconcile"):
        done = workspace.command(name, "--source", f"sqlite:///{link}")
        assert (done.code, "link.db-wal lies beside another name of the file" in done.err) == (7, True), done.err
    (tmp_path / "far").mkdir()
    hard = tmp_path / "far" / "hard.db"
    os.link(file, hard)
    note = workspace.command("plan", "--source", f"sqlite:///{hard}")
    assert (note.code, "the file has 2 names" in note.out) == (0, True), note.err
    with closing(_wal(file)):
        for name in ("plan", "run", "reconcile"):
            done = workspace.command(name, "--source", f"sqlite:///{hard}", *(("--run", "hard") if name == "run" else ()))
            assert (done.code, "hard links) and is in WAL mode" in done.err or "hard links and is in WAL mode" in done.err) == (7, True), (
                done.err
            )


def test_a_hot_journal_and_an_unwritable_log_are_reported(tmp_path: Path) -> None:
    workspace = made(tmp_path)
    file = workspace.folder / "legacy" / "portal2.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("PRAGMA cache_spill = 1")
        writer.execute("BEGIN")
        writer.execute("UPDATE business_type SET name = name || hex(randomblob(3000))")
        for suffix in ("", "-journal"):
            shutil.copy(f"{file}{suffix}", f"{tmp_path}/hot.db{suffix}")
        writer.execute("ROLLBACK")
    for name in ("plan", "reconcile"):
        done = workspace.command(name, "--source", f"sqlite:///{tmp_path}/hot.db")
        assert (done.code, "hot.db-journal" in done.err, "rolled back" in done.next) == (1, True, True), done.err
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
    (file.parent / f"{file.name}-wal").mkdir()  # as in a folder that cannot be written to
    for name in ("plan", "reconcile"):
        done = workspace.command(name)
        assert (done.code, "WAL mode" in done.err, "Copy it" in done.next) == (1, True, True), done.err
