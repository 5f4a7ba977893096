"""Chapter E of the rules: security profiles and answers, copied word for word."""

import hashlib
from datetime import date
from pathlib import Path

import pytest

from tests.support.legacy import Legacy, Undecodable


def _world() -> Legacy:
    """Profile 1 with model 11: a broker (101) and a consolidator (102), and the security profile 10."""
    return Legacy().profile(1).model(11).entity(101, type="BRK").entity(102, type="CON").year(10)


def test_E1_all_years_drafts_and_rejected_ones_migrate_unchanged(tmp_path: Path) -> None:
    world = _world().user(5, user_name="u@x.example")
    full = {
        "window_opens_dt": "2022-06-01",
        "due_dt": "2022-09-01",
        "submitted_at": "2022-08-15 15:00:00",
        "reviewed_at": "2022-10-01 00:00:00",
    }
    world.year(11, profile_year=2012, status="REJECTED", submitted_by_user=5, reviewed_by_cbp_user=1, current="N", **full)
    store = world.year(12, profile_year=-1, status="INCOMPLETE", current="Y").migrate(tmp_path)
    columns = ("profile_year", "status_cd", "is_current", "submitted_by_login_id", "reviewed_by_cbp_user_id", "criteria_version_id", *full)
    assert store.rows("security_profile", "security_profile_id", *columns)[2:] == [
        ("11@101", 2012, "REJECTED", 0, "u@x.example", 1, 1, *full.values()),
        ("11@102", 2012, "REJECTED", 0, "u@x.example", 1, 1, *full.values()),
        ("12@101", -1, "INCOMPLETE", 1, None, None, 1, *[None] * 4),
        ("12@102", -1, "INCOMPLETE", 1, None, None, 1, *[None] * 4),
    ]


def test_E2_an_answer_in_a_model_with_several_entities_is_copied_to_each(tmp_path: Path) -> None:
    world = _world().user(5, user_name="u@x.example")
    world.answer(7, response_text=" as typed \r\n", review="APPROVED", modified="2022-01-01 00:00:00.1", modified_by_user=5)
    store = world.comment(8, comment_text="c", cbp_user=1, internal="N").migrate(tmp_path)
    copied = (" as typed \r\n", "COMPLETE", "APPROVED", "2022-01-01 00:00:00.100000", "u@x.example")
    columns = ("response_text", "completion_cd", "review_cd", "modified_at", "modified_by_login_id")
    assert store.rows("profile_response", "response_id", *columns) == [("7@101", *copied), ("7@102", *copied)]
    assert store.rows("response_comment", "comment_id", "response_id") == [("8@101", "7@101"), ("8@102", "7@102")]


def test_E3_fp14_the_strength_is_that_of_the_question_for_the_accounts_type_after_the_split(tmp_path: Path) -> None:
    world = (
        _world()
        .entity(103, type="HWY", border_crossed="CAN")
        .entity(104, type="BRK")
        .applicability(1, "BRK", "MUST")
        .applicability(1, "HWC", "SHOULD")
    )
    store = world.answer(7).migrate(tmp_path)
    assert store.rows("profile_response", "account_id", "applicability_cd") == [
        (101, "MUST"),
        (102, "NOT_APPLICABLE"),
        (103, "SHOULD"),
        (104, "MUST"),
    ]


def test_E3_fp4_only_loaded_applicability_rows_count(tmp_path: Path) -> None:
    store = _world().applicability(99, "BRK", "MUST").answer(7, question=99).migrate(tmp_path)
    assert store.held == {"question_applicability 99|BRK": "BROKEN_REFERENCE"}  # even where E10 makes a stub of that id
    assert store.rows("profile_response", "account_id", "applicability_cd") == [(101, "NOT_APPLICABLE"), (102, "NOT_APPLICABLE")]
    assert store.rows("question_applicability") == []


def test_E4_no_answer_is_invented(tmp_path: Path) -> None:
    assert _world().question(2).applicability(2, "BRK").migrate(tmp_path).rows("profile_response") == []


def test_E7_of_several_answers_the_latest_applies_and_the_others_are_superseded_and_flagged(tmp_path: Path) -> None:
    world = (
        _world()
        .answer(1, modified="2022-01-01 00:00:00")
        .answer(3, modified="2023-01-01 00:00:00")
        .answer(2, modified="2023-01-01 00:00:00")
    )
    world.question(2).answer(4, question=2).year(11).answer(5, question=1)  # another question, another security profile
    store = world.migrate(tmp_path)
    assert store.rows("profile_response", "legacy_key", "account_id", "superseded") == [
        (str(key), account, int(key in (1, 2))) for key in (1, 2, 3, 4, 5) for account in (101, 102)
    ]
    assert store.flags("E7") == ["profile_response 1", "profile_response 2"]


def test_E7_fp24_compares_loaded_answers_only(tmp_path: Path) -> None:
    world = _world().answer(1, modified="2022-01-01 00:00:00").answer(2, modified="in spring")
    store = world.answer(3, security_profile=99).answer(4, security_profile=99).migrate(tmp_path)
    assert store.rows("profile_response", "legacy_key", "superseded") == [("1", 0), ("1", 0)]
    assert store.flags("E7") == []


# By case: the bytes as recorded, and the text that the new store has.
INVALID = {
    "U+0000": (b"a\0b\0", "a\ufffdb\ufffd"),
    "Latin-1": (b"caf\xe9", "caf\ufffd"),
    "a lone surrogate in UTF-8": (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    "a surrogate pair in UTF-8": (b"\xed\xa0\xbd\xed\xb8\x80", "\ufffd" * 6),
    "overlong": (b"\xc0\xaf", "\ufffd\ufffd"),
    "truncated": (b"x\xe2\x82", "x\ufffd"),
    "truncated between": (b"\xf0\x9f\x98x", "\ufffdx"),
    "beyond the last character": (b"\xf4\x90\x80\x80", "\ufffd" * 4),
    "UTF-16": (b"\xff\xfea\0", "\ufffd\ufffda\ufffd"),
}


def test_E8_fp26_invalid_texts_get_one_replacement_for_each_invalid_part_and_their_exact_bytes_are_kept(tmp_path: Path) -> None:
    world = _world()
    for number, (exact, _) in enumerate(INVALID.values(), start=1):
        world.question(number + 100).answer(number, response_text=Undecodable(exact))
    store = world.migrate(tmp_path)
    texts = dict(store.rows("profile_response", "legacy_key", "response_text"))
    assert {case: texts[str(number)] for number, case in enumerate(INVALID, start=1)} == {case: text for case, (_, text) in INVALID.items()}
    digests = {f"profile_response {n}": hashlib.sha256(exact).hexdigest() for n, (exact, _) in enumerate(INVALID.values(), start=1)}
    assert store.flags("E8") == sorted(digests)
    assert {row: detail.rpartition(" ")[2] for row, detail in store.details("E8").items()} == digests
    assert store.stored() == {hashlib.sha256(exact).hexdigest(): exact for exact, _ in INVALID.values()}
    assert store.rows("stored_object", "sha256") == sorted(digests.values())


@pytest.mark.parametrize("case", INVALID)
def test_E8_fp26_is_pythons_own_replacement(case: str) -> None:
    exact, text = INVALID[case]
    assert exact.decode("utf-8", "replace").replace("\0", "\ufffd") == text


def test_E8_texts_are_not_truncated_trimmed_or_normalised_and_an_empty_string_is_not_null(tmp_path: Path) -> None:
    texts = ["", None, "  ", "\r\n\t", "e\u0301 é \ufb01", "x" * 200_000, "\ufeffbom", "\u202egnp", "NULL", "\ufffd", "𝔘\U0010ffff"]
    world = _world()
    for number, text in enumerate(texts, start=1):
        world.question(number + 100).answer(number, response_text=text)
    store = world.migrate(tmp_path)
    assert {(int(key), text) for key, text in store.rows("profile_response", "legacy_key", "response_text")} == set(
        enumerate(texts, start=1)
    )
    assert store.flags("E8") == []


def test_E8_fp42_a_blob_in_a_text_column_is_the_text_of_its_bytes(tmp_path: Path) -> None:
    store = _world().answer(1, response_text=b"good \xc3\xa9").question(2).answer(2, response_text=b"bad \xe9").migrate(tmp_path)
    assert store.rows("profile_response", "legacy_key", "response_text")[::2] == [("1", "good é"), ("2", "bad \ufffd")]
    assert store.flags("E8") == ["profile_response 2"]


def test_E8_fp3_the_bytes_of_a_held_row_are_stored_and_flagged(tmp_path: Path) -> None:
    store = _world().answer(1, security_profile=99, response_text=Undecodable(b"held \xff"), question=999).migrate(tmp_path)
    assert store.held == {"profile_response 1": "BROKEN_REFERENCE"}
    assert store.holding("profile_response 1")["response_text"] == "held \ufffd"
    assert store.all_flags >= {("E8", "profile_response 1")}
    assert not {rule for rule, row in store.all_flags if row == "profile_response 1"} - {"E8"}  # no E10: a held row carries no other flag
    assert set(store.stored().values()) == {b"held \xff"}


def test_E8_fp26_comes_first_all_other_rules_see_the_repaired_text(tmp_path: Path) -> None:
    world = Legacy().profile(1, name=Undecodable(b"A\xff")).model(11).entity(101, number=Undecodable(b"N\xff"))
    world.profile(2, name=Undecodable(b"a\xfe")).model(21).entity(201, number=Undecodable(b"N\xfe")).identifier(
        1, entity=101, identifier_value=Undecodable(b"a\0b")
    )
    store = world.user(1, user_name=Undecodable(b"u\xff@x")).user(2, user_name=Undecodable(b"U\xfe@x")).migrate(tmp_path)
    assert store.flags("A18") == ["company_profile 1", "company_profile 2"]
    assert store.accounts("account_number") == {101: "N\ufffd", 201: "M000000201"}
    assert store.rows("account_identifier", "value_raw", "value_norm") == [("a\ufffdb", "AB")]
    assert store.rows("login", "email_key") == ["u\ufffd@x"]
    assert store.flags("B2") == []  # both nameless: one person


def test_E8_several_texts_of_one_row_are_one_flag_that_names_each(tmp_path: Path) -> None:
    store = Legacy().profile(1, dba_name=Undecodable(b"\xff"), website=Undecodable(b"\xfe")).model(11).entity(101).migrate(tmp_path)
    (detail,) = store.details("E8").values()
    assert "dba_name" in detail
    assert "website" in detail
    assert len(store.stored()) == 2


def test_E10_fp16_a_question_that_the_catalogue_lacks_becomes_a_stub_made_by_loaded_rows_only(tmp_path: Path) -> None:
    world = (
        _world()
        .answer(1, question=-88)
        .answer(2, question=89, security_profile=99)
        .validation(5, entity=101)
        .finding(6, question=90)
        .finding(7, question=-88)
    )
    store = world.finding(8, question=None).migrate(tmp_path)
    stubs = [row for row in store.rows("profile_question") if row["stub"]]
    assert stubs == [
        {
            "question_id": question,
            "criteria_version_id": None,
            "category_no": None,
            "criterion_no": None,
            "question_no": None,
            "question_text": f"UNKNOWN({question})",
            "stub": 1,
        }
        for question in (-88, 90)
    ]
    assert store.flags("E10") == ["profile_response 1", "validation_finding 6", "validation_finding 7"]


def test_E14_a_due_date_inside_the_freeze_gets_an_adjusted_date(tmp_path: Path) -> None:
    days = {"2023-09-15": None, "2023-09-16": "2023-10-01", "2023-09-30": "2023-10-15", "2023-10-01": None, None: None}
    world = Legacy().profile(1).model(11).entity(101, type="IMP").validation(1, entity=101).tc_account(1, company_profile=1)
    for number, day in enumerate(days, start=1):
        world.year(number, due=day).finding(number, due=day).task(number, due=day).tc_annual_notification(number, due=day)
    store = world.migrate(tmp_path)
    for table in ("security_profile", "validation_finding", "portal_task", "tc_annual_notification"):
        assert set(store.rows(table, "due_dt", "due_dt_adjusted")) == set(days.items()), table


@pytest.mark.parametrize(("freeze", "adjusted"), [(None, None), ((date(2023, 9, 20), date(2023, 9, 20)), "2023-09-21")])
def test_E14_without_a_freeze_nothing_is_adjusted_and_a_freeze_may_last_one_day(
    tmp_path: Path, freeze: tuple[date, date] | None, adjusted: str | None
) -> None:
    store = Legacy().profile(1).model(11).entity(101).task(1, due="2023-09-20").migrate(tmp_path, freeze)
    assert store.rows("portal_task", "due_dt", "due_dt_adjusted") == [("2023-09-20", adjusted)]
