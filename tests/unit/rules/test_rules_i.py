"""Chapter I of the rules: Trade Compliance, on the importer's account."""

from pathlib import Path

import pytest

from tests.support.legacy import Legacy


def _importers() -> Legacy:
    """Profile 1 has importer 101 (numbers A1, A2; A9 inactive), profile 2 the importers 201 (B1) and 202 (B2, B3) and exporter 203 (E1)."""
    world = Legacy()
    for profile, entities in ((1, {101: ("A-1", "A-2")}), (2, {201: ("B-1",), 202: ("B-2", "B-3")})):
        world.profile(profile).model(profile * 10 + 1)
        for entity, numbers in entities.items():
            world.entity(entity, type="IMP")
            for number in numbers:
                world.identifier(entity=entity, identifier_type="IOR", identifier_value=number)
    world.entity(203, type="EXP").identifier(entity=203, identifier_type="IOR", identifier_value="E-1")
    return (
        world.identifier(entity=101, identifier_type="IOR", identifier_value="A-9", active="N")
        .profile(3)
        .profile(4)
        .model(41)
        .entity(401, type="BRK")
    )


# By case: the named profile, the active numbers of the Trade Compliance account, and where it goes or why it is held.
MATCHES: dict[str, tuple[int | None, tuple[str, ...], int | str]] = {
    "one importer under the named profile, whatever the numbers": (1, ("B1",), 101),
    "several under it: most numbers in common": (2, ("b 1", "B2", "B.3"), 202),
    "a number that is written twice counts once": (2, ("B1", "B-1", "B2", "B3"), 202),
    "several under it: a tie": (2, ("B1", "B2"), "TC_AMBIGUOUS"),
    "several under it: nothing in common": (2, ("A1",), "TC_NO_IMPORTER"),
    "several under it: no numbers": (2, (), "TC_NO_IMPORTER"),
    "none named: among all importers": (None, ("A1", "A2", "B1"), 101),
    "none named: a tie": (None, ("A1", "B1"), "TC_AMBIGUOUS"),
    "none named: nothing in common": (None, ("Z",), "TC_NO_IMPORTER"),
    "none named: an exporter's number": (None, ("E1",), "TC_NO_IMPORTER"),
    "an inactive number of the importer": (None, ("A9",), "TC_NO_IMPORTER"),
    "a number that is empty when normalised": (None, ("--",), "TC_NO_IMPORTER"),
    "the named profile has no importer": (4, ("A1",), "TC_NO_IMPORTER"),
    "the named profile is held": (3, ("A1",), "TC_NO_IMPORTER"),
    "the named profile never was: among all": (99, ("A1",), 101),
    "the named profile never was: nothing in common": (98, ("Z",), "TC_NO_IMPORTER"),
}


@pytest.mark.parametrize("order", [1, -1])
def test_I1_fp35_a_trade_compliance_account_goes_to_the_importer_it_names_or_has_most_active_numbers_in_common_with(
    tmp_path: Path, order: int
) -> None:
    world = (
        _importers()
        .identifier(entity=201, identifier_type="IOR", identifier_value="--")
        .identifier(entity=101, identifier_type="IOR", identifier_value="A 1")
    )
    numbered = dict(enumerate(MATCHES.items(), start=1))
    for number, (_, (profile, iors, _)) in sorted(numbered.items(), key=lambda item: order * item[0]):
        world.tc_account(number, company_profile=profile)
        for ior in iors:
            world.tc_ior(number, ior)
    world.tc_account(50, company_profile=None).tc_ior(50, "A1", active="N")  # inactive on this side
    store = world.migrate(tmp_path)
    found: dict[str, int | str] = {}
    for key, account in store.rows("tc_program", "legacy_key", "account_id"):
        found[numbered[int(key)][0]] = account
    for row, reason in store.held.items():
        if row.startswith("tc_account") and row != "tc_account 50":
            found[numbered[int(row.partition(" ")[2])][0]] = reason
    assert found == {case: where for case, (_, _, where) in MATCHES.items()}
    assert store.held["tc_account 50"] == "TC_NO_IMPORTER"
    never = [number for number, (case, _) in numbered.items() if case == "the named profile never was: among all"]
    assert store.flags("I1") == [f"tc_account {number}" for number in never]  # a held one carries no flag


def test_I1_everything_of_a_held_trade_compliance_account_is_held(tmp_path: Path) -> None:
    world = (
        _importers()
        .tc_account(1)
        .tc_ior(1, "Z")
        .tc_contact(2, email="a@x.example")
        .tc_questionnaire_answer(1, 1)
        .tc_document(3)
        .tc_document_content(3)
    )
    world.tc_annual_notification(4).tc_anl_item(4, "S").tc_anl_document(4, 3).tc_message(5).tc_event(6)
    store = world.migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if row.startswith("tc_")} == {
        "tc_account 1": "TC_NO_IMPORTER",
        "tc_ior 1|Z": "PARENT_HELD",
        "tc_contact 2": "PARENT_HELD",
        "tc_questionnaire_answer 1|1": "PARENT_HELD",
        "tc_document 3": "PARENT_HELD",
        "tc_document_content 3": "PARENT_HELD",
        "tc_annual_notification 4": "PARENT_HELD",
        "tc_anl_item 4|S": "PARENT_HELD",
        "tc_anl_document 4|3": "PARENT_HELD",
        "tc_message 5": "PARENT_HELD",
        "tc_event 6": "PARENT_HELD",
    }
    assert store.rows("login") == []


def test_I1_programs_questionnaires_letters_and_messages_move_with_all_their_values(tmp_path: Path) -> None:
    program = {
        "tc_account_number": "TC-1",
        "account_name": "n",
        "application_status_cd": "APPROVED",
        "account_status_cd": "ACTIVE",
        "submitted_dt": "2018-01-01",
        "activated_dt": None,
        "mou_signed_by": "m",
        "mou_signed_at": "2018-05-31 17:00:00",
        "account_manager": "a",
        "modified_at": "2023-01-01 00:00:00",
    }
    world = (
        _importers()
        .tc_account(1, company_profile=1, **program)
        .tc_questionnaire_answer(1, 2, answer_text="", answered="2018-02-01 00:00:00")
    )
    world.tc_annual_notification(3, anl_year=2022, submitted="2022-09-01 00:00:00", submitted_by_email="e", status="SUBMITTED")
    store = (
        world.tc_anl_item(3, "CHANGES", item_text=None)
        .tc_message(4, from_email="f", body="b", sent="2022-08-01 00:00:00")
        .migrate(tmp_path)
    )
    assert store.rows("tc_program") == [{"tc_program_id": "1@101", "account_id": 101, **program, "legacy_key": "1"}]
    assert store.rows("tc_questionnaire_answer") == [
        {"tc_program_id": "1@101", "question_no": 2, "answer_text": "", "answered_at": "2018-02-01 00:00:00"},
    ]
    assert store.rows("tc_annual_notification") == [
        {
            "anl_id": "3@101",
            "tc_program_id": "1@101",
            "anl_year": 2022,
            "due_dt": None,
            "due_dt_adjusted": None,
            "submitted_at": "2022-09-01 00:00:00",
            "submitted_by_email": "e",
            "status_cd": "SUBMITTED",
            "legacy_key": "3",
        },
    ]
    assert store.rows("tc_anl_item") == [{"anl_id": "3@101", "section_cd": "CHANGES", "item_text": None}]
    assert store.rows("tc_message") == [
        {
            "tc_message_id": "4@101",
            "tc_program_id": "1@101",
            "from_email": "f",
            "body": "b",
            "sent_at": "2022-08-01 00:00:00",
            "legacy_key": "4",
        },
    ]


def test_I1_fp38_a_letters_document_loads_as_recorded_whichever_account_it_belongs_to(tmp_path: Path) -> None:
    world = (
        _importers()
        .tc_account(1, company_profile=1)
        .tc_document(10)
        .tc_account(2)
        .tc_ior(2, "B2")
        .tc_document(20)
        .tc_account(3)
        .tc_document(30)
    )
    world.tc_annual_notification(5, tc_account=1).tc_anl_document(5, 10).tc_anl_document(5, 20).tc_anl_document(5, 30).tc_anl_document(
        5, 99
    )
    store = world.tc_annual_notification(6, tc_account=2).tc_anl_document(6, 10).migrate(tmp_path)
    assert store.rows("tc_anl_document", "anl_id", "document_id") == [
        ("5@101", "TC 10@101"),
        ("5@101", "TC 20@202"),
        ("6@202", "TC 10@101"),
    ]
    assert store.held["tc_anl_document 5|30"] == "PARENT_HELD"
    assert store.held["tc_anl_document 5|99"] == "BROKEN_REFERENCE"


def test_I4_fp35_a_number_that_the_importers_account_lacks_stays_and_is_flagged(tmp_path: Path) -> None:
    world = _importers().tc_account(1, company_profile=1).tc_ior(1, "a1", active="N").tc_ior(1, "A.9").tc_ior(1, "B-1").tc_ior(1, "")
    store = world.identifier(entity=101, identifier_type="EIN", identifier_value="C1").tc_ior(1, "C1").migrate(tmp_path)
    assert store.rows("tc_ior", "ior_value", "active") == [("", 1), ("A.9", 1), ("B-1", 1), ("C1", 1), ("a1", 0)]
    assert store.flags("I4") == ["tc_ior 1|", "tc_ior 1|B-1", "tc_ior 1|C1"]  # active or not on the account's side


def test_I9_fp21_a_trade_compliance_contact_is_on_that_account_only_and_its_login_is_made_where_there_is_none(tmp_path: Path) -> None:
    world = (
        _importers().user(5, user_name="rosa@x.example", first_name="Rosa").contact(6, user=5, profile=2).tc_account(1, company_profile=1)
    )
    world.tc_contact(9, email="Trude@X.example", full_name="No", job_title="No")
    world.tc_contact(8, email=" trude@x.example", full_name="Trude Only", job_title="Customs", contact_type="EMPLOYEE", tc_mail="Y")
    store = world.tc_contact(7, email="ROSA@x.example", job_title="Other", contact_type="OFFICER").migrate(tmp_path)
    logins = {row["email_key"]: row for row in store.rows("login")}
    assert {name: value for name, value in logins["trude@x.example"].items() if value is not None} == {
        "login_id": "trude@x.example",
        "email_key": "trude@x.example",
        "email_display": " trude@x.example",
        "job_title": "Customs",
        "status_cd": "ACTIVE",
        "activation_required": 1,
    }
    assert logins["rosa@x.example"]["first_name"] == "Rosa"
    assert logins["rosa@x.example"]["job_title"] is None  # an old login is not touched
    contacts = [row for row in store.rows("account_contact") if row["scope_cd"] == "TC"]
    assert [{name: value for name, value in row.items() if value is not None} for row in contacts] == [
        {
            "contact_id": f"TC {key}@101",
            "account_id": 101,
            "login_id": login,
            "scope_cd": "TC",
            "contact_type_cd": kind,
            "primary_poc": 0,
            "admin": 0,
            "receives_mail": mail,
            **names,
            "email": email,
            "legacy_portal_cd": "TC",
            "legacy_key": key,
        }
        for key, login, kind, mail, names, email in (
            ("7", "rosa@x.example", "OFFICER", 0, {"job_title": "Other"}, "ROSA@x.example"),
            ("8", "trude@x.example", "EMPLOYEE", 1, {"full_name": "Trude Only", "job_title": "Customs"}, " trude@x.example"),
            ("9", "trude@x.example", "x", 0, {"full_name": "No", "job_title": "No"}, "Trude@X.example"),
        )
    ]
    assert store.rows("login_alias", "legacy_key") == ["5"]


def test_I9_fp21_only_loaded_contacts_make_logins(tmp_path: Path) -> None:
    world = (
        _importers().tc_account(1).tc_contact(1, email="a@x.example").tc_account(2, company_profile=1).tc_contact(2, email="A@x.example")
    )
    assert world.migrate(tmp_path).rows("login", "email_display") == ["A@x.example"]


def test_I9_fp50_a_contact_without_a_usable_email_has_no_login_and_is_flagged(tmp_path: Path) -> None:
    world = _importers().tc_account(1, company_profile=1)
    for number, email in enumerate(("no address", None, "", "ß" * 125 + "@x.example"), start=1):
        world.tc_contact(number, email=email)
    store = world.migrate(tmp_path)
    assert store.flags("I9") == [f"tc_contact {number}" for number in (1, 2, 3, 4)]
    assert store.rows("account_contact", "login_id") == [None] * 4
    assert {row for row in store.held if row.startswith("tc_")} == set()


def test_I9_documents_are_of_the_partner_library_with_the_uploaders_login_where_there_is_one(tmp_path: Path) -> None:
    world = _importers().user(5, user_name="rosa@x.example").tc_account(1, company_profile=1).tc_contact(2, email="trude@x.example")
    for number, email in enumerate((" ROSA@x.example", "Trude@x.example", "nobody@x.example", "no mail", None), start=1):
        world.tc_document(
            number,
            uploaded_by_email=email,
            document_type="MOU",
            mime_type="m",
            version_no=2,
            uploaded="2018-05-31 17:00:00",
            file_name=" f",
        )
    columns = (
        "uploaded_by_email",
        "uploaded_by_login_id",
        "library_cd",
        "inherited",
        "deleted",
        "document_type_cd",
        "mime_type",
        "version_no",
        "file_name",
    )
    assert world.migrate(tmp_path).rows(
        "document", "legacy_key", *columns, "previous_document_id", "uploaded_by_cbp_user_id", "account_id"
    ) == [
        (str(number), email, login, "PARTNER", 0, 0, "MOU", "m", 2, " f", None, None, 101)
        for number, (email, login) in enumerate(
            (
                (" ROSA@x.example", "rosa@x.example"),
                ("Trude@x.example", "trude@x.example"),
                ("nobody@x.example", None),
                ("no mail", None),
                (None, None),
            ),
            1,
        )
    ]


def test_I9_a_trade_compliance_contact_does_not_widen_access_to_ctpat_accounts(tmp_path: Path) -> None:
    world = _importers().user(5, user_name="per@x.example").contact(6, user=5, profile=4).tc_account(1, company_profile=1)
    store = world.tc_contact(7, email="per@x.example").migrate(tmp_path)
    assert store.rows("account_contact", "account_id", "login_id", "scope_cd") == [
        (101, "per@x.example", "TC"),
        (401, "per@x.example", "CTPAT"),
    ]


def test_J1_fp22_trade_compliance_events_are_stored_once_among_all_events_as_recorded(tmp_path: Path) -> None:
    world = (
        _importers()
        .tc_account(1, company_profile=1)
        .tc_event(7, event_type="STATUS", new_value="ACTIVE", occurred="2018-06-01 00:00:00.000001")
    )
    store = world.event(7, profile=1).migrate(tmp_path)
    assert [row for row in store.rows("event_history") if row["legacy_portal_cd"] == "TC"] == [
        {
            "event_id": "TC 7",
            "event_type_cd": "STATUS",
            "new_value": "ACTIVE",
            "updated_by_txt": None,
            "occurred_raw": None,
            "occurred_at": "2018-06-01 00:00:00.000001",
            "occurred_certain": 1,
            "legacy_portal_cd": "TC",
            "legacy_key": "7",
        },
    ]
    assert store.rows("event_account", "event_id", "account_id") == [("7", 101), ("TC 7", 101)]
