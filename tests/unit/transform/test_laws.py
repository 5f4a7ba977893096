"""Laws of the whole migration, on small worlds that Hypothesis makes up: nothing disappears, and nothing depends on what it must not depend on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.extract import table_batch as table_batch
from etl.runfolder.folder import open_locked
from etl.system.worker_pool import worker_processes
from sample_data.world import write_cast
from tests.support.command import Workspace
from tests.support.laws import law
from tests.support.legacy import FREEZE, MAPPINGS, Legacy, Store, Undecodable, content_of_store, migrate, publish
from tests.support.worlds import COMPANY_IDS, worlds


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="law-") as name:
        yield Path(name)


# -- every source key is loaded or held ---------------------------------------------------------------------------------------------------


def source_keys(world: Legacy) -> dict[str, Counter[str]]:
    """By table: the keys of its rows, as the migration writes them."""
    found: dict[str, Counter[str]] = {}
    for mapping in MAPPINGS.tables.values():
        keys = [tuple(row[name] for name in mapping.key) for row in world.tables.get(mapping.table, [])]
        found[mapping.table] = Counter("|".join(map(_text, key)) for key in keys if None not in key)
        found[mapping.table].update(f"NULL#{position}" for position in range(1, 1 + sum(None in key for key in keys)))
    return found


def _text(value: object) -> str:
    content = value.content if isinstance(value, Undecodable) else value
    return content.decode("utf-8", "replace").replace("\0", "\ufffd") if isinstance(content, bytes) else str(content)


def loaded_keys(store: Store) -> dict[str, set[str]]:
    """Returns by source table the keys whose rows are in the new store, from its tables only."""

    def part(name: object) -> str:
        return str(name).removeprefix("TC ").partition("@")[0]

    found: dict[str, set[str]] = {
        "portal_user": set(store.rows("login_alias", "legacy_key")),
        "model_entity": {str(entity) for entity in store.accounts("status_cd")},
        "importer_country_of_origin": {f"{a}|{n}" for a, n in store.rows("account_country_of_origin", "account_id", "rank_no")},
        "highway_crossing": {f"{a}|{p}" for a, p in store.rows("account_highway_crossing", "account_id", "port_cd")},
        "consolidator_mode": {f"{a}|{m}" for a, m in store.rows("account_consolidator_mode", "account_id", "mode_cd")},
        "eligibility_answer": {
            f"{a}|{v}|{q}" for a, v, q in store.rows("account_eligibility_answer", "account_id", "catalog_version", "question_no")
        },
        "tc_ior": {f"{part(p)}|{v}" for p, v in store.rows("tc_ior", "tc_program_id", "ior_value")},
        "tc_questionnaire_answer": {f"{part(p)}|{q}" for p, q in store.rows("tc_questionnaire_answer", "tc_program_id", "question_no")},
        "tc_anl_item": {f"{part(a)}|{s}" for a, s in store.rows("tc_anl_item", "anl_id", "section_cd")},
        "tc_anl_document": {f"{part(a)}|{part(d)}" for a, d in store.rows("tc_anl_document", "anl_id", "document_id")},
        "question_applicability": {f"{q}|{b}" for q, b in store.rows("question_applicability", "question_id", "business_type_cd")},
        "business_type": {
            code for code, name, active in store.rows("business_type", "business_type_cd", "name", "active") if active or code != name
        },
        "profile_question": {str(key) for key, stub in store.rows("profile_question", "question_id", "stub") if not stub},
    }
    models = store.accounts("legacy_model_id")
    found["document_link"] = {
        f"{part(d)}|{kind}|{models[t] if kind == 'MODEL' else part(t)}"
        for d, kind, t in store.rows("document_link", "document_id", "target_cd", "target_id")
    }
    for table, kind in (("trade_organization", "TRADE_ORG"), ("company_profile", "COMPANY_PROFILE"), ("security_model", "SECURITY_MODEL")):
        found[table] = {key for k, key in store.rows("account_group", "group_kind_cd", "legacy_key") if k == kind}
    for table in ("criteria_version", "criteria_category", "agreement_version", "cbp_user", "consultant_company"):
        found[table] = {str(key) for key in store.rows(table, MAPPINGS.target.tables[table].key[0])}
    for mapping in MAPPINGS.tables.values():
        for into in mapping.into:
            shape = MAPPINGS.target.tables[into.table]
            if mapping.table not in found and "legacy_key" in shape.by_name and into.table != "account_group":
                portal = "legacy_portal_cd" in shape.by_name
                found[mapping.table] = {
                    row["legacy_key"] for row in store.rows(into.table) if not portal or row["legacy_portal_cd"] == mapping.portal
                }
    return found


@given(world=worlds(odd_keys=True))
@law(7)
def test_every_source_row_is_loaded_or_held_and_both_only_where_X2_says_so(world: Legacy) -> None:
    """X2, K10: conservation on keys, not on numbers, from the source's rows and the new store's tables alone."""
    with _folder() as folder:
        store = world.migrate(folder)
        sources, loaded = source_keys(world), loaded_keys(store)
        held: dict[str, set[str]] = {}
        for row in store.held:
            held.setdefault(row.partition(" ")[0], set()).add(row.partition(" ")[2])
        contents = {"document_content": store.rows("document"), "tc_document_content": store.rows("document")}
        assert contents.keys() | loaded.keys() == sources.keys()
        for table, keys in sources.items():
            if table in contents:  # what is not held is an object that its document names
                portal = "TC" if table.startswith("tc") else "P2"
                loaded[table] = {
                    row["legacy_key"]
                    for row in contents[table]
                    if row["legacy_portal_cd"] == portal and row["sha256"] is not None and row["legacy_key"] in keys
                }
            wanted = {f"{key}#{n}" if n > 1 else key for key, count in keys.items() for n in range(1, count + 1)}
            mine = held.get(table, set())
            assert loaded[table] | mine == wanted, table
            both = {f"{table} {key}" for key in loaded[table] & mine}
            assert both == {row for row in store.flags("X2") if row.startswith(f"{table} ")}, table
            assert {store.held[row] for row in both} <= {"UNREADABLE_VALUE"}, table


@given(world=worlds())
@law(3)
def test_every_object_that_a_row_names_is_in_the_object_store_under_its_digest_and_no_other_is(world: Legacy) -> None:
    with _folder() as folder:
        store = world.migrate(folder)
        objects = store.stored()
        assert {hashlib.sha256(content).hexdigest() for content in objects.values()} == set(objects)
        assert {(sha, size) for sha, size in store.rows("stored_object", "sha256", "size_bytes")} == {
            (sha, len(c)) for sha, c in objects.items()
        }


# -- what nothing may depend on ------------------------------------------------------------------------------------------------------------


@given(world=worlds(odd_keys=True))
@law(4)
def test_any_cut_into_stage_files_gives_the_same_store(world: Legacy) -> None:
    with _folder() as folder:
        position = world.write(folder / "legacy")
        stores = []
        for rows in (50_000, 1, 3):
            with pytest.MonkeyPatch.context() as constant:
                constant.setattr(table_batch, "ROWS_PER_FILE", rows)
                stores.append(migrate(position, folder / str(rows)))
        first, *others = [content_of_store(store.path) for store in stores]
        assert [other == first for other in others] == [True, True]
        assert [store.stored() == stores[0].stored() for store in stores[1:]] == [True, True]


@given(world=worlds())
@law(4)
def test_the_order_of_the_rows_in_the_source_does_not_matter(world: Legacy) -> None:
    with _folder() as folder:
        one = migrate(world.write(folder / "one"), folder / "1")
        other = migrate(world.write(folder / "other", reverse=True), folder / "2")
        assert content_of_store(one.path) == content_of_store(other.path)


@given(world=worlds())
@law(4)
def test_K2_K4_a_run_in_another_folder_gives_identical_rows_and_the_same_run_again_changes_nothing(world: Legacy) -> None:
    with _folder() as folder:
        position = world.write(folder / "legacy")
        one, other = migrate(position, folder / "1"), migrate(position, folder / "2")
        assert _whole(one.path) == _whole(other.path)
        before = one.path.read_bytes()
        with open_locked(other.run.path) as run:
            publish(run, one.path, FREEZE)
            assert run.steps["load"].facts["already"]
        assert one.path.read_bytes() == before


def _whole(path: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of every table, `run_id` included; of the run's record all but its times."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        content = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name} ORDER BY rowid")] for name in names}
    for row in content["migration_run"]:
        row["started_at"] = row["finished_at"] = None
    return content


@given(world=worlds(), number=st.integers(500, 2**61))
@law(4)
def test_K2_ids_do_not_depend_on_other_rows_of_the_source(world: Legacy, number: int) -> None:
    """K2: a row that was not there before changes no id of those that were."""
    with _folder() as folder:
        before = migrate(world.write(folder / "one"), folder / "1").ids
        world.profile(number).model(number).entity(number).user(number, user_name=" New@x.example").contact(number, user=number).document(
            number, profile=number
        )
        after = migrate(world.write(folder / "other"), folder / "2").ids
        assert {name: after.get(name) for name in before} == before
        assert len({(table, key) for (table, _), key in after.items()}) == len(after)


@given(world=worlds(), shift=st.sampled_from([1_000_000_000_000, -7]))
@law(4)
def test_shifting_all_company_ids_changes_nothing_but_those_ids(world: Legacy, shift: int) -> None:
    with _folder() as folder:
        one = migrate(world.write(folder / "one"), folder / "1")
        for rows in world.tables.values():
            for row in rows:
                for column in COMPANY_IDS:
                    value = row.get(column)
                    if isinstance(value, int):
                        row[column] = value + shift
        other = migrate(world.write(folder / "other"), folder / "2")
        left, right = _without_companies(one, 0), _without_companies(other, shift)
        assert {table: (left[table], right[table]) for table in left if left[table] != right[table]} == {}


def _without_companies(store: Store, shift: int) -> dict[str, list[str]]:
    """Every table's rows with readable ids, the companies' numbers shifted back."""

    def back(table: str, row: dict[str, object]) -> dict[str, object]:
        row = dict(row)
        if table == "entity_account":
            row["legacy_profile_id"] = int(str(row["legacy_profile_id"])) - shift
        mine = (
            row.get("legacy_table") in ("company_profile", "svi_setting")
            or row.get("group_kind_cd") == "COMPANY_PROFILE"
            or table == "svi_membership"
        )
        if mine:
            row["legacy_key"] = str(int(str(row["legacy_key"])) - shift)
        for column in ("group_id",):
            name = str(row.get(column, ""))
            if name.startswith("COMPANY_PROFILE "):
                row[column] = f"COMPANY_PROFILE {int(name.partition(' ')[2]) - shift}"
        if table == "migration_holding":
            import json

            values = json.loads(str(row["row_json"]))
            for column in COMPANY_IDS:
                if isinstance(values.get(column), int):
                    values[column] -= shift
            row["row_json"] = values
        return {name: value for name, value in row.items() if name != "run_id"}

    tables = [table for table in MAPPINGS.target.tables if table != "migration_run"]
    return {
        table: sorted(repr(sorted(back(table, row).items(), key=lambda item: item[0])) for row in store.rows(table)) for table in tables
    }


# -- worker processes ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with worker_processes(2, tmp_path_factory.mktemp("workers") / "lock") as executor:
        yield executor


def test_worker_processes_give_the_same_files(tmp_path: Path, pool: Executor) -> None:
    """K3: what a run leaves depends on no scheduling; the stage files' digests are equal too."""
    position = write_cast(tmp_path / "legacy")
    with pytest.MonkeyPatch.context() as constant:
        constant.setattr(table_batch, "ROWS_PER_FILE", 5)
        alone, together = migrate(position, tmp_path / "alone"), migrate(position, tmp_path / "together", pool=pool)
    assert alone.run.digest("extract", "split", "reattach") == together.run.digest("extract", "split", "reattach")
    assert content_of_store(alone.path) == content_of_store(together.path)


def test_the_cast_cut_into_single_rows_is_the_cast(tmp_path: Path) -> None:
    position = write_cast(tmp_path / "legacy")
    whole = migrate(position, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as constant:
        constant.setattr(table_batch, "ROWS_PER_FILE", 7)
        cut = migrate(position, tmp_path / "cut")
    assert content_of_store(cut.path) == content_of_store(whole.path)


@given(world=worlds(clean=True))
@law(4)
def test_K10_per_profile_the_multiset_of_type_status_and_tier_is_unchanged(world: Legacy) -> None:
    with _folder() as folder:
        store = world.migrate(folder)
        held = {row.partition(" ")[2] for row in store.held if row.startswith("model_entity ")}
        profile_of = {row["security_model_id"]: row["company_profile_id"] for row in world.tables["security_model"]}
        split = {"MEX": "HWM", "BOTH": "HWM", "CAN": "HWC"}
        before = Counter(
            (
                profile_of[e["security_model_id"]],
                split.get(str(e["border_crossed_cd"]), "HWY") if e["business_type_cd"] == "HWY" else e["business_type_cd"],
                e["status_cd"],
                e["tier_cd"],
            )
            for e in world.tables["model_entity"]
            if str(e["entity_id"]) not in held
        )
        after = Counter(store.accounts("legacy_profile_id", "business_type_cd", "status_cd", "tier_cd").values())
        assert before == after


@given(world=worlds(odd_keys=True))
@law(5)
def test_K10_every_generated_world_passes_the_checks_and_is_equal(world: Legacy) -> None:
    """Three independent implementations of the rules: loader, checks and verifier."""
    with _folder() as folder:
        world.write(folder / "legacy")
        done = Workspace(folder).json("run")
        assert (done.code, done.envelope["errors"]) == (0, [])
        assert done.data["verdict"]["holds"] is True
