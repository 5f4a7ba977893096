"""How runs end that find faults, differences, changes, altered evidence or other settings: exit codes 3 to 7, 130 and 143, and a rollback."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.command import FREEZE, Workspace, changed, command, copied_mappings, started
from tests.support.legacy import Legacy, content_of_store
from tests.support.small_worlds import one_company_workspace


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_mapping_that_would_show_internal_findings_to_trade_ends_with_3_and_publishes_nothing(tmp_path: Path) -> None:
    """C15. The report is written and names the check; neither `load` nor `run` continues."""
    Legacy().profile(1).model(11).entity(101).validation(1).finding(77, finding_kind="INTERNAL").write(tmp_path / "legacy")
    mappings = copied_mappings(tmp_path)
    changed(mappings / "portal2" / "validation_finding.toml", '{ rule = "C15", from = ["finding_kind_cd"] }', "{ constant = false }")
    workspace = Workspace(tmp_path)
    done = workspace.command("run", "--mappings", "mappings")
    assert done.code == 3
    assert "Critical checks failed: findings.internal_hidden. Nothing was published." in done.err
    assert "findings.internal_hidden" in (workspace.run / "report" / "report.md").read_text(encoding="utf-8")
    again = workspace.json("run", "--mappings", "mappings")
    assert (again.code, again.envelope["errors"][0]["code"], again.data["verdict"]["holds"]) == (3, "CHECK_FAILED", False)
    for step in ("check", "load"):
        assert workspace.command(step, "--mappings", "mappings").code == 3
    assert not workspace.target.exists()
    status = workspace.command("status").out
    assert "failed" in status
    assert "next: load" not in status


def test_a_run_that_finds_differences_ends_with_4_and_writes_its_report_all_the_same(published: Workspace) -> None:
    with published.database("portal3.sqlite") as store:
        store.execute("UPDATE profile_response SET response_text = response_text || '.' WHERE legacy_key = '101'")
    (published.run / "report" / "report.md").unlink()
    done = published.json("run")
    assert (done.code, done.envelope["errors"][0]["code"], done.data["verdict"]["holds"]) == (4, "DIFFERENT", False)
    assert "profile_response" in (published.run / "report" / "report.md").read_text(encoding="utf-8")
    human = published.command("reconcile")
    assert human.code == 4
    assert "profile_response" in human.out
    assert "Posters" not in human.out + human.err  # keys, never values


def test_reconcile_needs_no_run_folder_and_takes_the_freeze_from_the_target(published: Workspace, tmp_path: Path) -> None:
    published.run.rename(tmp_path / "away")
    words = [word for word in published.words("reconcile") if word not in FREEZE]
    done = command(*words, "--output", "json", folder=published.folder)
    assert done.code == 0, done.err
    assert (done.data["answer"], done.data["total"], done.data["differences"]) == ("equal", 0, [])


def test_lost_and_altered_objects_are_differences(published: Workspace) -> None:
    lost, altered, *_ = sorted(
        path for path in (published.folder / "objects" / "sha256").rglob("*") if path.is_file() and path.stat().st_size
    )
    lost.unlink()
    _flip(altered)
    done = published.json("reconcile")
    assert done.code == 4
    assert {"stored_object"} <= {row["table"] for row in done.data["differences"]}
    assert {lost.name, altered.name} <= {row["legacy_key"] for row in done.data["differences"]}


@pytest.mark.parametrize(
    ("database", "statement", "table"),
    [
        ("portal2", "DELETE FROM message WHERE message_id = 101", "P2.message"),
        ("portal2", "UPDATE document_content SET content = X'00' WHERE document_id = 101", "P2.document_content"),
        ("tc", "INSERT INTO tc_message VALUES (99, 1, NULL, NULL, '2023-01-01 00:00:00')", "TC.tc_message"),
    ],
    ids=["deleted", "a document", "inserted"],
)
def test_K1_any_change_after_the_extract_ends_with_5_names_the_table_and_publishes_nothing(
    checked: Workspace, database: str, statement: str, table: str
) -> None:
    with checked.database(f"legacy/{database}.sqlite") as source:
        source.execute(statement)
    done = checked.json("load")
    assert (done.code, done.envelope["errors"][0]["code"]) == (5, "SOURCE_CHANGED")
    assert f"Changed since the extract: {table}. Nothing was published." in done.envelope["errors"][0]["message"]
    assert not checked.target.exists()


def test_K1_a_source_whose_file_changed_but_none_of_its_rows_is_published(checked: Workspace) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("CREATE INDEX harmless ON message (thread_id)")
    assert checked.command("load").code == 0


@pytest.mark.parametrize(
    "name",
    [
        "extract/P2.profile_response/*.parquet",
        "split/entity_account/*.parquet",
        "split/spine/accounts.parquet",
        "split/record/flag.parquet",
        "reattach/stored_object/all.parquet",
        "check/answers.json",
    ],
)
def test_one_flipped_bit_anywhere_in_the_evidence_ends_with_6_and_publishes_nothing(checked: Workspace, name: str) -> None:
    (file, *_) = sorted(checked.run.glob(name))
    _flip(file)
    done = checked.json("load")
    assert (done.code, done.envelope["errors"][0]["code"]) == (6, "EVIDENCE_ALTERED")
    assert file.relative_to(checked.run).as_posix() in done.envelope["errors"][0]["message"]
    assert not checked.target.exists()


def test_evidence_that_is_missing_replaced_by_a_link_exchanged_or_added_ends_with_6(checked: Workspace, tmp_path: Path) -> None:
    file = checked.run / "split" / "record" / "held.parquet"
    content = file.read_bytes()
    (tmp_path / "same.parquet").write_bytes(content)
    file.unlink()
    assert checked.command("load").code == 6
    file.symlink_to(tmp_path / "same.parquet")
    assert checked.command("load").code == 6
    file.unlink()
    file.write_bytes((checked.run / "reattach" / "record" / "held.parquet").read_bytes())
    assert checked.command("load").code == 6
    file.write_bytes(content)
    extra = checked.run / "reattach" / "document" / "extra.parquet"
    extra.write_bytes(b"more rows")
    assert checked.command("load").code == 6
    assert not checked.target.exists()
    extra.unlink()
    assert checked.command("load").code == 0


@pytest.mark.parametrize("damage", ["emptied", "no text", "another digest", "a step taken out"])
def test_a_damaged_manifest_ends_with_6(checked: Workspace, damage: str) -> None:
    file = checked.run / "manifest.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    if damage == "another digest":
        content["sha256"] = "0" * 64
    else:
        del content["run"]["steps"]["check"]
    exact = {"emptied": b"", "no text": b"\xff\xfe"}.get(damage)
    file.write_bytes(json.dumps(content).encode() if exact is None else exact)
    done = checked.json("load")
    assert (done.code, done.envelope["errors"][0]["code"]) == (6, "EVIDENCE_ALTERED")
    assert checked.command("status").code == 6
    assert not checked.target.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--source", "sqlite:///legacy/tc.sqlite"),
        ("--tc", "sqlite:///legacy/portal2.sqlite"),
        ("--target", "sqlite:///other.sqlite"),
        ("--objects", "other"),
        ("--files", "other"),
        ("--mappings", "mappings"),
    ],
)
def test_options_that_differ_from_the_runs_are_refused_before_any_write(checked: Workspace, option: str, value: str) -> None:
    if option == "--mappings":
        changed(copied_mappings(checked.folder) / "rules.toml", "No account is invented", "No account is ever invented")
    done = checked.command("load", option, value)
    assert done.code == 7
    assert done.err.startswith(f"This run began with {option.removeprefix('--')} = ")
    assert not checked.target.exists()
    assert not (checked.folder / "other").exists()


def test_before_the_first_read_a_mistyped_option_can_be_corrected(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    for option, value in (("--source", "sqlite:///legacy/portal3.sqlite"), ("--tc", "sqlite:///legacy/files"), ("--files", "legacy/fils")):
        assert workspace.command("extract", option, value).code == 1
    assert workspace.command("extract").code == 0
    assert workspace.command("split", "--files", "legacy/fils").code == 7


def test_a_target_of_another_shape_is_refused_and_its_tables_named(checked: Workspace) -> None:
    with checked.database("portal3.sqlite") as store:
        store.execute("CREATE TABLE business_type (business_type_cd TEXT, name TEXT)")
    done = checked.command("load")
    assert done.code == 7
    assert "business_type.active: no such column" in done.err


def test_a_store_with_rows_written_by_others_after_publishing_is_refused(published: Workspace) -> None:
    with published.database("portal3.sqlite") as store:
        store.execute("INSERT INTO message_thread VALUES ('5a8e1c2e-0000-4000-8000-000000000000', 'mine', '2023-01-01 00:00:00', 'mine')")
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '0' WHERE company_profile_id = 1")
    before = content_of_store(published.target)
    for step in ("extract", "split", "reattach", "check"):
        assert published.command(step, "--run", "second").code == 0
    done = published.command("load", "--run", "second")
    assert done.code == 7
    assert "message_thread" in done.err
    assert content_of_store(published.target) == before


def test_a_step_out_of_order_is_refused_and_names_the_first_one(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    for step, first in (("split", "extract"), ("reattach", "split"), ("check", "reattach"), ("load", "check")):
        done = workspace.command(step)
        assert done.code == 7, step
        assert done.next.startswith(f"next: Run `portal-migrate {first}`")


def test_a_folder_with_other_files_is_not_accepted_as_a_run_folder(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    workspace.run.mkdir()
    (workspace.run / "letters.txt").write_text("mine")
    assert workspace.command("extract").code == 7
    assert [path.name for path in workspace.run.iterdir() if not path.name.startswith(".")] == ["letters.txt"]


@pytest.mark.parametrize(("number", "code", "output"), [(signal.SIGINT, 130, "human"), (signal.SIGTERM, 143, "json")])
def test_K3_an_interrupted_run_resumes_with_the_same_command_and_ends_like_an_uninterrupted_one(
    tmp_path: Path, number: signal.Signals, code: int, output: str
) -> None:
    workspace = one_company_workspace(tmp_path)
    running = started(*workspace.words("run"), "--output", output, folder=workspace.folder)
    assert running.stderr is not None
    assert running.stderr.readline().startswith("extract: ")  # the steps behind it take seconds
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    if output == "json":
        envelope = json.loads(out)
        assert (envelope["exit_code"], envelope["errors"][0]["code"]) == (143, "INTERRUPTED")
    else:
        assert err.rstrip().splitlines()[-1] == "next: Run the same command again: it resumes where it stopped."
    assert not workspace.target.exists()
    again = workspace.command("run")
    assert again.code == 0, again.err
    assert "extract: done before, unchanged" in again.err
    undisturbed = one_company_workspace(tmp_path / "undisturbed")
    for step in ("extract", "split", "reattach", "check", "load"):
        assert undisturbed.command(step).code == 0
    assert content_of_store(workspace.target) == content_of_store(undisturbed.target)


def test_K8_K2_a_rollback_keeps_other_files_and_the_same_command_publishes_identical_rows(published: Workspace) -> None:
    before = content_of_store(published.target)
    mine = published.folder / "objects" / "mine.txt"
    mine.write_text("not of this run")
    done = published.json("rollback")
    assert done.data["removed"] > 1000
    assert [path for path in (published.folder / "objects").rglob("*") if path.is_file()] == [mine]
    assert published.command("rollback").code == 7  # nothing is left to roll back
    again = published.command("run")
    assert again.code == 0, again.err
    assert content_of_store(published.target) == before


def test_K2_a_later_run_changes_exactly_the_rows_that_changed(published: Workspace) -> None:
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
        source.execute("DELETE FROM message WHERE message_id = 103")
        source.execute("INSERT INTO portal_task VALUES (990, 2, NULL, 'NEW', '2023-09-20', NULL)")
    for step in ("extract", "split", "reattach", "check", "load"):
        assert published.command(step, "--run", "second").code == 0
    manifest = json.loads((published.folder / "second" / "manifest.json").read_text(encoding="utf-8"))
    changes = {table: tuple(numbers) for table, *numbers in manifest["run"]["steps"]["load"]["facts"]["changes"] if any(numbers)}
    assert changes == {"entity_account": (0, 1, 0), "message": (0, 0, 1), "portal_task": (2, 0, 0)}  # inserted, updated, removed
