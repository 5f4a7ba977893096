"""A signature does not prove the content: a bundle states what it proves, and approval, run, log, signer and time stamp must agree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from etl.evidence.approval import canonical
from etl.evidence.bundle import LINES, LISTING, PACKED, SIGNATURE, _lines, _listing
from etl.runfolder.folder import RunFolder
from tests.support.command import Done, Workspace, command, said

OPENSSL = shutil.which("openssl") or "openssl"


@pytest.fixture(scope="module")
def _approved(_checked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cast, published with an approval that names a backup; the keys are in the same folder."""
    folder = tmp_path_factory.mktemp("approved")
    subprocess.run([shutil.which("cp") or "cp", "-a", _checked, folder / "cutover"], check=True)
    workspace = Workspace(folder / "cutover")
    for name in ("approver", "other"):
        assert command("approve", "--key", str(folder / name), folder=folder).code == 0
        (folder / "keys").mkdir(exist_ok=True)
        shutil.copy(folder / f"{name}.public", folder / "keys" / f"{name}.public")
    public = ("--approver", str(folder / "keys" / "approver.public"))
    digest = workspace.json("check", *public).data["approval"]["digest"]
    backup = ("--backup-id", "b1", "--backup-at", "2023-09-16T21:30:00+00:00", "--backup-sha256", "0" * 64)
    for name in ("approver", "other"):
        done = command(
            "approve", "--digest", digest, "--key", str(folder / name), *backup, "--approval", str(folder / f"{name}.json"), folder=folder
        )
        assert done.code == 0, done.err
    done = workspace.command("run", *public, "--approval", str(folder / "approver.json"))
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def approved(_approved: Path, tmp_path: Path) -> Workspace:
    subprocess.run([shutil.which("cp") or "cp", "-a", _approved, tmp_path / "w"], check=True)
    return Workspace(tmp_path / "w" / "cutover")


def packed(workspace: Workspace, name: str = "bundle") -> Done:
    return command("evidence", "pack", "--run", "run", "--bundle", f"../{name}", "--key", "../signer", folder=workspace.folder)


def verified(workspace: Workspace, *more: str, name: str = "bundle") -> Done:
    words = ("evidence", "verify", "--bundle", name, "--public-key", "signer.public", *more)
    return command(*words, folder=workspace.folder.parent)


def signed_again(bundle: Path, key: Path, **changes: Any) -> None:
    """The bundle with files or words of the listing changed, and signed again with that key: what its owner himself could do."""
    files = {
        p.relative_to(bundle).as_posix(): p.read_bytes()
        for p in bundle.rglob("*")
        if p.is_file() and p.name not in (LISTING, SIGNATURE, LINES)
    }
    (bundle / LINES).write_bytes(_lines(files))
    files[LINES] = (bundle / LINES).read_bytes()
    import hashlib

    listing = json.loads(_listing({n: (len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items()}, files[PACKED]))
    exact = json.dumps(listing | changes, indent=1, sort_keys=True).encode()
    (bundle / LISTING).write_bytes(exact)
    private: Any = load_pem_private_key(key.read_bytes(), None)
    (bundle / SIGNATURE).write_text(private.sign(exact).hex())


def test_verify_reports_what_is_proved(approved: Workspace) -> None:
    assert packed(approved).code == 0
    done = verified(approved, "--approver", "keys/approver.public", "--output", "json")
    assert done.code == 0, done.err
    data = done.data
    assert (data["verdict"], data["state"], data["rehearsal"], data["purged"]) == (
        "published and equal",
        "published_and_equal",
        False,
        False,
    )
    assert (data["backup"]["id"], data["approver_checked"], data["events"]) == (
        "b1",
        True,
        len((approved.run / "events.jsonl").read_text().splitlines()),
    )
    assert (data["last_event"]["what"], len(data["builds"]), data["time_stamp"]) == ("report", 1, None)
    human = verified(approved).out
    for part in (
        "verdict: published and equal",
        f"approved by {data['approved_by']}",
        "not checked against --approver",
        "backup: b1 of",
        "time stamp: none",
    ):
        assert part in human.replace("\n", " "), human
    said(verified(approved, "--approver", "keys/other.public"), 6, f"approved by {data['approved_by']}, not by ")


def test_verify_reports_a_missing_approval(published: Workspace) -> None:
    assert packed(published).code == 0
    assert "not approved" in verified(published).out
    assert command("approve", "--key", "../who", folder=published.folder).code == 0
    said(verified(published, "--approver", "who.public"), 6, "published without an approval")


def _other_backup(document: dict[str, Any], _: Path) -> dict[str, Any]:
    return {
        "approval": {**document["approval"], "backup": {**document["approval"]["backup"], "id": "a backup that does not exist"}},
        "signature": document["signature"],
    }


def _unsigned(document: dict[str, Any], _: Path) -> dict[str, Any]:
    return {**document, "signature": "0" * 128}


def _of_another(_: dict[str, Any], folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "other.json").read_bytes()))


@pytest.mark.parametrize("forge", [_other_backup, _unsigned, _of_another])
def test_a_forged_approval_is_detected_by_pack_and_verify(
    approved: Workspace, forge: Callable[[dict[str, Any], Path], dict[str, Any]]
) -> None:
    folder = RunFolder(approved.run, reading=True)
    forged = forge(folder.steps["load"].facts["approval"], approved.folder.parent)
    assert packed(approved).code == 0
    folder.steps["load"].facts["approval"] = forged
    folder.save()
    said(packed(approved, "second"), 6, "The run's approval was altered, or signed with another key")
    bundle = approved.folder.parent / "bundle"
    (bundle / "manifest.json").write_bytes((approved.run / "manifest.json").read_bytes())
    (bundle / "approval.json").write_bytes(canonical(forged))
    signed_again(bundle, approved.folder.parent / "signer")
    for more in ((), ("--approver", "keys/approver.public")):
        said(verified(approved, *more), 6, "The run's approval was altered, or signed with another key")


def test_a_signed_approval_is_not_accepted_as_a_signed_listing(approved: Workspace) -> None:
    """Signatures carry their kind."""
    assert packed(approved).code == 0
    folder = approved.folder.parent
    document = json.loads((folder / "approver.json").read_bytes())
    (folder / "bundle" / LISTING).write_bytes(canonical(document["approval"]))
    (folder / "bundle" / SIGNATURE).write_text(document["signature"])
    words = ("evidence", "verify", "--bundle", "bundle", "--public-key", "approver.public")
    said(command(*words, folder=folder), 6, "is signed, but is not a valid listing of evidence")


def test_a_bundle_signed_again_is_detected(approved: Workspace) -> None:
    assert packed(approved).code == 0
    folder = approved.folder.parent
    signed_again(folder / "bundle", folder / "other")
    said(command("evidence", "verify", "--bundle", "bundle", "--public-key", "other.public", folder=folder), 6, "it was signed again")


def test_signed_parts_of_different_runs_and_a_truncated_log_are_detected(approved: Workspace) -> None:
    folder = approved.folder.parent
    assert packed(approved).code == 0
    log = folder / "bundle" / "events.jsonl"
    exact = log.read_bytes()
    log.write_bytes(b"".join(exact.splitlines(keepends=True)[:-2]))
    signed_again(folder / "bundle", folder / "signer")
    said(verified(approved), 6, "events.jsonl was cut")
    log.write_bytes(exact)
    report = folder / "bundle" / "report" / "report.json"
    told = json.loads(report.read_bytes())
    told["run"]["id"] = "run-another"
    report.write_text(json.dumps(told))
    signed_again(folder / "bundle", folder / "signer")
    said(verified(approved), 6, "report/report.json belongs to run-another")


def test_links_and_pipes_in_a_bundle_are_detected_without_blocking(approved: Workspace) -> None:
    assert packed(approved).code == 0
    folder = approved.folder.parent
    (folder / "bundle" / "empty" / "inner").mkdir(parents=True)
    said(verified(approved), 6, "empty/inner is not part of the bundle")
    shutil.rmtree(folder / "bundle" / "empty")
    (folder / "way").symlink_to(folder / "bundle")
    said(verified(approved, name="way"), 6, "is a link")
    os.mkfifo(folder / "pipe")
    said(
        command("evidence", "verify", "--bundle", "bundle", "--public-key", "pipe", folder=folder),
        1,
        "--public-key: pipe cannot be read",
    )
    said(
        command("evidence", "pack", "--run", "run", "--bundle", "../more", "--key", "../pipe", folder=approved.folder),
        1,
        "--key: pipe cannot be read",
    )
    (folder / "bundle" / LISTING).write_bytes(b"[" * 200_000 + b"]" * 200_000)
    private: Any = load_pem_private_key((folder / "signer").read_bytes(), None)
    (folder / "bundle" / SIGNATURE).write_text(private.sign((folder / "bundle" / LISTING).read_bytes()).hex())
    said(verified(approved), 6, "is not a valid listing of evidence")


def test_a_listing_that_pack_would_not_write_is_refused_though_signed(approved: Workspace) -> None:
    """A form that no program wrote ended as an internal error; a file twice and another time than in packed.json were verified, exit 0."""
    assert packed(approved).code == 0
    folder = approved.folder.parent
    private: Any = load_pem_private_key((folder / "signer").read_bytes(), None)
    listing = json.loads((folder / "bundle" / LISTING).read_bytes())
    files = listing["files"]
    for changes, named in (
        ({"files": 5}, "is not a valid listing"),
        ({"files": [1]}, "is not a valid listing"),
        ({"files": [{}]}, "is not a valid listing"),
        ({"files": [{**file, "size": str(file["size"])} for file in files]}, "is not a valid listing"),
        ({"files": [{**file, "name": 1} for file in files]}, "is not a valid listing"),
        ({"files": [*files, files[0]]}, "does not agree with packed.json"),
        ({"packed_at": "2020-01-01T00:00:00+00:00"}, "does not agree with packed.json"),
        ({"verdict": "all is well"}, "does not agree with packed.json"),
    ):
        exact = json.dumps(listing | changes, indent=1, sort_keys=True).encode()
        (folder / "bundle" / LISTING).write_bytes(exact)
        (folder / "bundle" / SIGNATURE).write_text(private.sign(exact).hex())
        said(verified(approved), 6, named)


# -- time stamps -----------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A time-stamping authority of our own: `root.pem`, and a certificate that may stamp."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "tsa.cnf").write_text(
        "[req]\ndistinguished_name = dn\n[dn]\n[ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n"
        "[tsa]\nextendedKeyUsage = critical, timeStamping\nkeyUsage = critical, digitalSignature\nbasicConstraints = CA:FALSE\n"
        "[tsa_config]\nserial = serial\ncrypto_device = builtin\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\n"
        "accuracy = secs:1\nordering = no\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n"
    )
    (folder / "serial").write_text("01\n")
    for name, subject, part, signed in (
        ("root", "/CN=Root", "ca", ()),
        ("tsa", "/CN=Stamper", "tsa", ("-CA", "root.pem", "-CAkey", "root.key")),
    ):
        made = (
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-subj",
            subject,
            "-days",
            "30",
        )
        openssl(folder, *made, "-config", "tsa.cnf", "-extensions", part, *signed)
    return folder


def openssl(folder: Path, *words: str) -> None:
    subprocess.run([OPENSSL, *words], cwd=folder, check=True, capture_output=True)


def answered(authority: Path, what: Path, out: Path) -> None:
    """The authority's response about that file."""
    openssl(authority, "ts", "-query", "-data", str(what), "-sha256", "-cert", "-out", "request.tsq")
    signer = ("-signer", "tsa.pem", "-inkey", "tsa.key", "-chain", "root.pem")
    openssl(
        authority, "ts", "-reply", "-queryfile", "request.tsq", "-config", "tsa.cnf", "-section", "tsa_config", *signer, "-out", str(out)
    )


def test_a_trusted_time_stamp_is_added_once_and_verified(approved: Workspace, authority: Path) -> None:
    assert packed(approved).code == 0
    folder = approved.folder.parent
    answered(authority, folder / "bundle" / LISTING, folder / "wrong.tsr")
    answered(authority, folder / "bundle" / SIGNATURE, folder / "right.tsr")
    (folder / "text.tsr").write_text("no response")
    said(stamped(approved, "wrong.tsr"), 7, "does not belong to this bundle's evidence.sig")
    said(stamped(approved, "text.tsr"), 1, "is not an RFC 3161 response")
    said(verified(approved, "--authority", str(authority / "root.pem")), 6, "has no time stamp")
    assert stamped(approved, "right.tsr").code == 0
    said(stamped(approved, "right.tsr"), 7, "has a time stamp already")
    done = verified(approved, "--authority", str(authority / "root.pem"), "--output", "json")
    assert (done.code, done.data["time_stamp"]["authority_checked"]) == (0, True), done.err
    assert "not checked against --authority" in verified(approved).out
    said(verified(approved, "--authority", "signer.public"), 1, "holds no certificates")
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "x.key", "-out", "x.pem", "-subj", "/CN=Another", "-days", "30"
    )
    said(verified(approved, "--authority", "x.pem"), 6, "does not come from the authority of x.pem")
    stamp = folder / "bundle" / "evidence.tsr"
    exact = bytearray(stamp.read_bytes())
    exact[-5] ^= 1
    stamp.write_bytes(exact)
    said(verified(approved, "--authority", str(authority / "root.pem")), 6, "evidence.tsr")
    shutil.copy(folder / "wrong.tsr", stamp)
    said(verified(approved), 6, "is not a time stamp of this bundle's evidence.sig")


def stamped(workspace: Workspace, name: str) -> Done:
    return command("evidence", "stamp", "--bundle", "bundle", "--time-stamp", name, folder=workspace.folder.parent)
