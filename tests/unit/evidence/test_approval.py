"""Separation of duties (AC-5) and proof of a backup (CP-9): a run with an approver publishes nothing without that person's approval, which names a backup."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.cli.test_unusable_runs import _rewritten
from tests.support.command import FREEZE, ROOT, Workspace, command, said, started
from tests.unit.evidence.approver import BACKUP, Approver, anna, checks, untouched

__all__ = ["anna"]  # fixtures


def test_nothing_is_published_without_an_approval(checked: Workspace, anna: Approver) -> None:
    digest, before = checks(checked, anna), checked.content()
    for name in ("load", "run"):
        said(checked.command(name), 7, anna.name, digest, "--approval is missing", f"portal-migrate approve --digest {digest}")
        untouched(checked, before)
    said(checked.command("load", "--approval", "nowhere"), 7, "--approval: nowhere cannot be read", anna.name, digest)
    untouched(checked, before)
    last = json.loads((checked.run / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["what"], last["outcome"]) == ("load", "refused: REFUSED")
    assert last["settings"]["approver"] == load_pem_public_key(anna.public.read_bytes()).public_bytes_raw().hex()  # type: ignore[union-attr]


def test_check_and_status_name_the_approver_and_the_digest(checked: Workspace, anna: Approver) -> None:
    assert checked.json("status").data["approval"] is None
    assert "approval" not in checked.command("status").out
    digest = checks(checked, anna)
    sentence = f"approval by {anna.name} of digest {digest}: not given"
    for name in ("check", "status"):
        *_, last = lines = checked.command(name).out.splitlines()
        assert sentence in lines[-3:]
        assert last == "next: load"
    assert checked.json("status").data["approval"] == {"by": anna.name, "digest": digest, "at": None, "backup": None}


def test_before_the_target_is_known_there_is_no_digest_to_approve(checked: Workspace, anna: Approver) -> None:
    checks(checked, anna)
    _rewritten(checked, lambda body: [body["settings"].pop(name) for name in ("target", "place")])
    assert "of a digest that check prints once --target is given: not given" in command("status", "--run", "run", folder=checked.folder).out
    assert command("check", "--run", "run", "--output", "json", folder=checked.folder).data["approval"]["digest"] is None


def test_a_run_without_an_approver_publishes_and_its_report_says_so(published: Workspace) -> None:
    report = json.loads((published.run / "report" / "report.json").read_bytes())
    assert report["run"]["approval"] is None
    for name in ("report.md", "report.html"):
        assert "not required" in (published.run / "report" / name).read_text(encoding="utf-8")


def test_an_approved_run_is_published_and_keeps_who_approved_it(checked: Workspace, anna: Approver, tmp_path: Path) -> None:
    digest = checks(checked, anna)
    file = anna.approves(digest)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = checked.command("run", "--approval", str(file))
    assert done.code == 0, done.err
    document = json.loads(file.read_bytes())
    assert document["approval"]["backup"] == {"id": BACKUP["--backup-id"], "at": "2023-09-16T21:30:00+00:00", "sha256": "ab" * 32}
    assert document["approval"]["digest"] == digest
    at = document["approval"]["approved_at"]
    assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(minutes=5)
    given = {"by": anna.name, "digest": digest, "at": at, "backup": document["approval"]["backup"]}
    assert checked.json("status").data["approval"] == given
    assert f"approval by {anna.name} of digest {digest}: given {at}" in checked.command("status").out
    assert f"; approved by {anna.name}" in done.out  # in the report on the screen too
    report = checked.run / "report"
    written = json.loads((report / "report.json").read_bytes())
    assert written["run"]["approval"] == given
    jsonschema.validate(written, json.loads((ROOT / "etl" / "report" / "schema.json").read_bytes()))
    assert f"of {anna.name}, given {at}" in (report / "report.html").read_text(encoding="utf-8")
    assert "portal3 of &lt;Saturday&gt; [bold]" in (report / "report.html").read_text(encoding="utf-8")
    assert "portal3 of \\<Saturday\\> \\[bold\\]" in (report / "report.md").read_text(encoding="utf-8")
    events = [json.loads(line) for line in (checked.run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [event["about"]["approval"] for event in events if event["what"] == "load"] == [document]
    packed = command(
        "evidence", "pack", "--run", "run", "--bundle", str(tmp_path / "b"), "--key", str(tmp_path / "k"), folder=checked.folder
    )
    assert packed.code == 0, packed.err
    exact = (tmp_path / "b" / "approval.json").read_bytes()
    assert exact == file.read_bytes()
    # As evidence.md says, without this toolkit.
    signed, _, signature = exact.removeprefix(b'{"approval":').partition(b',"signature":"')
    load_pem_public_key(anna.public.read_bytes()).verify(bytes.fromhex(signature[:-2].decode()), signed)  # type: ignore[union-attr,call-arg]


def test_a_published_run_needs_no_second_approval(checked: Workspace, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    assert checked.command("run", "--approval", str(file)).code == 0
    file.unlink()
    for more in ((), ("--approval", str(file)), ("--approver", str(anna.public))):
        done = checked.command("run", *more)
        assert done.code == 0, done.err
        assert "is already published: nothing changed; approved by" in done.err
    assert checked.json("status").data["approval"]["backup"]["id"] == BACKUP["--backup-id"]


def test_a_killed_load_resumes_with_the_same_approval(checked: Workspace, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    words = checked.words("load", "--approval", str(file))
    running = started(*words, folder=checked.folder)
    while running.poll() is None and not any((checked.run / "load").glob("staging*")):
        pass
    running.kill()
    running.communicate()
    done = command(*words, folder=checked.folder)
    assert done.code == 0, done.err
    assert f"approved by {anna.name}" in done.out


def test_after_a_rollback_an_approval_is_required_again_for_the_same_digest(checked: Workspace, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    assert checked.command("load", "--approval", str(file)).code == 0
    assert checked.command("rollback").code == 0
    said(checked.command("run"), 7, "--approval is missing")
    assert checked.command("run", "--approval", str(file)).code == 0


def test_a_rehearsal_needs_no_approval(checked: Workspace, anna: Approver) -> None:
    words = [word for option, value in checked.stores.items() if option not in ("--target", "--objects") for word in (option, value)]
    done = command("run", "--rehearse", "--run", "rehearsal", *words, *FREEZE, "--approver", str(anna.public), folder=checked.folder)
    assert done.code == 0, done.err
    report = json.loads((checked.folder / "rehearsal" / "report" / "report.json").read_bytes())
    assert (report["run"]["approval"]["by"], report["run"]["approval"]["at"]) == (anna.name, None)
    assert f"of {anna.name}: not given" in (checked.folder / "rehearsal" / "report" / "report.md").read_text(encoding="utf-8")


def test_the_approval_covers_the_changes_and_a_changed_store_is_refused(published: Workspace, anna: Approver) -> None:
    workspace = published
    with workspace.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
        source.execute("DELETE FROM message WHERE message_id = (SELECT max(message_id) FROM message)")
    second = ("--run", "second", "--approver", str(anna.public))
    for step in ("extract", "split", "reattach"):
        assert workspace.command(step, *second).code == 0
    before = workspace.content()
    first = workspace.json("check", *second)
    assert first.code == 0, first.err
    changes = first.data["changes"]
    assert sum(change["update"] for change in changes.values()) > 0 < sum(change["remove"] for change in changes.values())
    assert (workspace.content(), first.data["changes_unknown"]) == (before, None)
    told = workspace.command("check", *second)
    assert "What the load will change in the new store" in told.out
    assert "check: the load will insert " in told.err
    assert workspace.command("report", *second).code == 0
    report = workspace.folder / "second" / "report"
    written = json.loads((report / "report.json").read_bytes())
    jsonschema.validate(written, json.loads((ROOT / "etl" / "report" / "schema.json").read_bytes()))
    assert {row.pop("table"): row for row in written["changes"]["tables"]} == changes
    for name in ("report.md", "summary.md", "report.html"):
        text = (report / name).read_text(encoding="utf-8")
        assert text.index("The load will insert") < text.index("Every source row" if name != "summary.md" else "## In numbers"), name

    file = anna.approves(first.data["approval"]["digest"])
    with workspace.database("portal3.sqlite") as store:
        store.execute("UPDATE login SET phone = 'altered' WHERE login_id = (SELECT min(login_id) FROM login)")
    before = workspace.content()
    done = workspace.command("load", *second, "--approval", str(file))
    said(done, 7, "The store was changed after the check", "login: ", "Nothing was published.", "portal-migrate check")
    assert workspace.content()["portal3.sqlite"] == before["portal3.sqlite"]
    again = workspace.json("check", *second)
    assert again.data["changes"]["login"]["update"] == changes["login"]["update"] + 1
    assert again.data["approval"]["digest"] != first.data["approval"]["digest"]
    said(workspace.command("load", *second, "--approval", str(file)), 7, f"has digest {again.data['approval']['digest']}"[-64:])
    done = workspace.json("load", *second, "--approval", str(anna.approves(again.data["approval"]["digest"])))
    assert done.code == 0, done.err
    did = {table: {"insert": i, "update": u, "remove": r} for table, i, u, r in done.data["facts"]["changes"]}
    assert did == again.data["changes"]
    assert workspace.json("status", "--run", "second").data["approval"]["at"]
    assert workspace.command("report", *second).code == 0
    assert json.loads((report / "report.json").read_bytes())["changes"] is None


def test_a_load_without_approver_reports_differences_from_the_forecast(published: Workspace) -> None:
    workspace, second = published, ("--run", "second")
    with workspace.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
    for step in ("extract", "split", "reattach", "check"):
        assert workspace.command(step, *second).code == 0
    with workspace.database("portal3.sqlite") as store:
        store.execute("UPDATE login SET phone = 'altered' WHERE login_id = (SELECT min(login_id) FROM login)")
    done = workspace.command("load", *second)
    assert done.code == 0, done.err
    assert (
        "differs from the forecast of the check: login: 0 to insert, 1 to update, 0 to remove, foreseen 0 to insert, 0 to update, 0 to remove"
        in done.out
    )
