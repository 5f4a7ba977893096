"""The command approve: what it prints and writes, and which usage is wrong."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import Refused
from etl.evidence import approval
from etl.runfolder.folder import open_readonly
from tests.support.command import Workspace, command, said
from tests.unit.evidence.approver import BACKUP, Approver, anna, checks

__all__ = ["anna"]  # fixtures


def test_approve_prints_what_was_approved_and_overwrites_nothing(anna: Approver) -> None:
    words = anna.words("1" * 64, "a.json")
    done = command(*words, folder=anna.home)
    assert done.out.splitlines() == [
        f"backup {BACKUP['--backup-id']} of 2023-09-16T21:30:00+00:00, SHA-256 {'ab' * 32}",
        f"{anna.name} approves {'1' * 64}; written to a.json",
    ]
    exact = (anna.home / "a.json").read_bytes()
    said(command(*words, folder=anna.home), 7, "a.json already exists")
    (anna.home / "way").symlink_to("nowhere")
    said(command(*anna.words("1" * 64, "way"), folder=anna.home), 7, "way already exists")
    assert (anna.home / "a.json").read_bytes() == exact
    assert not (anna.home / "nowhere").exists()
    data = command(*anna.words("1" * 64, "b.json"), "--output", "json", folder=anna.home).data
    assert data == {
        "approved_by": anna.name,
        "new_key": False,
        "public_key": "key.public",
        "approval": "b.json",
        "approved": json.loads((anna.home / "b.json").read_bytes())["approval"],
    }


def test_a_new_key_is_reported_and_is_private(tmp_path: Path) -> None:
    words = [
        "approve",
        "--key",
        "keys/mine",
        "--digest",
        "1" * 64,
        "--approval",
        "a.json",
        *(word for pair in BACKUP.items() for word in pair),
    ]
    done = command(*words, folder=tmp_path)
    assert done.code == 0, done.err
    assert done.out.startswith("a new key was created; hand over its public half, keys/mine.public")
    assert stat.S_IMODE((tmp_path / "keys" / "mine").stat().st_mode) == 0o600
    again = command("approve", "--key", "keys/mine", folder=tmp_path)
    assert again.out.splitlines() == [
        f"nothing was approved; the key's fingerprint is {Approver.fingerprint(tmp_path / 'keys' / 'mine.public')}"
    ]


TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
WRONG: dict[str, tuple[str, str]] = {
    "a short digest": ("--digest", "1" * 63),
    "a digest in capitals": ("--digest", "A" * 64),
    "other digits": ("--digest", "\u0661" * 64),
    "a line more": ("--digest", "1" * 64 + "\n"),
    "no digest of a backup": ("--backup-sha256", "x" * 64),
    "no id": ("--backup-id", ""),
    "blanks": ("--backup-id", "  "),
    "a long id": ("--backup-id", "x" * 201),
    "an escape": ("--backup-id", "a\x1b[2Jb"),
    "a line break": ("--backup-id", "a\nb"),
    "a turn": ("--backup-id", "a\u202eb"),
    "half a pair": ("--backup-id", "a\udcffb"),
    "a day": ("--backup-at", "2023-09-16"),
    "no offset": ("--backup-at", "2023-09-16T21:30:00"),
    "soon": ("--backup-at", "soon"),
    "tomorrow": ("--backup-at", TOMORROW),
    "before all years": ("--backup-at", "0001-01-01T00:00:00+01:00"),
    "behind all years": ("--backup-at", "9999-12-31T23:59:59-01:00"),
    "the key": ("--approval", "key"),
    "its public half": ("--approval", "key.public"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_of_approve_signs_nothing_and_makes_no_key(tmp_path: Path, anna: Approver, case: str) -> None:
    option, value = WRONG[case]
    words = anna.words("1" * 64, "a.json", {option: value})
    said(command(*words, folder=tmp_path / "home-of-approver"), 2, "--approval" if case in ("the key", "its public half") else option)
    assert not (anna.home / "a.json").exists()
    (tmp_path / "empty").mkdir()
    done = command(*words, folder=tmp_path / "empty")
    said(done, 2)
    assert done.err.isascii()  # what nobody may see is shown as escapes
    assert not {letter for letter in done.err if not letter.isprintable() and letter != "\n"}
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("option", ["--digest", "--backup-id", "--backup-at", "--backup-sha256", "--approval", "--key"])
def test_an_incomplete_approval_is_wrong_usage_and_names_the_missing_option(tmp_path: Path, anna: Approver, option: str) -> None:
    words = anna.words("1" * 64, "a.json")
    at = words.index(option)
    said(command(*words[:at], *words[at + 2 :], folder=tmp_path), 2, option)
    assert not (tmp_path / "a.json").exists()


def test_a_key_that_cannot_sign_is_reported(anna: Approver) -> None:
    for name, content in (("text", b"no key"), ("public", anna.public.read_bytes())):
        (anna.home / name).write_bytes(content)
        said(command(*anna.words("1" * 64, "a.json", {"--key": name}), folder=anna.home), 1, f"--key: {name} is not a valid Ed25519 key")
    assert not (anna.home / "a.json").exists()


def test_before_the_checks_there_is_nothing_to_approve(checked: Workspace, anna: Approver) -> None:
    checks(checked, anna)
    folder = open_readonly(checked.run)
    del folder.steps["check"]
    with pytest.raises(Refused, match="nothing to approve yet for"):
        approval.require_approval(folder, None)
