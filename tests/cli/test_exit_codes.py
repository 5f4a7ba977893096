"""How commands end: every exit code really provoked, one envelope for every outcome, and what is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.runfolder.layout import STEPS
from etl.system import worker_pool as processes
from tests.support.command import FREEZE, Night, changed, command, copied_mappings, started
from tests.support.legacy import Legacy, content_of_store
from tests.support.small_worlds import one_company_night


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Another one's lock on the file."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


# -- the envelope, and what people read ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("status",), ("plan",), ("picker", "per@lindqvist.example"), ("trace", "P2", "document", "101"), ("trace", "--account", "10000101")],
    ids=" ".join,
)
def test_success_is_one_envelope_on_stdout_and_nothing_on_stderr(cast: Night, words: tuple[str, ...]) -> None:
    done = cast.json(*words)
    assert (done.code, done.err) == (0, "")
    assert {name: value for name, value in done.envelope.items() if name != "data"} == {
        "version": 1,
        "command": words[0],
        "status": "ok",
        "exit_code": 0,
        "errors": [],
    }
    assert done.data
    assert done.out.isascii()  # no control character of any name reaches a terminal


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("plan",), 2, "USAGE"),
        (("no-such-command",), 2, "USAGE"),
        (("plan", "--source", "sqlite:///nothing.sqlite"), 1, "FAILED"),
        (("status", "--run", "nowhere"), 1, "FAILED"),
        (("load", "--run", "new"), 7, "REFUSED"),
        (("plan", "--source", "sqlite:///x", "--mappings", "none"), 1, "MAPPING"),
    ],
)
def test_every_failure_is_an_envelope_with_its_code_and_says_what_to_do(
    tmp_path: Path, words: tuple[str, ...], code: int, kind: str
) -> None:
    done = command(*words, "--output", "json", folder=tmp_path)
    assert done.code == code
    envelope = done.envelope
    assert (envelope["version"], envelope["command"], envelope["status"], envelope["exit_code"]) == (1, words[0], "failed", code)
    (error,) = envelope["errors"]
    assert (set(error), error["code"]) == ({"code", "message", "next"}, kind)
    assert error["next"]
    human = command(*words, folder=tmp_path)
    assert (human.code, human.out) == (code, "")
    assert human.next.startswith("next: ")


def test_wrong_usage_is_an_envelope_wherever_json_was_asked_for(tmp_path: Path) -> None:
    assert command("plan", "--output=json", "--wrong", folder=tmp_path).envelope["exit_code"] == 2
    assert command("plan", "--wrong", folder=tmp_path, PORTAL_MIGRATE_OUTPUT="json").envelope["exit_code"] == 2


def test_v_adds_where_it_happened_and_never_values(tmp_path: Path) -> None:
    quiet, loud = (command("plan", "--source", "sqlite:///nothing.sqlite", *more, folder=tmp_path) for more in ((), ("-v",)))
    assert ", line " not in quiet.err
    assert "sqlite/source.py, line " in loud.err
    assert loud.next == quiet.next


# -- 0 ---------------------------------------------------------------------------------------------------------------------------------------------


def test_run_says_every_step_on_stderr_and_ends_with_the_verdict_and_where_the_report_lies(published: Night) -> None:
    done = published.command("run")
    assert done.code == 0
    assert [line.split(":")[0] for line in done.err.splitlines()] == list(STEPS)
    assert done.out.rstrip().splitlines()[-1].startswith("Published and equal.")


def test_a_single_step_says_what_came_of_it_and_what_comes_next(tmp_path: Path) -> None:
    night = one_company_night(tmp_path)
    assert night.command("extract").out.splitlines() == ["extract: 27 rows read, one read transaction (SQLite)", "next: split"]
    assert night.json("split").data["next"] == "reattach"
    assert command("reattach", "--run", "run", folder=night.folder).code == 0  # options that the run began with need not be given again


def test_plan_changes_nothing(cast: Night) -> None:
    before = {str(place): place.lstat().st_mtime_ns for place in cast.folder.rglob("*")}
    done = cast.command("plan")
    assert done.out.rstrip().splitlines()[-1] == "coverage 100% (362/362 columns)"
    assert {str(place): place.lstat().st_mtime_ns for place in cast.folder.rglob("*")} == before
    data = cast.json("plan").data
    assert data["total"] == sum(data["rows"].values()) == 956
    assert data["steps"] == list(STEPS)


def test_plan_without_trade_compliance_looks_at_portal_2_only(cast: Night) -> None:
    data = command("plan", "--source", cast.stores["--source"], "--output", "json", folder=cast.folder).data
    assert set(data["levels"]) == {"P2"}
    assert all(name.startswith("P2.") for name in data["rows"])


def test_status_tells_what_is_done_and_what_comes_next_also_while_a_run_is_at_work(cast: Night, checked: Night) -> None:
    assert cast.command("status").out.rstrip().splitlines()[-1] == "all steps are done"
    with _locked(checked.run / ".lock"):
        assert checked.command("status").out.rstrip().splitlines()[-1] == "next: load"
    assert [step["state"] for step in checked.json("status").data["steps"]] == [*["done"] * 4, *["not done"] * 3]


def test_a_run_without_trade_compliance_and_without_file_share(tmp_path: Path) -> None:
    Legacy().profile(1).model(11).entity(101).document(1, model=11).tc_account(1).write(tmp_path / "legacy")
    words = ("--source", "sqlite:///legacy/portal2.sqlite", "--target", "sqlite:///portal3.sqlite", "--objects", "objects", "--run", "run")
    done = command("run", *words, "--output", "json", folder=tmp_path)
    assert done.code == 0, done.err
    assert done.data["verdict"]["holds"] is True  # also with tables that have no row
    with Night(tmp_path).database("portal3.sqlite") as store:
        assert store.execute("SELECT content_state_cd FROM document").fetchall() == [("MISSING",)]
        assert store.execute("SELECT count(*) FROM tc_program").fetchone() == (0,)


def test_a_rehearsal_does_everything_and_leaves_only_its_run_folder(tmp_path: Path) -> None:
    night = one_company_night(tmp_path)
    words = [word for option in ("--source", "--tc", "--files") for word in (option, night.stores[option])]
    done = command("run", *words, "--run", "run", "--rehearse", "--output", "json", folder=tmp_path)
    assert done.code == 0, done.err
    assert done.data["verdict"]["holds"] is True
    assert sorted(place.name for place in tmp_path.iterdir()) == ["legacy", "run"]


def test_workers_give_the_same_stage_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WORTH_WORKERS", 0)  # processes are started for few rows too
    files = []
    for workers in ("1", "2", "5"):
        night = one_company_night(tmp_path / workers)
        for step in ("extract", "split", "reattach"):
            assert night.command(step, "--workers", workers).code == 0
        steps = json.loads((night.run / "manifest.json").read_text(encoding="utf-8"))["run"]["steps"]
        files.append({name: step["files"] for name, step in steps.items()})
    assert files[0] == files[1] == files[2]


def test_sample_writes_a_world_and_refuses_to_mix_it_with_another(tmp_path: Path) -> None:
    words = (
        "sample",
        "--source",
        "sqlite:///p2.sqlite",
        "--tc",
        "sqlite:///tc.sqlite",
        "--files",
        "files",
        "--profiles",
        "3",
        "--seed",
        "7",
    )
    done = command(*words, "--output", "json", folder=tmp_path)
    assert done.data["total"] == sum(done.data["rows"].values()) > 100
    again = command(*words, folder=tmp_path)
    assert (again.code, again.next) == (1, "next: Give empty databases.")


def test_demo_refuses_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert command("demo", str(tmp_path)).code == 7
    done = command("demo", str(tmp_path / "mine.txt"))
    assert done.code == 7
    assert "is not a folder" in done.err
    assert [place.name for place in tmp_path.iterdir()] == ["mine.txt"]


# -- 2 ---------------------------------------------------------------------------------------------------------------------------------------------

RUN = ("run", "--run", "r")
WRONG = {
    "an option of another command": ("status", "--source", "sqlite:///x"),
    "a word too many": ("plan", "word"),
    "an unknown output": ("plan", "--output", "xml"),
    "a number that is none": (*RUN, "--workers", "two"),
    "the other half of a freeze": (*RUN, "--freeze-to", "2023-09-30"),
    "a day that is none": (*RUN, "--freeze-from", "2023-02-30", "--freeze-to", "2023-09-16"),
    "a day of another form": (*RUN, "--freeze-from", "20230916", "--freeze-to", "2023-09-30"),
    "a week": (*RUN, "--freeze-from", "2023-W37-6", "--freeze-to", "2023-09-30"),
    "a rehearsal with a target": (*RUN, "--rehearse", "--target", "sqlite:///x"),
    "a rehearsal with an object store": (*RUN, "--rehearse", "--objects", "x"),
    "no run to look at": ("status",),
    "no target": ("picker", "a@x.example"),
    "nobody": ("picker",),
    "row and account": ("trace", "P2", "document", "1", "--account", "2", "--target", "sqlite:///x"),
    "a source that is no URL": ("plan", "--source", "legacy/portal2.sqlite"),
    "nothing to reconcile": ("reconcile",),
    "nothing to roll back": ("rollback", "--target", "sqlite:///x", "--objects", "o"),
    "no profiles": ("sample", "--profiles", "0"),
    "a missing configuration": ("plan", "--config", "none.toml"),
    "half a command": ("freeze",),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_ends_with_2_says_what_to_give_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    done = command(*WRONG[case], folder=tmp_path)
    assert (done.code, done.out) == (2, ""), done.err
    assert done.next.startswith("next: ") or case == "half a command"
    assert [place.name for place in tmp_path.iterdir()] == []


# -- 3 ---------------------------------------------------------------------------------------------------------------------------------------------


def test_a_mapping_that_would_show_internal_findings_to_trade_ends_with_3_and_publishes_nothing(tmp_path: Path) -> None:
    """C15. The report is written all the same and names the check; neither `load` nor `run` gets past it."""
    Legacy().profile(1).model(11).entity(101).validation(1).finding(77, finding_kind="INTERNAL").write(tmp_path / "legacy")
    mappings = copied_mappings(tmp_path)
    changed(mappings / "portal2" / "validation_finding.toml", '{ rule = "C15", from = ["finding_kind_cd"] }', "{ constant = false }")
    night = Night(tmp_path)
    done = night.command("run", "--mappings", "mappings")
    assert done.code == 3
    assert "Critical checks failed: findings.internal_hidden. Nothing was published." in done.err
    assert "findings.internal_hidden" in (night.run / "report" / "report.md").read_text(encoding="utf-8")
    again = night.json("run", "--mappings", "mappings")
    assert (again.code, again.envelope["errors"][0]["code"], again.data["verdict"]["holds"]) == (3, "CHECK_FAILED", False)
    for step in ("check", "load"):
        assert night.command(step, "--mappings", "mappings").code == 3
    assert not night.target.exists()
    status = night.command("status").out
    assert "failed" in status
    assert "next: load" not in status


# -- 4 ---------------------------------------------------------------------------------------------------------------------------------------------


def test_a_run_that_finds_differences_ends_with_4_and_writes_its_report_all_the_same(published: Night) -> None:
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


def test_reconcile_needs_no_run_folder_and_takes_the_freeze_from_the_target(published: Night, tmp_path: Path) -> None:
    published.run.rename(tmp_path / "away")
    words = [word for word in published.words("reconcile") if word not in FREEZE]
    done = command(*words, "--output", "json", folder=published.folder)
    assert done.code == 0, done.err
    assert (done.data["answer"], done.data["total"], done.data["differences"]) == ("equal", 0, [])


def test_lost_and_altered_objects_are_differences(published: Night) -> None:
    lost, altered, *_ = sorted(
        place for place in (published.folder / "objects" / "sha256").rglob("*") if place.is_file() and place.stat().st_size
    )
    lost.unlink()
    _flip(altered)
    done = published.json("reconcile")
    assert done.code == 4
    assert {"stored_object"} <= {row["table"] for row in done.data["differences"]}
    assert {lost.name, altered.name} <= {row["legacy_key"] for row in done.data["differences"]}


# -- 5 ---------------------------------------------------------------------------------------------------------------------------------------------


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
    checked: Night, database: str, statement: str, table: str
) -> None:
    with checked.database(f"legacy/{database}.sqlite") as source:
        source.execute(statement)
    done = checked.json("load")
    assert (done.code, done.envelope["errors"][0]["code"]) == (5, "SOURCE_CHANGED")
    assert f"Changed since the extract: {table}. Nothing was published." in done.envelope["errors"][0]["message"]
    assert not checked.target.exists()


def test_K1_a_source_whose_file_changed_but_none_of_its_rows_is_published(checked: Night) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("CREATE INDEX harmless ON message (thread_id)")
    assert checked.command("load").code == 0


# -- 6 ---------------------------------------------------------------------------------------------------------------------------------------------


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
def test_one_flipped_bit_anywhere_in_the_evidence_ends_with_6_and_publishes_nothing(checked: Night, name: str) -> None:
    (file, *_) = sorted(checked.run.glob(name))
    _flip(file)
    done = checked.json("load")
    assert (done.code, done.envelope["errors"][0]["code"]) == (6, "EVIDENCE_ALTERED")
    assert file.relative_to(checked.run).as_posix() in done.envelope["errors"][0]["message"]
    assert not checked.target.exists()


def test_evidence_that_is_missing_replaced_by_a_link_exchanged_or_added_ends_with_6(checked: Night, tmp_path: Path) -> None:
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
    stranger = checked.run / "reattach" / "document" / "extra.parquet"
    stranger.write_bytes(b"more rows")
    assert checked.command("load").code == 6
    assert not checked.target.exists()
    stranger.unlink()
    assert checked.command("load").code == 0


@pytest.mark.parametrize("damage", ["emptied", "no text", "another digest", "a step taken out"])
def test_a_damaged_manifest_ends_with_6(checked: Night, damage: str) -> None:
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


# -- 7 ---------------------------------------------------------------------------------------------------------------------------------------------


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
def test_other_options_than_the_run_began_with_are_refused_before_anything_is_made(checked: Night, option: str, value: str) -> None:
    if option == "--mappings":
        changed(copied_mappings(checked.folder) / "rules.toml", "No account is invented", "No account is ever invented")
    done = checked.command("load", option, value)
    assert done.code == 7
    assert done.err.startswith(f"This run began with {option.removeprefix('--')} = ")
    assert not checked.target.exists()
    assert not (checked.folder / "other").exists()


def test_before_anything_was_read_or_stored_a_mistyped_option_may_be_mended(tmp_path: Path) -> None:
    night = one_company_night(tmp_path)
    for option, value in (("--source", "sqlite:///legacy/portal3.sqlite"), ("--tc", "sqlite:///legacy/files"), ("--files", "legacy/fils")):
        assert night.command("extract", option, value).code == 1
    assert night.command("extract").code == 0
    assert night.command("split", "--files", "legacy/fils").code == 7


def test_a_target_of_another_shape_is_refused_and_its_tables_named(checked: Night) -> None:
    with checked.database("portal3.sqlite") as store:
        store.execute("CREATE TABLE business_type (business_type_cd TEXT, name TEXT)")
    done = checked.command("load")
    assert done.code == 7
    assert "business_type.active: no such column" in done.err


def test_a_store_that_got_rows_of_others_since_it_was_published_is_refused(published: Night) -> None:
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


def test_a_step_before_its_time_is_refused_and_says_which_comes_first(tmp_path: Path) -> None:
    night = one_company_night(tmp_path)
    for step, first in (("split", "extract"), ("reattach", "split"), ("check", "reattach"), ("load", "check")):
        done = night.command(step)
        assert done.code == 7, step
        assert done.next.startswith(f"next: Run `portal-migrate {first}`")


def test_a_folder_that_holds_other_things_is_no_runs_folder(tmp_path: Path) -> None:
    night = one_company_night(tmp_path)
    night.run.mkdir()
    (night.run / "letters.txt").write_text("mine")
    assert night.command("extract").code == 7
    assert [place.name for place in night.run.iterdir() if not place.name.startswith(".")] == ["letters.txt"]


# -- 130, 143 --------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code", "output"), [(signal.SIGINT, 130, "human"), (signal.SIGTERM, 143, "json")])
def test_K3_an_interrupted_run_goes_on_with_the_same_command_and_ends_like_an_undisturbed_one(
    tmp_path: Path, number: signal.Signals, code: int, output: str
) -> None:
    night = one_company_night(tmp_path)
    running = started(*night.words("run"), "--output", output, folder=night.folder)
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
    assert not night.target.exists()
    again = night.command("run")
    assert again.code == 0, again.err
    assert "extract: done before, unchanged" in again.err
    undisturbed = one_company_night(tmp_path / "undisturbed")
    for step in ("extract", "split", "reattach", "check", "load"):
        assert undisturbed.command(step).code == 0
    assert content_of_store(night.target) == content_of_store(undisturbed.target)


# -- rollback ----------------------------------------------------------------------------------------------------------------------------------------


def test_K8_K2_a_rollback_leaves_others_files_and_the_same_command_publishes_the_very_same_rows_again(published: Night) -> None:
    before = content_of_store(published.target)
    mine = published.folder / "objects" / "mine.txt"
    mine.write_text("not of this run")
    done = published.json("rollback")
    assert done.data["removed"] > 1000
    assert [place for place in (published.folder / "objects").rglob("*") if place.is_file()] == [mine]
    assert published.command("rollback").code == 7  # there is nothing left to take back
    again = published.command("run")
    assert again.code == 0, again.err
    assert content_of_store(published.target) == before


def test_K2_a_later_run_changes_exactly_the_rows_that_changed(published: Night) -> None:
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
        source.execute("DELETE FROM message WHERE message_id = 103")
        source.execute("INSERT INTO portal_task VALUES (990, 2, NULL, 'NEW', '2023-09-20', NULL)")
    for step in ("extract", "split", "reattach", "check", "load"):
        assert published.command(step, "--run", "second").code == 0
    manifest = json.loads((published.folder / "second" / "manifest.json").read_text(encoding="utf-8"))
    changes = {table: tuple(numbers) for table, *numbers in manifest["run"]["steps"]["load"]["facts"]["changes"] if any(numbers)}
    assert changes == {"entity_account": (0, 1, 0), "message": (0, 0, 1), "portal_task": (2, 0, 0)}  # inserted, updated, removed
