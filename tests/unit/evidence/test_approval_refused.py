"""Another person's approval, one for another digest, an altered file or key is refused."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from etl.evidence import approval
from etl.evidence.approval import canonical
from etl.runfolder.folder import open_readonly
from tests.cli.test_unusable_runs import _rewritten
from tests.support.command import Workspace, command, said
from tests.unit.evidence.approver import Approver, anna, checks, untouched

__all__ = ["anna"]  # fixtures


def test_another_persons_approval_is_refused(checked: Workspace, anna: Approver, tmp_path: Path) -> None:
    digest, before = checks(checked, anna), checked.content()
    other = Approver(tmp_path, "other")
    said(checked.command("load", "--approval", str(other.approves(digest))), 7, "signed with another key", anna.name, digest)
    untouched(checked, before)


def test_an_approval_of_another_digest_is_refused(checked: Workspace, anna: Approver) -> None:
    digest, before = checks(checked, anna), checked.content()
    said(checked.command("load", "--approval", str(anna.approves("0" * 64))), 7, "0" * 64, digest)
    file = anna.approves(digest)
    untouched(checked, before)
    with checked.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
    for step in ("extract", "split", "reattach", "check"):
        assert checked.command(step, "--run", "second", "--approver", str(anna.public)).code == 0
    done = checked.command("load", "--run", "second", "--approval", str(file))
    other = open_readonly(checked.folder / "second")
    said(done, 7, f"approves {digest}", f"has digest {approval.digest_of(other)}")
    assert not checked.target.exists()


def test_the_digest_covers_every_step_and_every_setting(checked: Workspace, anna: Approver) -> None:
    digest = checks(checked, anna)
    folder = open_readonly(checked.run)
    for name in ("source", "tc", "target", "files", "objects", "freeze", "mappings", "place"):
        known = folder.settings
        other: dict[str, Any] = {name: (date(2023, 9, 16), date(2023, 9, 17)) if name == "freeze" else "other"}
        folder.settings = replace(known, **other)
        assert approval.digest_of(folder) not in (None, digest), name
        folder.settings = known
    for step in ("extract", "split", "reattach", "check"):
        file = folder.steps[step].files.pop()
        assert approval.digest_of(folder) not in (None, digest), step
        folder.steps[step].files.append(file)
    assert approval.digest_of(folder) == digest
    folder.settings = replace(folder.settings, approver="other")
    assert approval.digest_of(folder) == digest


def test_a_relative_path_from_another_folder_has_another_digest(checked: Workspace, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    elsewhere = checked.folder / "elsewhere"
    elsewhere.mkdir()
    for name in ("legacy", "run"):
        (elsewhere / name).symlink_to(checked.folder / name)
    shutil.copytree(checked.folder / "objects", elsewhere / "objects")
    done = command("load", "--run", str(checked.run), "--approval", str(file), folder=elsewhere)
    said(done, 7, "differs from the one for which the digest to be approved was first printed")
    assert not (elsewhere / "portal3.sqlite").exists()
    assert checked.command("load", "--approval", str(file)).code == 0
    said(command("load", "--run", str(checked.run), "--approval", str(file), folder=elsewhere), 7, "differs from the one for which")
    assert not (elsewhere / "portal3.sqlite").exists()


def test_url_options_that_change_the_server_change_the_digest(checked: Workspace, anna: Approver) -> None:
    """They are never shown, for they may be secrets; those that lead nowhere may change."""
    checks(checked, anna)
    folder = open_readonly(checked.run)
    url = "postgresql://w@/portal3?host=/one"

    def place(target: str, objects: str = "objects") -> str | None:
        folder.settings = replace(folder.settings, place=None)
        approval.fix_publish_location(folder, target, objects)
        return folder.settings.place

    known = place(url)
    assert place(f"{url}&sslrootcert=x") == place("postgresql://other:secret@/portal3?host=/one") == known
    others = [
        place(f"{url}&port=6"),
        place("postgresql://w@/portal3?host=/two"),
        place(f"{url}&options=-csearch_path%3Dx"),
        place(url, "other"),
        place(url, "s3://aaa/b"),
    ]
    assert len({known, *others}) == 6


def test_one_flipped_bit_in_an_approval_is_detected(checked: Workspace, anna: Approver) -> None:
    digest = checks(checked, anna)
    file = anna.approves(digest)
    folder, exact = open_readonly(checked.run), file.read_bytes()
    assert approval.require_approval(folder, file) == json.loads(exact)
    for at in range(len(exact)):
        for bit in range(8):
            changed = bytearray(exact)
            changed[at] ^= 1 << bit
            with pytest.raises(ValueError, match=r"is not an approval|was altered"):
                approval.read(bytes(changed), folder.settings.approver or "")
    file.write_bytes(bytes(changed))
    before = checked.content()
    said(checked.command("load", "--approval", str(file)), 7, "was altered", digest)
    untouched(checked, before)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not an approval"),
        ("{}", "is not an approval"),
        ("[]", "is not an approval"),
        ("null", "is not an approval"),
        ("[" * 5000, "is not an approval"),
        ('{"approval":{},"signature":""}', "was altered"),
        ('{"approval":{},"signature":5}', "is not an approval"),
        ("\ud800", "is not an approval"),
    ],
)
def test_an_invalid_approval_file_is_refused(checked: Workspace, anna: Approver, text: str, said: str) -> None:
    key = load_pem_public_key(anna.public.read_bytes()).public_bytes_raw().hex()  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=said):
        approval.read(text.encode("utf-8", "surrogatepass"), key)


def test_a_signed_text_of_another_shape_is_refused(anna: Approver) -> None:
    """The key's owner may sign other things, with other tools."""
    from etl.evidence.keys import private_key

    private = private_key(anna.home / "key")
    key = private.public_key().public_bytes_raw().hex()
    good = json.loads(anna.approves("1" * 64).read_bytes())["approval"]
    wrong: list[dict[str, object]] = [
        good | {"kind": "other"},
        good | {"version": 2},
        good | {"digest": "1"},
        good | {"digest": 1},
        good | {"approved_by": "1" * 32},
        good | {"approved_at": "soon"},
        good | {"approved_at": "2023-09-16"},
        good | {"more": 1},
        good | {"backup": None},
        *(
            good | {"backup": good["backup"] | change}
            for change in ({"id": ""}, {"id": "x" * 201}, {"id": "\x1b[2J"}, {"id": 1}, {"at": "now"}, {"sha256": ""}, {"x": 1})
        ),
        {name: value for name, value in good.items() if name != "backup"},
    ]
    for content in wrong:
        exact = canonical({"approval": content, "signature": private.sign(canonical(content)).hex()})
        with pytest.raises(ValueError, match="of this version"):
            approval.read(exact, key)
    assert approval.read(canonical({"approval": good, "signature": private.sign(canonical(good)).hex()}), key)["approval"] == good


def test_a_link_a_pipe_a_folder_and_a_large_file_are_refused_as_approval(checked: Workspace, anna: Approver) -> None:
    digest = checks(checked, anna)
    file = anna.approves(digest)
    before = checked.content()
    (checked.folder / "link").symlink_to(file)
    os.mkfifo(checked.folder / "pipe")
    (checked.folder / "large").write_bytes(file.read_bytes() + b" " * approval.LIMIT)
    for name, sentence in (
        ("link", "cannot be read"),
        ("pipe", "is not a file"),
        ("legacy", "cannot be read"),
        ("large", "larger than the limit for an approval"),
    ):
        said(checked.command("load", "--approval", name), 7, f"--approval: {name}", sentence, f"approve --digest {digest}")
    untouched(checked, before)


def test_an_approval_written_into_the_run_folder_is_verified_again(checked: Workspace, anna: Approver) -> None:
    """What the run keeps is verified again, as the file was."""
    file = anna.approves(checks(checked, anna))
    assert checked.command("load", "--approval", str(file)).code == 0
    _rewritten(checked, lambda body: body["steps"]["load"]["facts"]["approval"]["approval"].update(approved_at="2020-01-01T00:00:00+00:00"))
    assert checked.json("status").data["approval"]["at"] is None
    said(checked.command("load"), 7, "--approval is missing")


def test_an_approver_whose_private_key_is_readable_is_refused(checked: Workspace, anna: Approver) -> None:
    before = checked.content()
    for way in (anna.home / "key.public", checked.folder / "way"):
        if not way.exists():
            way.symlink_to(anna.home / "key.public")
        said(checked.command("check", "--approver", str(way)), 7, "--approver", "the private key is stored beside the public key")
    untouched(checked, before)
    assert open_readonly(checked.run).settings.approver is None
    shutil.copyfile(Approver(checked.folder, "other").home / "key", anna.public.with_suffix(""))  # somebody else's private key says nothing
    assert checked.command("check", "--approver", str(anna.public)).code == 0


def test_the_evidence_is_not_signed_with_the_approvers_key(checked: Workspace, anna: Approver, tmp_path: Path) -> None:
    assert checked.command("load", "--approval", str(anna.approves(checks(checked, anna)))).code == 0
    pack = ("evidence", "pack", "--run", "run", "--bundle", str(tmp_path / "bundle"), "--key")
    said(command(*pack, str(anna.home / "key"), folder=checked.folder), 7, "--key is the approver's key")
    assert not (tmp_path / "bundle").exists()


def test_an_approver_named_after_the_publish_is_refused(published: Workspace, anna: Approver) -> None:
    said(published.command("run", "--approver", str(anna.public)), 7, "cannot be added afterwards")
    assert published.command("run").code == 0


def test_an_approver_cannot_be_changed(checked: Workspace, anna: Approver, tmp_path: Path) -> None:
    checks(checked, anna)
    other = Approver(tmp_path, "other")
    said(checked.command("load", "--approver", str(other.public)), 7, "This run began with approver = ")
    said(checked.command("load"), 7, anna.name)


def test_an_approver_may_come_from_the_environment_or_the_file(checked: Workspace, anna: Approver) -> None:
    (checked.folder / "migration.toml").write_text(f'approver = "{anna.public}"\napproval = "not-yet"\n', encoding="utf-8")
    said(checked.command("run", "--config", "migration.toml"), 7, "not-yet cannot be read", anna.name)
    words = {"PORTAL_MIGRATE_APPROVER": str(anna.public), "PORTAL_MIGRATE_APPROVAL": "neither"}
    said(checked.command("load", **words), 7, "neither cannot be read", anna.name)


def test_an_invalid_key_is_reported(checked: Workspace, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    for name, what in (("text", "is not a valid Ed25519 public key in PEM"), ("nowhere", "cannot be read (No such file or directory)")):
        said(checked.command("load", "--approver", str(tmp_path / name)), 1, f"--approver: {name} {what}")
