"""Faults in accounts, contacts, logins, agreements, programs and status verification."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tests.unit.checks.planted import account_id_of, changed, fault, value_of
from tests.unit.checks.test_checks_stage import STRANGER, Stage


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
def an_account_in_the_group_of_another_company_and_one_in_none(stage: Stage) -> set[str]:
    groups = {(row["group_kind_cd"], row["legacy_key"]): row["group_id"] for row in stage.rows("account_group")}
    stage.copy("account_group_member", 0, group_id=groups["COMPANY_PROFILE", "2"], account_id=account_id_of(stage, 101))
    stage.drop(
        "account_group_member",
        stage.position("account_group_member", group_id=groups["SECURITY_MODEL", "11"], account_id=account_id_of(stage, 102)),
    )
    return {"101", "102"}


@fault("accounts.agreement_basis")
def a_signature_is_invented_and_one_forgotten(stage: Stage) -> set[str]:
    stage.change("entity_account", 0, agreement_basis_cd="CONTINUED_MEMBERSHIP")
    stage.change("entity_account", 1, agreement_basis_cd="SIGNED")
    return {"101", "102"}


@fault("accounts.identifiers_complete")
def a_bond_is_inactive_and_nobody_notices(stage: Stage) -> set[str]:
    stage.change("account_identifier", stage.position("account_identifier", identifier_type_cd="BOND"), active=False)
    return {"101"}


@fault("accounts.needs_officer")
def an_officer_is_removed_and_nobody_notices(stage: Stage) -> set[str]:
    for position, row in enumerate(stage.rows("account_contact")):
        if row["contact_type_cd"] == "OFFICER" and row["account_id"] == account_id_of(stage, 102):
            stage.change("account_contact", position, removed_at=datetime(2023, 1, 1))
    return {"102"}


@fault("accounts.acting_officer")
def an_officer_is_restricted_and_nobody_notices(stage: Stage) -> set[str]:
    acting = {row["account_id"] for row in stage.rows("entity_account") if row["acting_officer"]}
    for position, row in enumerate(stage.rows("account_contact")):
        if row["contact_type_cd"] == "OFFICER" and row["account_id"] == account_id_of(stage, 102):
            stage.change("account_contact", position, restricted_reason_cd="COMPANY_STATUS")
    return {"102"} if account_id_of(stage, 102) in acting else set()


@fault("contacts.same_access")
def access_is_widened_narrowed_and_restored(stage: Stage) -> set[str]:
    stage.change("account_contact", stage.position("account_contact", legacy_key="4"), removed_at=None)
    stage.change("account_contact", stage.position("account_contact", legacy_key="1"), login_id=None)
    stage.copy(
        "account_contact", stage.position("account_contact", legacy_key="3"), account_id=account_id_of(stage, 101), contact_id=STRANGER
    )
    return {f"P2|{key}: access {how}" for key in ("1", "4") for how in ("narrowed", "widened")} | {"P2|3: access widened"}


@fault("identifiers.normalised")
def a_number_keeps_its_hyphen_and_a_personal_one_loses_its_mark(stage: Stage) -> set[str]:
    hyphen = stage.position("account_identifier", legacy_key="1")
    return changed(stage, "account_identifier", hyphen, value_norm="12-3456789AB") | changed(
        stage, "account_identifier", stage.position("account_identifier", legacy_key="3"), pii=False
    )


@fault("agreements.coverage")
def an_inherited_signature_becomes_direct_and_an_old_one_new(stage: Stage) -> set[str]:
    inherited, early = (
        stage.position("account_agreement", coverage_cd="INHERITED"),
        stage.position("account_agreement", coverage_cd="PRE_DATES_ACCOUNT"),
    )
    return changed(stage, "account_agreement", inherited, coverage_cd="DIRECT") | changed(
        stage, "account_agreement", early, coverage_cd="INHERITED"
    )


@fault("agreements.act_covers")
def a_signature_covers_nothing(stage: Stage) -> set[str]:
    act = value_of(stage, "signature_act", "act_id", legacy_key="1")
    stage.drop("account_agreement", stage.position("account_agreement", act_id=act))
    return {"1"}


@fault("groups.have_members")
def a_group_without_members(stage: Stage) -> set[str]:
    stage.copy("account_group", stage.position("account_group", group_kind_cd="SECURITY_MODEL"), legacy_key="900", group_id=STRANGER)
    stage.copy(
        "account_group", stage.position("account_group", group_kind_cd="TRADE_ORG"), legacy_key="901", group_id=STRANGER[::-1]
    )  # may be empty
    return {"SECURITY_MODEL|900"}


@fault("programs.consent_covers")
def a_consent_for_another_account(stage: Stage) -> set[str]:
    act = value_of(stage, "signature_act", "act_id", legacy_key="3")
    return changed(stage, "account_program", 0, consent_act_id=act)


@fault("svi.consent_covers")
def a_membership_by_another_accounts_consent(stage: Stage) -> set[str]:
    act = value_of(stage, "signature_act", "act_id", legacy_key="3")
    return changed(stage, "svi_membership", 0, consent_act_id=act)


@fault("contacts.restricted_where_suspended")
def a_contact_is_restricted_on_a_certified_account(stage: Stage) -> set[str]:
    position = stage.position("account_contact", account_id=account_id_of(stage, 101))
    return changed(stage, "account_contact", position, restricted_reason_cd="COMPANY_STATUS")


@fault("contacts.tc_on_its_program")
def a_tc_contact_on_an_account_without_program(stage: Stage) -> set[str]:
    return changed(stage, "account_contact", stage.position("account_contact", scope_cd="TC"), account_id=account_id_of(stage, 102))


@fault("logins.folded_email")
def a_login_with_a_key_that_is_not_folded(stage: Stage) -> set[str]:
    return changed(stage, "login", stage.position("login", email_key="ann@x.example"), email_key="Ann@x.example")


@fault("logins.have_an_owner")
def a_login_that_nobody_had(stage: Stage) -> set[str]:
    stage.copy("login", 0, login_id=STRANGER, email_key="eve@x.example")
    return {str(UUID(bytes=STRANGER))}


@fault("svi.not_itself")
def an_account_monitors_itself(stage: Stage) -> set[str]:
    return changed(stage, "svi_link", 0, monitored_account_id=stage.rows("svi_link")[0]["monitor_account_id"])


@fault("svi.superseded_by_one")
def both_links_are_superseded(stage: Stage) -> set[str]:
    for position in range(2):
        stage.change("svi_link", position, superseded=True)
    return {stage.name("svi_link", position) for position in range(2)}


@fault("svi.active_when_certified")
def the_membership_of_a_suspended_account_is_active(stage: Stage) -> set[str]:
    return changed(stage, "svi_membership", stage.position("svi_membership", account_id=account_id_of(stage, 201)), active=True)
