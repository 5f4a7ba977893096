"""The rules of the contract's second edition, on small worlds: what the loader makes of them, and that the verifier, which reads them apart, agrees."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from etl.domain.grace import Grace
from etl.domain.masking import masked
from etl.reconcile.compare.difference import masked as verifiers_mask
from tests.support.legacy import FREEZE, Legacy

LATER = "2022-01-01 00:00:00"


def _company(world: Legacy, number: int, entities: int = 1, **entity: object) -> Legacy:
    """Profile n with model n1 and entities n01, n02 ..."""
    world.profile(number).model(number * 10 + 1)
    for one in range(1, entities + 1):
        world.entity(number * 100 + one, **entity)
    return world


def _acting(store: object) -> dict[int, int]:
    return store.accounts("acting_officer")  # type: ignore[attr-defined, no-any-return]  # a Store


def test_B19_fp51_an_officer_acts_who_is_in_force_unrestricted_and_under_a_login_that_activation_opens(tmp_path: Path) -> None:
    world = Legacy()
    cases: dict[int, tuple[dict[str, object], dict[str, object], int]] = {
        1: ({}, {}, 1),
        2: ({}, {"contact_type": "EMPLOYEE"}, 0),
        3: ({}, {"removed": LATER}, 0),
        4: ({"user_status": "LOCKED", "lock_reason": "PASSWORD"}, {}, 1),
        5: ({"user_status": "LOCKED", "lock_reason": "IDLE"}, {}, 1),
        6: ({"user_status": "LOCKED", "lock_reason": "COMPANY_STATUS"}, {}, 0),  # no suspended account: stays locked
        7: ({"user_status": "LOCKED"}, {}, 0),
        8: ({"user_status": "DISABLED"}, {}, 0),
        9: ({"user_status": "DELETED"}, {}, 0),
        10: ({"user_name": "no mail"}, {}, 0),  # held: its contact has no login
    }
    for number, (user, contact, _) in cases.items():
        _company(world, number).user(number, **{"user_name": f"u{number}@x.example", **user})
        world.contact(number, profile=number, user=number, **{"contact_type": "OFFICER", **contact})
    _company(world, 11).contact(11, profile=11, contact_type="OFFICER", user=None)
    world.tc_account(1, company_profile=11).tc_contact(1, email="u1@x.example")
    store = world.migrate(tmp_path)
    expected = {number * 100 + 1: acting for number, (_, _, acting) in cases.items()} | {1101: 0}
    assert _acting(store) == expected
    assert store.flags("B19") == sorted(f"model_entity {entity}" for entity, acting in expected.items() if not acting)
    assert store.differences() == []


def test_B19_the_surviving_users_state_counts_and_restriction_is_account_by_account(tmp_path: Path) -> None:
    world = _company(Legacy(), 1).entity(102, status="SUSPENDED")
    world.user(1, user_name="a@x.example", user_status="LOCKED", lock_reason="COMPANY_STATUS").contact(1, user=1, contact_type="OFFICER")
    _company(world, 2).user(2, user_name="b@x.example", user_status="DISABLED", last_login=LATER)
    world.user(3, user_name="B@x.example").contact(2, profile=2, user=3, contact_type="OFFICER")
    _company(world, 3, status="WITHDRAWN").profile(4, deleted="Y").model(41).entity(401)
    store = world.migrate(tmp_path)
    assert _acting(store) == {101: 1, 102: 0, 201: 0, 301: 0, 401: 0}
    assert store.flags("B19") == ["model_entity 102", "model_entity 201"]  # 301 and 401 trade does not see
    assert store.differences() == []


def test_B20_fp52_users_of_a_shared_login_that_reaches_more_than_they_did_are_flagged(tmp_path: Path) -> None:
    world = _company(_company(Legacy(), 1, entities=2), 2)
    people = {1: ("Al", 1, None), 2: ("Bo", 1, None), 3: ("Cy", 2, None), 4: ("Di", 2, LATER)}
    for user, (name, profile, removed) in people.items():
        world.user(user, user_name="desk@x.example", first_name=name).contact(user, profile=profile, user=user, removed=removed)
    world.contact(9, profile=2, user=2)
    world.user(5, user_name="desk@x.example", first_name="No contact").user(6, user_name="one@x.example", first_name="One")
    world.user(7, user_name="ONE@x.example", first_name="One").contact(10, profile=1, user=6).contact(11, profile=2, user=7)
    store = world.contact(12, profile=99, user=1).migrate(tmp_path)
    assert store.flags("B20") == [f"portal_user {user}" for user in (1, 3, 4, 5)]  # 2 reached both; 6 and 7 are one person
    assert store.picker("desk@x.example") == [101, 102, 201]
    assert store.differences() == []


def test_E14_fp53_58_the_band_has_both_ends_and_a_sum_beyond_year_9999_is_null(tmp_path: Path) -> None:
    days = {"2023-09-12": None, "2023-09-13": "2023-10-23", "2023-10-05": "2023-11-14", "2023-10-06": None, None: None}
    world = _company(Legacy(), 1)
    for number, day in enumerate(days, start=1):
        world.task(number, due=day)
    store = world.migrate(tmp_path, grace=Grace(3, 5, 40))
    assert set(store.rows("portal_task", "due_dt", "due_dt_adjusted")) == set(days.items())
    assert store.rows("migration_run", "grace_before", "grace_after", "grace_add", "fresh", "decisions_sha256") == [(3, 5, 40, 1, None)]
    assert store.differences() == []


@pytest.mark.parametrize(
    ("freeze", "grace", "recorded"),
    [(FREEZE, Grace(), (0, 0, 15)), (None, Grace(), (None, None, None)), ((date(9999, 12, 30), date(9999, 12, 31)), Grace(1), (1, 0, 2))],
)
def test_E14_fp53_the_record_names_the_numbers_in_force(
    tmp_path: Path, freeze: tuple[date, date] | None, grace: Grace, recorded: tuple[int | None, ...]
) -> None:
    store = _company(Legacy(), 1).task(1, due="9999-12-29").task(2, due="9999-12-30").migrate(tmp_path, freeze, grace)
    assert store.rows("migration_run", "grace_before", "grace_after", "grace_add") == [recorded]
    last = "9999-12-31" if grace.before else None
    assert store.rows("portal_task", "due_dt", "due_dt_adjusted") == [("9999-12-29", last), ("9999-12-30", None)]
    assert store.differences() == []


def test_E15_fp54_a_security_profile_submitted_by_a_consultant_only_is_flagged(tmp_path: Path) -> None:
    world = _company(_company(Legacy(), 1), 2)
    contacts: dict[int, list[tuple[int, str, str | None]]] = {
        1: [(1, "CONSULTANT", None), (1, "CONSULTANT", LATER)],  # removed ones too: consultant only
        2: [(1, "CONSULTANT", None), (1, "OFFICER", LATER)],
        3: [(2, "CONSULTANT", None)],  # on another profile
        4: [(1, "EMPLOYEE", None)],
        5: [(1, "CONSULTANT", LATER), (2, "OFFICER", None)],
    }
    for user, rows in contacts.items():
        world.user(user, user_name=f"u{user}@x.example")
        for profile, kind, removed in rows:
            world.contact(profile=profile, user=user, contact_type=kind, removed=removed)
    for submitter in (*contacts, None, 99):
        world.year(submitter or 7, model=11, submitted_by_user=submitter)
    store = world.year(8, model=99, submitted_by_user=1).migrate(tmp_path)
    assert store.flags("E15") == ["security_profile 1", "security_profile 5"]
    assert store.differences() == []


def test_G1_fp55_the_first_that_is_set_decides_entity_model_profile(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101).entity(102, created=LATER).model(12).entity(103).model(13)
    world.profile(2).model(21).entity(201).entity(202, created=LATER).profile(3)
    now = {"requested": "2021-01-01 00:00:00"}
    world.svi_link(1, monitor_profile=1, monitor_model=11, monitored_profile=2, monitored_model=21, **now)  # 202 came later
    world.svi_link(2, monitor_profile=3, monitor_model=12, monitored_profile=99, monitored_model=21, **now)  # profiles are not looked at
    world.svi_link(3, monitor_profile=1, monitor_model=99, monitor_entity=101, monitored_profile=1, monitored_model=12, **now)
    world.svi_link(4, monitor_profile=1, monitor_model=99, monitored_profile=2, **now)
    world.svi_link(5, monitor_profile=1, monitored_profile=1, monitored_model=13, **now)
    world.svi_link(6, monitor_profile=1, monitor_model=12, monitored_profile=1, monitored_model=12, **now)
    store = world.migrate(tmp_path)
    assert store.rows("svi_link", "link_id") == ["1@101>201", "1@102>201", "2@103>201", "3@101>103"]
    assert {key: why for key, why in store.held.items() if key.startswith("svi")} == {
        "svi_link 4": "BROKEN_REFERENCE",
        "svi_link 5": "PARENT_HELD",
        "svi_link 6": "NO_ACCOUNT",
    }
    assert store.flags("X1") == []
    assert store.differences() == []


def test_G10_G11_only_a_capital_Y_shares_and_only_a_capital_Y_blocks(tmp_path: Path) -> None:
    world = Legacy()
    for number, mark in enumerate(("Y", "N", "y", None), start=1):
        _company(world, number, entities=2).svi_setting(number, share_more=mark)
        world.svi_link(number, monitor_profile=number, monitored_profile=number, requested=LATER, blocked=mark)
    _company(world, 5).svi_setting(5, share_more="YES")  # longer than its column: it cannot be read
    store = world.migrate(tmp_path)
    shared = {int(key): share for key, share in store.rows("svi_membership", "legacy_key", "share_more")}
    assert shared == {1: 1, 2: 0, 3: 0, 4: 0}
    assert store.rows("svi_link", "link_id", "blocked")[:3] == [("1@101>102", 1), ("1@102>101", 1), ("2@201>202", 0)]
    assert {blocked for key, blocked in store.rows("svi_link", "legacy_key", "blocked") if key != "1"} == {0}
    assert store.held == {"svi_setting 5": "UNREADABLE_VALUE"}
    assert store.differences() == []


def test_H6_fp56_the_tax_number_of_a_natural_person_is_personal_under_its_own_type_only(tmp_path: Path) -> None:
    cases = {
        "GODE561231GR8": 1,
        " gode561231gr8\u00a0": 1,
        "ÑÑ&A561231A&Ñ": 1,
        "ñoño561231ab1": 1,
        "ABC561231GR8": 0,
        "GODE56123GR81": 0,
        "GODE561231GR": 0,
        "GODE561231GR89": 0,
        "GODÉ561231GR8": 0,
        "078-05-1120": 1,
        "ß&&561231GR8": 1,
    }
    world = _company(Legacy(), 1, type="MLH")
    for number, value in enumerate(cases, start=1):
        world.identifier(number, entity=101, identifier_type="RFC", identifier_value=value)
    world.identifier(99, entity=101, identifier_type="EIN", identifier_value="GODE561231GR8")
    store = world.migrate(tmp_path)
    assert dict(store.rows("account_identifier", "legacy_key", "pii")) == {
        **{str(number): pii for number, pii in enumerate(cases.values(), start=1)},
        "99": 0,
    }
    assert store.differences() == []


def test_H6_fp56_such_a_number_is_masked_wherever_it_is_shown() -> None:
    text = "1|GODE561231GR8; rfc=ñoño561231a&1, ABC561231GR8 and sha 3fGODE561231GR8aa"
    for mask in (masked, verifiers_mask):
        assert mask(text) == "1|****; rfc=****, ABC561231GR8 and sha 3fGODE561231GR8aa"


def test_H7_fp57_the_same_active_number_on_accounts_of_different_profiles_is_flagged_on_every_row(tmp_path: Path) -> None:
    world = _company(_company(_company(Legacy(), 1, entities=2), 2), 3)
    rows: dict[int, tuple[object, str, str, str]] = {
        1: (101, "DUNS", "12-345", "Y"),
        2: (201, "DUNS", "12345", "Y"),
        3: (301, "DUNS", "1 2345", "N"),  # 3: not active
        4: (101, "EIN", "77", "Y"),
        5: (102, "EIN", "77", "Y"),  # one profile
        6: (101, "RFC", "55", "Y"),
        7: (201, "RFC", "55", "Y"),  # a kind that several companies may share
        8: (101, "MID", "--", "Y"),
        9: (201, "MID", "..", "Y"),  # nothing is left of them
        10: (101, "FMC", "88", "Y"),
        11: (201, "SCAC", "88", "Y"),  # not the same kind
        12: (101, "IOR", "9", "Y"),
        13: (101, "IOR", "9", "Y"),
        14: (201, "IOR", "9", "Y"),
    }
    for number, (entity, kind, value, active) in rows.items():
        world.identifier(number, entity=entity, profile=2, identifier_type=kind, identifier_value=value, active=active)
    world.identifier(15, profile=3, identifier_type="EIN", identifier_value="42").identifier(
        16, profile=1, identifier_type="EIN", identifier_value="42"
    )
    store = world.migrate(tmp_path)
    assert store.flags("H7") == sorted(f"entity_identifier {n}" for n in (1, 2, 12, 13, 14, 15, 16))
    assert store.differences() == []


def test_J4_fp58_an_instant_beyond_year_9999_is_null_and_flagged(tmp_path: Path) -> None:
    world = _company(Legacy(), 1)
    times = {1: "9999-12-31 18:59:59", 2: "9999-12-31 19:00:00", 3: "0001-01-01 00:00:00"}
    for number, text in times.items():
        world.event(number, entity=101, updated_local=text)
    store = world.migrate(tmp_path)
    found = dict(store.rows("event_history", "legacy_key", "occurred_at"))
    assert (found["1"], found["2"]) == ("9999-12-31 23:59:59", None)
    assert store.flags("J4") == ["event_history 2"]
    assert store.differences() == []


def test_B18_fp68_a_removal_that_cannot_be_read_holds_the_contact_only(tmp_path: Path) -> None:
    world = _company(Legacy(), 1).user(1, user_name="u@x.example").contact(1, user=1, removed="2023-02-30", contact_type="OFFICER")
    store = world.contact(2, user=1, modified="2023-02-30").migrate(tmp_path)
    assert store.held == {"company_contact 1": "UNREADABLE_VALUE", "company_contact 2": "UNREADABLE_VALUE"}
    assert store.rows("account_contact", "legacy_key") == ["2"]
    assert store.flags("X2") == ["company_contact 2"]
    assert store.differences() == []


def test_A12_E10_X1_fp65_a_held_catalogue_row_counts_as_missing(tmp_path: Path) -> None:
    world = Legacy().question(50, criteria_version="soon").business_type("OLD", name="x" * 200).criteria_version(9, effective="soon")
    _company(world, 1).entity(102, type="OLD").year(1, criteria_version=9).answer(1, question=50)
    world.applicability(50, "IMP").agreement_version(7, effective_dt="soon").signature(1, agreement_version=7)
    store = world.migrate(tmp_path)
    held = store.held
    assert held["business_type OLD"] == held["criteria_version 9"] == "UNREADABLE_VALUE"
    assert store.flags("A12") == ["model_entity 102"]
    assert held["question_applicability 50|IMP"] == held["agreement_signature 1"] == "PARENT_HELD"
    assert store.flags("E10") == ["profile_response 1"]
    assert store.flags("X1") == ["security_profile 1"]
    assert store.rows("profile_question", "question_id", "stub")[-1] == (50, 1)
    assert ("OLD", "OLD", 0) in store.rows("business_type", "business_type_cd", "name", "active")
    assert store.differences() == []
