"""The new object store as a bucket that speaks S3: each object is put in one piece with its SHA-256, and asked for again before a row refers to it.

Credentials, region, endpoint and addressing are what boto3 finds where AWS tools look for them; nothing of them is kept or shown.
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
from etl.objects.journal import append_to_journal, journaled
from etl.objects.place import Bucket
from etl.objects.s3_failures import status, told
from etl.system.retries import retry_policy

_AT_ONCE = 8  # requests of one `put_all`
_IN_MEMORY = 8 << 20  # bytes of one object; what is longer waits in a file that has no name
# Requests are tried again by botocore's standard mode: it knows which answers of S3 pass, sends a body again from its beginning, waits longer each
# time and stops early where nothing gets through. Silence ends each try, so that a request is over within two minutes.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=10,
    read_timeout=30,
    max_pool_connections=4 * _AT_ONCE,
    # Our own SHA-256 goes with every object; other checksums would only be unknown to other makes of S3.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
ONE_REQUEST_BYTES = 5 << 30  # what S3 takes in one request
PART = 64 << 20  # of a longer object
_MOST_PARTS = 10_000
_LONGEST_NOTE = 10_000  # bytes
UPLOADS = "objects.uploads"  # in the run's folder: digests of objects that were begun in parts


class S3Objects:
    """Objects of a bucket, below a prefix."""

    def __init__(self, bucket: Bucket, journal: Path | None = None) -> None:
        self._bucket, self._journal = bucket, journal
        self._stopped = Event()
        with told(bucket.name):
            try:
                self._client = boto3.session.Session().client("s3", config=_CONFIG)
            except ValueError as error:
                if isinstance(error, BotoCoreError):
                    raise
                # Its text repeats the address, which may hold a password.
                raise MigrationError(
                    "AWS_ENDPOINT_URL is not the address of a store.", "Write it as https://host, then run again."
                ) from None
            self._client.head_bucket(Bucket=bucket.name)  # what will not work shows now, not after hours

    def put(self, chunks: Iterable[bytes]) -> Stored:
        digest, size = hashlib.sha256(), 0
        # The key is the digest, which is known at the end only.
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
        return  # an object that S3 has answered for is durable

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
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ()) if entry["Key"] != ours]
            found = [self._client.get_object(Bucket=self._bucket.name, Key=key)["Body"].read(_LONGEST_NOTE) for key in keys]
        return [called.decode(errors="replace") for called in found]

    def copy(self, sha256: str, place: Path) -> None:
        """Read in pieces, and compared with its digest."""
        descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            found = self._read(sha256, file)
        if found != sha256:
            place.unlink()
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
        """An object that is too long for one request; `clean` takes away what a killed run left of it."""
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
        """What the store says of the object; None where there is none."""
        with told(self._bucket.name):
            try:
                return dict(self._client.head_object(**self._at(sha256), ChecksumMode="ENABLED"))
            except ClientError as error:
                if status(error) == 404:
                    return None
                raise

    def _holds(self, sha256: str, size: int) -> bool:
        """Whether an object with these bytes is there: by the SHA-256 that the store has of it, else read and hashed."""
        head = self._head(sha256)
        if head is None or head["ContentLength"] != size:
            return False
        # Another checksum proves nothing: that of an object in parts is one of its parts' checksums.
        return head.get("ChecksumSHA256") == _base64(bytes.fromhex(sha256)) or self._read(sha256) == sha256

    def _read(self, sha256: str, file: IO[bytes] | None = None) -> str:
        """The digest of the object as it is read now, its bytes written to the file; an answer that breaks off is asked for again."""
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


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _other_bytes(sha256: str) -> MigrationError:
    message = f"The object store returned bytes that differ from those stored, or none ({object_key(sha256)})."
    return MigrationError(message, "Check the store's log, then run the same command again to resume.")
