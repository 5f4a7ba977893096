"""The kinds of object store, by address."""

from __future__ import annotations

from pathlib import Path

from etl.objects import Readable
from etl.objects.address import bucket_of, folder_of


def open_objects(uri: str, journal: Path | None = None) -> Readable:
    """Returns the object store behind a folder's path, a file:// URI or s3://bucket/prefix; `journal`: records new objects, for a rollback."""
    bucket = bucket_of(uri)
    if bucket is not None:
        from etl.objects.s3 import S3Objects  # boto3 is imported for a bucket only

        return S3Objects(bucket, journal)
    from etl.objects.folder import FolderObjects

    return FolderObjects(folder_of(uri, "--objects"), journal)
