"""The verifier's own reading of chapters A and B, on worlds of a few rows with the answer written by hand."""

from __future__ import annotations

from tests.support.verifier_worlds import Old, old

__all__ = ["old"]  # a fixture


def test_a1_a5_profile_and_model_without_entity_are_held_with_their_dependents(old: Old) -> None:
    old.company(1).company(2, (20, [{"entity_id": 1}]), (21, []))
    old.add("company_address", {"address_id": 7, "company_profile_id": 1})
    old.add("security_profile", {"security_profile_id": 8, "security_model_id": 21})
    seen = old.expected()
    assert seen.held() == {
        "company_profile 1": "PROFILE_WITHOUT_ENTITY",
        "security_model 21": "MODEL_WITHOUT_ENTITY",
        "company_address 7": "PARENT_HELD",
        "security_profile 8": "PARENT_HELD",
    }
    assert seen.rows("account_group", "group_kind_cd", "legacy_key") == [("COMPANY_PROFILE", "2"), ("SECURITY_MODEL", "20")]


def test_a4_broken_models_and_entities(old: Old) -> None:
    old.add("security_model", {"security_model_id": 5, "company_profile_id": 99})
    old.add("model_entity", {"entity_id": 1, "security_model_id": 5}, {"entity_id": 2, "security_model_id": 6})
    old.add("vetting_record", {"vetting_id": 3, "entity_id": 1, "sealed_content": b"secret"}, {"vetting_id": 4, "entity_id": 77})
    seen = old.expected()
    assert seen.held() == {
        "security_model 5": "BROKEN_REFERENCE",
        "model_entity 1": "PARENT_HELD",
        "model_entity 2": "BROKEN_REFERENCE",
        "vetting_record 3": "PARENT_HELD",
        "vetting_record 4": "BROKEN_REFERENCE",
    }


def test_a7_a8_visibility(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "status_cd": "WITHDRAWN"}]), (11, [{"entity_id": 3}]))
    old.db["P2"].execute("UPDATE security_model SET deleted_ind = 'Y' WHERE security_model_id = 11")
    assert old.expected().rows("entity_account", "legacy_entity_id", "trade_visible", "archived") == [
        (1, True, False),
        (2, False, False),
        (3, False, True),
    ]


def test_a11_a12_types(old: Old) -> None:
    rows = [
        {"entity_id": n, "business_type_cd": "HWY", "border_crossed_cd": border}
        for n, border in enumerate(("MEX", "BOTH", "CAN", None, "mex"), 1)
    ]
    seen = old.company(1, (10, [*rows, {"entity_id": 9, "business_type_cd": "EFC"}])).expected()
    assert seen.rows("entity_account", "legacy_entity_id", "business_type_cd") == [
        (1, "HWM"),
        (2, "HWM"),
        (3, "HWC"),
        (4, "HWY"),
        (5, "HWY"),
        (9, "EFC"),
    ]
    assert seen.flags("A11") == ["model_entity 4", "model_entity 5"]
    assert seen.flags("A12") == ["model_entity 9"]
    assert ("EFC", "EFC", False) in seen.rows("business_type", "business_type_cd", "name", "active")


def test_a16_account_numbers(old: Old) -> None:
    numbers = {7: "A", 3: "A", 4: None, 5: "  ", 6: "M000000004", -8: None, 9: "a"}
    seen = old.company(1, (10, [{"entity_id": entity, "account_number": number} for entity, number in numbers.items()])).expected()
    assert dict(seen.rows("entity_account", "legacy_entity_id", "account_number")) == {
        3: "A",
        7: "M000000007",
        4: "M000000004X",
        5: "M000000005",
        6: "M000000004",
        -8: "M-000000008",
        9: "a",
    }
    assert seen.flags("A16") == ["model_entity 7"]


def test_a16_a_made_number_too_long_for_its_column_holds_the_entity(old: Old) -> None:
    seen = old.company(1, (10, [{"entity_id": 1}, {"entity_id": -(2**63)}])).expected()
    assert seen.held() == {"model_entity -9223372036854775808": "UNREADABLE_VALUE"}


def test_a18_equal_names_and_a21_employees(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}])).company(2, (20, [{"entity_id": 2}])).company(3)
    for profile, name, employees in ((1, " Straße ", "1,250"), (2, "STRASSE", "12,50"), (3, "strasse", "007")):
        old.db["P2"].execute(
            "UPDATE company_profile SET company_name = ?, employee_count_txt = ? WHERE company_profile_id = ?", (name, employees, profile)
        )
    seen = old.expected()
    assert seen.flags("A18") == ["company_profile 1", "company_profile 2"]  # 3 is held: it is compared, not flagged
    assert seen.rows("entity_account", "legacy_entity_id", "employee_count", "employee_count_txt") == [
        (1, 1250, "1,250"),
        (2, None, "12,50"),
    ]


def test_a10_groups_and_members(old: Old) -> None:
    old.add("trade_organization", {"trade_org_id": 1, "org_name": "Org"}, {"trade_org_id": 2, "org_name": "Empty"})
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2}]))
    old.db["P2"].execute("UPDATE company_profile SET trade_org_id = 1")
    seen = old.expected()
    assert len(seen.rows("account_group_member", "account_id")) == 6
    assert ("TRADE_ORG", "2", "Empty") in seen.rows("account_group", "group_kind_cd", "legacy_key", "name")


def test_b2_one_login_for_equal_names_survivor_and_shared(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    users = [
        (1, " ANN@X.example", None, "Ann"),
        (2, "ann@x.example", "2020-05-05 00:00:00", "ann "),
        (3, "bob@x.example", None, "Bob"),
        (4, "BOB@x.example ", None, "Rob"),
    ]
    for user, name, seen_at, first in users:
        old.add(
            "portal_user", {"user_id": user, "user_name": name, "last_login_at": seen_at, "first_name": first, "user_status_cd": "ACTIVE"}
        )
    seen = old.expected()
    assert seen.rows("login", "email_key", "email_display", "first_name") == [
        ("ann@x.example", "ann@x.example", "ann "),
        ("bob@x.example", "bob@x.example", "Bob"),
    ]
    assert seen.flags("B2") == ["portal_user 3", "portal_user 4"]
    assert seen.rows("login_alias", "legacy_key", "email_as_typed")[0] == ("1", " ANN@X.example")
    assert len(seen.flags("B16")) == 4


def test_b7_b8_b10_primary_contacts_and_officers(old: Old) -> None:
    for profile in (1, 2, 3):
        old.company(profile, (profile * 10, [{"entity_id": profile}]))
    old.person(1, 1, 11, "a@x.y", primary_poc_ind="Y", modified_at="2020-01-01 00:00:00")
    old.person(2, 1, 12, "b@x.y", primary_poc_ind="Y", modified_at="2020-01-02 00:00:00")
    old.person(3, 1, 13, "c@x.y", primary_poc_ind="Y", modified_at="2020-01-02 00:00:00")
    old.person(4, 1, 14, "d@x.y", primary_poc_ind="Y", modified_at="2021-01-01 00:00:00", removed_at="2021-01-02 00:00:00")
    old.person(5, 2, 21, "e@x.y", primary_poc_ind="Y", contact_type_cd="CONSULTANT")
    seen = old.expected()
    assert dict(seen.rows("account_contact", "legacy_key", "primary_poc")) == {"11": False, "12": True, "13": False, "14": True, "21": True}
    assert seen.flags("B7") == ["company_contact 11", "company_contact 13"]
    assert seen.flags("B8") == ["company_profile 2", "company_profile 3"]
    assert seen.rows("entity_account", "legacy_entity_id", "needs_officer") == [(1, False), (2, True), (3, True)]


def test_b12_locked_for_company_status(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1, "status_cd": "SUSPENDED"}, {"entity_id": 2}])).company(2, (20, [{"entity_id": 3}]))
    old.person(1, 1, 11, "a@x.y").person(2, 2, 21, "b@x.y")
    old.db["P2"].execute("UPDATE portal_user SET user_status_cd = 'LOCKED', lock_reason_cd = 'COMPANY_STATUS'")
    seen = old.expected()
    assert seen.rows("login", "email_key", "status_cd", "lock_reason_cd") == [
        ("a@x.y", "ACTIVE", None),
        ("b@x.y", "LOCKED", "COMPANY_STATUS"),
    ]
    assert seen.rows("account_contact", "legacy_key", "@", "restricted_reason_cd") == [
        ("11", 1, "COMPANY_STATUS"),
        ("11", 2, None),
        ("21", 3, None),
    ]
    assert seen.flags("B12") == ["portal_user 2"]


def test_b15_names_that_are_not_email_addresses(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    names = ["nobody", "a@", "@b", "a@b@c", "a b@c", "a@b\u2003c", None, "ok@b", " ok2@b\t"]
    for user, name in enumerate(names, 1):
        old.add("portal_user", {"user_id": user, "user_name": name, "user_status_cd": "ACTIVE"})
        old.person(user, 1, user)
    old.person(99, 1, 99)  # a user that is not there
    seen = old.expected()
    assert seen.held("portal_user") == {str(user): "INVALID_EMAIL" for user in range(1, 8)}
    assert [row[0] for row in seen.rows("login", "email_key")] == ["ok2@b", "ok@b"]
    assert seen.flags("B15") == [f"company_contact {n}" for n in range(1, 8)]
    assert seen.flags("X1") == ["company_contact 99"]
