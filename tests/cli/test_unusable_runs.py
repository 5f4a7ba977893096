"""Commands with an unusable run or store: a missing, unfinished or damaged run, one of another version, stores of another run.

Damaged bundles and wrong keys: test_evidence.py. Sources, targets, values and options: test_bad_input.py.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from etl.runfolder.folder import VERSION, _digest
from tests.support.command import Done, Workspace, command
from tests.support.legacy import Legacy

LOOK_UPS: dict[str, tuple[str, ...]] = {
    "trace": ("trace", "P2", "document", "301"),
    "trace --account": ("trace", "--account", "10000301"),
    "picker": ("picker", "ines@meridian.example"),
    "company": ("company", "3", "--folder", "letters"),
    "all companies": ("company", "--folder", "letters"),
    "sample-audit": ("sample-audit", "--size", "3", "--out", "ticks.csv"),
}
PACK = ("evidence", "pack", "--bundle", "bundle", "--key", "key")
OF_A_RUN = {**LOOK_UPS, "status": ("status",), "report": ("report",), "evidence pack": PACK}
RUN = ("--run", "run")


def said(done: Done, code: int, *parts: str) -> None:
    """Asserts that the command ended with that code, that its message contains these texts and the next step, and that nothing was written."""
    assert done.code == code, done.out + done.err
    assert [part for part in parts if part not in done.err] == [], done.err
    assert done.next.startswith("next: "), done.err
    assert "Internal error" not in done.err


def nothing_was_written(folder: Path) -> None:
    assert [name for name in ("letters", "ticks.csv", "bundle", "key") if (folder / name).exists()] == []


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_missing_run_is_refused(tmp_path: Path, name: str) -> None:
    for make in (lambda: None, (tmp_path / "run").mkdir):
        make()
        said(command(*OF_A_RUN[name], *RUN, folder=tmp_path), 1, "run is not the folder of a run.")
        nothing_was_written(tmp_path)
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("name", [*LOOK_UPS, "evidence pack"])
def test_an_unfinished_run_is_refused(checked: Workspace, name: str) -> None:
    said(command(*OF_A_RUN[name], *RUN, folder=checked.folder), 7, "This run has not published anything yet")
    nothing_was_written(checked.folder)


def test_status_and_report_of_an_unfinished_run_say_so(checked: Workspace) -> None:
    assert command("status", *RUN, folder=checked.folder).out.splitlines()[-1] == "next: load"
    done = command("report", *RUN, folder=checked.folder)
    assert done.code == 0
    assert done.out.startswith("Not finished: load and reconcile were not done.")


def _of_version(workspace: Workspace, version: int) -> None:
    _rewritten(workspace, lambda body: body.update(version=version))


def _rewritten(workspace: Workspace, change: Callable[[dict[str, Any]], object]) -> None:
    """The run's manifest, changed and with a digest that fits."""
    file = workspace.run / "manifest.json"
    body = json.loads(file.read_bytes())["run"]
    change(body)
    file.write_text(json.dumps({"run": body, "sha256": _digest(body)}, ensure_ascii=False), encoding="utf-8")


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_run_of_another_version_is_refused(published: Workspace, name: str) -> None:
    for version in (VERSION - 1, VERSION + 1):
        _of_version(published, version)
        said(command(*OF_A_RUN[name], *RUN, folder=published.folder), 7, f"created by another version ({version})")
        nothing_was_written(published.folder)


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_truncated_or_altered_manifest_is_refused(published: Workspace, name: str) -> None:
    file = published.run / "manifest.json"
    exact = file.read_bytes()
    for damaged in (exact[:500], exact.replace(b'"rows"', b'"wors"', 1).replace(b"equal", b"equak", 1), b"", b"[]"):
        file.write_bytes(damaged)
        said(command(*OF_A_RUN[name], *RUN, folder=published.folder), 6, "manifest.json")
        nothing_was_written(published.folder)


@pytest.mark.parametrize("name", ["report", "evidence pack", "sample-audit"])
def test_altered_stage_files_are_refused(published: Workspace, name: str) -> None:
    for step in ("split", "reattach", "check", "reconcile"):
        for file in (published.run / step).rglob("*"):
            if file.is_file():
                content = bytearray(file.read_bytes())
                content[len(content) // 2] ^= 1
                file.write_bytes(content)
    said(command(*OF_A_RUN[name], *RUN, folder=published.folder), 6, "does not match the manifest")
    nothing_was_written(published.folder)


def _of_another_run(workspace: Workspace) -> None:
    folder = workspace.folder / "another"
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5)
    world.write(folder / "legacy")
    other = Workspace(folder)
    assert other.command("run").code == 0
    shutil.copyfile(other.target, workspace.target)


def _garbage(workspace: Workspace) -> None:
    workspace.target.write_bytes(b"this is not a database, whatever its name says " * 100)


def _an_old_portal(workspace: Workspace) -> None:
    shutil.copyfile(workspace.folder / "legacy" / "portal2.sqlite", workspace.target)


STORES: dict[str, tuple[Callable[[Workspace], object], int, str]] = {
    "gone": (lambda workspace: workspace.target.unlink(), 1, "The file of sqlite:///portal3.sqlite does not exist"),
    "garbage": (_garbage, 1, "is not a readable SQLite database"),
    "empty": (lambda workspace: workspace.target.write_bytes(b""), 1, "is not the new store of a run"),
    "an old portal": (_an_old_portal, 1, "is not the new store of a run"),
    "another run's": (_of_another_run, 7, "it belongs to another run, or the run was rolled back"),
}


@pytest.mark.parametrize("how", STORES)
def test_a_store_of_another_run_is_refused(published: Workspace, how: str) -> None:
    spoil, code, sentence = STORES[how]
    spoil(published)
    for words in LOOK_UPS.values():
        said(command(*words, *RUN, folder=published.folder), code, sentence)
        nothing_was_written(published.folder)


def test_without_a_run_look_ups_need_only_the_store(published: Workspace) -> None:
    _of_another_run(published)
    target = ("--target", "sqlite:///portal3.sqlite")
    assert command("trace", "P2", "company_profile", "1", *target, folder=published.folder).code == 0
    _an_old_portal(published)
    for name in ("trace", "picker", "company"):
        said(command(*LOOK_UPS[name], *target, folder=published.folder), 1, "is not the new store of a run")


def test_a_rolled_back_run_has_no_store(published: Workspace) -> None:
    kept = published.run / "manifest.json", published.run / "manifest.json.kept"
    shutil.copyfile(*kept)
    assert published.command("rollback").code == 0
    said(command("trace", "P2", "document", "301", *RUN, folder=published.folder), 7, "This run was rolled back")
    stores = published.words("reconcile")
    for words in (
        ("reconcile", *stores[1:], *RUN),
        ("compare", "run", "run"),
        ("sample-audit", *RUN),
        ("evidence", "pack", "--bundle", "b", "--key", "k.pem", *RUN),
    ):
        said(
            command(*words, folder=published.folder), 7, "This run was rolled back"
        )  # previously: has not published, has not read any rows yet
    alone = ("--target", dict(itertools.pairwise(stores))["--target"])
    for words in (("trace", "P2", "document", "301"), ("picker", "a@b.example"), ("company", "--folder", "letters")):
        said(command(*words, *alone, folder=published.folder), 1, "Nothing is published in this new store")
    assert "Nothing is published in this new store" in command(*stores, folder=published.folder).next
    shutil.copyfile(*reversed(kept))  # a manifest from before the rollback does not make it published again
    said(command("trace", "P2", "document", "301", *RUN, folder=published.folder), 7, "the run was rolled back")


def reconciled(workspace: Workspace, *more: str) -> Done:
    return command(*workspace.words("reconcile"), *more, folder=workspace.folder)


def test_reconcile_of_an_unfinished_run_is_refused(checked: Workspace) -> None:
    said(reconciled(checked, *RUN), 7, "This run has not published anything yet")


def test_reconcile_of_a_missing_run_is_refused(published: Workspace) -> None:
    said(reconciled(published, "--run", "elsewhere"), 1, "elsewhere is not the folder of a run.")
    assert not (published.folder / "elsewhere").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--source", "sqlite:///copy/portal2.sqlite"),
        ("--tc", "sqlite:///copy/tc.sqlite"),
        ("--target", "sqlite:///copy/portal3.sqlite"),
        ("--files", "copy"),
        ("--objects", "copy"),
    ],
)
def test_reconcile_of_other_stores_is_not_recorded_in_the_run(published: Workspace, option: str, value: str) -> None:
    shutil.copytree(published.folder / "legacy", published.folder / "copy", symlinks=True, ignore=shutil.ignore_patterns("files"))
    shutil.copyfile(published.target, published.folder / "copy" / "portal3.sqlite")
    before = (published.run / "manifest.json").read_bytes()
    said(reconciled(published, option, value, *RUN), 7, f"This run has {option[2:]} = ", "now it is")
    assert (published.run / "manifest.json").read_bytes() == before
    assert reconciled(published, "--target", f"sqlite:///{published.target}", *RUN).code == 0  # the same file by another path


def test_reconcile_of_another_database_is_refused(published: Workspace) -> None:
    for spoil, sentence in (
        (_an_old_portal, "--target is not the new store"),
        (lambda workspace: workspace.target.write_bytes(b""), "--target is not the new store"),
        (_garbage, "cannot be read as a SQLite database"),
        (lambda workspace: workspace.target.unlink(), "the SQLite file does not exist"),
    ):
        spoil(published)
        said(reconciled(published), 1, sentence)


@pytest.mark.parametrize(
    "table", ["migration_run", "migration_holding", "migration_exception", "login", "document", "stored_object", "entity_account"]
)
def test_a_table_that_cannot_be_compared_is_never_green(published: Workspace, table: str) -> None:
    with closing(sqlite3.connect(published.target)) as store:
        for (view,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            store.execute(f"DROP VIEW {view}")
        store.execute(f"DROP TABLE {table}")
        store.commit()
    done = command(*published.words("reconcile"), "--output", "json", folder=published.folder)
    assert done.code == 4, done.out
    assert done.data["answer"] != "equal"
    assert (table, "not_checked") in {(row["table"], row["kind"]) for row in done.data["differences"]}


def test_an_incomplete_comparison_is_never_green(published: Workspace) -> None:
    """Nothing differs where it could be looked at: the answer, the exit code and the report's verdict still say that it is not proved."""
    with closing(sqlite3.connect(published.target)) as store:
        store.execute("ALTER TABLE message ADD COLUMN mood TEXT")
        store.commit()
    done = command(*published.words("reconcile"), *RUN, "--output", "json", folder=published.folder)
    assert (done.code, done.data["answer"], done.envelope["errors"][0]["code"]) == (4, "not_checked", "DIFFERENT")
    assert [(row["table"], row["kind"], row["column"]) for row in done.data["differences"]] == [("message", "not_checked", "mood")]
    assert command("report", *RUN, folder=published.folder).out.startswith("Not finished: published, but not everything could be compared")
    assert json.loads((published.run / "report" / "report.json").read_bytes())["verdict"]["holds"] is False
    assert "<failure" in (published.run / "report" / "junit.xml").read_text(encoding="utf-8")
    said(command(*published.words("run"), folder=published.folder), 7, "message.mood: not in the contract")
    assert command("status", *RUN, folder=published.folder).out.splitlines()[-1].startswith("next: read report/report.md")


WRONG_STORES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no URL": (("--source", "portal2"), 2, "--source is not a valid"),
    "no target URL": (("--target", "portal3"), 2, "--target is not a valid"),
    "no such source": (("--source", "sqlite:///nowhere"), 1, "the SQLite file does not exist"),
    "an empty source": (("--source", "sqlite:///empty"), 1, "--source is not the old portal that was migrated"),
    "the new store as source": (("--source", "sqlite:///portal3.sqlite"), 1, "--source is not the old portal that was migrated"),
    "the other portal as source": (("--source", "sqlite:///legacy/tc.sqlite"), 1, "--source is not the old portal that was migrated"),
    "the other portal as tc": (("--tc", "sqlite:///legacy/portal2.sqlite"), 1, "--tc is not the old portal that was migrated"),
    "garbage": (("--tc", "sqlite:///garbage"), 1, "cannot be read as a SQLite database"),
    "no file share": (("--files", "nowhere"), 1, "--files: nowhere is not an existing folder"),
    "a file as share": (("--files", "garbage"), 1, "--files: garbage is not an existing folder"),
    "a file as object store": (("--objects", "garbage"), 1, "--objects: garbage is not a folder"),
}


@pytest.mark.parametrize("case", WRONG_STORES)
def test_reconcile_of_missing_stores_is_refused(cast: Workspace, tmp_path: Path, case: str) -> None:
    (tmp_path / "garbage").write_bytes(b"no database " * 500)
    (tmp_path / "empty").write_bytes(b"")
    for name in ("legacy", "portal3.sqlite", "objects"):
        (tmp_path / name).symlink_to(cast.folder / name)
    words, code, sentence = WRONG_STORES[case]
    said(command(*cast.words("reconcile"), *words, folder=tmp_path), code, sentence)


def test_an_unwritable_output_is_refused_before_any_look_up(cast: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    run = ("--run", str(cast.run), "--target", f"sqlite:///{cast.target}")
    said(command("company", "3", "--folder", "file", *run, folder=tmp_path), 7, "--folder: file is not a folder")
    for out in ("nowhere/ticks.csv", "."):
        said(command("sample-audit", "--out", out, *run, folder=tmp_path), 1, "--out: ")
    said(
        command("evidence", "pack", "--bundle", "file", "--key", "key", "--run", str(cast.run), folder=tmp_path), 7, "file is not a folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_invalid_target_url_is_wrong_usage_after_the_checks_too(checked: Workspace) -> None:
    """The space for the new store is checked before the store is opened."""
    _rewritten(checked, lambda body: body["settings"].pop("target"))  # as where nobody has named one before
    said(checked.command("load", "--target", "postgresql://writer@host:no-port/portal3"), 2, "URL")
