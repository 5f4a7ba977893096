"""The same command gives the same output under any TZ, as a separate process (K10, J4)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sample_data.world import write_cast
from tests.support.command import Workspace

ZONES = ("UTC", "America/New_York", "Asia/Kolkata")


def test_reconcile_is_independent_of_the_time_zone(published: Workspace) -> None:
    for expected in (0, 4):
        done = [published.process("reconcile", "--output", "json", TZ=zone) for zone in ZONES]
        assert [one.code for one in done] == [expected] * 3, done[0].err
        assert len({one.out for one in done}) == 1
        with published.database("portal3.sqlite") as store:  # a moment that is another day in each of the three
            store.execute(
                "UPDATE event_history SET occurred_at = '2020-01-01 05:00:00' WHERE legacy_key = '101' AND legacy_portal_cd = 'P2'"
            )
            store.execute("UPDATE account_status_history SET from_at = '2019-12-31 23:30:00.000001' WHERE rowid = 1")
    found = {(row["table"], row["column"]) for row in json.loads(done[0].out)["data"]["differences"]}
    assert found == {("event_history", "occurred_at"), ("account_status_history", "from_at")}


def test_published_rows_are_independent_of_the_time_zone(tmp_path: Path, cast: Workspace) -> None:
    write_cast(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    done = workspace.process("run", TZ="America/New_York")
    assert done.code == 0, done.err
    assert _stage_files(workspace.run) == _stage_files(cast.run)
    assert workspace.process("reconcile", TZ="UTC").code == 0


def _stage_files(run: Path) -> dict[str, str]:
    steps = ("extract", "split", "reattach")
    places = [path for step in steps for path in sorted((run / step).rglob("*.parquet"))]
    assert len(places) > 50
    return {path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in places}
