"""The migrated cast: exactly the rows of its index are held and flagged."""

import tomllib
from typing import Any

import pytest

from sample_data.world import CAST, write_cast
from tests.support.legacy import Store, migrate

INDEX: dict[str, list[dict[str, Any]]] = tomllib.loads((CAST / "cast.toml").read_text(encoding="utf-8"))
ROWS = [*INDEX["shows"], *INDEX["also"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("cast")
    return migrate(write_cast(folder / "legacy"), folder)


def test_held_are_exactly_the_rows_of_the_index_each_for_its_reason(store: Store) -> None:
    expected = {(row["portal"], row["table"], row["key"]): row["hold"] for row in ROWS if "hold" in row}
    held = store.rows("migration_holding", "legacy_portal_cd", "legacy_table", "legacy_key", "reason_cd")
    assert {(portal, table, key): reason for portal, table, key, reason in held} == expected


def test_flagged_are_exactly_the_rows_of_the_index_each_under_its_rule(store: Store) -> None:
    expected = {(row["rule"], row["portal"], row["table"], row["key"]) for row in ROWS if row.get("flag")}
    assert set(store.rows("migration_exception", "rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key")) == expected


def test_single_rows_of_the_cast_have_the_documented_outcome(store: Store) -> None:
    """A choice of what `cast.toml` tells: numbers, labels, moments."""
    assert store.accounts("account_number")[1301] == "M000001301XX"
    assert store.accounts("account_number")[-3701] == "M-000003701"
    assert store.accounts("account_number")[9007199254740993] == "M9007199254740993"
    assert {entity: store.accounts("business_type_cd")[entity] for entity in (1101, 1102, 1103, 1104)} == {
        1101: "HWM",
        1102: "HWC",
        1103: "HWM",
        1104: "HWY",
    }
    assert {entity: store.accounts("account_label")[entity] for entity in (201, 202)} == {201: "East River", 202: "West River"}
    events = dict(store.rows("event_history", "event_id", "occurred_at"))
    assert (events["3401"], events["3402"], events["3403"]) == ("2022-07-04 16:00:00", "2022-01-04 17:00:00", "2022-11-06 05:30:00")
    assert {entity: store.accounts("acting_officer")[entity] for entity in (4201, 4301, 4401, 4402, 4501, 2001)} == {
        4201: 1,
        4301: 0,
        4401: 1,
        4402: 0,
        4501: 0,
        2001: 0,
    }
    links = {link: blocked for link, blocked in store.rows("svi_link", "link_id", "blocked") if str(link).startswith("42")}
    assert links == {
        "4201@4201>2601": 1,
        "4201@4202>2601": 1,
        "4202@2601>4201": 0,
        "4203@4201>2601": 0,
        "4206@4401>4402": 0,
        "4206@4402>4401": 0,
    }
    assert [key for key, more in store.rows("svi_membership", "legacy_key", "share_more") if more] == ["42", "42"]
    assert {key for key, pii in store.rows("account_identifier", "legacy_key", "pii") if pii} >= {"4202", "4205", "2807", "2808"}
    assert not {key for key, pii in store.rows("account_identifier", "legacy_key", "pii") if pii} & {"4203", "4204", "2809"}
    assert [row for row in store.rows("document", "document_id", "account_id") if row[0].startswith("2104")] == [("2104", None)]
    assert len(store.rows("login", "email_key")) == len(set(store.rows("login", "email_key")))


def test_details_and_reasons_contain_no_personal_data(store: Store) -> None:
    values = {row["email_display"] for row in store.rows("login")} | {"078-05-1120", "219-09-9999", "Rosa", "Lindqvist"}
    details = [row["detail"] for row in store.rows("migration_exception")]
    assert [detail for detail in details for value in values if value in detail] == []
    assert max(map(len, details)) <= 300
