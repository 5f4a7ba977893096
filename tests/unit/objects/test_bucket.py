"""The new object store as a bucket: everything that a folder can do, over real HTTP. What happens when it fails: test_bucket_faults.py."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import MigrationError
from etl.objects import Readable, object_key, s3
from etl.objects.journal import journaled
from etl.runfolder.layout import JOURNAL
from etl.system import worker_pool as workers
from sample_data.world import write_cast
from tests.support.bucket import ROOM, SECRET, BucketWorkspace, Request, Store, canaries, front, objects, store
from tests.support.command import FREEZE, ROOT, Workspace, command
from tests.support.servers import Portals, portals

__all__ = ["front", "objects", "portals", "store"]  # fixtures


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> BucketWorkspace:
    write_cast(tmp_path / "legacy")
    return BucketWorkspace(tmp_path, store)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key(content: bytes) -> str:
    return f"{ROOM}/{object_key(digest(content))}"


# -- the whole run ------------------------------------------------------------------------------------------------------------------------


def test_a_run_on_a_bucket_gives_the_rows_of_a_folder_and_rolls_back_completely(workspace: BucketWorkspace, cast: Workspace) -> None:
    in_folder = {
        f"{ROOM}/{name.partition('/')[2]}": content for name, content in cast.content().items() if name.startswith("objects/sha256/")
    }
    others = {"elsewhere/theirs": b"theirs", f"{ROOM}/theirs": b"theirs", **dict([min(in_folder.items())])}
    for name, content in others.items():
        workspace.store.s3.put_object(Bucket=workspace.store.bucket, Key=name, Body=content)

    done = workspace.command("run")
    assert done.code == 0, done.err
    assert workspace.store.content() == {**others, **in_folder}
    assert workspace.command("reconcile").code == 0

    workspace.store.front.arm(lambda request: None)
    again = workspace.command("run")
    assert again.code == 0
    assert "nothing changed" in again.err
    assert not {"PUT", "DELETE", "POST"} & workspace.store.front.counts.keys()

    assert workspace.command("trace", "P2", "document", "301").code == 0
    assert workspace.command("plan").code == 0
    words = ("evidence", "pack", "--bundle", "bundle", "--key", "key.pem", "--documents", "--run", "run")
    packed = command(*words, folder=workspace.folder, **workspace.store.environment)
    assert packed.code == 0, packed.err
    bag = workspace.folder / "bundle" / "bag" / "data"
    assert {f"{ROOM}/{p.relative_to(bag)}": p.read_bytes() for p in bag.rglob("*") if p.is_file()} == in_folder
    assert command("evidence", "verify", "--bundle", "bundle", "--public-key", "key.pem.public", folder=workspace.folder).code == 0

    assert workspace.command("rollback").code == 0
    assert workspace.store.content() == others
    assert workspace.command("run").code == 0
    assert workspace.store.content() == {**others, **in_folder}
    assert workspace.leaks() == []


def test_lost_and_altered_objects_of_a_bucket_are_differences_and_are_stored_again(workspace: BucketWorkspace) -> None:
    assert workspace.command("run").code == 0
    lost, altered, *_ = sorted(name for name in workspace.store.content() if name.startswith(ROOM))
    workspace.store.s3.delete_object(Bucket=workspace.store.bucket, Key=lost)
    workspace.store.s3.put_object(Bucket=workspace.store.bucket, Key=altered, Body=b"other")
    found = workspace.json("reconcile")
    assert found.code == 4
    assert {(one["table"], one["kind"]) for one in found.data["differences"]} == {
        ("stored_object", "missing"),
        ("stored_object", "changed"),
    }
    assert (found.data["objects"]["missing"], found.data["objects"]["altered"]) == (1, 1)
    refused = workspace.command("load")
    assert refused.code == 1
    assert "2 objects that rows refer to are not in the object store" in refused.err
    assert workspace.command("run").code == 0


def test_worker_processes_store_documents_in_a_bucket(store: Store, portals: Portals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORTH_WORKERS", 0)
    words = ("run", "--objects", f"s3://{store.bucket}", "--workers", "2", *FREEZE)
    done = portals.run(*words, run="bucket-run", **store.environment)
    assert done.code == 0, done.err
    there = store.content()
    assert len(there) > 50
    assert {name: digest(content) for name, content in there.items()} == {name: name.rpartition("/")[2] for name in there}
    assert journaled(portals.folder / "bucket-run" / JOURNAL) == {name.rpartition("/")[2] for name in there}


def test_a_rehearsal_does_not_contact_a_bucket(workspace: BucketWorkspace) -> None:
    (workspace.folder / "migration.toml").write_text(
        f'objects = "s3://{workspace.store.bucket}/{ROOM}"\nrun = "rehearsal"\n', encoding="utf-8"
    )
    stores = [word for option in ("--source", "--tc", "--files") for word in (option, workspace.stores[option])]
    done = command("run", "--rehearse", *stores, *FREEZE, "--config", "migration.toml", folder=workspace.folder)
    assert done.code == 0, done.err
    assert workspace.store.front.counts == {}


# -- what cannot be used ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "extract", "load", "reconcile", "rollback", "plan"])
@pytest.mark.parametrize(
    "uri",
    [
        "s3://",
        "s3:///prefix",
        f"s3://ours:{SECRET}@bucket/prefix",
        "s3://ours@bucket",
        f"s3://bucket/prefix?secret={SECRET}",
        "s3://bucket/p#part",
        "s3://bucket:9000/prefix",
        "s3://b/prefix",
        "s3://bucket//prefix",
        "s3://bucket/../prefix",
        "S3://bucket/pre\x1bfix",
    ],
)
def test_an_invalid_bucket_address_is_wrong_usage(name: str, uri: str, tmp_path: Path) -> None:
    done = Workspace(tmp_path).command(name, "--objects", uri)
    assert done.code == 2, done.err
    assert "--objects" in done.err
    assert not canaries(done.out + done.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}, "credentials are missing"),
        ({"AWS_PROFILE": "nobody"}, "the AWS configuration cannot be used (ProfileNotFound)"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "it cannot be reached"),
        ({"AWS_ENDPOINT_URL_S3": f"http://ours:{SECRET}@127.0.0.1:9/"}, "the AWS configuration cannot be used (EndpointResolutionError)"),
        ({"AWS_ENDPOINT_URL_S3": f"ours {SECRET}"}, "AWS_ENDPOINT_URL is not the address of a store"),
        ({}, "Bucket bucket-of-nobody does not exist"),
    ],
)
def test_an_unusable_store_is_reported_before_any_read(environment: dict[str, str], said: str, store: Store, published: Workspace) -> None:
    workspace = BucketWorkspace(published.folder, store)
    words = ("-v", "--objects", "s3://bucket-of-nobody")
    done = workspace.command("extract", *words, "--run", "another", **environment)
    assert done.code == 1
    assert said in done.err
    assert done.next.startswith("next: ")
    assert not (workspace.folder / "another" / "extract").exists()
    done = workspace.command("reconcile", *words, **environment)
    assert done.code == 1
    assert re.search(r"^The object store, bucket bucket-of-nobody: (it cannot be read|reading was refused) \(", done.err, re.MULTILINE)
    assert workspace.leaks() == []


# -- one object after the other -------------------------------------------------------------------------------------------------------------


def test_objects_are_put_once_under_their_digest_and_recorded(objects: Readable, store: Store, tmp_path: Path) -> None:
    assert objects.put([b"o", b"ld"]).created
    put = objects.put_all([b"one", b"", b"old", b"one"])
    assert [(one.sha256, one.size) for one in put] == [(digest(content), len(content)) for content in (b"one", b"", b"old", b"one")]
    assert [one.created for one in put][:3] == [True, True, False]
    objects.make_durable()
    assert store.content() == {key(content): content for content in (b"old", b"one", b"")}
    assert journaled(tmp_path / JOURNAL) == {digest(content) for content in (b"old", b"one", b"")}
    assert objects.size(digest(b"old")) == 3
    assert objects.size(digest(b"none")) is None
    objects.copy(digest(b"old"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"old"
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert [objects.remove(digest(b"old")) for _ in range(2)] == [True, False]
    assert objects.size(digest(b"old")) is None


def test_new_stores_are_recorded_until_they_are_rolled_back(objects: Readable, store: Store) -> None:
    store.s3.put_object(Bucket=store.bucket, Key="elsewhere/.store-theirs", Body=b"of another prefix")
    for one in ("one", "another", "one"):
        objects.record_store(one, f"postgresql://{one}")
    assert objects.others("one") == ["postgresql://another"]
    objects.record_store("another", "")
    objects.record_store("another", "")
    assert objects.others("one") == []
    assert objects.others("another") == ["postgresql://one"]


@pytest.mark.parametrize("known", [True, False], ids=["checksum", "no checksum"])
def test_an_altered_object_is_replaced_with_and_without_checksums(known: bool, objects: Readable, store: Store, tmp_path: Path) -> None:
    store.front.arm(lambda request: None if known else "unhashed")
    (put,) = objects.put_all([b"right"])
    for wrong in (b"wrong", b"longer than it"):
        store.s3.put_object(Bucket=store.bucket, Key=key(b"right"), Body=wrong, ChecksumAlgorithm="SHA256")
        assert objects.put([b"right"]).created
    assert not objects.put([b"right"]).created
    assert store.content() == {key(b"right"): b"right"}
    store.s3.put_object(Bucket=store.bucket, Key=key(b"right"), Body=b"wrong")
    with pytest.raises(MigrationError, match="bytes that differ"):
        objects.copy(put.sha256, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_long_objects_are_uploaded_in_parts_and_abandoned_uploads_are_removed(
    objects: Readable, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST_BYTES", 6 << 20)
    monkeypatch.setattr(s3, "PART", 5 << 20)
    long = [os.urandom(1 << 20) for _ in range(12)]
    theirs = store.s3.create_multipart_upload(Bucket=store.bucket, Key=f"{ROOM}/theirs")["UploadId"]

    def broken(request: Request) -> object:
        return (403, "AccessDenied") if "partNumber=2" in request.path else None

    store.front.arm(broken)
    with pytest.raises(MigrationError, match="access is denied"):
        objects.put(long)
    assert len(store.s3.list_multipart_uploads(Bucket=store.bucket)["Uploads"]) == 2
    store.front.arm(lambda request: None)
    objects.clean()
    assert [one["UploadId"] for one in store.s3.list_multipart_uploads(Bucket=store.bucket)["Uploads"]] == [theirs]
    assert not (tmp_path / s3.UPLOADS).exists()
    assert objects.put(long).created
    assert not objects.put(long).created
    assert store.content() == {key(b"".join(long)): b"".join(long)}


def test_a_long_object_needs_little_memory_and_leaves_no_file(store: Store, tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from etl.objects.registry import open_objects\n"
        f"store = open_objects('s3://{store.bucket}', Path('journal'))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "put = store.put(bytes([n]) * (1 << 20) for n in range(100)); store.copy(put.sha256, Path('copy'))\n"
        "print(put.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, **store.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    size, more = map(int, done.stdout.split())
    assert size == 100 << 20
    assert more < (40 << 20) / (1 if sys.platform == "darwin" else 1024)
    assert {path.name for path in tmp_path.iterdir()} == {"journal", "copy"}
