"""A part of `python -m tests.disguised.singles`, which renames every table and column and makes more worlds."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.disguised.single_changes import OnSqlite, changes_missed, rename_missed, renames
from tests.support.command import command


def test_K5_types_lengths_and_nulls_that_plan_accepts_migrate_and_others_are_named(tmp_path: Path) -> None:
    world = OnSqlite(tmp_path)
    urls = ("--source", world.urls["P2"], "--tc", world.urls["TC"], "--files", str(world.files))
    assert command("sample", *urls, "--profiles", "20", "--seed", "3").code == 0
    assert [why for one in list(renames())[::80] if (why := rename_missed(world, *one))] == []
    taken, refused, missed = changes_missed(world, Random(3), tmp_path, 10)
    assert missed == []
    assert taken
    assert refused
