"""An S3 server of the tests' own (moto, over real HTTP), and a proxy in front of it that breaks chosen answers."""

from __future__ import annotations

import http.client
import itertools
import logging
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from etl.objects import NOTES, Readable
from etl.objects.registry import open_objects
from etl.runfolder.layout import JOURNAL
from tests.support.command import Done, Workspace, started

SECRET, TOKEN = "canary/secret+key/4f1c9a", "canary-token-77e0b2"  # may stand nowhere
PERSON = "canary-person-5e1d"  # a server's message about a request may contain parts of the request
ROOM = "cutover/objects"
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


@dataclass(frozen=True)
class Request:
    """One request, as a fault sees it. `number`: how many requests of its method have come so far, this one included."""

    method: str
    path: str
    number: int


# What becomes of the request. None: it goes through; (status, code): it is refused without coming there; `begun`: the connection is reset before an
# answer, `silent`: after three seconds, `lost`: behind the first bytes of the answer's body, `cut`: closed there; `lies`: 200, and nothing is stored; `unhashed`: the store knows no
# checksums; `altered`: the last byte of the answer is another one, its checksum the old one; `late`: the answer takes a quarter of a second.
Fault = Callable[[Request], Any]


@dataclass
class Front:
    """The state of the proxy: the server, the planted fault, and the number of requests by method."""

    server: str
    fault: Fault = lambda request: None
    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, method: str, path: str) -> Any:
        """Counts the request and returns its fault."""
        with self.lock:
            self.counts[method] = self.counts.get(method, 0) + 1
            return self.fault(Request(method, path, self.counts[method]))

    def arm(self, fault: Fault) -> None:
        """Plants the fault and resets the counts."""
        with self.lock:
            self.fault, self.counts = fault, {}


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            return

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = front.asked(self.command, self.path)
            if fault == "silent":
                time.sleep(3)
            if fault in ("begun", "silent"):
                self._reset()
                return
            if isinstance(fault, tuple):
                status, code = fault
                text = f"<Error><Code>{code}</Code><Message>{SECRET} of {PERSON}</Message></Error>".encode()
                self._answer(status, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else text)
                return
            if fault == "late":
                time.sleep(0.25)
            if fault == "lies":
                self._answer(200, {"ETag": '"0"'}, b"")
                return
            connection = http.client.HTTPConnection(front.server)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            passed = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            if fault == "altered" and content:
                content = content[:-1] + bytes([content[-1] ^ 1])
            if fault == "unhashed":
                passed = {name: value for name, value in passed.items() if "checksum" not in name.lower()}
            self._answer(answer.status, passed, content, fault)
            connection.close()

        def _answer(self, status: int, headers: dict[str, str], content: bytes, fault: Any = None) -> None:
            length = headers.pop("Content-Length", None) or headers.pop("content-length", None)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
            self.end_headers()
            if fault in ("cut", "lost"):
                self.wfile.write(content[: min(100, len(content) // 2)])
                self._reset() if fault == "lost" else self._close()
            elif self.command != "HEAD":
                self.wfile.write(content)

        def _close(self) -> None:
            self.close_connection = True

        def _reset(self) -> None:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # the names that http.server requires

    return Handler


class Quiet(ThreadingHTTPServer):
    """Ignores the errors of clients that were killed."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


@dataclass(frozen=True)
class Store:
    """A bucket accessed through the proxy; `s3`: a client that bypasses it."""

    s3: Any
    front: Front
    port: int
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        """Returns the AWS variables for the environment of a command."""
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "ours",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def content(self) -> dict[str, bytes]:
        """Returns every object of the bucket by its key, without the notes about stores."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ()) if NOTES not in entry["Key"]]
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}


@dataclass(frozen=True)
class BucketWorkspace(Workspace):
    """A migration whose object store is a bucket, below a prefix; no output of a command may contain a secret."""

    store: Store

    @property
    def stores(self) -> dict[str, str]:
        """Returns the migration's databases and stores by option."""
        return {**super().stores, "--objects": f"s3://{self.store.bucket}/{ROOM}"}

    def command(self, name: str, *more: str, **environment: str) -> Done:
        done = super().command(name, *more, **{**self.store.environment, **environment})
        assert not canaries(done.out + done.err)
        return done

    def process(self, name: str, *more: str, **environment: str) -> Done:
        return super().process(name, *more, **{**self.store.environment, **environment})

    def started(self, name: str, *more: str) -> subprocess.Popen[str]:
        return started(*self.words(name, *more), folder=self.folder, **self.store.environment)

    def leaks(self) -> list[str]:
        """Returns the files that contain a secret."""
        places = [path for path in self.folder.rglob("*") if path.is_file() and "legacy" not in path.parts]
        return [str(path) for path in places if canaries(path.read_bytes().decode("latin-1"))]

    def published(self) -> bool:
        """Returns whether the store has a published run."""
        if not self.target.exists():
            return False
        with self.database(self.target.name) as database:
            return bool(database.execute("SELECT count(*) FROM migration_run WHERE state_cd = 'PUBLISHED'").fetchone()[0])


def canaries(text: str) -> list[str]:
    """Returns the planted secrets that the text contains."""
    return [word for word in (SECRET, TOKEN, PERSON) if word in text]


@pytest.fixture(scope="module")
def front() -> Iterator[tuple[Front, int]]:
    """Yields a server and the proxy in front of it, for one test module."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    front = Front("{}:{}".format(*server.get_host_and_port()))
    proxy = Quiet(("127.0.0.1", 0), _handler(front))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield front, proxy.server_port
    proxy.shutdown()
    proxy.server_close()
    server.stop()


_NUMBERS = itertools.count()


@pytest.fixture
def store(front: tuple[Front, int]) -> Store:
    """Returns a new bucket for one test."""
    front[0].arm(lambda request: None)
    who = {"aws_access_key_id": "theirs", "aws_secret_access_key": "theirs"}
    s3 = boto3.session.Session().client("s3", endpoint_url=f"http://{front[0].server}", region_name="us-east-1", **who)
    bucket = f"bucket-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=bucket)
    return Store(s3, front[0], front[1], bucket)


@pytest.fixture
def objects(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Readable:
    """Returns the object store opened on the bucket."""
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return open_objects(f"s3://{store.bucket}/{ROOM}/", tmp_path / JOURNAL)
