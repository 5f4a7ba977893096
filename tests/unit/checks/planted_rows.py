"""Faults in rows of any table: identity, references, completeness, moments, codes, routes."""

from __future__ import annotations

from datetime import date, datetime

from tests.unit.checks.planted import account_id_of, changed, fault, value_of
from tests.unit.checks.test_checks_stage import STRANGER, Stage


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
    return {f"{name}: file_name" for name in changed(stage, "document", 0, file_name=None)} | {
        f"{name}: uploaded_at" for name in changed(stage, "document", 1, uploaded_at=None)
    }


@fault("fits.entity_account")
def a_name_one_character_too_long(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, legal_name="\u00e9" * 200, phone="0" * 41)  # 200 characters in 400 bytes fit
    return {"101: phone"}


@fault("refers.document_link.document_id")
def a_link_from_no_document(stage: Stage) -> set[str]:
    return changed(stage, "document_link", 0, document_id=STRANGER)


@fault("refers.account_contact.consultant_company_id")
def a_contact_of_no_company(stage: Stage) -> set[str]:
    return changed(stage, "account_contact", 0, consultant_company_id=99)


@fault("own_id.response_comment")
def a_comment_with_the_id_of_its_copy_elsewhere(stage: Stage) -> set[str]:
    """It belongs to the other account's answer and still has the id that was made for this account."""
    here = stage.position("response_comment", legacy_key="1")
    mine = stage.rows("response_comment")[here]
    other = next(row for row in stage.rows("response_comment") if row["legacy_key"] == "1" and row["response_id"] != mine["response_id"])
    return changed(stage, "response_comment", here, response_id=other["response_id"])


@fault("own_id.message")
def an_id_that_no_recipe_gives(stage: Stage) -> set[str]:
    return changed(stage, "message", 0, message_id=STRANGER)


@fault("conserved.P2.profile_response")
def an_answer_is_lost_on_all_accounts(stage: Stage) -> set[str]:
    for _ in range(2):
        stage.drop("profile_response", stage.position("profile_response", legacy_key="2"))
    return {"2: neither loaded nor held"}


@fault("conserved.P2.company_profile")
def a_held_row_is_loaded_as_well_and_one_is_held_that_does_not_exist(stage: Stage) -> set[str]:
    stage.copy("account_group", stage.position("account_group", group_kind_cd="COMPANY_PROFILE"), legacy_key="3", group_id=STRANGER)
    stage.copy("migration_holding", 0, key="77")
    return {"3: loaded and held", "77: held, but never read"}


@fault("conserved.P2.eligibility_answer")
def an_answer_that_nobody_gave(stage: Stage) -> set[str]:
    stage.copy("account_eligibility_answer", 0, question_no=7)
    return {"101|1|7: loaded, but never read"}


@fault("conserved.P2.document_link")
def a_link_is_lost(stage: Stage) -> set[str]:
    for position in reversed([position for position, row in enumerate(stage.rows("document_link")) if row["target_cd"] == "MODEL"]):
        stage.drop("document_link", position)
    return {"1|MODEL|11: neither loaded nor held"}


@fault("conserved.P2.document_content")
def a_documents_bytes_are_lost(stage: Stage) -> set[str]:
    digest = value_of(stage, "document", "sha256", legacy_key="1")
    stage.drop("stored_object", stage.position("stored_object", sha256=digest))
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
    position = stage.position("profile_response", legacy_key="2")
    return {f"{name}: modified_at" for name in changed(stage, "profile_response", position, modified_at=datetime(2021, 1, 1, 1))}


@fault("unchanged_codes.P2.agreement_signature")
def a_signature_under_another_version(stage: Stage) -> set[str]:
    return {f"{name}: agreement_version_id" for name in changed(stage, "signature_act", 0, agreement_version_id=2)}


@fault("unchanged_codes.P2.vetting_record")
def a_sealed_record_is_opened(stage: Stage) -> set[str]:
    return {f"{name}: sealed_content" for name in changed(stage, "vetting_record", 0, sealed_content=b"opened")}


@fault("routed.P2.profile_response")
def an_answer_reaches_one_account_too_few(stage: Stage) -> set[str]:
    account = account_id_of(stage, 102)
    stage.drop("profile_response", stage.position("profile_response", legacy_key="2", account_id=account))
    return {"2: not on the account of entity 102"}


@fault("routed.P2.company_address")
def an_address_moves_to_another_company(stage: Stage) -> set[str]:
    position = stage.position("account_address", legacy_key="2", account_id=account_id_of(stage, 101))
    stage.change("account_address", position, account_id=account_id_of(stage, 201))
    return {"2: not on the account of entity 101", "2: on the account of entity 201"}


@fault("routed.P2.validation")
def a_validation_of_a_model_reaches_an_entity_of_another(stage: Stage) -> set[str]:
    stage.copy("validation", stage.position("validation", legacy_key="1"), account_id=account_id_of(stage, 201), validation_id=STRANGER)
    return {"1: on the account of entity 201"}
