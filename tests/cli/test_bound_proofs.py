"""A proof is bound to all its inputs: mappings, the run's record in the store, the log's end, the old portals as they were; the strongest finding comes first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.runfolder.folder import VERSION
from tests.support.command import Done, Workspace, command, copied_mappings


def reconciled(workspace: Workspace, *more: str) -> Done:
    return command(*workspace.words("reconcile", "--run", "run", *more), folder=workspace.folder)


def verdict(workspace: Workspace) -> dict[str, Any]:
    return dict(json.loads((workspace.run / "report" / "report.json").read_bytes())["verdict"])


def packed(workspace: Workspace, tmp_path: Path, name: str = "bundle") -> Done:
    words = ("evidence", "pack", "--run", "run", "--bundle", str(tmp_path / name), "--key", str(tmp_path / "key"))
    return command(*words, folder=workspace.folder)


def weaker(tmp_path: Path) -> Path:
    """Mappings that demand no phone number of an account."""
    folder = copied_mappings(tmp_path)
    file = folder / "portal2" / "company_profile.toml"
    lines = [
        'phone = { null = "A17" }' if line.split("=")[0].strip() == "phone" else line
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert 'phone = { null = "A17" }' in lines
    file.write_text("\n".join([*lines, "", "[retired]", 'phone = "not wanted"', ""]), encoding="utf-8")
    return folder


def test_reconcile_names_its_mappings_and_records_only_those_of_the_run(published: Workspace, tmp_path: Path) -> None:
    """Blanked phone numbers and mappings that demand none: equal, but never as this run's evidence."""
    with published.database("portal3.sqlite") as store:
        assert store.execute("UPDATE entity_account SET phone = NULL WHERE phone IS NOT NULL").rowcount > 0
    other = weaker(tmp_path)
    before = (published.run / "manifest.json").read_bytes()
    refused = reconciled(published, "--mappings", str(other))
    assert (refused.code, "This run has mappings = " in refused.err) == (7, True), refused.err
    assert (published.run / "manifest.json").read_bytes() == before
    alone = published.command("reconcile", "--mappings", str(other))
    assert (alone.code, "The store was made with the mappings " in alone.err) == (7, True), alone.err
    assert "these are not the installed mappings" in alone.err
    found = published.json("reconcile")
    assert (found.code, found.data["mappings"]["installed"]) == (4, True)


@pytest.mark.parametrize("option", ["--tc", "--files", "--freeze-from"])
def test_reconcile_of_a_run_requires_the_runs_options(published: Workspace, option: str) -> None:
    words = [*published.words("reconcile", "--run", "run")]
    at = words.index(option)
    if option == "--freeze-from":
        words[at + 1] = "2023-09-17"
    else:
        del words[at : at + 2]
    done = command(*words, folder=published.folder)
    assert (done.code, f"This run has {option.split('-')[2]} = " in done.err) == (7, True), done.err


def _cut(log: Path) -> None:
    log.write_text("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[:-4]), encoding="utf-8")


def _emptied(log: Path) -> None:
    log.write_text("", encoding="utf-8")


@pytest.mark.parametrize("harm", [_cut, _emptied, Path.unlink])
def test_a_truncated_log_is_detected_before_packing_and_every_step(
    published: Workspace, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(published.run / "events.jsonl")
    for done in (packed(published, tmp_path), reconciled(published), published.command("run"), published.command("rollback", "--yes")):
        assert done.code == 6, done.err
        assert "events.jsonl" in done.err


def test_a_truncated_or_altered_log_prevents_publishing(checked: Workspace) -> None:
    log = checked.run / "events.jsonl"
    exact = log.read_bytes()
    for content in (b"", exact[: exact.rfind(b"\n", 0, -1) + 1], exact.replace(b'"done"', b'"fine"').replace(b"rows read", b"rows seen")):
        log.write_bytes(content)
        done = checked.command("load")
        assert (done.code, "events.jsonl" in done.err) == (6, True), done.err
        assert not (checked.folder / "portal3.sqlite").exists()
    log.write_bytes(exact)
    assert checked.command("load").code == 0


def test_a_log_that_lacks_a_finished_step_is_refused(published: Workspace, tmp_path: Path) -> None:
    """Also with a manifest that was recomputed for it."""
    from etl.runfolder.event_log import Head
    from etl.runfolder.folder import RunFolder

    log = published.run / "events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    folder = RunFolder(published.run, reading=True)
    log.write_text("".join(lines[:4]), encoding="utf-8")
    folder.log = Head(4, json.loads(lines[3])["hash"])
    folder.save()
    done = packed(published, tmp_path)
    assert (done.code, "has no event of the step load" in done.err) == (6, True), done.err
    assert VERSION == 3


@pytest.mark.parametrize(
    ("statement", "kind", "column"),
    [
        ("UPDATE migration_run SET manifest_sha256 = printf('%064d', 1)", "changed", "manifest_sha256"),
        ("UPDATE migration_run SET finished_at = '2031-01-01 00:00:00' ", "changed", "finished_at"),
        ("UPDATE migration_run SET run_id = 'run-evil'", "missing", None),
        (
            "INSERT INTO migration_run SELECT 'run-x', state_cd, started_at, '2027-01-01 00:00:00', freeze_from, freeze_to, manifest_sha256"
            " FROM migration_run",
            "unexpected",
            None,
        ),
    ],
)
def test_the_record_in_the_store_is_compared_with_the_run(published: Workspace, statement: str, kind: str, column: str | None) -> None:
    with published.database("portal3.sqlite") as store:
        store.execute("PRAGMA foreign_keys = off")
        columns = [name for _, name, *_ in store.execute("PRAGMA table_info(migration_run)")]
        known = ["run_id", "state_cd", "started_at", "finished_at", "freeze_from", "freeze_to", "manifest_sha256"]
        if statement.startswith("INSERT") and columns != known:  # later columns are copied as they are
            values = ["'run-x'" if c == "run_id" else "'2027-01-01 00:00:00'" if c == "finished_at" else c for c in columns]
            statement = f"INSERT INTO migration_run SELECT {', '.join(values)} FROM migration_run"
        store.execute(statement)
        if "run-evil" in statement:
            for table in ("migration_holding", "migration_exception"):
                store.execute(f"UPDATE {table} SET run_id = 'run-evil'")
    done = command(*published.words("reconcile", "--run", "run", "--output", "json"), folder=published.folder)
    assert done.code == 4, done.err
    found = [(d["table"], d["kind"], d["column"]) for d in done.data["differences"]]
    assert ("migration_run", kind, column) in found, found


def test_a_record_with_impossible_times_is_a_difference(published: Workspace) -> None:
    for moment in ("'2020-01-01 00:00:00'", "'2999-01-01 00:00:00'", "NULL"):
        with published.database("portal3.sqlite") as store:
            store.execute(f"UPDATE migration_run SET finished_at = {moment}")
        done = published.json("reconcile")
        assert (done.code, {(d["table"], d["column"]) for d in done.data["differences"]}) == (4, {("migration_run", "finished_at")})


def test_published_but_different_is_reported_beside_other_failures(published: Workspace) -> None:
    """A removed row changes counts as well: "not finished" would suggest another run."""
    with published.database("portal3.sqlite") as store:
        store.execute("PRAGMA foreign_keys = off")
        store.execute("DELETE FROM document WHERE rowid = 3")
        store.execute("UPDATE entity_account SET phone = 'another' WHERE rowid = 1")
    assert reconciled(published).code == 4
    told = verdict(published)
    assert (told["state"], told["sentence"]) == ("published_but_different", "published, but different")
    assert [why for why in told["why"] if why.startswith("document: ")]
    assert "published, but different" in (published.run / "report" / "summary.md").read_text(encoding="utf-8")


def test_writes_to_an_old_portal_after_the_run_are_never_green(published: Workspace) -> None:
    """If both sides change equally they are equal; the run has recorded the former state of the old portal."""
    with published.database("legacy/portal2.sqlite") as old, published.database("portal3.sqlite") as new:
        profile = new.execute("SELECT legacy_profile_id FROM entity_account WHERE phone IS NOT NULL").fetchone()[0]
        old.execute("UPDATE company_profile SET phone = '555' WHERE company_profile_id = ?", (profile,))
        new.execute("UPDATE entity_account SET phone = '555' WHERE legacy_profile_id = ?", (profile,))
    assert published.command("reconcile").code == 0  # without the run's folder nobody can know
    done = reconciled(published)
    assert (done.code, "Written to since the extract: P2.company_profile" in done.err) == (4, True), done.err
    told = verdict(published)
    assert (told["state"], told["holds"]) == ("published_but_written_to", False)
    assert told["why"] == ["Written to since the extract: P2.company_profile. The old portal is not frozen."]
    assert '"bad"' not in (published.run / "report" / "report.html").read_text(encoding="utf-8")
    assert next(row for row in published.json("status").data["steps"] if row["step"] == "reconcile")["state"] == "failed"


def test_the_report_says_that_the_run_was_rolled_back(published: Workspace) -> None:
    """The report in every form says so; work lists and the explorer's index are removed, and the audit log is kept."""
    from etl.explore.index import build
    from mappings.read import read_mappings

    assert published.command("readiness").code == 0
    explored = published.run / "explore"
    explored.mkdir(mode=0o700)
    build(explored / "index.sqlite", read_mappings(), f"sqlite:///{published.target}", None)
    (explored / "audit.jsonl").write_text("{}\n")
    assert (published.run / "lists").is_dir()
    assert published.command("rollback", "--yes").code == 0
    assert verdict(published)["state"] == "taken_back"
    report = published.run / "report"
    for name in ("report.md", "summary.md", "report.html"):
        text = (report / name).read_text(encoding="utf-8").lower()
        assert "rolled back: the new store holds no rows of this run" in text, name
        assert "published and equal" not in text, name
    assert [published.run / name for name in ("readiness", "explore/index.sqlite", "lists") if (published.run / name).exists()] == []
    assert (explored / "audit.jsonl").read_text() == "{}\n"
    assert "rolled back" in published.command("status").out
    assert published.command("evidence", "pack", "--run", "run", "--bundle", "bundle", "--key", "key.pem").code == 7
    assert published.command("run").code == 0
    assert verdict(published)["state"] == "published_and_equal"


def test_the_report_of_a_purged_run_follows_a_later_reconcile(published: Workspace) -> None:
    assert published.command("purge").code == 0
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE entity_account SET phone = 'another' WHERE rowid = 1")
    shutil.rmtree(published.run / "load", ignore_errors=True)
    assert reconciled(published).code == 4
    assert not (published.run / "report").exists()


def test_check_reads_only_the_bytes_that_the_manifest_lists(checked: Workspace) -> None:
    """Also where the file is a good one of its kind, every checksum of its pages right."""
    import pyarrow.parquet as pq

    from etl.runfolder.folder import open_locked
    from etl.runfolder.stage_file_io import parquet

    with open_locked(checked.run) as folder:
        folder.clear("check")
        file = folder.files("reattach", "reattach/document/")[0]
    path = checked.run / file.path
    exact = path.read_bytes()
    table = pq.ParquetFile(path).read()
    path.write_bytes(parquet(table.slice(1)))
    done = checked.command("check")
    assert (done.code, file.path in done.err) == (6, True), done.err
    path.write_bytes(exact)
    assert checked.command("check").code == 0
