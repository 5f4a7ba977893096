"""A bucket with the S3 interface, as the verifier reads it: the bytes of each object are hashed, the store's metadata is not used."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError, ResponseStreamingError
from botocore.parsers import ResponseParserError

from etl.reconcile.errors import ReconcileError

CHUNK_BYTES = 1 << 20
_OWNER = "PORTAL_MIGRATE_BUCKET_OWNER"  # the AWS account that must own the bucket
_LONGEST_KEY = 1024  # bytes
TRIES = 3  # to read an object to its end
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=10,
    read_timeout=30,
    max_pool_connections=16,
    # The store's checksum is not verified: an altered object is a difference to be counted, not a transfer error.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class Bucket:
    """`s3://bucket/prefix`, with what AWS tools find in the environment and in profiles."""

    def __init__(self, root: str) -> None:
        parts = urlsplit(root)
        self._name, prefix = parts.netloc, parts.path.strip("/")
        self._before = f"{prefix}/" if prefix else ""
        with self._usable():
            self._client = boto3.session.Session().client("s3", config=_CONFIG)
            if owner := os.environ.get(_OWNER):  # the store then refuses every request to another account's bucket
                self._client.meta.events.register("provide-client-params.s3", lambda params, **_: {**params, "ExpectedBucketOwner": owner})
            self._client.head_bucket(Bucket=self._name)

    def hashed(self, key: str) -> tuple[str | None, int, str]:
        """Returns (SHA-256, size in bytes, "") of the object's bytes; (None, 0, reason) if it is missing or cannot be read to its end.

        Raises ReconcileError if the store refuses the request or cannot be reached.
        """
        if not _is_key(self._before + key):
            return None, 0, "no bucket can hold this key"
        for _ in range(TRIES):
            digest, size = hashlib.sha256(), 0
            with self._usable():
                try:
                    answer = self._client.get_object(Bucket=self._name, Key=self._before + key)
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                        return None, 0, "missing"
                    raise
                try:
                    with closing(answer["Body"]) as body:
                        for chunk in body.iter_chunks(CHUNK_BYTES):
                            digest.update(chunk)
                            size += len(chunk)
                    return digest.hexdigest(), size, ""
                except (IncompleteReadError, ResponseStreamingError):
                    continue
        return None, 0, "cannot be read"

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Raises ReconcileError if the store refuses a request or cannot be reached: requesting every object would take hours."""
        try:
            yield
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise ReconcileError(
                f"The object store, bucket {self._name}: reading was refused (HTTP {status}).",
                "Check the bucket's name, the credentials (they may have expired) and the role's rights; then run the same command again.",
            ) from None
        except (BotoCoreError, ResponseParserError, ValueError, RecursionError) as error:  # recursion: it redirects to itself
            # Not the error's own text: it repeats addresses.
            raise ReconcileError(
                f"The object store, bucket {self._name}: it cannot be read ({type(error).__name__}).",
                "Check the network, the credentials, AWS_ENDPOINT_URL and the region; then run the same command again.",
            ) from None


def _is_key(key: str) -> bool:
    try:
        return 0 < len(key.encode()) <= _LONGEST_KEY
    except UnicodeEncodeError:
        return False
