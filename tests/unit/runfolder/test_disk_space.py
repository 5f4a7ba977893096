"""Disk space: the estimates of `plan` are sufficient for a run. Refusals before each step, full disks during a step: faults/test_space.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import NoSpace
from etl.runfolder.disk_space import Need, bytes_below, require_room
from tests.support.command import Workspace
from tests.support.servers import Portals, portals

__all__ = ["portals"]  # a fixture
_MORE_THAN_ANY_DISK = 1 << 60


def test_what_plan_estimates_is_enough_for_each_step_the_store_and_the_documents(cast: Workspace) -> None:
    data = cast.json("plan").data
    for step, estimated in data["staged"].items():
        assert 0 < bytes_below(cast.run / step) < estimated or step == "load", step
    assert cast.target.stat().st_size < data["loaded_bytes"]
    assert 0 < bytes_below(cast.folder / "objects" / "sha256") < data["documents_bytes"]  # beside them lies a note of a line


def test_documents_are_measured_where_they_lie(portals: Portals) -> None:
    """In both databases and on the old share; without the share, without its files."""
    stored = 0
    for database, table in (("portal2", "document_content"), ("tc", "tc_document_content")):
        with portals.session(database) as connection:
            stored += sum(len(content) for (content,) in connection.execute(f"SELECT content FROM {table} WHERE content IS NOT NULL"))
    with_share = portals.run("plan", "--output", "json").data["documents_bytes"]
    assert with_share == bytes_below(portals.folder / "files") + stored
    assert with_share > stored > 0


def test_what_is_needed_on_one_disk_is_added_up_and_each_need_is_named(tmp_path: Path) -> None:
    free = _MORE_THAN_ANY_DISK
    require_room([Need(tmp_path, 1, "one"), Need(tmp_path / "to" / "be" / "made", 1, "other")])
    with pytest.raises(NoSpace, match=r"1,152,921,504,606,846,976 bytes for documents in .*made.*are free"):
        require_room([Need(tmp_path, 1, "stage files"), Need(tmp_path / "to" / "be" / "made", free, "documents")])


def test_space_that_a_run_already_uses_is_not_required_again(tmp_path: Path) -> None:
    with pytest.raises(NoSpace):
        require_room([Need(tmp_path, _MORE_THAN_ANY_DISK, "documents")])
    require_room([Need(tmp_path, _MORE_THAN_ANY_DISK, "documents", there=lambda: _MORE_THAN_ANY_DISK)])  # does not raise


def test_links_and_folders_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(bytes(10))
    (tmp_path / "link").symlink_to(tmp_path / "below" / "file")
    (tmp_path / "back").symlink_to(tmp_path)
    assert bytes_below(tmp_path) == 10
    assert bytes_below(tmp_path / "missing") == 0
