"""The report's lists: they tie with SQL on the stores and with each other, every column is described, and no cell of the workbook is a formula."""

import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from etl.holding.causes import holding
from etl.holding.row_counts import RowsByProfile, rows_by_table
from etl.placement.held_rows import HELD
from etl.report.controls import SECTIONS, controls
from etl.report.csv_columns import csv_files
from etl.report.decided import decided
from etl.report.facts import facts
from etl.report.html import FILES, as_html
from etl.report.lists import lists
from etl.report.loaded_keys import accounted_keys, old_keys
from etl.report.recheck import as_sql
from etl.report.signed import signed
from etl.report.tables import SHEET_ROWS, as_workbook, tables
from etl.report.write import write_report
from etl.runfolder import layout
from etl.runfolder.folder import open_locked
from mappings.errors import MappingError
from mappings.personal import NONE, read_personal
from mappings.read import HOME, read_mappings
from tests.docs.handbook import ROOT, every_command
from tests.unit.report.cast_run import MAPPINGS, cast, copy_of, hostile, reconciled


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report's folder of the cast, with hostile names in it."""
    path = tmp_path_factory.mktemp("tables") / "run"
    copy_of(cast().run, path)
    with open_locked(path) as folder:
        hostile(folder)
        write_report(folder, MAPPINGS)
    return path / "report"


@pytest.fixture
def folder(tmp_path):
    copy_of(cast().run, tmp_path / "run")
    with open_locked(tmp_path / "run") as copied:
        yield copied


def store(name="portal3"):
    return closing(sqlite3.connect(cast().folder / f"{name}.sqlite"))


def read(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))


def test_every_column_of_every_list_of_the_report_is_described_in_its_order(written):
    described = {one.file: list(one.columns) for one in csv_files() if one.command == "report"}
    assert described == {path.name: read(path)[0] for path in written.glob("*.csv")}
    assert read(written / "columns.csv")[1:] == [
        [one.file, one.command, one.line, *pair] for one in csv_files() for pair in one.columns.items()
    ]
    assert {path.name for path in written.iterdir()} == {*FILES, "columns.csv", "report.html"}


def test_companies_tie_with_sql_with_their_subjects_and_with_the_other_lists(folder):
    found = lists(folder, MAPPINGS)
    by_profile = {row["company_profile_id"]: row for row in found.companies.to_dicts()}
    with store() as new, store("portal2") as old:
        profiles = {
            row[0] for row in old.execute("SELECT company_profile_id FROM company_profile WHERE typeof(company_profile_id) = 'integer'")
        }
        accounts = dict(new.execute("SELECT legacy_profile_id, count(*) FROM entity_account GROUP BY 1"))
        # Of tables whose rows name their account: the different old keys on the accounts of each profile.
        named = {
            "P2.profile_response": "profile_response",
            "P2.validation": "validation",
            "P2.document": "document",
            "P2.company_contact": "account_contact",
            "P2.security_profile": "security_profile",
        }
        loaded = {
            table: dict(
                new.execute(
                    f"SELECT a.legacy_profile_id, count(DISTINCT x.legacy_key) FROM {target} x JOIN entity_account a ON a.account_id = x.account_id"
                    + (" WHERE x.legacy_portal_cd = 'P2'" if target in ("document", "account_contact") else "")
                    + " GROUP BY 1"
                )
            )
            for table, target in named.items()
        }
    assert set(by_profile) == profiles
    assert {profile: row["accounts"] for profile, row in by_profile.items() if row["accounts"]} == accounts
    assert sum(row["nobody_can_open"] for row in by_profile.values()) == found.closed.height > 0
    held = dict(found.held.drop_nulls("company_profile_id").group_by("company_profile_id").len().iter_rows())
    assert {profile: row["rows_held"] for profile, row in by_profile.items() if row["rows_held"]} == {
        p: n for p, n in held.items() if p in profiles
    }
    numbers = ("rows_read", "rows_loaded", "rows_held")
    by_chapter = found.chapters.group_by("company_profile_id").agg(pl.col(numbers).sum())
    assert {
        row["company_profile_id"]: tuple(row[n] for n in numbers) for row in by_chapter.to_dicts() if row["company_profile_id"] in profiles
    } == {profile: tuple(row[n] for n in numbers) for profile, row in by_profile.items() if row["rows_read"]}

    whole = pl.concat(
        [pl.DataFrame(part).select(HELD.keys()) for step in layout.MADE_BY for part in folder.tables(step, layout.record(step, "held"))]
    )
    every = rows_by_table(RowsByProfile(folder, MAPPINGS), MAPPINGS, holding(MAPPINGS, whole, found.exceptions))
    for table, by_sql in loaded.items():
        portal, _, name = table.partition(".")
        counted = every.filter(pl.col("portal") == portal, pl.col("table") == name, pl.col("rows_loaded") > 0)
        assert dict(counted.select("company_profile_id", "rows_loaded").iter_rows()) == by_sql, table
    worst = {row["company_profile_id"]: row["worst_rule"] for row in found.companies.to_dicts()}
    assert worst[1] == "C6"
    assert {
        by_profile[profile]["attention"] + by_profile[profile]["warning"] + by_profile[profile]["info"] > 0
        for profile in worst
        if worst[profile]
    } == {True}


def test_each_tables_keys_in_the_old_portal_are_those_loaded_or_held(folder):
    report = facts(folder, MAPPINGS)
    told = as_sql(report, MAPPINGS)
    compared = 0
    for mapping in MAPPINGS.tables.values():
        accounted = accounted_keys(mapping, MAPPINGS)
        if accounted is None:
            assert (mapping.portal, mapping.table) == ("P2", "document_content")
            continue
        assert f"{old_keys(mapping)};" in told
        assert f"{accounted};" in told
        with store("portal2" if mapping.portal == "P2" else "tc") as old, store() as new:
            old.text_factory = new.text_factory = lambda content: content.decode("utf-8", "replace")
            before = [row[0] for row in old.execute(old_keys(mapping))]
            after = [row[0] for row in new.execute(accounted)]
        # A key that occurs twice, or cannot be read, has a name of its own in the holding.
        assert [key for key in before if key not in after and "\ufffd" not in str(key) and key is not None] == []
        assert [key for key in after if key not in before and "#" not in key and "\ufffd" not in key and "\\" not in key] == []
        compared += len(after)
    assert compared > 890


def test_a_table_without_rows_counts_nothing(folder):
    for step, path in (
        ("extract", layout.extracted("P2", "entity_identifier")),
        ("split", layout.made("split", "account_identifier")),
        ("reattach", layout.made("reattach", "profile_response")),
    ):
        folder.steps[step].files[:] = [file for file in folder.steps[step].files if not file.path.startswith(path)]
    counted = decided(folder, MAPPINGS)
    assert {rule: counted[rule] for rule in ("H1", "H2", "H4", "H6", "E2", "E3", "E7")} == dict.fromkeys(
        ("H1", "H2", "H4", "H6", "E2", "E3", "E7"), 0
    )
    assert counted["A6"]


def test_a_number_is_a_link_that_shows_its_rows(folder):
    reconciled(folder, [])
    page = as_html(facts(folder, MAPPINGS), lists(folder, MAPPINGS), MAPPINGS)
    found = re.findall(r'<a href="#([a-z-]+)" data-find="([^"]*)"[^>]*>([\d,]+)</a>', page)
    assert len(found) > 50
    cells: dict[str, list[list[str]]] = {}
    for name in {name for name, _, _ in found}:
        block = page[page.index(f'<h3 id="{name}">') :]
        body = block[block.index("<tbody>") : block.index("</tbody>")]
        cells[name] = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in body.split("<tr>")[1:]]
    assert {name for name, _, _ in found} >= {"held-list", "exception-list"}
    for name, wanted, count in found:
        words = wanted.split("&#9;")
        assert sum(all(word in row for word in words) for row in cells[name]) == int(count.replace(",", "")), (name, wanted)


def test_the_workbook_has_every_list_and_no_formula(written, folder):
    book = openpyxl.load_workbook(written / "report.xlsx")
    assert book.sheetnames[:3] == ["summary", "source_rows", "new_store"]
    for path in written.glob("*.csv"):
        sheet, lines = book[path.stem], read(path)
        assert [cell.value for cell in sheet[1]] == lines[0]
        assert sheet.max_row == len(lines), path.name
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n", "b"}
    assert all(cell.hyperlink is None for sheet in book for row in sheet.iter_rows() for cell in row)
    totals = {
        name: sum(row[column].value for row in book["source_rows"].iter_rows(min_row=2)) for column, name in ((3, "read"), (4, "loaded"))
    }
    report = json.loads((written / "report.json").read_bytes())
    assert totals == {name: sum(row[name] for row in report["conservation"]) for name in totals}
    long = pl.DataFrame({"key": ["=cmd|' /C calc'!A0"] * (SHEET_ROWS + 1)})
    cut = openpyxl.load_workbook(io.BytesIO(as_workbook(report, {"held": long})))
    assert cut["held"].max_row == SHEET_ROWS + 1
    assert cut["held"]["A2"].data_type == "s"
    assert f"held: the first {SHEET_ROWS:,} of {SHEET_ROWS + 1:,} lines; held.csv has them all" in {
        row[1].value for row in cut["summary"].iter_rows()
    }
    assert set(tables(report, lists(folder, MAPPINGS), MAPPINGS)) == {path.stem for path in written.glob("*.csv")}


def test_a_control_is_shown_where_it_is_documented(written):
    commands = {name for name, _ in every_command()}
    sections = set(SECTIONS)
    page = (written / "report.html").read_text(encoding="utf-8")
    for one in controls():
        for shown in one.shown:
            if shown.startswith("report#"):
                assert shown.removeprefix("report#") in sections, one
                assert f'id="{shown.removeprefix("report#")}"' in page
            elif shown.startswith("beside:"):
                assert (written / shown.removeprefix("beside:")).is_file(), one
            elif shown.startswith("runbooks/"):
                assert (ROOT / shown).is_file(), one
            else:
                assert shown in commands, one
    assert len({one.control for one in controls()}) == len(controls())


def test_every_column_has_a_decision_about_personal_data_and_its_targets_follow_the_mappings(tmp_path):
    kinds = read_personal(MAPPINGS)
    where = {f"{one.portal}.{one.table}.{one.column}": one for kind in kinds for one in kind.columns}
    assert where["P2.portal_user.user_name"].becomes == ("login.email_key", "login.email_display", "login_alias.email_as_typed")
    assert where["P2.portal_user.password_hash"].becomes == ()
    assert where["P2.portal_user.password_hash"].ends.startswith("B17")
    taken = {name for name in where if where[name].kind != NONE}
    assert all(where[name].becomes or where[name].ends for name in taken)
    shutil.copytree(HOME, tmp_path / "mappings")
    file = tmp_path / "mappings" / "personal.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace('"P2.company_contact.email",', '"P2.company_contact.mail",').replace(
            'columns = ["P2.portal_user.password_hash"]',
            'columns = ["P2.portal_user.password_hash", "P2.portal_user.first_name"]\nsecret = true',
        )
        + "\n[extra]\n",
        encoding="utf-8",
    )
    with pytest.raises(MappingError) as refused:
        read_mappings(tmp_path / "mappings")
    for words in (
        "P2.company_contact.mail, expected PORTAL.table.column",
        "no P2.company_contact.email",
        "secret: found an unknown word",
        "extra: found an unknown word",
        "no P2.portal_user.password_hash",
    ):
        assert words in str(refused.value)
    file.unlink()
    with pytest.raises(MappingError, match=r"personal\.toml"):
        read_mappings(tmp_path / "mappings")


def test_who_signed_names_who_carried_out_decided_waived_and_approved(folder):
    decisions = [
        {"rule": "L1", "portal": "TC", "table": "tc_account", "key": str(key), "by": "M. Ito", "on": "2023-09-15", "reason": "asked"}
        for key in (3, 4)
    ]
    decisions.append({"rule": "L5", "portal": "", "table": "goal", "key": "held", "by": "R. Diaz", "on": "2023-09-16", "reason": "known"})
    approval = {"by": "SHA256:abc", "digest": "f" * 64, "at": None, "backup": None}
    said = [(one["what"], one["who"], one["when"], one["digest"]) for one in signed(folder, decisions, approval)]
    assert ("decided (L1): 2 Trade Compliance accounts assigned", "M. Ito", "2023-09-15", "") in said
    assert ("waived (L5): 1 missed goals waived", "R. Diaz", "2023-09-16", "") in said
    assert ("approved", "the key SHA256:abc", "not given", "f" * 64) in said
    assert signed(folder, [], None)[-2]["who"] == "no one: no approval was required"
    assert "evidence verify" in said[-1][1]
