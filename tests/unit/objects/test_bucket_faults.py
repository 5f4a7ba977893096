"""Row 23 of faults.md: a bucket that refuses, disconnects, returns wrong data or is slow. Either nothing is published, or old and new are equal; then the same command succeeds."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.objects import Readable, object_key
from etl.objects import transfer as contents
from etl.objects.journal import journaled
from etl.objects.transfer import store_all
from etl.runfolder.layout import JOURNAL
from sample_data.world import write_cast
from tests.support.bucket import BucketWorkspace, Fault, Request, Store, front, objects, store

__all__ = ["front", "objects", "store"]  # fixtures
ALWAYS = 1 << 30


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> BucketWorkspace:
    write_cast(tmp_path / "legacy")
    return BucketWorkspace(tmp_path, store)


def on(method: str, what: Any, first: int = 1, times: int = ALWAYS) -> Fault:
    """From the n-th request of that method on, so many times."""

    def fault(request: Request) -> Any:
        return what if request.method == method and first <= request.number < first + times else None

    return fault


def both(*faults: Fault) -> Fault:
    return lambda request: next((what for fault in faults if (what := fault(request)) is not None), None)


UNHASHED = on("HEAD", "unhashed")  # so that every object is read back
PASSING = {
    "SlowDown once": on("PUT", (503, "SlowDown"), 3, 1),
    "SlowDown three times": on("PUT", (503, "SlowDown"), 3, 3),
    "InternalError twice": on("PUT", (500, "InternalError"), 3, 2),
    "HEAD fails once": on("HEAD", (503, "SlowDown"), 5, 1),
    "reset before an answer": on("PUT", "begun", 3, 1),
    "reset in an answer": both(UNHASHED, on("GET", "lost", 2, 1)),
    "truncated once": both(UNHASHED, on("GET", "cut", 2, 1)),
    "no checksums": UNHASHED,
    "slow": both(on("PUT", "late", 1, 12), on("HEAD", "late", 1, 12)),
}
LASTING = {
    "SlowDown always": (on("PUT", (503, "SlowDown"), 3), "it is overloaded or failing (503) after all retries"),
    "InternalError always": (on("PUT", (500, "InternalError"), 3), "it is overloaded or failing (500)"),
    "credentials expire": (on("PUT", (403, "ExpiredToken"), 20), "the credentials have expired or are not accepted (403)"),
    "credentials expire, HEAD": (on("HEAD", (403, ""), 30), "access is denied (403)"),
    "access is taken away": (on("PUT", (403, "AccessDenied"), 20), "access is denied (403)"),
    "bucket is removed": (on("PUT", (404, "NoSuchBucket"), 20), "does not exist"),
    "full": (on("PUT", (507, "XMinioStorageFull"), 20), "it is full (507)"),
    "reset always": (on("PUT", "begun", 3), "it cannot be reached, or the connection was lost"),
    "lies": (on("PUT", "lies", 10), "returned bytes that differ from those stored, or none (sha256/"),
    "truncated always": (both(UNHASHED, on("GET", "cut", 3)), "the response was truncated"),
    "no S3 at all": (on("PUT", (418, "Teapot 078"), 3), "the request was refused (418)"),
}


# Seen with every change; the others belong to the fault harness (faults/test_bucket_store.py).
OFTEN = (
    "SlowDown three times",
    "reset in an answer",
    "truncated once",
    "no checksums",
    "SlowDown always",
    "credentials expire",
    "lies",
    "truncated always",
)


def command_for(name: str) -> str:
    """The bucket is written to by extract; for some faults the whole run is observed."""
    return "run" if name in ("truncated once", "lies") else "extract"


def settled(workspace: BucketWorkspace, name: str = "run") -> None:
    """The same command, with a store that works: published and equal, nothing in the bucket but what the journal names, and that whole."""
    workspace.store.front.arm(lambda request: None)
    done = workspace.command(name)
    assert done.code == 0, done.err
    assert {name: hashlib.sha256(content).hexdigest() for name, content in workspace.store.content().items()} == {
        name: name.rpartition("/")[2] for name in workspace.store.content()
    }
    names = {name.rpartition("objects/")[2] for name in workspace.store.content()}
    assert names == {object_key(sha256) for sha256 in journaled(workspace.run / JOURNAL)}
    assert workspace.leaks() == []


@pytest.mark.parametrize("name", [name for name in PASSING if name in OFTEN])
def test_transient_bucket_faults_are_retried(name: str, workspace: BucketWorkspace) -> None:
    passes(name, workspace)


def passes(name: str, workspace: BucketWorkspace) -> None:
    workspace.store.front.arm(PASSING[name])
    done = workspace.command(command_for(name), "-v")
    assert done.code == 0, done.err
    settled(workspace, command_for(name))


@pytest.mark.parametrize("name", [name for name in LASTING if name in OFTEN])
def test_permanent_bucket_faults_end_the_command_with_a_reason(name: str, workspace: BucketWorkspace) -> None:
    lasts(name, workspace)


def lasts(name: str, workspace: BucketWorkspace) -> None:
    fault, said = LASTING[name]
    workspace.store.front.arm(fault)
    began = time.monotonic()
    done = workspace.command(command_for(name), "-v")
    assert done.code == 1, done.err
    assert said in done.err
    assert done.next.startswith("next: ")
    assert time.monotonic() - began < 120
    assert not workspace.published()
    settled(workspace, command_for(name))


def test_a_silent_bucket_times_out(workspace: BucketWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.objects import s3

    monkeypatch.setattr(s3, "_CONFIG", s3._CONFIG.merge(type(s3._CONFIG)(read_timeout=1)))
    workspace.store.front.arm(on("PUT", "silent", 3))
    done = workspace.command("extract")
    assert done.code == 1
    assert "the request timed out" in done.err
    settled(workspace, "extract")


def test_killed_between_two_objects(workspace: BucketWorkspace) -> None:
    killed_at(7, "run", workspace)


def killed_at(number: int, name: str, workspace: BucketWorkspace) -> None:
    started = threading.Event()
    process: list[Any] = []

    def killing(request: Request) -> Any:
        if request.method == "PUT" and request.number == number:
            started.wait(60)
            process[0].send_signal(signal.SIGKILL)
        return None

    workspace.store.front.arm(killing)
    process.append(workspace.started(name))
    started.set()
    process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL
    assert not workspace.published()
    assert workspace.leaks() == []
    settled(workspace, name)


def test_the_verifier_retries_interrupted_reads_and_ends_on_permanent_faults(workspace: BucketWorkspace) -> None:
    assert workspace.command("run").code == 0
    front = workspace.store.front
    front.arm(both(on("GET", "cut", 3, 2), on("GET", "lost", 20, 2)))
    assert workspace.command("reconcile").code == 0
    for fault, code, said in (
        (on("GET", "altered", 3, 1), 4, "found 1 differences"),
        (on("GET", "cut"), 4, "could not check everything"),
        (on("GET", (503, "SlowDown"), 5), 1, "reading was refused (HTTP 503)"),
        (on("GET", (403, "ExpiredToken"), 20), 1, "reading was refused (HTTP 403)"),
        (on("HEAD", (403, "")), 1, "reading was refused (HTTP 403)"),
    ):
        front.arm(fault)
        done = workspace.command("reconcile", "-v")
        assert (done.code, said in done.err) == (code, True), done.err


def test_a_bucket_fault_during_rollback_stops_it_and_the_same_command_finishes(workspace: BucketWorkspace) -> None:
    assert workspace.command("run").code == 0
    workspace.store.front.arm(on("DELETE", (403, "AccessDenied"), 10))
    done = workspace.command("rollback")
    assert done.code == 1
    assert "access is denied (403)" in done.err
    workspace.store.front.arm(lambda request: None)
    assert workspace.command("rollback").code == 0
    assert workspace.store.content() == {}


def test_a_signal_does_not_wait_for_pending_uploads(objects: Readable, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_TOGETHER", 200)

    def documents() -> Iterator[tuple[str, Iterator[bytes]]]:
        for number in range(400):
            yield str(number), iter([str(number).encode()])
        raise KeyboardInterrupt

    store.front.arm(on("HEAD", "late"))
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        store_all(documents(), objects)
    assert time.monotonic() - began < 10  # all of them would take half a minute
    assert len(store.content()) < 100


def test_no_secret_is_in_the_process_list_nor_in_any_file(workspace: BucketWorkspace) -> None:
    workspace.store.front.arm(on("PUT", "late"))
    running = workspace.started("extract", "-v")
    seen: set[bytes] = set()
    while running.poll() is None:
        seen |= {_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
        time.sleep(0.2)
    out, err = running.communicate()
    assert running.returncode == 0, err
    assert any(b"s3://" in line for line in seen)
    assert not [line for line in seen if b"canary" in line]
    assert "canary" not in out + err
    assert workspace.leaks() == []


def _line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
