"""Chapter F of the rules: validations, with their visits, findings and responses in full."""

from pathlib import Path

from tests.support.legacy import Legacy


def test_F1_a_validation_of_a_model_is_on_every_account_of_it_with_visits_findings_and_responses(tmp_path: Path) -> None:
    world = Legacy().user(9, user_name="u@x.example").profile(1).model(11).entity(101).entity(102).model(12).entity(103)
    full = {
        "initiated_dt": "2021-05-01",
        "closed_dt": "0001-01-01",
        "report_sent_at": "2021-07-01 12:00:00",
        "approved_at": None,
        "report_summary": "s ",
    }
    world.validation(1, model=11, status="CLOSED", lead_cbp_user=1, **full).visit(
        2, start="2021-06-01", end=None, city="Hai Phong", country="VN"
    )
    world.finding(3, finding_text="f ", finding_kind="RECOMMENDATION", due="2021-09-30", status="OPEN", question=1)
    world.finding_response(4, seq_no=2, response_text="r", submitted_by_user=9, submitted="2021-08-01 00:00:00", review="APPROVED")
    store = world.migrate(tmp_path)
    assert store.rows("validation", "validation_id", "status_cd", "lead_cbp_user_id", *full) == [
        (f"1@{account}", "CLOSED", 1, *full.values()) for account in (101, 102)
    ]
    assert store.rows("validation_visit", "visit_id", "validation_id", "start_dt", "end_dt", "city", "country_cd") == [
        (f"2@{account}", f"1@{account}", "2021-06-01", None, "Hai Phong", "VN") for account in (101, 102)
    ]
    assert store.rows(
        "validation_finding", "finding_id", "validation_id", "finding_text", "finding_kind_cd", "due_dt", "status_cd", "question_id"
    ) == [(f"3@{account}", f"1@{account}", "f ", "RECOMMENDATION", "2021-09-30", "OPEN", 1) for account in (101, 102)]
    assert store.rows(
        "finding_response",
        "finding_response_id",
        "finding_id",
        "seq_no",
        "response_text",
        "submitted_by_login_id",
        "submitted_at",
        "review_cd",
    ) == [(f"4@{account}", f"3@{account}", 2, "r", "u@x.example", "2021-08-01 00:00:00", "APPROVED") for account in (101, 102)]
    assert store.flags("F2") == []


def test_F2_a_validation_of_a_profile_with_several_accounts_is_on_all_of_them_and_flagged(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101).model(12, deleted="Y").entity(102).validation(1).finding(2).validation(3, entity=101)
    store = world.profile(2).model(21).entity(201).validation(4).migrate(tmp_path)
    assert store.rows("validation", "validation_id") == ["1@101", "1@102", "3@101", "4@201"]
    assert store.rows("validation_finding", "finding_id") == ["2@101", "2@102"]
    assert store.flags("F2") == ["validation 1"]
