"""The kinds of object store behind one address."""

from __future__ import annotations

from pathlib import Path

from etl.objects import Readable
from etl.objects.place import bucket_of, folder_of


def open_objects(uri: str, journal: Path | None = None) -> Readable:
    """The object store behind a folder's path, a file:// URI or s3://bucket/prefix. `journal`: where to note what is brought there, for rollback."""
    bucket = bucket_of(uri)
    if bucket is not None:
        from etl.objects.s3 import S3Objects  # boto3 is imported for a bucket alone

        return S3Objects(bucket, journal)
    from etl.objects.folder import FolderObjects

    return FolderObjects(folder_of(uri, "--objects"), journal)
