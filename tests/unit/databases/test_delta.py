"""K2, K8: after any change between two runs, the second gives the store of a fresh run, and a rollback the earlier one; on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from etl.databases.registry import open_target
from etl.databases.target import Known, RunRecord, in_reference_order
from etl.errors import Refused
from etl.load.difference import known_difference
from etl.load.staged_rows import run_id_of
from etl.pipeline.changes import others, refuse_others
from etl.runfolder.folder import Step, open_locked, open_readonly
from tests.support.evolution import Content, Staged, _session, constraints, content, differing, evolved, forwards_and_back, staged
from tests.support.laws import law
from tests.support.legacy import MAPPINGS, Legacy
from tests.support.worlds import worlds

KINDS = ("sqlite", "postgresql")
Stores = Callable[[str, str], str]


@pytest.fixture(scope="module")
def stores(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """By kind and name: the URL of a new, empty store."""
    folder = tmp_path_factory.mktemp("stores")
    with psycopg.connect(postgres, autocommit=True) as session:  # thrown away afterwards: nothing here is about a disk that fails
        session.execute("ALTER SYSTEM SET fsync = off")
        session.execute("SELECT pg_reload_conf()")

    def fresh(kind: str, name: str) -> str:
        if kind == "sqlite":
            (folder / f"{name}.sqlite").unlink(missing_ok=True)
            return f"sqlite:///{folder / f'{name}.sqlite'}"
        with psycopg.connect(postgres, autocommit=True) as session:
            session.execute(f"DROP SCHEMA IF EXISTS delta_{name} CASCADE".encode())
            session.execute(f"CREATE SCHEMA delta_{name}".encode())
        return make_url(postgres).update_query_dict({"options": f"-csearch_path=delta_{name}"}).render_as_string(hide_password=False)

    return fresh


def changing() -> list[Legacy]:
    """A world and two later ones: in each, what once made a delta fail or could."""
    first = (
        Legacy()
        .profile(1)
        .model(11)
        .entity(101, type="IMP", number="A1")
        .entity(102, type="BRK", number="B2")
        .profile(2)
        .model(21)
        .entity(201, type="IMP", number="C3")
    )
    first.user(1, user_name="one@x.example").contact(1, user=1, profile=1).user(2, user_name="two@x.example").contact(2, user=2, profile=2)
    first.year(5, model=11).answer(7, security_profile=5).document(3, profile=1).content(3, content=b"old bytes").document(
        4, profile=2
    ).content(4, content=b"other bytes")
    first.document(6, profile=1, previous_document_id=3).content(6, content=b"old bytes")
    first.thread(1, profile=1).message(1, thread_id=1, from_user_id=1).signature(9, profile=1)
    second = evolved(first, 0)
    second.tables = {name: [dict(row) for row in rows] for name, rows in first.tables.items()}
    rows = second.tables
    rows["model_entity"][0]["account_number"], rows["model_entity"][1]["account_number"] = "B2", "A1"  # unique values change hands
    rows["portal_user"][0]["user_name"], rows["portal_user"][1]["user_name"] = "two@x.example", "one@x.example"
    rows["document_content"][0]["content"] = b"new bytes"  # the old ones are still those of document 6
    rows["document_content"][2]["content"] = b"newest bytes"  # now nothing refers to them
    rows["security_profile"][0]["security_model_id"] = 21  # its account goes, and it stays
    del rows["model_entity"][1]
    third = Legacy()
    third.tables = {name: [dict(row) for row in rows] for name, rows in first.tables.items()}  # what was gone returns
    third.tables["company_profile"] = third.tables["company_profile"][:1]  # and a company is removed with its dependents
    return [first, second, third]


@pytest.mark.parametrize(("kind", "beside"), [("sqlite", True), ("postgresql", True), ("postgresql", False)])
def test_K2_a_delta_gives_the_store_of_a_fresh_run_and_rollbacks_in_reverse_restore_each_earlier_one(
    kind: str, beside: bool, stores: Stores, tmp_path: Path
) -> None:
    """Parents that go while their children stay, unique values that change hands, bytes that go, accounts that return; three runs."""
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects", beside) for number, world in enumerate(changing())]
    fresh: list[Content] = []
    for number, run in enumerate(runs):
        run.load(url := stores(kind, f"fresh{number}"))
        fresh.append(content(url))
    assert all(differing(one, other) for one, other in itertools.pairwise(fresh))
    assert forwards_and_back(runs, stores(kind, "same"), fresh) == []


@given(world=worlds(), seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
@law(3)
def test_K2_K8_after_any_change_a_delta_equals_a_fresh_run_and_every_rollback_is_exact(
    stores: Stores, world: Legacy, seeds: tuple[int, int]
) -> None:
    with TemporaryDirectory(prefix="law-") as name:
        later = evolved(world, seeds[0])
        runs = [staged(one, Path(name) / str(n), Path(name) / "objects") for n, one in enumerate((world, later, evolved(later, seeds[1])))]
        fresh: list[Content] = []
        for run in runs:
            run.load(url := stores("sqlite", "fresh"))
            fresh.append(content(url))
        assert forwards_and_back(runs, stores("sqlite", "same"), fresh) == []
        great = []
        for run in runs:
            run.load(url := stores("postgresql", "fresh"))
            great.append(content(url))
        assert forwards_and_back(runs, stores("postgresql", "same"), great) == []


@pytest.mark.parametrize("kind", KINDS)
def test_check_forecasts_changes_by_table_without_writing_to_the_store(kind: str, stores: Stores, tmp_path: Path) -> None:
    """Three evolved states, the first one again, and rows altered by others: the forecast equals the load."""
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate(changing())]
    url, kinds = stores(kind, "foreseen"), set[str]()
    for number, run in enumerate([*runs, runs[0]]):
        if number:
            with _session(url) as session:  # a value, a row that goes, in a table that no other refers to
                session.execute("UPDATE login SET phone = 'altered'")
                session.execute("DELETE FROM migration_exception WHERE legacy_key IN (SELECT min(legacy_key) FROM migration_exception)")
                if kind == "sqlite":
                    session.commit()
        before = (content(url), constraints(url)) if number else None
        ahead = run.foreseen(url)
        assert before is None or (content(url), constraints(url)) == before
        with pytest.raises(Refused, match="other rows than those approved"):
            run.load(url, lambda done: refuse_others(others({}, done)))
        assert (content(url) if before else {}) == (before[0] if before else {})  # it was asked before the commit
        assert ahead == run.load(url)["changes"]
        kinds |= {what for _, *counts in ahead for what, count in zip(("insert", "update", "remove"), counts, strict=True) if count}
        assert all(updated == removed == 0 for _, _, updated, removed in ahead) is (number == 0)
    assert kinds == {"insert", "update", "remove"}
    assert not [path for run in runs for path in run.folder.rglob("foreseen*")]


@pytest.mark.parametrize("kind", KINDS)
def test_K8_a_rollback_that_lacks_before_images_is_refused_and_changes_nothing(kind: str, stores: Stores, tmp_path: Path) -> None:
    """A missing table, row or record of before-images never counts as "there were no earlier rows"."""
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate((first, second))]
    losses = (
        "DROP TABLE migration_undo__1_document",
        "DELETE FROM migration_undo__1_document",
        "DROP TABLE migration_undo",
        "DELETE FROM migration_undo WHERE table_name = 'document'",
    )
    for loss in losses:
        url = stores(kind, "lost")
        for run in runs:
            run.load(url)
        with _session(url) as session:
            session.execute(loss)
            if kind == "sqlite":
                session.commit()
        before = content(url)
        with pytest.raises(Refused, match="changed a store that held an earlier run"):
            runs[1].rollback(url)
        assert content(url) == before


_ALTERED = (
    "UPDATE migration_undo__1_document SET file_name = 'another.pdf'",
    "UPDATE migration_undo__1_document SET document_id = (SELECT login_id FROM login LIMIT 1)",
    "DELETE FROM migration_undo__1_new_stored_object; INSERT INTO migration_undo__1_new_stored_object SELECT min(sha256) FROM stored_object",
    "ALTER TABLE migration_undo__1_document ADD COLUMN more TEXT",
    "UPDATE migration_undo SET before_rows = 0 WHERE table_name = 'document'; DROP TABLE migration_undo__1_document",
    "UPDATE migration_run SET fresh = (SELECT fresh FROM migration_run ORDER BY finished_at LIMIT 1);"
    " UPDATE migration_run SET state_cd = 'ROLLED_BACK' WHERE finished_at < (SELECT max(finished_at) FROM migration_run)",
    "UPDATE migration_run SET mappings_sha256 = 'other'",
)


@pytest.mark.parametrize(("kind", "beside"), [("sqlite", True), ("postgresql", True), ("postgresql", False)])
def test_K8_before_images_altered_with_equal_row_counts_are_refused_and_what_a_killed_load_kept_is_known(
    kind: str, beside: bool, stores: Stores, tmp_path: Path
) -> None:
    """Their digests are in the run's log before the commit: a load that is killed after it does not compute them again."""
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects", beside) for number, world in enumerate((first, second))]
    for altered in _ALTERED:
        url = stores(kind, "altered")
        for run in runs:
            run.load(url)
        with _session(url) as session:
            for statement in altered.split(";"):
                session.execute(statement)
            if kind == "sqlite":
                session.commit()
        before = content(url)
        with pytest.raises(Refused, match=r"its before-images (were altered since|are incomplete)|was altered after it was published"):
            runs[1].rollback(url)
        assert content(url) == before
    runs[0].load(url := stores(kind, "killed"))
    before = content(url)
    runs[1].load(url)
    with open_locked(runs[1].folder) as folder:  # as a kill between the commit and the manifest leaves it
        del folder.steps["load"]
        folder.save()
    assert runs[1].load(url)["already"]
    runs[1].rollback(url)
    assert content(url) == before


def test_a_load_into_empty_tables_leaves_them_their_keys_indexes_comments_and_rights(stores: Stores, postgres: str, tmp_path: Path) -> None:
    """Made by hand, or left by a rollback: replaced where nothing else depends on them, else filled; the same store either way."""
    run = staged(changing()[0], tmp_path / "run", tmp_path / "objects")
    run.load(url := stores("postgresql", "fresh"))
    wanted, demanded = content(url), constraints(url)
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("DROP ROLE IF EXISTS delta_reader")
        session.execute("CREATE ROLE delta_reader")
    extras = (
        "CREATE INDEX by_name ON entity_account (legal_name)",
        "COMMENT ON COLUMN login.phone IS 'it''s 100% theirs'",
        "GRANT SELECT ON login, account_picker TO delta_reader",
        "GRANT UPDATE (phone) ON login TO delta_reader",
        "ALTER TABLE login RENAME CONSTRAINT login_email_key_key TO one_login_an_email",
    )
    asked = (
        "SELECT relname, relacl::text, obj_description(oid) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        " AND relkind IN ('r', 'v') ORDER BY 1",
        "SELECT attname, attacl::text, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'login'::regclass AND attnum > 0 ORDER BY 1",
    )
    for more in ((), ("CREATE VIEW theirs AS SELECT count(*) FROM login",)):
        run.rollback(url)
        with _session(url) as session:
            if not more:
                for statement in extras:
                    session.execute(statement)
            for statement in more:
                session.execute(statement)
            before = [session.execute(question).fetchall() for question in asked]
            path = session.execute("SELECT 'login'::regclass::oid").fetchone()
        had = constraints(url)
        run.load(url)
        assert content(url) == wanted
        assert constraints(url) == had != demanded
        with _session(url) as session:
            assert [session.execute(question).fetchall() for question in asked] == before
            assert (session.execute("SELECT 'login'::regclass::oid").fetchone() == path) is bool(more)


def test_K2_only_differences_are_sent_if_the_earlier_run_is_available_and_the_store_unchanged(stores: Stores, tmp_path: Path) -> None:
    """Files that are the same in both folders are not even read then. Without that folder, or after others wrote, all rows are sent and compared."""
    first, second, _ = changing()
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate((first, second))]
    runs[1].load(fresh := stores("postgresql", "fresh"))
    wanted, tables = content(fresh), [table for table in in_reference_order(MAPPINGS.target) if table.name != "migration_run"]
    folders = [open_readonly(run.folder) for run in runs]
    files = [{file.path: file.sha256 for step in ("split", "reattach") for file in folder.files(step)} for folder in folders]
    same = next(
        path for path, sha256 in files[0].items() if files[1].get(path) == sha256 and path.split("/")[1] in {table.name for table in tables}
    )
    for meanwhile in ("", "folder", "stage file", "UPDATE login SET phone = phone"):
        runs[0].load(url := stores("postgresql", "same"))
        with _session(url) as session:
            session.execute(meanwhile if meanwhile.startswith("UPDATE") else "SELECT 1")
        changed = next(runs[0].folder.glob("split/login/*.parquet"))
        before = changed.read_bytes()
        if meanwhile == "folder":
            runs[0].folder.rename(tmp_path / "elsewhere")
        if meanwhile == "stage file":  # not what its manifest says: nothing is known from it
            changed.write_bytes(before[:-1] + b"X")
        read = (runs[1].folder / same).read_bytes()
        if not meanwhile:
            (runs[1].folder / same).write_bytes(b"never read")
        done = runs[1].load(url)["changes"]
        (runs[1].folder / same).write_bytes(read)
        assert content(url) == wanted
        if not meanwhile:
            known = [[change.table, change.inserted, change.updated, change.removed] for change in _last(runs).changes(tables)]
        assert done == known
        runs[1].rollback(url)
        if meanwhile == "folder":
            (tmp_path / "elsewhere").rename(runs[0].folder)
        changed.write_bytes(before)


def _last(runs: list[Staged]) -> Known:
    """What differs between the first two runs, as it is known from their folders."""
    with open_locked(runs[1].folder) as folder:
        known = known_difference(folder, MAPPINGS.target, _record(runs))
    assert known is not None
    return known


def _record(runs: list[Staged]) -> RunRecord:
    earlier = open_readonly(runs[0].folder)
    return RunRecord(run_id_of(earlier), "PUBLISHED", datetime.now(UTC), None, None, earlier.digest("extract", "split", "reattach"))


def test_K2_the_load_knows_the_difference_that_the_check_computed(tmp_path: Path) -> None:
    """The check asks before its own step is recorded; in a whole run the files of both runs are compared once."""
    runs = [staged(world, tmp_path / str(number), tmp_path / "objects") for number, world in enumerate(changing()[:2])]
    runs[0].load(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with open_locked(runs[1].folder) as folder:
        in_check = known_difference(folder, MAPPINGS.target, _record(runs))
        folder.steps["check"] = Step("", [], {"critical": 0})
        in_load = known_difference(folder, MAPPINGS.target, _record(runs))
    assert in_check is not None
    assert in_load is not None
    assert in_check.differences is in_load.differences


def test_K8_an_unchanged_store_file_is_emptied_without_a_comparison_and_keeps_no_rows(stores: Stores, tmp_path: Path) -> None:
    """No row is staged for it. Rows of others, or of a write-ahead log, are compared as ever; and others' tables are left as they are."""
    run = staged(changing()[0], tmp_path / "0", tmp_path / "objects")
    for written in ("", "CREATE TABLE theirs (a TEXT)", "PRAGMA journal_mode = wal"):
        run.load(url := stores("sqlite", "bytes"))
        path = Path(url.removeprefix("sqlite:///"))
        with _session(url) as session:
            if written:
                session.execute(written)
            (name,) = session.execute("SELECT email_key FROM login LIMIT 1").fetchone()
        before = path.read_bytes()
        assert name.encode() in before
        with open_locked(run.folder) as folder:
            target = open_target(url, folder.path / "load")
            assert target.unchanged_since(MAPPINGS.target, folder.steps["load"].facts["marks"]) is not bool(written)
            target.close()
        assert run.rollback(url).removed
        assert not any(content(url).values())
        assert name.encode() not in path.read_bytes()
        with _session(url) as session:
            assert session.execute("SELECT count(*) FROM sqlite_master WHERE name = 'theirs'").fetchone() == (int("theirs" in written),)


def test_K8_the_store_is_locked_from_the_comparison_to_the_rollback(stores: Stores, tmp_path: Path) -> None:
    """PostgreSQL keeps others out; a SQLite file that was written to between the two is left alone."""
    run = staged(changing()[0], tmp_path / "0", tmp_path / "objects")
    for kind in KINDS:
        run.load(url := stores(kind, "between"))
        with open_locked(run.folder) as folder:
            target = open_target(url, folder.path / "load")
            assert target.unchanged_since(MAPPINGS.target, folder.steps["load"].facts["marks"])
            with _session(url) as session:
                if kind == "postgresql":
                    session.execute("SET lock_timeout = '100ms'")
                    with pytest.raises(psycopg.errors.LockNotAvailable):
                        session.execute("UPDATE login SET phone = 'theirs'")
                else:
                    session.execute("UPDATE login SET phone = 'theirs'")
                    session.commit()
                    with pytest.raises(Refused, match="Others write"):
                        target.roll_back(MAPPINGS.target, target.runs()[-1], lambda *_: None)
            target.close()
        assert content(url)["login"]
