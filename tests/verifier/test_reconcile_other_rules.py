"""The verifier's own reading of chapters E to X, on worlds of a few rows with the answer written by hand."""

from datetime import date, datetime

from tests.support.verifier_worlds import NOON, Old, old

__all__ = ["old"]  # a fixture


# E. responses -----------------------------------------------------------------------------------------------------------


def test_e3_e7_e10_answers(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "business_type_cd": "BRK"}]))
    old.add("profile_question", {"question_id": 1}, {"question_id": 2}).add(
        "question_applicability", {"question_id": 1, "business_type_cd": "IMP", "strength_cd": "MUST"}
    )
    old.add("question_applicability", {"question_id": 5, "business_type_cd": "BRK", "strength_cd": "MUST"})
    old.add("security_profile", {"security_profile_id": 1, "security_model_id": 10})
    for response, question, modified in (
        (1, 1, "2020-01-01 00:00:00"),
        (2, 1, "2020-01-02 00:00:00"),
        (3, 2, NOON),
        (4, 2, NOON),
        (5, 5, NOON),
        (6, 9, NOON),
    ):
        old.add("profile_response", {"response_id": response, "security_profile_id": 1, "question_id": question, "modified_at": modified})
    seen = old.expected()
    assert seen.rows("profile_response", "legacy_key", "@", "superseded", "applicability_cd") == [
        ("1", 1, True, "MUST"),
        ("1", 2, True, "NOT_APPLICABLE"),
        ("2", 1, False, "MUST"),
        ("2", 2, False, "NOT_APPLICABLE"),
        *((key, entity, key == "3", "NOT_APPLICABLE") for key in ("3", "4", "5", "6") for entity in (1, 2)),
    ]
    assert seen.flags("E7") == ["profile_response 1", "profile_response 3"]
    assert seen.held("question_applicability") == {"5|BRK": "BROKEN_REFERENCE"}  # even though E10 makes a stub of that id
    assert seen.flags("E10") == ["profile_response 5", "profile_response 6"]
    assert (5, "UNKNOWN(5)", True) in seen.rows("profile_question", "question_id", "question_text", "stub")


def test_e8_texts_that_no_target_can_store(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    old.add("internal_note", {"note_id": 1, "company_profile_id": 1, "note_type_cd": "x", "note_text": "a\0b"})
    old.db["P2"].execute("UPDATE internal_note SET note_text = 'a' || char(0) || 'b'")
    old.add("internal_note", {"note_id": 2, "company_profile_id": 9, "note_text": "x"})
    old.db["P2"].execute("UPDATE internal_note SET note_text = CAST(X'61F080FF' AS TEXT) WHERE note_id = 2")
    seen = old.expected()
    assert seen.rows("internal_note", "legacy_key", "note_text") == [("1", "a\ufffdb")]
    assert seen.flags("E8") == ["internal_note 1", "internal_note 2"]  # held rows too
    assert sorted(row[1] for row in seen.rows("stored_object", "sha256", "size_bytes")) == [3, 4]


def test_e14_due_dates_inside_the_freeze(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    for task, due in enumerate(("2023-09-15", "2023-09-16", "2023-09-30", "2023-10-01", None), 1):
        old.add("portal_task", {"task_id": task, "company_profile_id": 1, "due_dt": due})
    moved = dict(old.expected().rows("portal_task", "legacy_key", "due_dt_adjusted"))
    assert moved == {"1": None, "2": date(2023, 10, 1), "3": date(2023, 10, 15), "4": None, "5": None}


# F, G, H ----------------------------------------------------------------------------------------------------------------


def test_f2_validation_of_a_profile_with_its_dependents(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]), (11, [{"entity_id": 2}]))
    old.add("validation", {"validation_id": 1, "company_profile_id": 1}, {"validation_id": 2, "company_profile_id": 1, "entity_id": 2})
    old.add(
        "validation_finding", {"finding_id": 3, "validation_id": 1, "finding_kind_cd": "INTERNAL"}, {"finding_id": 4, "validation_id": 2}
    )
    old.add(
        "finding_response",
        {"finding_response_id": 5, "finding_id": 3},
        {"finding_response_id": 6, "finding_id": 4},
        {"finding_response_id": 7, "finding_id": 9},
    )
    seen = old.expected()
    assert seen.rows("finding_response", "legacy_key", "@") == [("5", 1), ("5", 2), ("6", 2)]
    assert seen.rows("validation_finding", "legacy_key", "@", "internal") == [("3", 1, True), ("3", 2, True), ("4", 2, False)]
    assert seen.flags("F2") == ["validation 1"]
    assert seen.held() == {"finding_response 7": "BROKEN_REFERENCE"}


def test_g1_g6_pairs(old: Old) -> None:
    early, late = "2019-01-01 00:00:00", "2022-01-01 00:00:00"
    old.company(1, (10, [{"entity_id": 1, "created_at": early}, {"entity_id": 2, "created_at": early}]))
    old.company(2, (20, [{"entity_id": 3, "created_at": early}, {"entity_id": 4, "created_at": late}]))
    link = {"request_status_cd": "ACCEPTED", "monitor_profile_id": 1, "monitored_profile_id": 2, "requested_at": NOON}
    old.add(
        "svi_link",
        link | {"link_id": 1, "monitor_entity_id": 1, "responded_at": "2020-02-01 00:00:00"},
        link | {"link_id": 2, "monitor_entity_id": 1, "monitored_entity_id": 3, "responded_at": None},
        link | {"link_id": 3, "monitored_profile_id": 1},
        link | {"link_id": 4, "monitor_entity_id": 1, "monitored_entity_id": 1},
        link | {"link_id": 5, "monitor_profile_id": 9},
        link | {"link_id": 6, "monitored_entity_id": 4, "monitor_entity_id": 2},
    )
    seen = old.expected()
    assert seen.rows("svi_link", "legacy_key", "monitor_account_id", "monitored_account_id", "superseded") == [
        ("1", 1, 3, False),
        ("2", 1, 3, True),
        ("3", 1, 2, False),
        ("3", 2, 1, False),
        ("6", 2, 4, False),
    ]
    assert seen.held() == {"svi_link 4": "NO_ACCOUNT", "svi_link 5": "BROKEN_REFERENCE"}
    assert seen.flags("G6") == ["svi_link 2"]


def test_g9_membership_needs_consent_and_certification(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "status_cd": "APPROVED"}])).company(2, (20, [{"entity_id": 3}]))
    old.add("agreement_version", {"agreement_version_id": 1, "agreement_cd": "SVI_CONSENT"})
    old.add("agreement_signature", {"signature_id": 1, "agreement_version_id": 1, "company_profile_id": 1})
    old.add("svi_setting", {"company_profile_id": 1, "consent_signature_id": 1}, {"company_profile_id": 2, "consent_signature_id": 9})
    seen = old.expected()
    assert seen.rows("svi_membership", "@", "active") == [(1, True), (2, False), (3, False)]
    assert seen.flags("X1") == ["svi_setting 2"]


def test_h1_h2_h3_h4_h6_identifiers(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "business_type_cd": "SEA"}]))
    numbers: list[tuple[int, str, str, int | None, int | None]] = [
        (1, "IOR", " 123-45-6789", None, 1),
        (2, "BOND", "b-1", None, 1),
        (3, "SCAC", "Straße", None, 1),
        (4, "FILER", "x", None, 1),
    ]
    numbers += [(5, "EIN", "1", None, None), (6, "MID", "ﬁ", 2, 9), (7, "EIN", "123-45-6789", None, 1), (8, "DUNS", "ß" * 31, None, 1)]
    for number, kind, value, entity, profile in numbers:
        row = {
            "identifier_id": number,
            "identifier_type_cd": kind,
            "identifier_value": value,
            "entity_id": entity,
            "company_profile_id": profile,
            "active_ind": "Y",
        }
        old.add("entity_identifier", row)
    seen = old.expected()
    assert seen.rows("account_identifier", "legacy_key", "@", "value_norm", "pii") == [
        ("1", 1, "123456789", True),
        ("2", 1, "B1", False),
        ("2", 2, "B1", False),
        ("3", 2, "STRASSE", False),
        ("6", 2, "FI", False),
        ("7", 1, "123456789", True),
        ("7", 2, "123456789", True),
    ]
    assert seen.held() == {
        "entity_identifier 4": "NO_ELIGIBLE_ACCOUNT",
        "entity_identifier 5": "NO_OWNER",
        "entity_identifier 8": "UNREADABLE_VALUE",
    }
    assert seen.flags("H3") == []


# I, J, X ----------------------------------------------------------------------------------------------------------------


def test_i1_i4_i9_trade_compliance(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}])).company(2, (20, [{"entity_id": 2}, {"entity_id": 3}])).company(
        4, (40, [{"entity_id": 9, "business_type_cd": "BRK"}])
    )
    for number, entity, value in ((1, 2, "11-1"), (2, 3, "22-2"), (3, 3, "33-3"), (4, 1, "44-4")):
        old.add(
            "entity_identifier",
            {"identifier_id": number, "entity_id": entity, "identifier_type_cd": "IOR", "identifier_value": value, "active_ind": "Y"},
        )
    old.person(1, 2, 1, "p2@x.y")
    accounts = {1: 1, 2: 2, 3: None, 4: 99, 5: None, 6: 4, 7: None}
    for account, profile in accounts.items():
        old.add("tc_account", {"tc_account_id": account, "company_profile_id": profile})
    for account, value in ((2, "111"), (2, "222"), (2, "33 3"), (3, "222"), (3, "111"), (4, "444"), (5, "555"), (1, "999")):
        old.add("tc_ior", {"tc_account_id": account, "ior_value": value, "active_ind": "Y"})
    for contact, account, email in ((1, 1, " P2@X.Y"), (2, 1, "new@x.y"), (3, 2, "NEW@x.y"), (4, 1, "none"), (5, 5, "held@x.y")):
        old.add("tc_contact", {"tc_contact_id": contact, "tc_account_id": account, "email": email, "job_title": f"Job {contact}"})
    seen = old.expected()
    assert seen.rows("tc_program", "legacy_key", "account_id") == [("1", 1), ("2", 3), ("4", 1)]
    assert seen.held("tc_account") == {"3": "TC_AMBIGUOUS", "5": "TC_NO_IMPORTER", "6": "TC_NO_IMPORTER", "7": "TC_NO_IMPORTER"}
    assert seen.flags("I1") == ["tc_account 4"]
    assert seen.flags("I4") == ["tc_ior 1|999", "tc_ior 2|111"]
    assert seen.flags("I9") == ["tc_contact 4"]
    assert seen.rows("login", "email_key", "email_display", "job_title", "status_cd") == [
        ("new@x.y", "new@x.y", "Job 2", "ACTIVE"),
        ("p2@x.y", "p2@x.y", None, "ACTIVE"),
    ]


def test_j4_the_wall_clock_of_new_york(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    clocks = {
        1: ("2020-01-15 12:00:00", "2020-01-15 17:00:00", True),
        2: ("2020-07-15 12:00:00", "2020-07-15 16:00:00", True),
        3: ("2020-11-01 01:30:00", "2020-11-01 05:30:00", False),
        4: ("2020-03-08 02:30:00", "2020-03-08 07:30:00", False),
        5: ("2020-03-08 03:00:00", "2020-03-08 07:00:00", True),
        6: ("2020-02-30 00:00:00", None, False),
        7: ("2020-01-15T12:00:00", None, False),
        8: (None, None, False),
        9: ("2020-01-15 24:00:00", None, False),
        10: ("2500-07-01 00:00:00", "2500-07-01 04:00:00", True),
        11: ("2020-01-15 12:00:00.0", None, False),
        12: ("1883-11-18 12:01:00", "1883-11-18 16:57:02", False),
        13: ("9999-12-31 23:00:00", None, False),
    }
    for event, (clock, _, _) in clocks.items():
        old.add("event_history", {"event_id": event, "company_profile_id": 1, "updated_local": clock})
    found = {
        key: (str(at) if at else None, sure)
        for key, at, sure in old.expected().rows("event_history", "legacy_key", "occurred_at", "occurred_certain")
    }
    assert found == {str(event): (at, sure) for event, (_, at, sure) in clocks.items()}


def test_x2_unreadable_values(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    task = {"company_profile_id": 1, "task_kind_cd": "x"}
    dates = {1: "2023-02-30", 2: "", 3: 2023, 4: "2023-01-01 00:00:00", 5: "2023-01-01T00:00:00", 6: b"2023-01-01"}
    old.add("portal_task", *(task | {"task_id": n, "due_dt": due} for n, due in dates.items()), task | {"task_id": 7, "entity_id": "x"})
    old.add(
        "portal_task",
        task | {"task_id": None},
        task | {"task_id": "abc"},
        task | {"task_id": None},
        task | {"task_id": 8, "task_kind_cd": "k" * 21},
    )
    old.add(
        "portal_task",
        task | {"task_id": 9, "done_at": "2023-01-01"},
        task | {"task_id": 10, "done_at": "2023-01-01T01:02:03.5Z"},
        task | {"task_id": 1.5},
    )
    seen = old.expected()
    loaded = {key: (due, done) for key, due, done in seen.rows("portal_task", "legacy_key", "due_dt", "done_at")}
    assert loaded == {
        "1": (None, None),
        "2": (None, None),
        "3": (None, None),
        "4": (date(2023, 1, 1), None),
        "5": (None, None),
        "6": (None, None),
        "9": (None, None),
        "10": (None, datetime(2023, 1, 1, 1, 2, 3, 500_000)),
    }
    also = {str(n) for n in (1, 2, 3, 5, 6, 9)}
    assert seen.held("portal_task") == dict.fromkeys(also | {"7", "8", "abc", "1.5", "NULL#1", "NULL#2"}, "UNREADABLE_VALUE")
    assert seen.flags("X2") == sorted(f"portal_task {key}" for key in also)


def test_keys_that_become_equal(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    old.add("highway_crossing", {"entity_id": 1, "port_cd": "ab"}, {"entity_id": 1, "port_cd": b"ab"}, {"entity_id": 1, "port_cd": None})
    seen = old.expected()
    assert seen.held() == {"highway_crossing 1|ab#2": "UNREADABLE_VALUE", "highway_crossing NULL#1": "UNREADABLE_VALUE"}
    assert seen.rows("account_highway_crossing", "@", "port_cd") == [(1, "ab")]
