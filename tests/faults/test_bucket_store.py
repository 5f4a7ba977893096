"""Row 23 of faults.md: the faults of a bucket that `tests/unit/objects/test_bucket_faults.py` does not show with every change. Like the others of this folder, by the real command."""

from __future__ import annotations

import pytest

from tests.support.bucket import BucketWorkspace, front, store
from tests.unit.objects.test_bucket_faults import LASTING, OFTEN, PASSING, killed_at, lasts, passes, workspace

from .tally import BUCKET, tried

__all__ = ["front", "store", "workspace"]  # fixtures


@pytest.mark.parametrize("name", [name for name in PASSING if name not in OFTEN])
def test_transient_faults_are_retried(name: str, workspace: BucketWorkspace) -> None:
    with tried(BUCKET):
        passes(name, workspace)


@pytest.mark.parametrize("name", [name for name in LASTING if name not in OFTEN])
def test_permanent_faults_end_the_command(name: str, workspace: BucketWorkspace) -> None:
    with tried(BUCKET):
        lasts(name, workspace)


@pytest.mark.parametrize("number", [1, 2, 30, 50])
def test_killed_between_two_objects(number: int, workspace: BucketWorkspace) -> None:
    with tried(BUCKET):
        killed_at(number, "extract", workspace)
