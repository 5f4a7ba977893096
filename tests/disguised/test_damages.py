"""A part of the damages of `python -m tests.disguised`, which does them all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.disguised.trying import all_damages, tried
from tests.disguised.world import whole_world
from tests.support.command import command

_EACH = 28  # one in so many


def test_K5_plan_names_the_damaged_line_or_the_unknown_name(tmp_path: Path) -> None:
    foreign = whole_world(tmp_path)
    every = all_damages(foreign)
    assert len(every) >= 200
    assert len({damage.name for damage in every}) == len(every)
    some = every[3::_EACH]
    assert len(some) >= 30
    missed = {}
    for number, damage in enumerate(some):
        (place := tmp_path / str(number)).mkdir()
        if why := tried(damage, foreign, place):
            missed[damage.name] = why
    assert missed == {}


def test_errors_of_files_names_rows_and_limits_of_both_portals_are_reported_together(tmp_path: Path) -> None:
    """Before, a wrong word in one file hid what did not fit elsewhere, and Portal 2.0 what was wrong with Trade Compliance."""
    foreign = whole_world(tmp_path)
    adapter = foreign / "adapter"
    note = adapter / "portal2" / "internal_note.toml"
    note.write_text(note.read_text(encoding="utf-8").replace("epoch_ms", "epoch_us"), encoding="utf-8")
    limits = adapter / "limits.toml"
    limits.write_text(limits.read_text(encoding="utf-8").replace("document_link", "document_lnk"), encoding="utf-8")
    task = adapter / "portal2" / "portal_task.toml"
    task.write_text(task.read_text(encoding="utf-8").replace('rest = "history lines that nobody needs"\n', ""), encoding="utf-8")
    with closing(sqlite3.connect(foreign / "portal2.sqlite")) as portal, portal:
        portal.execute("UPDATE CT_MDL_ENTT SET STTS_CD = '77' WHERE rowid = 1")
        portal.execute("CREATE TABLE STRANGER (A INTEGER)")
    with closing(sqlite3.connect(foreign / "tc.sqlite")) as portal, portal:
        portal.execute("ALTER TABLE CT_TC_MSSG ADD COLUMN EXTRA TEXT")
    words = ("--source", f"sqlite:///{foreign}/portal2.sqlite", "--tc", f"sqlite:///{foreign}/tc.sqlite", "--adapter", str(adapter))
    stores = ("--target", f"sqlite:///{tmp_path}/store.sqlite", "--objects", str(tmp_path / "objects"), "--run", str(tmp_path / "run"))
    for done in (command("plan", *words), command("run", *words, *stores, "--files", str(tmp_path / "legacy" / "files"))):
        assert done.code == 1
        for part in (
            "internal_note.toml: from[0].columns.created_at.form",
            "held.document_lnk",
            "3 rows of CT_PRTL_TSK",
            "'77' (1)",
            "ignored.STRANGER",
            "CT_TC_MSSG.EXTRA",
            "in 6 places",
        ):
            assert part in done.err, part
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "store.sqlite").exists()
