"""Key ranges, read by several workers: every row is in exactly one, or the extract reports it (nothing disappears)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy.engine import make_url

from etl.databases.registry import open_source
from etl.extract import table_batch as table_batch
from etl.extract.step import Helpers, extract
from etl.objects.registry import open_objects
from etl.objects.share import Share
from etl.runfolder.folder import Step, open_locked
from tests.cli.test_cluster import running
from tests.support.legacy import MAPPINGS
from tests.support.servers import READER, Portals, portals

__all__ = ["portals"]  # a fixture


_SESSIONS = "SELECT datname, state FROM pg_stat_activity WHERE application_name = 'portal-migrate' OR datname IN ('portal2', 'tc') AND pid <> pg_backend_pid()"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are cut every few rows."""
    monkeypatch.setattr(table_batch, "ROWS_PER_FILE", 50)
    monkeypatch.setattr(table_batch, "DOCUMENTS_PER_FILE", 7)


@contextmanager
def one_helper() -> Iterator[Executor]:
    """A thread in place of a worker process, whose connections end with it."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        finally:
            for ticket in list(table_batch._JOINED):
                pool.submit(table_batch.close_worker_sources, ticket.root).result()


def extracted(portals: Portals, folder: Path, by_helpers: bool) -> Step:
    objects = str(folder / "objects")
    with (
        open_locked(folder / "run") as run,
        open_source(portals.url("portal2", READER), "Portal 2.0") as old,
        open_source(portals.url("tc", READER), "Trade Compliance") as trade,
        one_helper() as pool,
    ):
        helpers = Helpers(pool, objects) if by_helpers else None
        share = Share(str(portals.folder / "files"))
        return extract({"P2": old, "TC": trade}, share, open_objects(objects), MAPPINGS, run, lambda *_: None, helpers)


def test_a_table_read_in_key_ranges_gives_the_same_files(portals: Portals, tmp_path: Path, small: None) -> None:
    whole, cut = (extracted(portals, tmp_path / str(by_helpers), by_helpers) for by_helpers in (False, True))
    files = [sorted((file.path, file.rows, file.sha256) for file in step.files) for step in (whole, cut)]
    assert len(files[0]) > 200
    assert files[0] == files[1]
    assert whole.facts["read"] == cut.facts["read"]


@pytest.mark.parametrize("by_helpers", [True, False], ids=["in key ranges", "whole"])
def test_fp43_rows_whose_keys_are_null_are_held_under_keys_of_their_own(
    by_helpers: bool, portals: Portals, tmp_path: Path, small: None
) -> None:
    """A copy of the old database may lack its key constraints; no key range contains such a row."""
    key = "event_history_pkey"
    portals.do(
        "portal2",
        f"ALTER TABLE event_history DROP CONSTRAINT {key}, ALTER event_id DROP NOT NULL",
        "INSERT INTO event_history (company_profile_id, event_type_cd)"
        " SELECT company_profile_id, 'LOST' FROM (SELECT * FROM event_history LIMIT 1) one, generate_series(1, 60)",  # more than a key range has
    )
    try:
        step = extracted(portals, tmp_path, by_helpers)
        files = [file for file in step.files if file.path.startswith("extract/P2.event_history/")]
        rows = pl.concat([pl.read_parquet(tmp_path / "run" / file.path) for file in files])
        assert len(rows) == step.facts["read"]["P2.event_history"]
        lost = rows.filter(pl.col("event_id").is_null())
        assert (lost["_key"].to_list(), set(lost["_mark"])) == ([f"NULL#{n}" for n in range(1, 61)], {2})
    finally:
        portals.do(
            "portal2",
            "DELETE FROM event_history WHERE event_id IS NULL",
            f"ALTER TABLE event_history ADD CONSTRAINT {key} PRIMARY KEY (event_id)",
        )


def test_K9_workers_of_a_cluster_leave_no_session_on_the_old_portals(
    portals: Portals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They outlive the command: a session that is idle in a transaction blocks changes of the old tables and counts against the limit of connections."""
    urls = [make_url(portals.url(database, READER)) for database in ("portal2", "tc")]
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    passwords.write_text(f"*:*:*:*:{urls[0].password}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    source, tc = (url._replace(password=None).render_as_string() for url in urls)
    with running(tmp_path / "cluster", 2) as cluster, portals.session("postgres") as session:
        done = portals.run("extract", "--source", source, "--tc", tc, "--scheduler", cluster.address, run="clustered")
        assert done.code == 0, done
        deadline = time.monotonic() + 10
        while (left := session.execute(_SESSIONS).fetchall()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert left == []
