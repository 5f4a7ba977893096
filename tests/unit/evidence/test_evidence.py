"""The evidence bundle: one flipped bit in any of its files is found and named; each other way to damage it has its own message."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import bagit
import pytest

from etl.errors import EvidenceAltered
from etl.evidence.bundle import verify
from tests.support.command import Done, Workspace, command, said


@pytest.fixture(scope="module")
def packed(cast: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bundle`, documents included, and the public key."""
    folder = tmp_path_factory.mktemp("packed")
    done = command(
        "evidence",
        "pack",
        "--run",
        "run",
        "--bundle",
        str(folder / "bundle"),
        "--key",
        str(folder / "key"),
        "--documents",
        folder=cast.folder,
    )
    assert done.code == 0, done.err
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    (folder / "key").unlink()  # nobody needs it to verify
    return folder


@pytest.fixture
def bundle(packed: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that may be altered; nothing but it and the key are needed."""
    shutil.copyfile(packed / "key.public", tmp_path / "key.public")
    return Path(shutil.copytree(packed / "bundle", tmp_path / "bundle"))


def verified(bundle: Path, key: str = "key.public") -> Done:
    return command("evidence", "verify", "--bundle", "bundle", "--public-key", key, folder=bundle.parent)


def test_a_signed_bundle_is_valid(bundle: Path) -> None:
    done = verified(bundle)
    assert done.code == 0, done.err
    assert "files match the signature of run-" in done.out
    names = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert names >= {
        "manifest.json",
        "events.jsonl",
        "report/report.html",
        "report/report.json",
        "check/answers.json",
        "reconcile/result.json",
        "mappings/rules.toml",
        "versions.json",
        "sbom.json",
        "packed.json",
        "lines.json",
        "bag/bagit.txt",
        "bag/manifest-sha256.txt",
    }


def test_the_documents_are_a_valid_bag(bundle: Path) -> None:
    bag = bagit.Bag(str(bundle / "bag"))
    bag.validate()
    assert len(bag.entries) > 20
    path = next(path for path in (bundle / "bag" / "data").rglob("*") if path.is_file() and path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(bagit.BagValidationError):
        bag.validate()


def test_one_flipped_bit_in_any_file_is_found_and_named_with_its_line(bundle: Path) -> None:
    """The first, a middle and the last byte of every file of the bundle, each with another bit."""
    key = bundle.parent / "key.public"
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)
    assert len(files) > 100
    unnamed = []
    for number, path in enumerate(files):
        exact = path.read_bytes()
        path.unlink()  # a document may be a hard link to the store's own
        name = path.relative_to(bundle).as_posix()
        is_text = b"\0" not in exact[:4096] and not name.startswith("bag/data/")
        for at in sorted({0, len(exact) // 2, len(exact) - 1}):
            changed = bytearray(exact)
            changed[at] ^= 1 << (number + at) % 8
            path.write_bytes(changed)
            with pytest.raises(EvidenceAltered) as error:
                verify(bundle, key)
            line = f", line {exact[:at].count(10) + 1} " if is_text else " differs from what was signed"
            if not error.value.message.startswith(name + line):
                unnamed.append((name, at, error.value.message))
        path.write_bytes(exact)
    assert unnamed == []
    assert verify(bundle, key)["files"] > 50


def test_every_changed_bit_of_the_signature_is_detected(bundle: Path) -> None:
    """Its letters mean the same in capitals: they would not be what was written."""
    path, key = bundle / "evidence.sig", bundle.parent / "key.public"
    exact = path.read_bytes()
    for bit in (*range(8), *range(8, 8 * len(exact), 7)):  # of the first letter all, of every other at least one
        changed = bytearray(exact)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(EvidenceAltered, match=r"^evidence\.sig, line 1 is not the signature of this bundle\.$"):
            verify(bundle, key)
    for changed_text in (exact + b"\n", exact.upper(), b" " + exact, exact[:-1], b""):
        path.write_bytes(changed_text)
        with pytest.raises(EvidenceAltered, match=r"^evidence\.sig"):
            verify(bundle, key)


def test_a_truncated_file_is_named_with_its_sizes(bundle: Path) -> None:
    file = bundle / "report" / "report.json"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: size // 2])
    said(verified(bundle), 6, "report/report.json, line", f"{size // 2:,} bytes instead of {size:,}")
    file.write_bytes(b"")
    said(verified(bundle), 6, "report/report.json, line 1 differs from what was signed: 0 bytes instead of")


@pytest.mark.parametrize(
    "name", ["events.jsonl", "report/held.csv", "evidence.sig", "evidence.json", "lines.json", "packed.json", "bag/data"]
)
def test_missing_files_of_a_bundle_are_named(bundle: Path, name: str) -> None:
    path = bundle / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    said(verified(bundle), 6, f"{name}", "is missing from the bundle")


@pytest.mark.parametrize("name", ["more.txt", "report/more.txt", "bag/data/more.txt", "bag/tagmanifest-sha256.txt"])
def test_additional_files_of_a_bundle_are_named(bundle: Path, name: str) -> None:
    (bundle / name).write_text("more")
    said(verified(bundle), 6, f"{name} is not part of the bundle")


def test_a_link_or_pipe_in_a_bundle_is_refused(bundle: Path) -> None:
    path = bundle / "report" / "report.json"
    path.rename(bundle.parent / "elsewhere.json")
    path.symlink_to(bundle.parent / "elsewhere.json")
    said(verified(bundle), 6, "report.json in the bundle is not a file")
    path.unlink()
    os.mkfifo(path)
    said(verified(bundle), 6, "report.json in the bundle is not a file")
    path.unlink()
    (bundle.parent / "elsewhere.json").rename(path)
    (bundle / "way").symlink_to("/")
    said(verified(bundle), 6, "way is not part of the bundle")


def test_a_file_without_end_in_a_bundle_is_named_at_once(bundle: Path) -> None:
    """Previously a sparse file of a terabyte was read completely before its size was compared, also with an invalid signature."""
    os.truncate(bundle / "report" / "report.html", 1 << 40)
    said(verified(bundle), 6, "report/report.html differs from what was signed: 1,099,511,627,776 bytes instead of")
    (bundle / "evidence.sig").write_text("00" * 64)
    said(verified(bundle), 6, "evidence.json or evidence.sig was altered")


def test_swapped_files_of_a_bundle_are_named(bundle: Path) -> None:
    one, other = bundle / "report" / "held.csv", bundle / "report" / "exceptions.csv"
    content = one.read_bytes(), other.read_bytes()
    one.write_bytes(content[1])
    other.write_bytes(content[0])
    said(verified(bundle), 6, "report/exceptions.csv, line 1 differs from what was signed")


def test_a_signature_of_another_key_is_refused(cast: Workspace, bundle: Path) -> None:
    pack = ("evidence", "pack", "--run", "run", "--bundle", str(bundle.parent / "other"), "--key", str(bundle.parent / "other.key"))
    assert command(*pack, folder=cast.folder).code == 0
    said(verified(bundle, "other.key.public"), 6, "signed with another key")


def test_an_invalid_key_is_reported(bundle: Path) -> None:
    (bundle.parent / "text").write_text("no key")
    missing, folder = "cannot be read (No such file or directory)", "cannot be read (Is a directory)"
    for name, what in (("text", "is not a valid Ed25519 public key in PEM"), ("nowhere", missing), ("bundle", folder)):
        said(verified(bundle, name), 1, f"--public-key: {name} {what}")


def test_a_folder_that_is_not_a_bundle_is_refused(bundle: Path) -> None:
    for name in ("evidence.json", "evidence.sig"):
        (bundle / name).unlink()
    said(verified(bundle), 1, "is not an evidence bundle")
    shutil.rmtree(bundle)
    said(verified(bundle), 1, "bundle is not an existing folder")


def test_a_bundle_of_another_version_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.evidence.bundle.VERSION", 3)
    said(verified(bundle), 7, "packed by another version (2)")


def test_a_bundle_is_packed_of_a_published_run_only_into_an_empty_folder_and_without_the_key(
    checked: Workspace, cast: Workspace, tmp_path: Path
) -> None:
    pack = ("evidence", "pack", "--run", "run", "--bundle", str(tmp_path / "bundle"))
    said(command(*pack, "--key", str(tmp_path / "key"), folder=checked.folder), 7, "not published anything yet")
    said(command(*pack, "--key", str(tmp_path / "bundle" / "key"), folder=cast.folder), 2, "The key would be inside the bundle")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine.txt").write_text("mine")
    said(command(*pack, "--key", str(tmp_path / "key"), folder=cast.folder), 7, "is not empty")
    assert not (tmp_path / "key").exists()


def pack(workspace: Workspace, tmp_path: Path, *more: str) -> Done:
    return command(
        "evidence", "pack", "--run", "run", "--bundle", str(tmp_path / "b"), "--key", str(tmp_path / "k"), *more, folder=workspace.folder
    )


def test_a_run_that_was_altered_is_not_packed(published: Workspace, tmp_path: Path) -> None:
    log = published.run / "events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    log.write_text("".join([*lines[:2], *lines[3:]]), encoding="utf-8")
    said(pack(published, tmp_path), 6, "events.jsonl", "line 3 breaks the chain")
    log.unlink()
    said(pack(published, tmp_path), 6, "events.jsonl is missing")
    log.write_text("".join(lines), encoding="utf-8")
    (published.run / "report" / "summary.md").write_text("All is well.")
    said(pack(published, tmp_path), 6, "report/summary.md")
    assert list(tmp_path.glob("b")) == list(tmp_path.glob("k")) == []


def test_other_mappings_than_the_runs_are_not_packed(published: Workspace, tmp_path: Path) -> None:
    from tests.support.command import copied_mappings

    other = copied_mappings(tmp_path)
    (other / "rules.toml").write_text((other / "rules.toml").read_text(encoding="utf-8") + "\n# another\n", encoding="utf-8")
    said(pack(published, tmp_path, "--mappings", str(other)), 7, "mappings differ from those of the run")


def test_missing_documents_prevent_packing(published: Workspace, tmp_path: Path) -> None:
    path = next(path for path in (published.folder / "objects" / "sha256").rglob("*") if path.is_file())
    path.unlink()
    said(pack(published, tmp_path, "--documents"), 1, path.name, "is not in the object store")


def test_the_private_key_is_nowhere_in_the_bundle(published: Workspace, tmp_path: Path) -> None:
    assert pack(published, tmp_path).code == 0
    secret = "".join((tmp_path / "k").read_text(encoding="ascii").splitlines()[1:-1]).encode()
    assert [path.name for path in (tmp_path / "b").rglob("*") if path.is_file() and secret in path.read_bytes()] == []
    assert json.loads((tmp_path / "b" / "evidence.json").read_bytes())["signed_by"] not in ("", None)
