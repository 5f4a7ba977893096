"""A bucket's server that returns wrong data or redirects, another account's bucket, invalid keys: refused, and nothing is sent elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from etl.errors import MigrationError, WrongUsage
from etl.objects.registry import open_objects
from etl.reconcile.errors import ReconcileError
from etl.reconcile.objects.bucket import Bucket
from tests.support.bucket import ROOM, Store, front, store

__all__ = ["front", "store"]  # fixtures

Answer = tuple[int, dict[str, str], bytes]
Heard = list[tuple[str, str, str | None]]  # method, path, expected owner


@contextmanager
def server(answer: Callable[[str, str, str | None], Answer]) -> Iterator[tuple[str, Heard]]:
    """Yields the address of a server with these responses, and its requests."""
    heard: Heard = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            return

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            heard.append((self.command, self.path, self.headers.get("x-amz-expected-bucket-owner")))
            status, headers, body = answer(*heard[-1])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # the names that http.server requires

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", heard
    finally:
        running.shutdown()
        running.server_close()


@pytest.fixture
def at(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points both readers to that address."""
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return lambda address: monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)


def _redirect(status: int, elsewhere: str) -> Callable[[str, str, str | None], Answer]:
    return lambda method, path, owner: (status, {"Location": elsewhere + path}, b"")


def test_C9_a_redirect_is_refused_and_not_followed(at: Callable[[str], None], tmp_path: Path) -> None:
    """Without a region in the redirect, botocore queried the redirecting server for it until a RecursionError: an internal error."""
    with server(lambda *_: (200, {}, b"")) as (elsewhere, heard):
        for status in (301, 302, 307, 308):
            with server(_redirect(status, elsewhere)) as (address, _):
                at(address)
                with pytest.raises(MigrationError, match=r"it redirects elsewhere|refused \(308\)"):
                    open_objects("s3://bucket/room", tmp_path / "journal")
                with pytest.raises(ReconcileError, match=r"it cannot be read|refused \(HTTP 308\)"):
                    Bucket("s3://bucket/room")
        assert heard == []


LISTINGS = {
    "cut, without the token of the next page": b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    "another document": b"<html/>",
    "nothing": b"",
    "an entry without a key": b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
    "keys that were not asked for": b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>x</Key></Contents></ListBucketResult>",
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_K8_an_incomplete_listing_does_not_prove_that_other_stores_need_nothing(
    listing: str, at: Callable[[str], None], tmp_path: Path
) -> None:
    """A rollback removed the objects of a store whose note was not in the listing."""
    with server(lambda method, path, _: (200, {}, LISTINGS[listing] if "list-type" in path else b"")) as (address, heard):
        at(address)
        objects = open_objects("s3://bucket/room", tmp_path / "journal")
        with pytest.raises(MigrationError, match=r"is not whole, or not a listing\. No object was removed"):
            objects.others("ours")
        assert not [method for method, *_ in heard if method == "DELETE"]


def test_C9_another_accounts_bucket_is_refused_where_its_owner_is_given(
    store: Store, at: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A released bucket name can be registered by anybody, who would then receive the documents."""

    def owned(method: str, path: str, expected: str | None) -> Answer:
        return (200 if expected == "111122223333" else 403, {}, b"")

    with server(owned) as (address, heard):
        at(address)
        monkeypatch.setenv("PORTAL_MIGRATE_BUCKET_OWNER", "111122223333")
        open_objects("s3://bucket/room", tmp_path / "journal").size("0" * 64)
        Bucket("s3://bucket/room").hashed("key")
        assert {expected for *_, expected in heard} == {"111122223333"}
        monkeypatch.setenv("PORTAL_MIGRATE_BUCKET_OWNER", "999999999999")
        with pytest.raises(MigrationError, match="access is denied"):
            open_objects("s3://bucket/room", tmp_path / "journal")
        with pytest.raises(ReconcileError, match="HTTP 403"):
            Bucket("s3://bucket/room")
        monkeypatch.setenv("PORTAL_MIGRATE_BUCKET_OWNER", "somebody")
        with pytest.raises(WrongUsage, match="the number of an account"):
            open_objects("s3://bucket/room", tmp_path / "journal")


def test_K10_a_key_that_no_bucket_can_hold_is_a_row_of_the_comparison_and_does_not_end_it(store: Store, at: Callable[[str], None]) -> None:
    """One such key in the new store ended `reconcile` with 1; all other objects stayed uncompared."""
    at(store.environment["AWS_ENDPOINT_URL_S3"])
    store.s3.put_object(Bucket=store.bucket, Key=f"{ROOM}/there", Body=b"x")
    bucket = Bucket(f"s3://{store.bucket}")
    for key in ("", "\udcff", "é" * 600):
        assert bucket.hashed(key) == (None, 0, "no bucket can hold this key")
    assert bucket.hashed(f"{ROOM}/there")[1:] == (1, "")
