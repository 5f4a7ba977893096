"""Faults in catalogues, answers, documents, events, and in what is held or flagged."""

from __future__ import annotations

from datetime import date

from tests.unit.checks.planted import account_id_of, changed, fault, value_of
from tests.unit.checks.test_checks_stage import SHAPES, STRANGER, Stage


@fault("catalogues.question_version")
def a_question_of_no_version(stage: Stage) -> set[str]:
    return changed(stage, "profile_question", 0, criteria_version_id=99)


@fault("catalogues.question_category")
def a_question_of_no_category(stage: Stage) -> set[str]:
    return changed(stage, "profile_question", 0, category_no=99)


@fault("responses.on_the_profiles_account")
def an_answer_to_another_accounts_security_profile(stage: Stage) -> set[str]:
    other = value_of(stage, "security_profile", "security_profile_id", account_id=account_id_of(stage, 201))
    return changed(stage, "profile_response", 0, security_profile_id=other)


@fault("responses.superseded_by_one")
def both_answers_are_superseded(stage: Stage) -> set[str]:
    account = account_id_of(stage, 101)
    places = [
        position for position, row in enumerate(stage.rows("profile_response")) if row["account_id"] == account and row["question_id"] == 1
    ]
    names = {stage.name("profile_response", position) for position in places}
    for position in places:
        stage.change("profile_response", position, superseded=True)
    return names


@fault("responses.applicability")
def a_must_becomes_a_should(stage: Stage) -> set[str]:
    return changed(stage, "profile_response", stage.position("profile_response", applicability_cd="MUST"), applicability_cd="SHOULD")


@fault("comments.internal_unless_known")
def a_comment_of_unknown_visibility_is_shown(stage: Stage) -> set[str]:
    return changed(stage, "response_comment", stage.position("response_comment", legacy_key="2"), internal=False)


def _due_moved(table: str) -> None:
    @fault(
        {"security_profile": "profiles", "validation_finding": "findings", "portal_task": "tasks", "tc_annual_notification": "anl"}[table]
        + ".due_moved"
    )
    def moved_by_another_number_of_days_or_not_at_all(stage: Stage) -> set[str]:
        position = next(position for position, row in enumerate(stage.rows(table)) if row["due_dt_adjusted"] is not None)
        key = SHAPES[table].key[0]
        unique = {"legacy_key": "900"} if ("legacy_key",) in SHAPES[table].unique else {}
        stage.copy(table, position, **{key: STRANGER, "due_dt_adjusted": date(2023, 10, 1), **unique})
        stage.copy(table, position, **{key: STRANGER[::-1], "due_dt_adjusted": None, **dict.fromkeys(unique, "901")})
        stage.copy(
            table,
            position,
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
    answer = value_of(stage, "profile_response", "response_id", account_id=account_id_of(stage, 201))
    message = value_of(stage, "message", "message_id", legacy_key="2")
    one, other = stage.position("document_link", target_cd="RESPONSE"), stage.position("document_link", target_cd="MESSAGE")
    return changed(stage, "document_link", one, target_id=answer) | changed(stage, "document_link", other, target_id=message)


@fault("documents.links_not_internal")
def a_linked_document_is_of_the_internal_library(stage: Stage) -> set[str]:
    document = stage.rows("document_link")[0]["document_id"]
    stage.change("document", stage.position("document", document_id=document), library_cd="INTERNAL")
    return {
        stage.name("document_link", position) for position, row in enumerate(stage.rows("document_link")) if row["document_id"] == document
    }


@fault("documents.previous_on_same_account")
def an_earlier_version_on_another_account(stage: Stage) -> set[str]:
    other = value_of(stage, "document", "document_id", account_id=account_id_of(stage, 201))
    return changed(stage, "document", stage.position("document", legacy_key="2"), previous_document_id=other)


@fault("documents.content_agrees")
def missing_bytes_count_as_present_and_a_mismatch_is_not_said(stage: Stage) -> set[str]:
    missing, present = stage.position("document", content_state_cd="MISSING"), stage.position("document", content_state_cd="PRESENT")
    return changed(stage, "document", missing, content_state_cd="PRESENT") | changed(stage, "document", present, recorded_size_bytes=17)


@fault("objects.named_by_digest")
def an_object_named_after_a_file(stage: Stage) -> set[str]:
    return changed(stage, "stored_object", 0, object_key="sha256/../plan.txt")


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
    return changed(stage, "tc_program", 0, account_id=account_id_of(stage, 102))


@fault("anl.documents_on_same_account")
def a_notifications_document_of_another_account(stage: Stage) -> set[str]:
    other = value_of(stage, "document", "document_id", account_id=account_id_of(stage, 201))
    return changed(stage, "tc_anl_document", 0, document_id=other)


@fault("held.whole_rows")
def held_rows_that_are_not_json_lack_a_column_or_hold_a_credential(stage: Stage) -> set[str]:
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
