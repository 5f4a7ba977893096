"""Separation of duties (AC-5) and proof of a backup (CP-9): a run with an approver publishes nothing without that person's approval, which names a backup."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from etl.errors import Refused
from etl.evidence import approval
from etl.evidence.approval import canonical
from etl.evidence.keys import fingerprint
from etl.runfolder.folder import open_readonly
from tests.cli.test_bad_runs import _rewritten
from tests.support.command import FREEZE, ROOT, Night, command, said, started

BACKUP = {"--backup-id": "portal3 of <Saturday> [bold]", "--backup-at": "2023-09-16T23:30:00+02:00", "--backup-sha256": "ab" * 32}


class Approver:
    """Another person: a folder that the run knows nothing of. Of its key only the public half is handed over."""

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


def checks(night: Night, who: Approver) -> str:
    """The digest that `check` says to a run with that approver."""
    done = night.json("check", "--approver", str(who.public))
    assert done.code == 0, done.err
    assert done.data["approval"] == {"by": who.name, "digest": done.data["approval"]["digest"], "at": None, "backup": None}
    return str(done.data["approval"]["digest"])


def untouched(night: Night, before: dict[str, bytes]) -> None:
    """Nothing was published, and nothing noted at the object store."""
    assert night.content() == before
    assert not night.target.exists()
    assert "load" not in open_readonly(night.run).steps


# -- without one ---------------------------------------------------------------------------------------------------------------------------


def test_nothing_is_published_without_an_approval(checked: Night, anna: Approver) -> None:
    digest, before = checks(checked, anna), checked.content()
    for name in ("load", "run"):
        said(checked.command(name), 7, anna.name, digest, "--approval is missing", f"portal-migrate approve --digest {digest}")
        untouched(checked, before)
    said(checked.command("load", "--approval", "nowhere"), 7, "--approval: nowhere cannot be read", anna.name, digest)
    untouched(checked, before)
    last = json.loads((checked.run / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (last["what"], last["outcome"]) == ("load", "refused: REFUSED")
    assert last["settings"]["approver"] == load_pem_public_key(anna.public.read_bytes()).public_bytes_raw().hex()  # type: ignore[union-attr]


def test_check_and_status_say_who_has_to_approve_which_digest(checked: Night, anna: Approver) -> None:
    assert checked.json("status").data["approval"] is None
    assert "approval" not in checked.command("status").out
    digest = checks(checked, anna)
    sentence = f"approval by {anna.name} of digest {digest}: not given"
    for name in ("check", "status"):
        *_, last = lines = checked.command(name).out.splitlines()
        assert sentence in lines[-3:]
        assert last == "next: load"
    assert checked.json("status").data["approval"] == {"by": anna.name, "digest": digest, "at": None, "backup": None}


def test_before_the_target_is_known_there_is_no_digest_to_approve(checked: Night, anna: Approver) -> None:
    checks(checked, anna)
    _rewritten(checked, lambda body: [body["settings"].pop(name) for name in ("target", "place")])
    assert "of a digest that check prints once --target is given: not given" in command("status", "--run", "run", folder=checked.folder).out
    assert command("check", "--run", "run", "--output", "json", folder=checked.folder).data["approval"]["digest"] is None


def test_a_run_without_an_approver_is_not_asked_and_its_report_says_so(published: Night) -> None:
    report = json.loads((published.run / "report" / "report.json").read_bytes())
    assert report["run"]["approval"] is None
    for name in ("report.md", "report.html"):
        assert "not required" in (published.run / "report" / name).read_text(encoding="utf-8")


# -- with one ------------------------------------------------------------------------------------------------------------------------------


def test_an_approved_run_is_published_and_keeps_who_approved_it(checked: Night, anna: Approver, tmp_path: Path) -> None:
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


def test_what_is_published_already_is_not_asked_about_again(checked: Night, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    assert checked.command("run", "--approval", str(file)).code == 0
    file.unlink()
    for more in ((), ("--approval", str(file)), ("--approver", str(anna.public))):
        done = checked.command("run", *more)
        assert done.code == 0, done.err
        assert "is already published: nothing changed; approved by" in done.err
    assert checked.json("status").data["approval"]["backup"]["id"] == BACKUP["--backup-id"]


def test_a_load_that_was_killed_goes_on_with_the_same_command(checked: Night, anna: Approver) -> None:
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


def test_after_a_rollback_it_is_asked_for_again_and_the_same_rows_have_the_same_digest(checked: Night, anna: Approver) -> None:
    file = anna.approves(checks(checked, anna))
    assert checked.command("load", "--approval", str(file)).code == 0
    assert checked.command("rollback").code == 0
    said(checked.command("run"), 7, "--approval is missing")
    assert checked.command("run", "--approval", str(file)).code == 0


def test_a_rehearsal_asks_nobody(checked: Night, anna: Approver) -> None:
    words = [word for option, value in checked.stores.items() if option not in ("--target", "--objects") for word in (option, value)]
    done = command("run", "--rehearse", "--run", "rehearsal", *words, *FREEZE, "--approver", str(anna.public), folder=checked.folder)
    assert done.code == 0, done.err
    report = json.loads((checked.folder / "rehearsal" / "report" / "report.json").read_bytes())
    assert (report["run"]["approval"]["by"], report["run"]["approval"]["at"]) == (anna.name, None)
    assert f"of {anna.name}: not given" in (checked.folder / "rehearsal" / "report" / "report.md").read_text(encoding="utf-8")


# -- not that one --------------------------------------------------------------------------------------------------------------------------


def test_another_persons_approval_is_refused(checked: Night, anna: Approver, tmp_path: Path) -> None:
    digest, before = checks(checked, anna), checked.content()
    other = Approver(tmp_path, "other")
    said(checked.command("load", "--approval", str(other.approves(digest))), 7, "signed with another key", anna.name, digest)
    untouched(checked, before)


def test_an_approval_of_something_else_is_refused(checked: Night, anna: Approver) -> None:
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


def test_the_digest_covers_every_step_and_every_setting(checked: Night, anna: Approver) -> None:
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


def test_the_same_words_from_another_folder_are_another_place(checked: Night, anna: Approver) -> None:
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


def test_options_of_an_address_that_lead_elsewhere_are_another_place(checked: Night, anna: Approver) -> None:
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


def test_one_flipped_bit_anywhere_in_an_approval_is_found(checked: Night, anna: Approver) -> None:
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
def test_a_file_that_is_no_approval_is_refused(checked: Night, anna: Approver, text: str, said: str) -> None:
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


def test_a_link_a_pipe_a_folder_and_a_large_file_are_no_approval(checked: Night, anna: Approver) -> None:
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


def test_an_approval_that_somebody_writes_into_the_run_is_not_believed(checked: Night, anna: Approver) -> None:
    """What the run keeps is verified again, as the file was."""
    file = anna.approves(checks(checked, anna))
    assert checked.command("load", "--approval", str(file)).code == 0
    _rewritten(checked, lambda body: body["steps"]["load"]["facts"]["approval"]["approval"].update(approved_at="2020-01-01T00:00:00+00:00"))
    assert checked.json("status").data["approval"]["at"] is None
    said(checked.command("load"), 7, "--approval is missing")


# -- the approver's key --------------------------------------------------------------------------------------------------------------------


def test_whoever_could_sign_himself_is_refused(checked: Night, anna: Approver) -> None:
    before = checked.content()
    for way in (anna.home / "key.public", checked.folder / "way"):
        if not way.exists():
            way.symlink_to(anna.home / "key.public")
        said(checked.command("check", "--approver", str(way)), 7, "--approver", "the private key is stored beside the public key")
    untouched(checked, before)
    assert open_readonly(checked.run).settings.approver is None
    shutil.copyfile(Approver(checked.folder, "other").home / "key", anna.public.with_suffix(""))  # somebody else's private key says nothing
    assert checked.command("check", "--approver", str(anna.public)).code == 0


def test_the_evidence_is_not_signed_with_the_approvers_key(checked: Night, anna: Approver, tmp_path: Path) -> None:
    assert checked.command("load", "--approval", str(anna.approves(checks(checked, anna)))).code == 0
    pack = ("evidence", "pack", "--run", "run", "--bundle", str(tmp_path / "bundle"), "--key")
    said(command(*pack, str(anna.home / "key"), folder=checked.folder), 7, "--key is the approver's key")
    assert not (tmp_path / "bundle").exists()


def test_an_approver_who_comes_too_late_is_refused(published: Night, anna: Approver) -> None:
    said(published.command("run", "--approver", str(anna.public)), 7, "cannot be added afterwards")
    assert published.command("run").code == 0


def test_an_approver_stays(checked: Night, anna: Approver, tmp_path: Path) -> None:
    checks(checked, anna)
    other = Approver(tmp_path, "other")
    said(checked.command("load", "--approver", str(other.public)), 7, "This run began with approver = ")
    said(checked.command("load"), 7, anna.name)


def test_an_approver_may_come_from_the_environment_or_the_file(checked: Night, anna: Approver) -> None:
    (checked.folder / "migration.toml").write_text(f'approver = "{anna.public}"\napproval = "not-yet"\n', encoding="utf-8")
    said(checked.command("run", "--config", "migration.toml"), 7, "not-yet cannot be read", anna.name)
    words = {"PORTAL_MIGRATE_APPROVER": str(anna.public), "PORTAL_MIGRATE_APPROVAL": "neither"}
    said(checked.command("load", **words), 7, "neither cannot be read", anna.name)


def test_a_key_that_is_none_is_said_so(checked: Night, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    for name, what in (("text", "is not a valid Ed25519 public key in PEM"), ("nowhere", "cannot be read (No such file or directory)")):
        said(checked.command("load", "--approver", str(tmp_path / name)), 1, f"--approver: {name} {what}")


# -- the command approve -------------------------------------------------------------------------------------------------------------------


def test_approving_shows_what_was_approved_and_overwrites_nothing(anna: Approver) -> None:
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


def test_a_new_key_is_said_to_be_new_and_is_private(tmp_path: Path) -> None:
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
def test_half_an_approval_is_wrong_usage_and_names_what_is_missing(tmp_path: Path, anna: Approver, option: str) -> None:
    words = anna.words("1" * 64, "a.json")
    at = words.index(option)
    said(command(*words[:at], *words[at + 2 :], folder=tmp_path), 2, option)
    assert not (tmp_path / "a.json").exists()


def test_a_key_that_cannot_sign_is_said_so(anna: Approver) -> None:
    for name, content in (("text", b"no key"), ("public", anna.public.read_bytes())):
        (anna.home / name).write_bytes(content)
        said(command(*anna.words("1" * 64, "a.json", {"--key": name}), folder=anna.home), 1, f"--key: {name} is not a valid Ed25519 key")
    assert not (anna.home / "a.json").exists()


def test_before_the_checks_there_is_nothing_to_approve(checked: Night, anna: Approver) -> None:
    checks(checked, anna)
    folder = open_readonly(checked.run)
    del folder.steps["check"]
    with pytest.raises(Refused, match="nothing to approve yet for"):
        approval.require_approval(folder, None)


# -- what the load will change -------------------------------------------------------------------------------------------------------------


def test_what_the_load_will_change_is_approved_and_a_store_that_changed_since_is_checked_again(published: Night, anna: Approver) -> None:
    night = published
    with night.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
        source.execute("DELETE FROM message WHERE message_id = (SELECT max(message_id) FROM message)")
    second = ("--run", "second", "--approver", str(anna.public))
    for step in ("extract", "split", "reattach"):
        assert night.command(step, *second).code == 0
    before = night.content()
    first = night.json("check", *second)
    assert first.code == 0, first.err
    changes = first.data["changes"]
    assert sum(change["update"] for change in changes.values()) > 0 < sum(change["remove"] for change in changes.values())
    assert (night.content(), first.data["changes_unknown"]) == (before, None)
    told = night.command("check", *second)
    assert "What the load will change in the new store" in told.out
    assert "check: the load will insert " in told.err
    assert night.command("report", *second).code == 0
    report = night.folder / "second" / "report"
    written = json.loads((report / "report.json").read_bytes())
    jsonschema.validate(written, json.loads((ROOT / "etl" / "report" / "schema.json").read_bytes()))
    assert {row.pop("table"): row for row in written["changes"]["tables"]} == changes
    for name in ("report.md", "summary.md", "report.html"):
        text = (report / name).read_text(encoding="utf-8")
        assert text.index("The load will insert") < text.index("Every source row" if name != "summary.md" else "## In numbers"), name

    file = anna.approves(first.data["approval"]["digest"])
    with night.database("portal3.sqlite") as store:
        store.execute("UPDATE login SET phone = 'altered' WHERE login_id = (SELECT min(login_id) FROM login)")
    before = night.content()
    done = night.command("load", *second, "--approval", str(file))
    said(done, 7, "The store was changed after the check", "login: ", "Nothing was published.", "portal-migrate check")
    assert night.content()["portal3.sqlite"] == before["portal3.sqlite"]
    again = night.json("check", *second)
    assert again.data["changes"]["login"]["update"] == changes["login"]["update"] + 1
    assert again.data["approval"]["digest"] != first.data["approval"]["digest"]
    said(night.command("load", *second, "--approval", str(file)), 7, f"has digest {again.data['approval']['digest']}"[-64:])
    done = night.json("load", *second, "--approval", str(anna.approves(again.data["approval"]["digest"])))
    assert done.code == 0, done.err
    did = {table: {"insert": i, "update": u, "remove": r} for table, i, u, r in done.data["facts"]["changes"]}
    assert did == again.data["changes"]
    assert night.json("status", "--run", "second").data["approval"]["at"]
    assert night.command("report", *second).code == 0
    assert json.loads((report / "report.json").read_bytes())["changes"] is None


def test_a_load_that_nobody_approves_says_what_the_check_had_not_foreseen(published: Night) -> None:
    night, second = published, ("--run", "second")
    with night.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_profile SET phone = '+1 0' WHERE company_profile_id = 1")
    for step in ("extract", "split", "reattach", "check"):
        assert night.command(step, *second).code == 0
    with night.database("portal3.sqlite") as store:
        store.execute("UPDATE login SET phone = 'altered' WHERE login_id = (SELECT min(login_id) FROM login)")
    done = night.command("load", *second)
    assert done.code == 0, done.err
    assert (
        "differs from the forecast of the check: login: 0 to insert, 1 to update, 0 to remove, foreseen 0 to insert, 0 to update, 0 to remove"
        in done.out
    )
