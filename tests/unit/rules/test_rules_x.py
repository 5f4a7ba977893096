"""Routes, soft references (X1), unreadable values (X2)."""

import hashlib
from pathlib import Path

import polars as pl
import pytest

from etl.domain.typed_values import dates, timestamps
from tests.support.legacy import MAPPINGS, Legacy, Undecodable


def _world() -> Legacy:
    """Profile 1 with entities 101, 102 in model 11 and 103 in model 12; profile 2, which is held."""
    return Legacy().profile(2).profile(1).model(11).entity(101).entity(102).model(12, deleted="Y").entity(103)


# -- routes ----------------------------------------------------------------------------------------------------------------------------


def test_routes_the_narrowest_reference_that_is_set_decides(tmp_path: Path) -> None:
    world = _world().validation(1, entity=101, model=12).validation(2, model=11).validation(3).program_participation(4, entity=102).task(5)
    store = world.migrate(tmp_path)
    assert store.rows("validation", "validation_id") == ["1@101", "2@101", "2@102", "3@101", "3@102", "3@103"]
    assert store.rows("account_program", "participation_id") == ["4@102"]
    assert store.rows("portal_task", "task_id") == ["5@101", "5@102", "5@103"]  # archived accounts too


def test_routes_a_reference_that_is_set_and_broken_decides_too(tmp_path: Path) -> None:
    world = _world().entity(104, model=99).task(1, entity=999).task(2, entity=104).validation(3, model=99).validation(4, profile=2)
    assert world.migrate(tmp_path).held == {
        "company_profile 2": "PROFILE_WITHOUT_ENTITY",
        "model_entity 104": "BROKEN_REFERENCE",
        "portal_task 1": "BROKEN_REFERENCE",
        "portal_task 2": "PARENT_HELD",
        "validation 3": "BROKEN_REFERENCE",
        "validation 4": "PARENT_HELD",
    }


def test_routes_a_child_follows_its_parent_also_where_that_is_held(tmp_path: Path) -> None:
    world = _world().year(1, model=11).answer(2).comment(3).year(4, model=99).answer(5).comment(6).comment(7, response=99)
    store = world.migrate(tmp_path)
    assert store.rows("response_comment", "comment_id") == ["3@101", "3@102"]
    assert {row: reason for row, reason in store.held.items() if row.startswith(("profile_response", "response"))} == {
        "profile_response 5": "PARENT_HELD",
        "response_comment 6": "PARENT_HELD",
        "response_comment 7": "BROKEN_REFERENCE",
    }


def test_routes_fp2_of_several_reasons_the_missing_row_counts_before_the_held_parent(tmp_path: Path) -> None:
    world = _world().entity(104, model=99).signature(1, entity=104, agreement_version=99).signature(2, entity=104)
    store = (
        world.tc_annual_notification(3, tc_account=99)
        .tc_document(4, tc_account=98)
        .tc_anl_document(3, 4)
        .tc_anl_document(3, 99)
        .migrate(tmp_path)
    )
    assert store.held["agreement_signature 1"] == "BROKEN_REFERENCE"
    assert store.held["agreement_signature 2"] == "PARENT_HELD"
    assert store.held["tc_anl_document 3|4"] == "PARENT_HELD"
    assert store.held["tc_anl_document 3|99"] == "BROKEN_REFERENCE"


def test_routes_small_tables_of_an_entity_go_to_its_account(tmp_path: Path) -> None:
    world = _world().add("importer_country_of_origin", 101, 1, country="VN").highway_crossing(101, "2304").consolidator_mode(101, "AIR")
    world.eligibility_answer(101, 2, 3, answer="Y", answered="2005-03-04 10:00:00").vetting_record(4, entity=101, sealed_content=b"\0\xff")
    world.add(
        "entity_status_history",
        5,
        entity=101,
        status="CERTIFIED",
        tier="2",
        **{"from": "2005-09-01 00:00:00"},
        reason="r",
        set_by_cbp_user=1,
    )
    store = world.migrate(tmp_path)
    assert store.rows("account_country_of_origin") == [{"account_id": 101, "rank_no": 1, "country_cd": "VN"}]
    assert store.rows("account_highway_crossing") == [{"account_id": 101, "port_cd": "2304"}]
    assert store.rows("account_consolidator_mode") == [{"account_id": 101, "mode_cd": "AIR"}]
    assert store.rows("account_eligibility_answer") == [
        {"account_id": 101, "catalog_version": 2, "question_no": 3, "answer_cd": "Y", "answered_at": "2005-03-04 10:00:00"},
    ]
    assert store.rows("vetting_record", "vetting_id", "sealed_content") == [("4@101", b"\0\xff")]
    assert store.rows("account_status_history") == [
        {
            "history_id": "5@101",
            "account_id": 101,
            "status_cd": "CERTIFIED",
            "tier_cd": "2",
            "from_at": "2005-09-01 00:00:00",
            "to_at": None,
            "reason_txt": "r",
            "set_by_cbp_user_id": 1,
            "legacy_key": "5",
        },
    ]


def test_routes_fp4_catalogue_rows_are_carried_over_unchecked_but_for_an_applicability_without_question(tmp_path: Path) -> None:
    world = _world().question(5, criteria_version=99, category=-1, criterion_no="7.23", question_text=" q").applicability(6, "IMP")
    store = world.add("criteria_category", 7, "n", "f").migrate(tmp_path)
    assert store.rows("profile_question")[1] == {
        "question_id": 5,
        "criteria_version_id": 99,
        "category_no": -1,
        "criterion_no": "7.23",
        "question_no": 1,
        "question_text": " q",
        "stub": 0,
    }
    assert store.rows("criteria_category") == [{"category_no": 7, "name": "n", "focus_area": "f"}]
    assert {row: reason for row, reason in store.held.items() if "applicability" in row} == {
        "question_applicability 6|IMP": "BROKEN_REFERENCE"
    }
    assert store.all_flags & {(rule, "profile_question 5") for rule in ("X1", "A12")} == set()


def test_routes_fp3_a_held_row_carries_no_flag_but_one_that_is_loaded_and_held_does(tmp_path: Path) -> None:
    world = _world().entity(104, type="NEW", model=99, scss_cbp_user=99).entity(105, model=11, type="IMP", anniversary="")
    store = world.event(1, entity=104, updated_local="never").validation(2, profile=2, lead_cbp_user=99).migrate(tmp_path)
    flagged = {row for _, row in store.all_flags}
    assert flagged & {"model_entity 104", "event_history 1", "validation 2"} == set()
    assert {rule for rule, row in store.all_flags if row == "model_entity 105"} == {"B19", "H3", "X2"}


# -- X1 --------------------------------------------------------------------------------------------------------------------------------

SOFT = [
    (mapping.table, form.columns[0], into.table, name)
    for mapping in MAPPINGS.tables.values()
    for into in mapping.into
    for name, form in into.columns.items()
    if form.kind == "soft"
]


def _complete() -> Legacy:
    """One row or more of every table that has a soft reference, all of them good."""
    world = (
        _world()
        .year(1, model=11)
        .answer(1)
        .comment(1)
        .document(1, model=11)
        .validation(1)
        .finding(1)
        .finding_response(1)
        .signature(1)
        .contact(1)
    )
    world.thread(1).message(1).note(1).program_participation(1).svi_setting(1).svi_link(1, monitor_profile=1, monitored_profile=1)
    return world.add("entity_status_history", 1, entity=101)


def test_X1_every_soft_reference_without_its_row_loads_with_null_and_is_flagged(tmp_path: Path) -> None:
    world = _complete()
    for table, column, _, _ in SOFT:
        for row in world.tables[table]:
            row[column] = 99
    store = world.migrate(tmp_path)
    assert len(SOFT) >= 17
    for table, column, target, name in SOFT:
        assert set(store.rows(target, name)) == {None}, f"{table}.{column}"
    tables = {table for table, *_ in SOFT}
    assert {row.partition(" ")[0] for row in store.flags("X1")} == tables
    assert all("no such row" in detail for detail in store.details("X1").values())


def test_X1_a_soft_reference_to_a_held_row_is_null_too_and_each_is_named_in_one_flag(tmp_path: Path) -> None:
    world = _world().user(5, user_name="no mail").add("cbp_user", 7, display_name="y" * 121)
    store = world.message_thread(1).message(2, from_user=5, from_cbp_user=7).migrate(tmp_path)
    assert store.rows("message", "from_login_id", "from_cbp_user_id") == [(None, None)]
    assert list(store.details("X1")) == ["message 2"]
    assert all(column in store.details("X1")["message 2"] for column in ("from_user_id", "from_cbp_user_id"))


def test_X1_a_profile_of_an_unknown_organisation_is_in_no_group(tmp_path: Path) -> None:
    store = Legacy().profile(1, trade_org=9).model(11).entity(101).migrate(tmp_path)
    assert store.flags("X1") == ["company_profile 1"]
    assert store.rows("account_group", "group_id") == ["COMPANY_PROFILE 1", "SECURITY_MODEL 11"]


def test_X1_the_origin_of_a_model_is_loaded_as_a_number_and_not_as_a_reference(tmp_path: Path) -> None:
    store = Legacy().profile(1).model(11, origin="SPLIT", origin_model_id=-99).entity(101).migrate(tmp_path)
    assert store.accounts("legacy_origin_model_id", "model_origin_cd") == {101: (-99, "SPLIT")}
    assert store.flags("X1") == []


# -- X2 --------------------------------------------------------------------------------------------------------------------------------


def test_X2_an_unreadable_value_that_may_be_null_loads_with_null_and_the_whole_row_is_held_as_well(tmp_path: Path) -> None:
    world = _world().entity(104, model=11, anniversary="2023-02-30", tier="12", office="N").address(5, postal_code="p" * 21, city="c")
    store = world.migrate(tmp_path)
    assert store.accounts("anniversary_dt", "tier_cd", "office_cd")[104] == (None, None, "N")
    assert store.held["model_entity 104"] == store.held["company_address 5"] == "UNREADABLE_VALUE"
    assert store.flags("X2") == ["company_address 5", "model_entity 104"]
    assert store.details("X2")["model_entity 104"].endswith("anniversary_dt, tier_cd")
    held = store.holding("model_entity 104")
    assert (held["anniversary_dt"], held["tier_cd"], held["office_cd"], held["entity_id"]) == ("2023-02-30", "12", "N", 104)
    assert set(store.rows("account_address", "postal_code", "city")) == {(None, "c")}


# By case: a table, the columns that make it, and whether it is held only.
UNREADABLE: dict[str, tuple[str, dict[str, object], bool]] = {
    "a key": ("company_address", {"address_id": "abc"}, True),
    "a reference": ("company_address", {"company_profile_id": "one"}, True),
    "a soft reference": ("validation", {"lead_cbp_user_id": 1.5}, True),
    "a mandatory date": ("security_model", {"effective_at": "2020-01-01"}, True),
    "a mandatory number": ("security_profile", {"profile_year": 2023.5}, True),
    "a mandatory number outside INTEGER": ("security_profile", {"profile_year": 2**31}, True),
    "a number beyond 64 bits": ("security_profile", {"profile_year": 1e30}, True),
    "a mandatory text that is too long": ("company_profile", {"company_name": "x" * 201}, True),
    "a mandatory indicator that is too long": ("company_profile", {"deleted_ind": "NO"}, True),
    "a reference no route takes": ("company_profile", {"trade_org_id": "x"}, True),
    "a number in a column of bytes": ("vetting_record", {"sealed_content": 5}, True),
    "an optional number": ("document", {"size_bytes": "three"}, False),
    "an optional date": ("company_profile", {"business_start_dt": 20200101}, False),
    "an optional moment": ("finding_response", {"submitted_at": "2020-01-01 25:00:00"}, False),
    "an optional text that is too long": ("company_profile", {"dba_name": "x" * 201}, False),
    "the excepted origin": ("security_model", {"origin_model_id": "model 3"}, False),
    "fp49 a value that no target column takes": ("document", {"object_path": "p" * 601}, False),
}


def test_X2_fp23_fp49_in_a_key_a_reference_or_a_mandatory_column_the_row_is_held_only_else_it_loads_as_well(tmp_path: Path) -> None:
    world, rows = Legacy(), {}
    for number, (case, (table, columns, _)) in enumerate(UNREADABLE.items(), start=1):
        world.profile(number).model(number).entity(number)  # a whole profile for each case
        if table in ("company_profile", "security_model"):
            world.tables[table][-1].update(columns)
        else:
            if table == "finding_response":
                world.validation(number).finding(number)
            owner = {"model": number} if table == "document" else {"entity": number} if table == "vetting_record" else {}
            world.add(table, number, **owner)
            world.tables[table][-1].update(columns)
        key = columns.get("address_id", number)
        rows[case] = f"{table} {key}"
    store = world.migrate(tmp_path)
    assert {case: store.held.get(row) for case, row in rows.items()} == dict.fromkeys(UNREADABLE, "UNREADABLE_VALUE")
    assert {case for case, row in rows.items() if row not in store.flags("X2")} == {case for case, (*_, only) in UNREADABLE.items() if only}
    assert {case: store.digest_of(row) for case, row in rows.items() if store.digest_of(row)} == {}  # fp49
    for case, (_, columns, _) in UNREADABLE.items():
        for column, value in columns.items():
            if column != "sealed_content":
                assert store.holding(rows[case])[column] == value, case


def test_X2_fp23_beats_every_other_reason_and_a_row_held_for_another_is_held_for_that_alone(tmp_path: Path) -> None:
    world = _world().task(1, entity=99, due="soon").task("x", entity=99).address(2, profile=99, postal_code="p" * 21)
    store = world.user(3, user_name="no mail", user_status="x" * 13).migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if not row.startswith("company_profile")} == {
        "portal_task 1": "BROKEN_REFERENCE",
        "portal_task x": "UNREADABLE_VALUE",
        "company_address 2": "BROKEN_REFERENCE",
        "portal_user 3": "UNREADABLE_VALUE",
    }
    assert store.flags("X2") == []
    assert store.holding("portal_task 1")["due_dt"] == "soon"


def test_X2_fp43_rows_without_key_and_with_equal_keys_are_numbered(tmp_path: Path) -> None:
    world = (
        _world()
        .task(None, task_kind="first")
        .task(None, task_kind="second")
        .address("abc")
        .address(b"abc")
        .address(Undecodable(b"abc\xff"))
    )
    store = world.migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if not row.startswith("company_profile")} == dict.fromkeys(
        ("portal_task NULL#1", "portal_task NULL#2", "company_address abc", "company_address abc#2", "company_address abc\ufffd"),
        "UNREADABLE_VALUE",
    )
    assert store.holding("portal_task NULL#2")["task_kind_cd"] == "second"
    assert store.flags("E8") == ["company_address abc\ufffd"]


def test_X2_fp47_keys_that_become_equal_by_repair_and_keys_of_which_a_part_is_null(tmp_path: Path) -> None:
    world = _world().highway_crossing(101, Undecodable(b"0\xfe")).highway_crossing(101, Undecodable(b"0\xff")).highway_crossing(101, None)
    world.highway_crossing(102, Undecodable(b"0\xff")).validation(3.5).validation(1e300)
    store = world.migrate(tmp_path)
    assert store.rows("account_highway_crossing", "account_id", "port_cd") == [(101, "0\ufffd"), (102, "0\ufffd")]
    assert {row: reason for row, reason in store.held.items() if not row.startswith("company_profile")} == dict.fromkeys(
        ("highway_crossing 101|0\ufffd#2", "highway_crossing NULL#1", "validation 3.5", "validation 1e+300"), "UNREADABLE_VALUE"
    )


def test_X2_fp23_a_key_that_is_too_long_or_outside_INTEGER_is_written_as_its_text(tmp_path: Path) -> None:
    world = (
        _world().add("criteria_category", 2**31).add("criteria_category", -(2**40)).business_type("ninechars").business_type("ninechar2")
    )
    world.highway_crossing(101, "123456789").highway_crossing(101, "12345678").add("importer_country_of_origin", 101, 2**31, country="US")
    store = world.migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if not row.startswith("company_profile")} == dict.fromkeys(
        (
            "criteria_category 2147483648",
            "criteria_category -1099511627776",
            "business_type ninechars",
            "business_type ninechar2",
            "highway_crossing 101|123456789",
            "importer_country_of_origin 101|2147483648",
        ),
        "UNREADABLE_VALUE",
    )
    assert store.holding("importer_country_of_origin 101|2147483648") == {"entity_id": 101, "rank_no": 2**31, "country_cd": "US"}
    assert store.rows("account_highway_crossing", "port_cd") == ["12345678"]


def test_X2_fp43_keys_that_contain_the_separator_stay_distinct(tmp_path: Path) -> None:
    world = _world().highway_crossing(101, "1|2").highway_crossing(101, "1").highway_crossing(101, "|").highway_crossing(101, "")
    store = world.migrate(tmp_path)
    assert store.rows("account_highway_crossing", "port_cd") == ["", "1", "1|2", "|"]
    assert [row for row in store.held if not row.startswith("company_profile")] == []


def test_X2_fp43_keys_that_are_equal_only_as_text_are_distinguished(tmp_path: Path) -> None:
    store = _world().document(1, model=11).link(1, "A", "1|2").link(1, "A|1", 2).migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if row.startswith("document_link")} == {
        "document_link 1|A|1|2": "UNREADABLE_VALUE",
        "document_link 1|A|1|2#2": "BROKEN_REFERENCE",
    }


def test_X2_fp27_the_held_row_is_one_json_object_with_every_column_but_blobs(tmp_path: Path) -> None:
    world = Legacy().entity(
        7, type="3PL", number=None, application="2020-02-29 00:00:00", model=99, created="2012-01-01T00:00:00Z", modified=5
    )
    store = world.document(8, file_name='"\\\u2028\U0001f600', size_bytes=2**53 + 1, version_no="two").content(8, b"abc").migrate(tmp_path)
    columns = [column.name for column in MAPPINGS.tables["P2", "model_entity"].columns]
    held = store.holding("model_entity 7")
    assert list(held) == columns
    given = {
        "entity_id": 7,
        "security_model_id": 99,
        "application_dt": "2020-02-29 00:00:00",
        "created_at": "2012-01-01T00:00:00Z",
        "modified_at": 5,
    }
    assert {name: held[name] for name in given} == given
    assert held["account_number"] is None
    document = store.holding("document 8")
    assert (document["file_name"], document["size_bytes"], document["version_no"]) == ('"\\\u2028\U0001f600', 2**53 + 1, "two")
    assert store.holding("document_content 8") == {"document_id": 8}


def test_X2_fp42_a_text_in_a_binary_column_is_its_bytes_and_a_number_is_invalid(tmp_path: Path) -> None:
    world = (
        _world().vetting_record(1, entity=101, sealed_content="é").document(2, model=11).content(2, "é").document(3, model=11).content(3, 5)
    )
    store = world.migrate(tmp_path)
    assert store.rows("vetting_record", "sealed_content") == ["é".encode()]
    assert store.rows("document", "legacy_key", "sha256", "content_state_cd")[::2] == [
        ("2", hashlib.sha256("é".encode()).hexdigest(), "PRESENT"),
        ("3", None, "MISSING"),
    ]
    assert store.held["document_content 3"] == "UNREADABLE_VALUE"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2020-02-29", "2020-02-29"),
        ("2020-02-29 00:00:00", "2020-02-29"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31"),
        *(
            (text, None)
            for text in (
                "2023-02-29",
                "",
                " 2020-01-01",
                "2020-01-01 00:00:01",
                "2020-01-01T00:00:00",
                "2020-1-1",
                "20200101",
                "0000-01-01",
                "10000-01-01",
                "2020-01-01\n",
                "٢٠٢٠-01-01",
                "2020-13-01",
                "2020-04-31",
                "01/02/2020",
            )
        ),
    ],
)
def test_X2_fp41_readable_days(text: str, day: str | None) -> None:
    _, canonical = dates(pl.Series("x", [text]))
    assert canonical.to_list() == [day]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-01 00:00:00", "2020-01-01 00:00:00"),
        ("2020-01-01T23:59:59Z", "2020-01-01 23:59:59"),
        ("2020-01-01 00:00:00.1", "2020-01-01 00:00:00.100000"),
        ("2020-01-01T00:00:00.123456+00:00", "2020-01-01 00:00:00.123456"),
        ("0001-01-01 00:00:00", "0001-01-01 00:00:00"),
        ("9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
        ("2020-01-01 00:00:00.000000", "2020-01-01 00:00:00"),
        *(
            (text, None)
            for text in (
                "2020-01-01",
                "",
                "2020-01-01 24:00:00",
                "2020-01-01 23:59:60",
                "2020-01-01 00:00",
                "2020-01-01 00:00:00.1234567",
                "2020-01-01 00:00:00.",
                "2020-01-01 00:00:00+01:00",
                "2020-01-01 00:00:00 Z",
                "2020-02-30 00:00:00",
                "0000-01-01 00:00:00",
                "2020-01-01  00:00:00",
                "2020-01-01 00:00:00\n",
                "2020-01-01 00:00:00-00:00",
                "now",
            )
        ),
    ],
)
def test_X2_fp41_readable_moments(text: str, moment: str | None) -> None:
    _, canonical = timestamps(pl.Series("x", [text]))
    assert canonical.to_list() == [moment]
