"""`--notify`: a program or a URL is notified of the result of each step; its failures neither stop nor delay a run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etl.system import notices
from tests.support.command import Workspace

STEPS = ["load", "reconcile", "report", "run"]


class Listener(BaseHTTPRequestHandler):
    """Stores what is posted to it; the path determines its response."""

    heard: list[tuple[dict[str, str], dict[str, Any]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((dict(self.headers), json.loads(body)))
        if self.path.startswith("/slow"):
            time.sleep(3)
        self.send_response({"/moved": 302, "/broken": 500}.get(self.path, 204))
        if self.path == "/moved":
            self.send_header("Location", "/kept")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[dict[str, str], dict[str, Any]]]]]:
    """(address, what was posted) of a real server on this machine."""
    heard: list[tuple[dict[str, str], dict[str, Any]]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Listener,), {"heard": heard}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        server.server_close()


def program(folder: Path, text: str) -> Path:
    """An executable script of that text in the folder."""
    path = folder / "tell"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def test_a_configured_program_is_notified_of_every_step_and_the_run(checked: Workspace) -> None:
    """As words, never through a shell; on its standard input, and without the environment's secrets. What was done before has no end to tell."""
    tell = program(checked.folder, f'echo "$1" >> {checked.folder}/words; env > {checked.folder}/env; cat >> {checked.folder}/told')
    (checked.folder / "migration.toml").write_text(f'notify = ["{tell}", "$(touch pwned); report"]\n')
    done = checked.process("run", "--config", "migration.toml", PGPASSWORD="not-for-you", PORTAL_MIGRATE_OUTPUT="human")
    assert done.code == 0, done.err
    told = [json.loads(line) for line in (checked.folder / "told").read_text().splitlines()]
    assert [notice["step"] for notice in told] == STEPS
    for notice in told:
        assert set(notice) == {"version", "run", "step", "verdict", "exit_code", "minutes", "at"}
        assert (notice["version"], notice["run"], notice["verdict"], notice["exit_code"]) == (1, "run", "DONE", 0)
        assert 0 <= notice["minutes"] < 5
    assert set((checked.folder / "words").read_text().splitlines()) == {"$(touch pwned); report"}
    assert not (checked.folder / "pwned").exists()
    environment = (checked.folder / "env").read_text()
    for word in ("not-for-you", "PORTAL_MIGRATE"):
        assert word not in environment
    assert "warning" not in done.err


def test_a_url_is_notified_of_a_failure_and_an_error_response_is_a_warning(checked: Workspace) -> None:
    """Exit code and answer are those without it; no warning has the URL, whose path may be a token."""
    with listening() as (address, heard):
        refused = checked.command("load", "--objects", "other-objects", "--notify", f"{address}/kept?token=secret")
        assert refused.code == 7
        ((headers, notice),) = heard
        assert headers["Content-Type"] == "application/json"
        assert refused.err.count("warning") == 0
        assert (notice["step"], notice["verdict"], notice["exit_code"]) == ("load", "REFUSED", 7)
        heard.clear()
        for path, reason in (("/broken", "HTTP status 500"), ("/moved", "HTTP status 302")):
            done = checked.command("load" if path == "/broken" else "reconcile", "--notify", f"{address}{path}")
            assert done.code == 0, done.err
            assert done.err.count("warning: --notify") == 1
            assert reason in done.err
            assert address not in done.err
        assert [notice["step"] for _, notice in heard] == ["load", "reconcile"]
        again = checked.command("rollback", "--yes", "--notify", f"{address}/kept")
        assert again.code == 0, again.err
        assert heard[-1][1]["step"] == "rollback"
    closed = checked.command("load", "--notify", address)
    assert closed.code == 7, "the rollback took the checks with it"
    assert "Connection refused" in closed.err


def test_an_unresponsive_receiver_delays_only_up_to_the_time_out(published: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "TIMEOUT", 0.5)
    sleeper = program(published.folder, f"sleep 30 & echo $! > {published.folder}/child; wait")
    with listening() as (address, heard):
        for target in (str(sleeper), f"{address}/slow"):
            began = time.monotonic()
            done = published.command("report", "--notify", target)
            assert done.code == 0
            assert time.monotonic() - began < 15  # the program sleeps for 30 seconds; a busy machine needs some for the report itself
            assert "--notify" in done.err, done.err
        assert len(heard) == 1
    child = int((published.folder / "child").read_text())
    time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists() or Path(f"/proc/{child}/stat").read_text().split(") ")[1][0] == "Z"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://192.0.2.1/hook", "http is sent to this machine only"),
        ("ftp://example/x", "is not a valid https URL"),
        ("https://name:word@host.example/x", "a name or password is in the URL"),
        ("https://host.example:port/x", "is not a valid URL"),
        ("no-such-program", "'no-such-program' is not a program that can be started"),
        ("/srv/no-such-program", "'/srv/no-such-program' is not a program that can be started"),
        ("hooks.example/services/word", "the first word is not a program that can be started"),
        ("https:/hooks.example/word", "the first word is not a program that can be started"),
    ],
)
def test_an_invalid_notify_target_is_wrong_usage_before_any_read(tmp_path: Path, target: str, said: str) -> None:
    done = Workspace(tmp_path).command("run", "--notify", target)
    assert done.code == 2
    assert said in done.err
    assert "word" not in done.err.replace("password", "").replace("words", "").replace("first word", "")
    assert not (tmp_path / "run").exists()


def test_a_url_with_arguments_and_invalid_arguments_are_refused(tmp_path: Path) -> None:
    """A lost notification causes a warning; the URL's path may be a token."""
    for words, said in (
        ('["https://hooks.example/word", "more"]', "the first word is not a program"),
        (r'["true", "a\u0000b"]', "--notify has a NUL character"),
    ):
        (tmp_path / "migration.toml").write_text(f"notify = {words}\n")
        done = Workspace(tmp_path).command("run", "--config", "migration.toml")
        assert (done.code, said in done.err, "hooks.example" in done.err) == (2, True, False), done.err


def test_a_configuration_list_contains_texts_only(tmp_path: Path) -> None:
    for wrong in ("[1, 2]", '["", "x"]', "[]", "{ url = 1 }"):
        (tmp_path / "migration.toml").write_text(f"notify = {wrong}\n")
        done = Workspace(tmp_path).command("run", "--config", "migration.toml")
        assert (done.code, "notify is not a" in done.err) == (2, True), done.err
