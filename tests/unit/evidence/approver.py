"""A second person with a key of her own, and what a run with an approver prints."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from etl.evidence.keys import fingerprint
from etl.runfolder.folder import open_readonly
from tests.support.command import Workspace, command

BACKUP = {"--backup-id": "portal3 of <Saturday> [bold]", "--backup-at": "2023-09-16T23:30:00+02:00", "--backup-sha256": "ab" * 32}


class Approver:
    """Another person: a folder unknown to the run. Only the public half of the key is given to it."""

    def __init__(self, folder: Path, name: str = "approver") -> None:
        self.home = folder / f"home-of-{name}"
        self.home.mkdir()
        self.public = folder / f"{name}.public"
        done = command("approve", "--key", "key", folder=self.home)
        assert done.code == 0, done.err
        assert done.out.splitlines()[1] == f"nothing was approved; the key's fingerprint is {self.fingerprint(self.home / 'key.public')}"
        shutil.copyfile(self.home / "key.public", self.public)

    @staticmethod
    def fingerprint(public: Path) -> str:
        return fingerprint(load_pem_public_key(public.read_bytes()).public_bytes_raw())  # type: ignore[union-attr]

    @property
    def name(self) -> str:
        return self.fingerprint(self.public)

    def words(self, digest: str, out: str, other: dict[str, str] | None = None) -> list[str]:
        given = {"--digest": digest, "--key": "key", **BACKUP, "--approval": out, **(other or {})}
        return ["approve", *(word for pair in given.items() for word in pair)]

    def approves(self, digest: str, out: str = "approval.json") -> Path:
        """The file of the approval; another one each time."""
        (self.home / out).unlink(missing_ok=True)
        done = command(*self.words(digest, out), folder=self.home)
        assert done.code == 0, done.err
        return self.home / out


@pytest.fixture
def anna(tmp_path: Path) -> Approver:
    return Approver(tmp_path)


def checks(workspace: Workspace, who: Approver) -> str:
    """Returns the digest that `check` prints for a run with that approver."""
    done = workspace.json("check", "--approver", str(who.public))
    assert done.code == 0, done.err
    assert done.data["approval"] == {"by": who.name, "digest": done.data["approval"]["digest"], "at": None, "backup": None}
    return str(done.data["approval"]["digest"])


def untouched(workspace: Workspace, before: dict[str, bytes]) -> None:
    """Nothing was published, and nothing noted at the object store."""
    assert workspace.content() == before
    assert not workspace.target.exists()
    assert "load" not in open_readonly(workspace.run).steps
