"""Every question across tables can fail: for each, one fault is planted into a sound run, and exactly the planted keys come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from checks import carried, comparable, staged
from checks.kinds import KINDS
from tests.unit.checks.test_checks_rows import OF_ROWS
from tests.unit.checks.test_checks_stage import CHECKS, SHAPES, STRANGER, WRITTEN_ONE_BY_ONE, Stage, sound, stage

__all__ = ["sound", "stage"]  # fixtures

Fault = Callable[[Stage], set[str]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """A fault for that check: plants it, and gives the keys that must come back."""

    def keep(plant: Fault) -> Fault:
        FAULTS[name] = plant
        return plant

    return keep


def _account(stage: Stage, entity: int) -> bytes:
    return bytes(next(row["account_id"] for row in stage.rows("entity_account") if row["legacy_entity_id"] == entity))


def _changed(stage: Stage, table: str, place: int, /, **values: Any) -> set[str]:
    """Changes a row; what it is called now."""
    stage.change(table, place, **values)
    return {stage.name(table, place)}


@fault("unique.entity_account")
def two_accounts_with_one_id(stage: Stage) -> set[str]:
    stage.copy("entity_account", 0, legacy_entity_id=900, account_number="A-900")
    return {"101", "900"}


@fault("unique.entity_account.account_number")
def two_accounts_with_one_number(stage: Stage) -> set[str]:
    stage.change("entity_account", 1, account_number="A-101")
    return {"101", "102"}


@fault("unique.account_group_member")
def a_member_twice(stage: Stage) -> set[str]:
    stage.copy("account_group_member", 0)
    return {stage.name("account_group_member", 0)}


@fault("unique.migration_exception")
def one_row_flagged_twice_for_one_rule(stage: Stage) -> set[str]:
    stage.copy("migration_exception", 0, detail="once more")
    return {stage.name("migration_exception", 0)}


@fault("filled.document")
def documents_without_a_name_or_a_moment(stage: Stage) -> set[str]:
    return {f"{name}: file_name" for name in _changed(stage, "document", 0, file_name=None)} | {
        f"{name}: uploaded_at" for name in _changed(stage, "document", 1, uploaded_at=None)
    }


@fault("fits.entity_account")
def a_name_one_character_too_long(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, legal_name="\u00e9" * 200, phone="0" * 41)  # 200 characters in 400 bytes fit
    return {"101: phone"}


@fault("refers.document_link.document_id")
def a_link_from_no_document(stage: Stage) -> set[str]:
    return _changed(stage, "document_link", 0, document_id=STRANGER)


@fault("refers.account_contact.consultant_company_id")
def a_contact_of_no_company(stage: Stage) -> set[str]:
    return _changed(stage, "account_contact", 0, consultant_company_id=99)


@fault("own_id.response_comment")
def a_comment_with_the_id_of_its_copy_elsewhere(stage: Stage) -> set[str]:
    """It hangs on the other account's answer and still has the id that was made for this account."""
    here = stage.place("response_comment", legacy_key="1")
    mine = stage.rows("response_comment")[here]
    other = next(row for row in stage.rows("response_comment") if row["legacy_key"] == "1" and row["response_id"] != mine["response_id"])
    return _changed(stage, "response_comment", here, response_id=other["response_id"])


@fault("own_id.message")
def an_id_that_no_recipe_gives(stage: Stage) -> set[str]:
    return _changed(stage, "message", 0, message_id=STRANGER)


@fault("conserved.P2.profile_response")
def an_answer_is_lost_on_all_accounts(stage: Stage) -> set[str]:
    for _ in range(2):
        stage.drop("profile_response", stage.place("profile_response", legacy_key="2"))
    return {"2: neither loaded nor held"}


@fault("conserved.P2.company_profile")
def a_held_row_is_loaded_as_well_and_one_is_held_that_never_was(stage: Stage) -> set[str]:
    stage.copy("account_group", stage.place("account_group", group_kind_cd="COMPANY_PROFILE"), legacy_key="3", group_id=STRANGER)
    stage.copy("migration_holding", 0, key="77")
    return {"3: loaded and held", "77: held, but never read"}


@fault("conserved.P2.eligibility_answer")
def an_answer_that_nobody_gave(stage: Stage) -> set[str]:
    stage.copy("account_eligibility_answer", 0, question_no=7)
    return {"101|1|7: loaded, but never read"}


@fault("conserved.P2.document_link")
def a_link_is_lost(stage: Stage) -> set[str]:
    for place in reversed([place for place, row in enumerate(stage.rows("document_link")) if row["target_cd"] == "MODEL"]):
        stage.drop("document_link", place)
    return {"1|MODEL|11: neither loaded nor held"}


@fault("conserved.P2.document_content")
def a_documents_bytes_are_lost(stage: Stage) -> set[str]:
    digest = next(row["sha256"] for row in stage.rows("document") if row["legacy_key"] == "1")
    stage.drop("stored_object", stage.place("stored_object", sha256=digest))
    return {"1: neither loaded nor held"}


@fault("conserved.TC.tc_ior")
def an_importers_number_is_lost_and_a_personal_one_invented(stage: Stage) -> set[str]:
    stage.change("tc_ior", 0, ior_value="123-45-6789")
    return {"1|12-3456789AB: neither loaded nor held", "1|***-**-****: loaded, but never read"}


@fault("tallied.P2.validation")
def a_copy_goes_missing_behind_the_tally(stage: Stage) -> set[str]:
    stage.drop("validation", 0)
    return {"P2.validation: 3 copies as tallied, 2 rows of validation"}


@fault("unchanged_moments.P2.model_entity")
def a_certification_date_slips_by_a_day(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, certification_dt=date(2015, 5, 6))
    return {"101: certification_dt"}


@fault("unchanged_moments.P2.company_profile")
def a_profiles_moment_on_its_account_by_a_microsecond(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, profile_created_at=datetime(2020, 1, 1, 0, 0, 0, 1))
    return {"101: profile_created_at"}


@fault("unchanged_moments.P2.profile_response")
def a_moment_where_there_was_another_and_where_there_was_none(stage: Stage) -> set[str]:
    place = stage.place("profile_response", legacy_key="2")
    return {f"{name}: modified_at" for name in _changed(stage, "profile_response", place, modified_at=datetime(2021, 1, 1, 1))}


@fault("unchanged_codes.P2.agreement_signature")
def a_signature_under_another_version(stage: Stage) -> set[str]:
    return {f"{name}: agreement_version_id" for name in _changed(stage, "signature_act", 0, agreement_version_id=2)}


@fault("unchanged_codes.P2.vetting_record")
def a_sealed_record_is_opened(stage: Stage) -> set[str]:
    return {f"{name}: sealed_content" for name in _changed(stage, "vetting_record", 0, sealed_content=b"opened")}


@fault("routed.P2.profile_response")
def an_answer_reaches_one_account_too_few(stage: Stage) -> set[str]:
    account = _account(stage, 102)
    stage.drop("profile_response", stage.place("profile_response", legacy_key="2", account_id=account))
    return {"2: not on the account of entity 102"}


@fault("routed.P2.company_address")
def an_address_moves_to_a_stranger(stage: Stage) -> set[str]:
    place = stage.place("account_address", legacy_key="2", account_id=_account(stage, 101))
    stage.change("account_address", place, account_id=_account(stage, 201))
    return {"2: not on the account of entity 101", "2: on the account of entity 201"}


@fault("routed.P2.validation")
def a_validation_of_a_model_reaches_an_entity_of_another(stage: Stage) -> set[str]:
    stage.copy("validation", stage.place("validation", legacy_key="1"), account_id=_account(stage, 201), validation_id=STRANGER)
    return {"1: on the account of entity 201"}


@fault("accounts.one_per_entity")
def an_entity_with_two_accounts_one_without_and_an_account_of_none(stage: Stage) -> set[str]:
    stage.change("entity_account", 1, legacy_entity_id=900)
    stage.copy("entity_account", 0, account_id=STRANGER)
    return {"101: 2 accounts", "102: 0 accounts", "900: no such entity"}


@fault("accounts.same_statuses")
def a_tier_is_rolled_up(stage: Stage) -> set[str]:
    stage.change("entity_account", 1, tier_cd="3")
    return {"1"}


@fault("accounts.visible_by_status")
def an_archived_account_is_shown_and_a_good_one_hidden(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, archived=True)
    stage.change("entity_account", 2, trade_visible=False)
    return {"101", "201"}


@fault("accounts.grouped")
def an_account_in_the_group_of_a_stranger_and_one_in_none(stage: Stage) -> set[str]:
    groups = {(row["group_kind_cd"], row["legacy_key"]): row["group_id"] for row in stage.rows("account_group")}
    stage.copy("account_group_member", 0, group_id=groups["COMPANY_PROFILE", "2"], account_id=_account(stage, 101))
    stage.drop(
        "account_group_member",
        stage.place("account_group_member", group_id=groups["SECURITY_MODEL", "11"], account_id=_account(stage, 102)),
    )
    return {"101", "102"}


@fault("accounts.agreement_basis")
def a_signature_is_invented_and_one_forgotten(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, agreement_basis_cd="CONTINUED_MEMBERSHIP")
    stage.change("entity_account", 1, agreement_basis_cd="SIGNED")
    return {"101", "102"}


@fault("accounts.identifiers_complete")
def a_bond_is_inactive_and_nobody_notices(stage: Stage) -> set[str]:
    stage.change("account_identifier", stage.place("account_identifier", identifier_type_cd="BOND"), active=False)
    return {"101"}


@fault("accounts.needs_officer")
def an_officer_is_removed_and_nobody_notices(stage: Stage) -> set[str]:
    for place, row in enumerate(stage.rows("account_contact")):
        if row["contact_type_cd"] == "OFFICER" and row["account_id"] == _account(stage, 102):
            stage.change("account_contact", place, removed_at=datetime(2023, 1, 1))
    return {"102"}


@fault("accounts.acting_officer")
def an_officer_is_restricted_and_nobody_notices(stage: Stage) -> set[str]:
    acting = {row["account_id"] for row in stage.rows("entity_account") if row["acting_officer"]}
    for place, row in enumerate(stage.rows("account_contact")):
        if row["contact_type_cd"] == "OFFICER" and row["account_id"] == _account(stage, 102):
            stage.change("account_contact", place, restricted_reason_cd="COMPANY_STATUS")
    return {"102"} if _account(stage, 102) in acting else set()


@fault("contacts.same_access")
def access_is_widened_narrowed_and_given_back(stage: Stage) -> set[str]:
    stage.change("account_contact", stage.place("account_contact", legacy_key="4"), removed_at=None)
    stage.change("account_contact", stage.place("account_contact", legacy_key="1"), login_id=None)
    stage.copy("account_contact", stage.place("account_contact", legacy_key="3"), account_id=_account(stage, 101), contact_id=STRANGER)
    return {f"P2|{key}: access {how}" for key in ("1", "4") for how in ("narrowed", "widened")} | {"P2|3: access widened"}


@fault("identifiers.normalised")
def a_number_keeps_its_hyphen_and_a_personal_one_loses_its_mark(stage: Stage) -> set[str]:
    hyphen = stage.place("account_identifier", legacy_key="1")
    return _changed(stage, "account_identifier", hyphen, value_norm="12-3456789AB") | _changed(
        stage, "account_identifier", stage.place("account_identifier", legacy_key="3"), pii=False
    )


@fault("agreements.coverage")
def an_inherited_signature_becomes_direct_and_an_old_one_new(stage: Stage) -> set[str]:
    inherited, early = (
        stage.place("account_agreement", coverage_cd="INHERITED"),
        stage.place("account_agreement", coverage_cd="PRE_DATES_ACCOUNT"),
    )
    return _changed(stage, "account_agreement", inherited, coverage_cd="DIRECT") | _changed(
        stage, "account_agreement", early, coverage_cd="INHERITED"
    )


@fault("agreements.act_covers")
def a_signature_covers_nothing(stage: Stage) -> set[str]:
    act = next(row["act_id"] for row in stage.rows("signature_act") if row["legacy_key"] == "1")
    stage.drop("account_agreement", stage.place("account_agreement", act_id=act))
    return {"1"}


@fault("groups.have_members")
def a_group_without_members(stage: Stage) -> set[str]:
    stage.copy("account_group", stage.place("account_group", group_kind_cd="SECURITY_MODEL"), legacy_key="900", group_id=STRANGER)
    stage.copy(
        "account_group", stage.place("account_group", group_kind_cd="TRADE_ORG"), legacy_key="901", group_id=STRANGER[::-1]
    )  # may be empty
    return {"SECURITY_MODEL|900"}


@fault("programs.consent_covers")
def a_consent_for_another_account(stage: Stage) -> set[str]:
    act = next(row["act_id"] for row in stage.rows("signature_act") if row["legacy_key"] == "3")
    return _changed(stage, "account_program", 0, consent_act_id=act)


@fault("svi.consent_covers")
def a_membership_by_another_accounts_consent(stage: Stage) -> set[str]:
    act = next(row["act_id"] for row in stage.rows("signature_act") if row["legacy_key"] == "3")
    return _changed(stage, "svi_membership", 0, consent_act_id=act)


@fault("catalogues.question_version")
def a_question_of_no_version(stage: Stage) -> set[str]:
    return _changed(stage, "profile_question", 0, criteria_version_id=99)


@fault("catalogues.question_category")
def a_question_of_no_category(stage: Stage) -> set[str]:
    return _changed(stage, "profile_question", 0, category_no=99)


@fault("responses.on_the_profiles_account")
def an_answer_to_another_accounts_security_profile(stage: Stage) -> set[str]:
    other = next(row["security_profile_id"] for row in stage.rows("security_profile") if row["account_id"] == _account(stage, 201))
    return _changed(stage, "profile_response", 0, security_profile_id=other)


@fault("responses.superseded_by_one")
def both_answers_are_superseded(stage: Stage) -> set[str]:
    account = _account(stage, 101)
    places = [place for place, row in enumerate(stage.rows("profile_response")) if row["account_id"] == account and row["question_id"] == 1]
    names = {stage.name("profile_response", place) for place in places}
    for place in places:
        stage.change("profile_response", place, superseded=True)
    return names


@fault("responses.applicability")
def a_must_becomes_a_should(stage: Stage) -> set[str]:
    return _changed(stage, "profile_response", stage.place("profile_response", applicability_cd="MUST"), applicability_cd="SHOULD")


@fault("comments.internal_unless_known")
def a_comment_of_unknown_visibility_is_shown(stage: Stage) -> set[str]:
    return _changed(stage, "response_comment", stage.place("response_comment", legacy_key="2"), internal=False)


def _due_moved(table: str) -> None:
    @fault(
        {"security_profile": "profiles", "validation_finding": "findings", "portal_task": "tasks", "tc_annual_notification": "anl"}[table]
        + ".due_moved"
    )
    def moved_by_another_number_of_days_or_not_at_all(stage: Stage) -> set[str]:
        place = next(place for place, row in enumerate(stage.rows(table)) if row["due_dt_adjusted"] is not None)
        key = SHAPES[table].key[0]
        unique = {"legacy_key": "900"} if ("legacy_key",) in SHAPES[table].unique else {}
        stage.copy(table, place, **{key: STRANGER, "due_dt_adjusted": date(2023, 10, 1), **unique})
        stage.copy(table, place, **{key: STRANGER[::-1], "due_dt_adjusted": None, **dict.fromkeys(unique, "901")})
        stage.copy(
            table,
            place,
            **{
                key: STRANGER[1:] + STRANGER[:1],
                "due_dt": date(2023, 9, 19),
                "due_dt_adjusted": date(2023, 10, 4),
                **dict.fromkeys(unique, "902"),
            },
        )
        rows = stage.rows(table)
        wrong = {STRANGER, STRANGER[::-1]}
        return {stage.name(table, number) for number, row in enumerate(rows) if row[key] in wrong}


for _table in ("security_profile", "validation_finding", "portal_task", "tc_annual_notification"):
    _due_moved(_table)


@fault("documents.links_within_account")
def a_link_to_another_accounts_answer_and_a_message_of_a_thread_elsewhere(stage: Stage) -> set[str]:
    answer = next(row["response_id"] for row in stage.rows("profile_response") if row["account_id"] == _account(stage, 201))
    message = next(row["message_id"] for row in stage.rows("message") if row["legacy_key"] == "2")
    one, other = stage.place("document_link", target_cd="RESPONSE"), stage.place("document_link", target_cd="MESSAGE")
    return _changed(stage, "document_link", one, target_id=answer) | _changed(stage, "document_link", other, target_id=message)


@fault("documents.links_not_internal")
def a_linked_document_is_of_the_internal_library(stage: Stage) -> set[str]:
    document = stage.rows("document_link")[0]["document_id"]
    stage.change("document", stage.place("document", document_id=document), library_cd="INTERNAL")
    return {stage.name("document_link", place) for place, row in enumerate(stage.rows("document_link")) if row["document_id"] == document}


@fault("documents.previous_on_same_account")
def an_earlier_version_on_another_account(stage: Stage) -> set[str]:
    other = next(row["document_id"] for row in stage.rows("document") if row["account_id"] == _account(stage, 201))
    return _changed(stage, "document", stage.place("document", legacy_key="2"), previous_document_id=other)


@fault("documents.content_agrees")
def missing_bytes_count_as_present_and_a_mismatch_is_not_said(stage: Stage) -> set[str]:
    missing, present = stage.place("document", content_state_cd="MISSING"), stage.place("document", content_state_cd="PRESENT")
    return _changed(stage, "document", missing, content_state_cd="PRESENT") | _changed(stage, "document", present, recorded_size_bytes=17)


@fault("objects.named_by_digest")
def an_object_named_after_a_file(stage: Stage) -> set[str]:
    return _changed(stage, "stored_object", 0, object_key="sha256/../plan.txt")


@fault("contacts.restricted_where_suspended")
def a_contact_is_restricted_on_a_certified_account(stage: Stage) -> set[str]:
    place = stage.place("account_contact", account_id=_account(stage, 101))
    return _changed(stage, "account_contact", place, restricted_reason_cd="COMPANY_STATUS")


@fault("contacts.tc_on_its_program")
def a_tc_contact_on_an_account_without_program(stage: Stage) -> set[str]:
    return _changed(stage, "account_contact", stage.place("account_contact", scope_cd="TC"), account_id=_account(stage, 102))


@fault("logins.folded_email")
def a_login_with_a_key_that_is_not_folded(stage: Stage) -> set[str]:
    return _changed(stage, "login", stage.place("login", email_key="ann@x.example"), email_key="Ann@x.example")


@fault("logins.have_an_owner")
def a_login_that_nobody_had(stage: Stage) -> set[str]:
    stage.copy("login", 0, login_id=STRANGER, email_key="eve@x.example")
    return {str(UUID(bytes=STRANGER))}


@fault("svi.not_itself")
def an_account_monitors_itself(stage: Stage) -> set[str]:
    return _changed(stage, "svi_link", 0, monitored_account_id=stage.rows("svi_link")[0]["monitor_account_id"])


@fault("svi.superseded_by_one")
def both_links_are_superseded(stage: Stage) -> set[str]:
    for place in range(2):
        stage.change("svi_link", place, superseded=True)
    return {stage.name("svi_link", place) for place in range(2)}


@fault("svi.active_when_certified")
def the_membership_of_a_suspended_account_is_active(stage: Stage) -> set[str]:
    return _changed(stage, "svi_membership", stage.place("svi_membership", account_id=_account(stage, 201)), active=True)


@fault("threads.reach_an_account")
def a_thread_that_no_account_can_open(stage: Stage) -> set[str]:
    stage.copy("message_thread", 0, thread_id=STRANGER, legacy_key="900")
    return {"900"}


@fault("notes.reach_an_account")
def a_note_on_no_account(stage: Stage) -> set[str]:
    stage.copy("internal_note", 0, note_id=STRANGER, legacy_key="900")
    return {"900"}


@fault("events.reach_an_account")
def an_event_in_no_history(stage: Stage) -> set[str]:
    stage.copy("event_history", 0, event_id=STRANGER, legacy_key="900")
    return {"P2|900"}


@fault("tc.on_importers")
def a_program_on_a_brokers_account(stage: Stage) -> set[str]:
    return _changed(stage, "tc_program", 0, account_id=_account(stage, 102))


@fault("anl.documents_on_same_account")
def a_notifications_document_of_another_account(stage: Stage) -> set[str]:
    other = next(row["document_id"] for row in stage.rows("document") if row["account_id"] == _account(stage, 201))
    return _changed(stage, "tc_anl_document", 0, document_id=other)


@fault("held.whole_rows")
def held_rows_that_are_no_json_lack_a_column_or_hold_a_credential(stage: Stage) -> set[str]:
    whole = stage.rows("migration_holding")[0]["row_json"]
    stage.copy("migration_holding", 0, key="901", row_json="{broken")
    stage.copy("migration_holding", 0, key="902", row_json=whole.replace('"trade_org_id"', '"other"'))
    stage.copy("migration_holding", 0, key="903", row_json=whole[:-1] + ',"password_hash":"x"}')
    stage.copy("migration_holding", 0, key="904", table="no_such_table")
    return {"P2|company_profile|901", "P2|company_profile|902", "P2|company_profile|903", "P2|no_such_table|904"}


@fault("exceptions.rows_loaded")
def a_flag_on_a_held_row_on_no_row_and_on_no_table(stage: Stage) -> set[str]:
    stage.copy("migration_exception", 0, rule="B8", table="company_profile", key="3")
    stage.copy("migration_exception", 0, rule="B8", table="company_profile", key="77")
    stage.copy("migration_exception", 0, rule="B8", table="no_such_table", key="1")
    stage.copy("migration_exception", 0, rule="E8", table="company_profile", key="3")  # a held row's exact bytes are flagged all the same
    return {"B8|P2|company_profile|3", "B8|P2|company_profile|77", "B8|P2|no_such_table|1"}


@fault("plausible_held.P2.internal_note")
@fault("many_held.P2.internal_note")
def most_notes_held(stage: Stage) -> set[str]:
    keys = stage.grow("internal_note", 20)[4:]
    stage.hold("internal_note", keys)
    return set(keys)


@fault("plausible_indicator.P2.company_contact.admin_ind")
@fault("odd_indicator.P2.company_contact.admin_ind")
def an_indicator_of_ones(stage: Stage) -> set[str]:
    return set(stage.grow("company_contact", 20, admin_ind=["Y"] * 9 + ["1"] * 11)[9:])


@fault("plausible_accounts")
@fault("many_entities_held")
def most_entities_held(stage: Stage) -> set[str]:
    keys = stage.grow("model_entity", 20)[3:]
    stage.hold("model_entity", keys)
    return set(keys)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_planted_fault_fails_its_check_with_exactly_its_keys(name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (comparable, carried):
        monkeypatch.setattr(module, "TOGETHER", 2)  # as a large table is asked about: share by share
    monkeypatch.setattr(staged, "_LARGE", 5)
    planted = FAULTS[name](stage)
    answer = stage.answers(name)[name]
    assert set(answer.keys) == planted
    assert not answer.passed


@pytest.mark.parametrize(
    ("parent", "name"),
    [("security_profile", "profile_response"), ("validation", "validation_finding"), ("profile_response", "response_comment")],
)
def test_rows_whose_parents_lost_their_old_keys_are_named(parent: str, name: str, stage: Stage) -> None:
    """Keys are compared as numbers where all of them are some; one that is none must not end the check."""
    stage.change(parent, 0, legacy_key="12x")
    answer = stage.answers(f"routed.P2.{name}")[f"routed.P2.{name}"]
    assert any(": on the account of entity 101" in key for key in answer.keys), answer.keys


def test_every_check_that_is_written_and_every_kind_has_a_fault() -> None:
    tried = {*FAULTS, *OF_ROWS}
    assert WRITTEN_ONE_BY_ONE - tried == set()
    assert set(KINDS) - {CHECKS[name].kind for name in tried} == set()
