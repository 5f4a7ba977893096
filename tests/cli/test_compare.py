"""`compare`: what differs between runs, by table, rule, reason and key."""

import csv
import io
import json

from tests.support.command import Workspace, command


def test_a_row_that_is_held_now_and_was_not_before_is_named_by_key(cast: Workspace, published: Workspace, tmp_path) -> None:
    with published.database("legacy/portal2.sqlite") as source:
        source.execute("UPDATE company_address SET company_profile_id = 424242 WHERE address_id = 101")
    done = published.command("run", "--run", "later")
    assert done.code == 0, done.err
    again = command(
        "compare", str(cast.run), str(published.folder / "later"), "--out", str(tmp_path / "out"), "--output", "json", folder=tmp_path
    )
    assert again.code == 0, again.err
    assert (again.data["appeared"], again.data["disappeared"]) == (1, 0)
    changed = {(row["section"], row["table"], row["code"]): (row["1 run"], row["2 later"]) for row in again.data["changed"]}
    before, after = changed["rows held", "company_address", ""]
    assert after == before + 1
    document = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [(key["code"], key["table"], key["key"]) for key in document["keys"]] == [("BROKEN_REFERENCE", "company_address", "101")]
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out" / "compare.csv").read_bytes().decode("utf-8-sig"))))
    assert [line["2 later"] for line in lines if line["key"] == "101"] == ["yes"]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "company_address" in page


def test_the_same_run_twice_differs_in_nothing(cast: Workspace, tmp_path) -> None:
    done = command("compare", str(cast.run), str(cast.run), "--out", str(tmp_path / "out"), "--output", "json", folder=tmp_path)
    assert done.code == 0, done.err
    assert (done.data["changed"], done.data["appeared"], done.data["disappeared"]) == ([], 0, 0)


def test_compare_refuses_a_single_run_and_a_missing_one(cast: Workspace, tmp_path) -> None:
    assert command("compare", str(cast.run), folder=tmp_path).code == 2
    missing = command("compare", str(cast.run), str(tmp_path / "none"), folder=tmp_path)
    assert (missing.code, "next: Give each DIR the folder of a started run." in missing.err) == (1, True)
    assert command("compare", "", str(cast.run), folder=tmp_path).code == 2
    assert command("compare", str(cast.run), str(cast.run), "--out", str(cast.run / "check"), folder=cast.folder).code == 7


def test_a_letter_with_an_invalid_date_is_wrong_usage(cast: Workspace, tmp_path) -> None:
    """It was a traceback: the date was read before the command."""
    done = command("company", "3", "--run", "run", "--folder", str(tmp_path / "letters"), "--dated", "2026-13-01", folder=cast.folder)
    assert (done.code, "is not a valid date" in done.err) == (2, True), done.err
