"""The run's log: user, action, database roles and configuration of each step; each line is chained to the previous one."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etl.runfolder.event_log import broken_line, record
from sample_data.world import write_cast
from tests.support.command import Workspace, command

STEPS = ["extract", "split", "reattach", "check", "load", "reconcile", "report"]
Event = dict[str, Any]


def logged(run: Path) -> list[Event]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def digest(words: object) -> str:
    return hashlib.sha256(json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def test_every_step_is_in_the_log_with_who_under_which_role_and_with_which_configuration(cast: Workspace) -> None:
    events = logged(cast.run)
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert [event["what"] for event in events] == STEPS
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6, 7]
    settings = json.loads((cast.run / "manifest.json").read_bytes())["run"]["settings"]
    for event in events:
        assert event["who"] == me
        assert set(event["roles"]) == {"source", "tc", "target"}
        assert {role[: len(f"owner of the file: {me}")] for role in event["roles"].values()} <= {f"owner of the file: {me}", "no file yet"}
        assert datetime.fromisoformat(str(event["at"])).utcoffset() == timedelta(0)
        assert datetime.fromisoformat(str(event["at"])) <= datetime.now(UTC)
        assert event["configuration"] == digest(event["settings"])
    assert [event["at"] for event in events] == sorted(str(event["at"]) for event in events)
    assert events[-1]["settings"] == settings
    assert events[-1]["roles"]["target"] == f"owner of the file: {me}, mode 0600"


def test_the_log_names_the_roles_that_the_servers_know(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE ROLE run_writer LOGIN SUPERUSER")
        session.execute("CREATE DATABASE events_target")
    write_cast(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    target = psycopg.conninfo.conninfo_to_dict(postgres)
    url = f"postgresql://run_writer@/events_target?host={target['host']}" + (f"&port={target['port']}" if "port" in target else "")
    done = workspace.command("run", "--target", url)
    assert done.code == 0, done.err
    roles = logged(workspace.run)[-1]["roles"]
    assert roles["target"] == "run_writer"
    assert roles["source"].startswith("owner of the file: ")


def test_the_logged_user_is_not_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    record(tmp_path, "extract", "done", {}, {}, {})
    assert logged(tmp_path)[0]["who"] == pwd.getpwuid(os.geteuid()).pw_name


def test_a_refused_step_is_in_the_log_with_its_code(checked: Workspace) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE message SET body = 'changed since'")
    assert checked.command("load").code == 5
    last = logged(checked.run)[-1]
    assert (last["what"], last["outcome"], last["seq"]) == ("load", "refused: SOURCE_CHANGED", 5)


def test_reconcile_rollback_and_purge_are_in_the_log(published: Workspace) -> None:
    assert command(*published.words("reconcile", "--run", "run"), folder=published.folder).code == 0
    assert published.command("rollback").code == 0
    assert [event["what"] for event in logged(published.run)[7:]] == ["reconcile", "report", "rollback", "report"]
    assert set(logged(published.run)[-1]["roles"]) == {"source", "tc", "target"}


@pytest.mark.parametrize("field", ["who", "roles", "what", "at", "outcome", "settings", "configuration", "about", "before", "seq"])
def test_any_change_of_a_line_breaks_the_chain_at_that_line(tmp_path: Path, field: str) -> None:
    for step in STEPS:
        record(tmp_path, step, "done", {"target": "sqlite:///x"}, {"target": "auditor"}, {"rows": 1})
    content = (tmp_path / "events.jsonl").read_bytes()
    assert broken_line(content) is None
    lines = content.splitlines()
    event = json.loads(lines[3])
    event[field] = {"target": "someone"} if isinstance(event[field], dict) else 17
    assert broken_line(b"\n".join([*lines[:3], json.dumps(event).encode(), *lines[4:]])) == 4
    assert broken_line(b"\n".join([*lines[:3], *lines[4:]])) == 4
    assert broken_line(b"\n".join([lines[0], lines[2], lines[1], *lines[3:]])) == 2


def test_a_configuration_that_is_not_that_of_the_settings_breaks_the_chain(tmp_path: Path) -> None:
    record(tmp_path, "extract", "done", {"target": "sqlite:///x"}, {}, {})
    event = json.loads((tmp_path / "events.jsonl").read_text())
    del event["hash"]
    event["configuration"] = "0" * 64
    event["hash"] = digest(event)
    assert broken_line(json.dumps(event).encode()) == 1
