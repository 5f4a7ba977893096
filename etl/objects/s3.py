"""The new object store as an S3 bucket: each object is uploaded with its SHA-256, and queried again before a row refers to it.

Credentials, region, endpoint and addressing come from boto3's usual configuration; none of them is stored or shown.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Event
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from etl.errors import MigrationError
from etl.objects import CHUNK_BYTES, NOTES, Stored, note_key, object_key, of_each
from etl.objects.address import Bucket
from etl.objects.journal import append_to_journal, journaled
from etl.objects.s3_failures import expect_owner, status, told
from etl.system.retries import retry_policy

_AT_ONCE = 8  # parallel requests of one `put_all`
_IN_MEMORY = 8 << 20  # bytes of one object in memory; a larger one waits in an unnamed file
# Requests are repeated in botocore's standard mode: it knows which errors of S3 are temporary, sends a body from its start, waits longer each
# time and stops early without any success. A time-out ends each attempt, so that a request ends within two minutes.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=10,
    read_timeout=30,
    max_pool_connections=4 * _AT_ONCE,
    # Every object carries our SHA-256; other makes of S3 may not know the other checksums.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
ONE_REQUEST_BYTES = 5 << 30  # the most that S3 accepts in one request
PART = 64 << 20  # of a large object
_MOST_PARTS = 10_000
_LONGEST_NOTE = 10_000  # bytes
UPLOADS = "objects.uploads"  # in the run folder: digests of objects whose multipart upload has begun


class S3Objects:
    """Implements `Readable` for the objects of a bucket, below a prefix."""

    def __init__(self, bucket: Bucket, journal: Path | None = None) -> None:
        self._bucket, self._journal = bucket, journal
        self._stopped = Event()
        with told(bucket.name):
            try:
                self._client = boto3.session.Session().client("s3", config=_CONFIG)
                expect_owner(self._client)
            except ValueError as error:
                if isinstance(error, BotoCoreError):
                    raise
                # The error's text contains the address, which may contain a password.
                raise MigrationError(
                    "AWS_ENDPOINT_URL is not the address of a store.", "Write it as https://host, then run again."
                ) from None
            self._client.head_bucket(Bucket=bucket.name)  # configuration errors appear here, not after hours

    def put(self, chunks: Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        # The key is the digest, which is known only at the end.
        with SpooledTemporaryFile(_IN_MEMORY, dir=str(self._journal.parent) if self._journal else None) as spool:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                spool.write(chunk)
            return self._stored(digest.hexdigest(), size, spool)

    def put_all(self, contents: Sequence[bytes]) -> list[Stored]:
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        waiting = dict(zip(digests, contents, strict=True))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda sha256: self._stored(sha256, len(waiting[sha256]), waiting[sha256]), waiting)
            stored = dict(zip(waiting, found, strict=True))
        return [stored[sha256] for sha256 in digests]

    def make_durable(self) -> None:
        return  # an object that S3 has confirmed is durable

    def stop(self) -> None:
        self._stopped.set()

    def clean(self) -> None:
        if self._journal is None:
            return
        begun = self._journal.with_name(UPLOADS)
        with told(self._bucket.name):
            for sha256 in sorted(journaled(begun)):
                key = self._key(sha256)
                pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket.name, Prefix=key)
                for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                    self._client.abort_multipart_upload(Bucket=self._bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
        begun.unlink(missing_ok=True)

    def size(self, sha256: str) -> int | None:
        head = self._head(sha256)
        return None if head is None else int(head["ContentLength"])

    def sizes(self, digests: Sequence[str]) -> list[int | None]:
        return of_each(self.size, digests)

    def remove(self, sha256: str) -> bool:
        if self._head(sha256) is None:
            return False
        with told(self._bucket.name):
            self._client.delete_object(**self._at(sha256))
        return True

    def remove_all(self, digests: Sequence[str]) -> int:
        return sum(of_each(self.remove, digests))

    def record_store(self, store: str, called: str) -> None:
        at = {"Bucket": self._bucket.name, "Key": self._bucket.prefix + note_key(store)}
        with told(self._bucket.name):
            if called:
                self._client.put_object(**at, Body=called.encode())
            else:
                self._client.delete_object(**at)

    def others(self, store: str) -> list[str]:
        first, ours = self._bucket.prefix + NOTES, self._bucket.prefix + note_key(store)
        with told(self._bucket.name):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.name, Prefix=first)
            keys = [key for page in pages for key in _keys(page, first) if key != ours]
            found = [self._client.get_object(Bucket=self._bucket.name, Key=key)["Body"].read(_LONGEST_NOTE) for key in keys]
        return [called.decode(errors="replace") for called in found]

    def copy(self, sha256: str, path: Path) -> None:
        """Downloads the object in chunks and compares it with its digest."""
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            found = self._read(sha256, file)
        if found != sha256:
            path.unlink()
            raise _other_bytes(sha256)

    def _key(self, sha256: str) -> str:
        return self._bucket.prefix + object_key(sha256)

    def _at(self, sha256: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._key(sha256)}

    def _stored(self, sha256: str, size: int, body: bytes | IO[bytes]) -> Stored:
        if self._stopped.is_set():
            raise MigrationError(
                "The command is ending: no further requests are sent to the object store.", "Run the same command again to resume."
            )
        if self._holds(sha256, size):
            return Stored(sha256, size, False)
        append_to_journal(self._journal, [sha256])
        if not isinstance(body, bytes):
            body.seek(0)
        with told(self._bucket.name):
            if isinstance(body, bytes) or size <= ONE_REQUEST_BYTES:
                self._client.put_object(**self._at(sha256), Body=body, ContentLength=size, ChecksumSHA256=_base64(bytes.fromhex(sha256)))
            else:
                self._put_in_parts(sha256, size, body)
        if not self._holds(sha256, size):
            raise _other_bytes(sha256)
        return Stored(sha256, size, True)

    def _put_in_parts(self, sha256: str, size: int, body: IO[bytes]) -> None:
        """Uploads an object that is too large for one request; `clean` removes the parts of a killed run."""
        append_to_journal(self._journal and self._journal.with_name(UPLOADS), [sha256])
        upload = {
            **self._at(sha256),
            "UploadId": self._client.create_multipart_upload(**self._at(sha256), ChecksumAlgorithm="SHA256")["UploadId"],
        }
        parts: list[dict[str, Any]] = []
        while chunk := body.read(max(PART, -(-size // _MOST_PARTS))):
            checksum = _base64(hashlib.sha256(chunk).digest())
            part = self._client.upload_part(**upload, PartNumber=len(parts) + 1, Body=chunk, ChecksumSHA256=checksum)
            parts.append({"PartNumber": len(parts) + 1, "ETag": part["ETag"], "ChecksumSHA256": checksum})
        self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def _head(self, sha256: str) -> dict[str, Any] | None:
        """Returns the store's metadata of the object; None where it does not exist."""
        with told(self._bucket.name):
            try:
                return dict(self._client.head_object(**self._at(sha256), ChecksumMode="ENABLED"))
            except ClientError as error:
                if status(error) == 404:
                    return None
                raise

    def _holds(self, sha256: str, size: int) -> bool:
        """Returns whether an object with these bytes exists: by the store's SHA-256 of it, else by reading it."""
        head = self._head(sha256)
        if head is None or head["ContentLength"] != size:
            return False
        # Another checksum proves nothing: for a multipart object it is a checksum of checksums.
        return head.get("ChecksumSHA256") == _base64(bytes.fromhex(sha256)) or self._read(sha256) == sha256

    def _read(self, sha256: str, file: IO[bytes] | None = None) -> str:
        """Returns the digest of the object as read now, with its bytes written to `file`; repeats an interrupted download."""
        for attempt in retry_policy():
            with attempt, told(self._bucket.name):
                digest = hashlib.sha256()
                if file is not None:
                    file.seek(0)
                    file.truncate()
                with closing(self._client.get_object(**self._at(sha256))["Body"]) as body:
                    for chunk in body.iter_chunks(CHUNK_BYTES):
                        digest.update(chunk)
                        if file is not None:
                            file.write(chunk)
        return digest.hexdigest()


def _keys(page: dict[str, Any], first: str) -> list[str]:
    """Returns the keys of a page of a listing; raises MigrationError for an incomplete one: objects missing from it would count as unreferenced."""
    keys = [entry.get("Key") for entry in page.get("Contents", ())]
    ends = page.get("IsTruncated") is False or (page.get("IsTruncated") is True and page.get("NextContinuationToken"))
    if not ends or not all(isinstance(key, str) and key.startswith(first) for key in keys):
        raise MigrationError(
            "The object store's listing of the stores that publish there is not whole, or not a listing. No object was removed.",
            "Check the store and what lies between, then run the same command again to resume.",
        )
    return [str(key) for key in keys]


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _other_bytes(sha256: str) -> MigrationError:
    message = f"The object store returned bytes that differ from those stored, or none ({object_key(sha256)})."
    return MigrationError(message, "Check the store's log, then run the same command again to resume.")
