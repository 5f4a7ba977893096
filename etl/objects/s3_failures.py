"""Messages for errors of a bucket, without the server's text or the address: both may contain secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from etl.errors import MigrationError, NoSpace, Transient, WrongUsage

OWNER = "PORTAL_MIGRATE_BUCKET_OWNER"  # environment variable: the AWS account that must own the bucket
_AGAIN = "then run the same command again to resume."
# By S3's error codes; a HEAD response has none, so its status is used.
_UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidClientTokenId"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "RequestExpired", "400"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507"}
_ALTERED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"}


@contextmanager
def told(bucket: str) -> Iterator[None]:
    """Turns boto3's exceptions in the block into errors with what, where and the next step."""
    try:
        yield
    except ClientError as error:
        raise _refused(error, bucket) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise _without_answer(error, bucket) from None
    except RecursionError:  # botocore asks the redirecting server for the bucket's region, which redirects again; it follows no address
        message = f"The object store, bucket {bucket}: it redirects elsewhere without the bucket's region."
        raise MigrationError(message, f"Check AWS_ENDPOINT_URL, and what answers there, {_AGAIN}") from None


def expect_owner(client: Any) -> None:
    """Has every request of the client refused where the bucket does not belong to the account in PORTAL_MIGRATE_BUCKET_OWNER, if that is set."""
    owner = os.environ.get(OWNER)
    if owner is None:
        return
    if not re.fullmatch(r"[0-9]{12}", owner):
        raise WrongUsage(
            f"{OWNER} is not the number of an account.", "Give the 12 digits of the AWS account that owns the bucket, or unset it."
        )
    client.meta.events.register("provide-client-params.s3", lambda params, **_: {**params, "ExpectedBucketOwner": owner})


def status(error: ClientError) -> int:
    """Returns the HTTP status of an error."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refused(error: ClientError, bucket: str) -> MigrationError:
    code, number = str(error.response.get("Error", {}).get("Code", "")), status(error)
    at = f"The object store, bucket {bucket}"
    match code:
        case "NoSuchBucket" | "404":
            return MigrationError(
                f"Bucket {bucket} does not exist.", "Give --objects an existing bucket: this command does not create one."
            )
        case "NoSuchKey":
            return MigrationError(f"{at}: an object was removed while it was being read.", f"Find out who removes objects there, {_AGAIN}")
        case "RequestTimeTooSkewed":
            return MigrationError(f"{at}: this machine's clock is wrong.", f"Set the clock, {_AGAIN}")
        case _ if code in _UNKNOWN:
            return MigrationError(f"{at}: these credentials are not known there ({number}).", f"Give other credentials, {_AGAIN}")
        case _ if code in _EXPIRED:
            return MigrationError(f"{at}: the credentials have expired or are not accepted ({number}).", f"Get new ones, {_AGAIN}")
        case _ if code in _DENIED:
            message = f"{at}: access is denied ({number})."
            return MigrationError(
                message, f"Check that the credentials are still valid and have the rights listed in runbooks/roles.md, {_AGAIN}"
            )
        case _ if code in _ELSEWHERE:
            return MigrationError(f"{at}: the bucket is in another region ({number}).", f"Set AWS_REGION to the bucket's region, {_AGAIN}")
        case _ if code in _FULL or number == 507:
            return NoSpace(f"{at}: it is full ({number}).", f"Free space there, {_AGAIN}")
        case _ if code in _ALTERED:
            return Transient(f"{at}: the bytes received differ from those sent ({number}).", f"Check the network, {_AGAIN}")
        case _ if number >= 500 or number in (408, 429):
            return Transient(f"{at}: it is overloaded or failing ({number}) after all retries.", f"Wait until it is available, {_AGAIN}")
    return MigrationError(f"{at}: the request was refused ({number}).", f"Check the store's log, {_AGAIN}")


def _without_answer(error: Any, bucket: str) -> MigrationError:
    at, kind = f"The object store, bucket {bucket}", type(error).__name__
    match error:
        case SSLError():
            message = f"{at}: its certificate is not accepted, or it does not use TLS."
            return MigrationError(message, f"Give the certificate's authority (AWS_CA_BUNDLE) or another AWS_ENDPOINT_URL, {_AGAIN}")
        case ReadTimeoutError():
            return Transient(f"{at}: the request timed out.", f"Check the network and the store, {_AGAIN}")
        case ConnectionError() | ConnectionClosedError():
            return Transient(
                f"{at}: it cannot be reached, or the connection was lost ({kind}).",
                f"Check the network, AWS_ENDPOINT_URL and the region, {_AGAIN}",
            )
        case HTTPClientError() | IncompleteReadError() | FlexibleChecksumError() | ResponseParserError():
            return Transient(
                f"{at}: the response was truncated or is not a valid S3 response ({kind}).", f"Check the network and the store, {_AGAIN}"
            )
    if "Credential" in kind or "Token" in kind or "SSO" in kind or "Login" in kind:
        message = f"{at}: credentials are missing or cannot be obtained ({kind})."
        return MigrationError(message, f"Provide them where AWS tools read them (environment, profile, role), {_AGAIN}")
    return MigrationError(f"{at}: the AWS configuration cannot be used ({kind}).", f"Correct it (environment, profile, region), {_AGAIN}")
