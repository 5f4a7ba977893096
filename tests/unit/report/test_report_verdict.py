"""The verdict at the top of a report, the most severe finding first, for every state of a run."""

import sqlite3

import jsonschema
import pytest

from etl.report.facts import facts
from etl.report.html import as_html
from etl.report.lists import lists
from etl.report.markdown import as_markdown
from etl.report.verdict import verdict
from etl.report.write import write_report
from etl.runfolder.folder import open_locked
from tests.unit.report.cast_run import DIFFERENCE, MAPPINGS, SCHEMA, answered, cast, folder, reconciled

__all__ = ["folder"]  # fixtures


def test_published_and_equal(folder):
    reconciled(folder, [])
    found = facts(folder, MAPPINGS)["verdict"]
    assert (found["state"], found["holds"], found["sentence"], found["why"]) == ("published_and_equal", True, "published and equal", [])
    assert "readiness" in found["next"]
    # A green verdict does not hide what was set aside: the sentences' numbers are those of the store.
    with sqlite3.connect(cast().folder / "portal3.sqlite") as store:
        held = store.execute("SELECT count(*) FROM migration_holding").fetchone()[0]
        visible = store.execute("SELECT count(*) FROM entity_account WHERE trade_visible").fetchone()[0]
        closed = store.execute(
            "SELECT count(*) FROM entity_account a WHERE trade_visible AND NOT EXISTS (SELECT 1 FROM account_picker p JOIN login l "
            "ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND (l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd "
            "IN ('PASSWORD', 'IDLE')))"
        ).fetchone()[0]
        narrow = store.execute(
            "SELECT count(*) FROM (SELECT min(c.scope_cd = 'TC' OR c.restricted_reason_cd IS NOT NULL) AS every FROM entity_account a"
            " JOIN account_contact c ON c.account_id = a.account_id JOIN login l ON l.login_id = c.login_id WHERE a.trade_visible AND c.removed_at"
            " IS NULL AND (l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE')) GROUP BY a.account_id) WHERE every"
        ).fetchone()[0]
    roots = lists(folder, MAPPINGS).held.select("portal", "root_table", "root_key").n_unique()
    said = [
        sentence for sentence in found["aside"] if "can be opened only by contacts that are restricted, or of Trade Compliance." in sentence
    ]
    assert [int(sentence.split()[0]) for sentence in said] == [narrow]
    both = sum(row["held_and_loaded"] for row in facts(folder, MAPPINGS)["conservation"])
    too = f"({both} of them loaded too, without a value that cannot be read)"
    assert found["aside"][0] == f"{held} rows are held {too}, because of {roots} causes."
    assert f"{closed} of {visible} accounts visible to trade cannot be opened by anyone." in found["aside"]
    assert "No approval was required." in found["aside"]
    assert 0 < roots < held
    assert 0 < closed < visible


def test_published_but_different(folder):
    reconciled(folder, [DIFFERENCE])
    found = facts(folder, MAPPINGS)["verdict"]
    assert (found["sentence"], found["holds"]) == ("published, but different", False)
    assert found["why"] == ["Old and new differ in 1 place; differences.csv lists each."]


def test_what_could_not_be_compared_is_not_equal(folder):
    reconciled(folder, [("document", "not_checked", *DIFFERENCE[2:])])
    report = facts(folder, MAPPINGS)
    assert report["verdict"]["sentence"] == "not finished: published, but not everything could be compared"
    assert "document: 1 places not compared; differences.csv lists them." in report["not_checked"]


def test_a_store_with_fewer_rows_than_were_made_is_never_green(folder):
    reconciled(folder, [], short="login")
    found = facts(folder, MAPPINGS)["verdict"]
    assert not found["holds"]
    assert found["why"][0].startswith("login:")


def test_changed_counts_of_the_old_portal_are_never_green(folder):
    reconciled(folder, [], short="business_type")
    found = facts(folder, MAPPINGS)["verdict"]
    assert not found["holds"]
    assert found["why"][0] == "P2.business_type: the comparison counts a different number of rows in the old portal than the run."


def test_a_lost_row_is_never_green(folder):
    reconciled(folder, [])
    report = facts(folder, MAPPINGS)
    report["conservation"][0]["difference"] = 1
    assert verdict(report)["sentence"] == "not finished: not every row is accounted for"


def test_critical_checks_come_before_all_else(folder):
    answered(folder, [{"id": "unique", "failed": 2, "keys": ["1", "2"]}])
    del folder.steps["load"]
    found = facts(folder, MAPPINGS)["verdict"]
    assert found["sentence"] == "not published: critical checks failed"
    assert found["why"] == ["2 rows of entity_account: Else it is lost. (unique)", "Nothing was published."]
    page = as_html(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS)
    assert "Would be loaded onto accounts" in page
    assert "rows that would be held" in page
    assert "Nothing is kept yet" in page
    assert "kept whole<" not in page
    answered(folder, [{"id": "verifier.staged_rows", "table": "", "failed": 2, "keys": ["1", "2"], "sentence": "They differ."}])
    found = facts(folder, MAPPINGS)
    assert found["verdict"]["why"][0] == "2 rows: They differ. (verifier.staged_rows)"
    assert "2 rows: `1`, `2`" in as_markdown(found, lists(folder, MAPPINGS), MAPPINGS)


@pytest.mark.parametrize("done", [0, 1, 2, 3, 4])
def test_an_unfinished_run_names_the_missing_steps(folder, done):
    names = ("extract", "split", "reattach", "check", "load")
    for name in names[done:]:
        del folder.steps[name]
    report = facts(folder, MAPPINGS)
    jsonschema.validate(report, SCHEMA)
    assert report["verdict"]["sentence"].startswith("not finished: ")
    for name in (*names[done:], "reconcile"):
        assert name in report["verdict"]["sentence"]
        assert any(sentence.startswith(f"{name}:") for sentence in report["not_checked"])
    for name in names[:done]:
        assert name not in report["verdict"]["sentence"]
    assert len(write_report(folder, MAPPINGS).files) == 18


def test_an_empty_folder_has_a_report_too(tmp_path):
    with open_locked(tmp_path / "run") as empty:
        write_report(empty, MAPPINGS)
        jsonschema.validate(facts(empty, MAPPINGS), SCHEMA)
