"""Keys in files: what is not a plain file never holds a command up, and a private key that others can read is not used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from etl.evidence.keys import signed_by
from tests.support.command import Workspace, command

GIVEN = ("--digest", "1" * 64, "--backup-id", "b", "--backup-at", "2023-09-16T21:30:00+00:00", "--backup-sha256", "2" * 64)


def test_a_private_key_that_others_can_read_is_refused_and_one_with_a_password_is_used(tmp_path: Path) -> None:
    key, secret = Ed25519PrivateKey.generate(), tmp_path / "secret"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (tmp_path / "open.pem").write_bytes(key.private_bytes(*form, serialization.NoEncryption()))
    (tmp_path / "open.pem").chmod(0o644)
    done = command("approve", *GIVEN, "--key", "open.pem", "--approval", "a", folder=tmp_path)
    assert (done.code, "open.pem is readable by other users (mode 0644)" in done.err) == (7, True), done.err
    (tmp_path / "closed.pem").write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"Hunter2")))
    (tmp_path / "closed.pem").chmod(0o600)
    secret.write_text("Hunter2\n")
    done = command("approve", *GIVEN, "--key", "closed.pem", "--approval", "a", folder=tmp_path)
    assert (done.code, "PORTAL_MIGRATE_KEY_PASSWORD_FILE" in done.err) == (1, True), done.err
    done = command(
        "approve", *GIVEN, "--key", "closed.pem", "--approval", "a", folder=tmp_path, PORTAL_MIGRATE_KEY_PASSWORD_FILE=str(secret)
    )
    assert done.code == 0, done.err
    assert "Hunter2" not in done.out + done.err


def test_a_private_key_next_to_the_public_one_is_found_under_any_name(checked: Workspace, tmp_path: Path) -> None:
    command("approve", "--key", "anna.pem", folder=tmp_path)
    (tmp_path / "anna.pem").rename(tmp_path / "notes.txt")
    done = checked.command("load", "--approver", str(tmp_path / "anna.pem.public"))
    assert (done.code, "notes.txt" in done.err) == (7, True), done.err


@pytest.mark.parametrize("option", ["--public-key", "--key", "--approver"])
def test_a_pipe_given_as_a_key_does_not_block(option: str, cast: Workspace, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bundle").mkdir()
    words = {
        "--public-key": ("evidence", "verify", "--bundle", "bundle"),
        "--key": ("approve", *GIVEN, "--approval", "a"),
        "--approver": ("run", "--source", "sqlite:///x", "--run", "run"),
    }[option]
    done = command(*words, option, "pipe", folder=tmp_path)
    assert (done.code, "cannot be read" in done.err) == (1, True), done.err


def test_a_key_under_which_everybody_can_sign_is_refused(tmp_path: Path) -> None:
    """Signatures under a point of small order need no private key: everybody can create one, and its owner can deny each."""
    raws = [
        bytes.fromhex(text) for text in ("01" + "00" * 31, "00" * 32, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")
    ]
    for raw in raws:
        key = Ed25519PublicKey.from_public_bytes(raw)
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "weak.pem").write_bytes(pem)
        (tmp_path / "bundle").mkdir(exist_ok=True)
        for words in (
            ("evidence", "verify", "--bundle", "bundle", "--public-key", "weak.pem"),
            ("run", "--source", "sqlite:///x", "--run", "run", "--approver", "weak.pem"),
        ):
            done = command(*words, folder=tmp_path)
            assert (done.code, "weak.pem is a key under which everybody can sign" in done.err) == (1, True), done.err
    forged = raws[0] + bytes(32)
    Ed25519PublicKey.from_public_bytes(raws[0]).verify(forged, b"anything")  # as the library has it
    assert not signed_by(raws[0], forged, b"anything")


def test_deeply_nested_json_is_refused_as_altered_evidence(published: Workspace, tmp_path: Path) -> None:
    command("approve", "--key", "anna.pem", folder=tmp_path)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name in ("evidence.json", "packed.json"):
        (bundle / name).write_text("[" * 200_000)
    (bundle / "evidence.sig").write_text("00" * 64)
    done = command("evidence", "verify", "--bundle", "bundle", "--public-key", "anna.pem.public", folder=tmp_path)
    assert done.code == 6, done.err
    (published.run / "manifest.json").write_text("[" * 100_000)
    for words in (("status",), ("run", "--source", "sqlite:///x")):
        assert command(*words, "--run", "run", folder=published.folder).code == 6
