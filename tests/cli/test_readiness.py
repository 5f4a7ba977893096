"""`readiness`: every list's numbers are those of SQL on the store; nothing personal without --names; no cell is a formula."""

import csv
import io
import json
import re
import sqlite3
import stat
from contextlib import closing

import openpyxl
import pytest

from tests.support.command import Workspace, changed, command, copied_mappings

POINTS = (
    "point_cd",
    "weight_cd",
    "who_cd",
    "company_profile_id",
    "account_number",
    "office_cd",
    "legacy_portal_cd",
    "legacy_table",
    "legacy_key",
    "followers",
    "sentence",
    "action",
)
OPEN = "(l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE'))"
# By point: what a person would count in the new store.
COUNTS = {
    "IDENTIFIERS_MISSING": "SELECT count(*) FROM migration_exception WHERE rule_cd = 'H3'",
    "NO_ACTING_OFFICER": "SELECT count(*) FROM entity_account WHERE trade_visible AND NOT acting_officer",
    "NOBODY_CAN_OPEN": f"""SELECT count(*) FROM entity_account a WHERE trade_visible AND NOT EXISTS
        (SELECT 1 FROM account_picker p JOIN login l ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND {OPEN})""",
    "AGREEMENT_MISSING": "SELECT count(*) FROM entity_account WHERE trade_visible AND agreement_basis_cd <> 'SIGNED'",
    "IDENTIFIER_SHARED": "SELECT count(*) FROM migration_exception WHERE rule_cd = 'H7'",
    "PRIMARY_UNUSABLE": "SELECT count(*) FROM migration_exception WHERE rule_cd = 'B8'",
    "LOGIN_WIDENED": "SELECT count(*) FROM migration_exception WHERE rule_cd = 'B20'",
    "NO_EMAIL": "SELECT count(*) FROM migration_holding WHERE legacy_table = 'portal_user' AND reason_cd = 'INVALID_EMAIL'",
    "TC_WAITING": "SELECT count(*) FROM migration_holding WHERE reason_cd IN ('TC_AMBIGUOUS', 'TC_NO_IMPORTER')",
    "HELD_ROOT": "SELECT count(*) FROM migration_holding WHERE reason_cd <> 'PARENT_HELD'",
    "DOCUMENT_BROKEN": "SELECT count(*) FROM (SELECT DISTINCT legacy_portal_cd, legacy_key FROM migration_exception WHERE rule_cd IN ('C6', 'C8'))",
    "TWIN": """SELECT (SELECT count(*) FROM migration_exception WHERE rule_cd = 'A18') + (SELECT count(*) FROM entity_account a WHERE EXISTS
        (SELECT 1 FROM entity_account b WHERE b.account_id <> a.account_id AND b.legacy_profile_id = a.legacy_profile_id
         AND b.business_type_cd = a.business_type_cd AND b.account_label IS a.account_label))""",
}


def lines(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, cast: Workspace) -> dict[str, bytes]:
    """The files that the command writes for the cast, by name; bounces are given, names are not."""
    out = tmp_path_factory.mktemp("lists") / "out"
    bounces = out.parent / "bounces.csv"
    bounces.write_text("when,email\n2023-10-01, ROSA.field@harbor-pine.example\n2023-10-01,nobody@nowhere.example\n", encoding="utf-8")
    done = cast.json("readiness", "--out", str(out), "--bounces", str(bounces))
    assert done.code == 0, done.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    assert done.data["bounces"] == {"unknown": 1, "double": 0, "invalid": 0}
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_readiness_writes_the_lists_of_the_contract(made: dict[str, bytes]) -> None:
    assert set(made) == {"readiness.html", "readiness.xlsx", "points.csv", "companies.csv", "crosswalk.csv", "dates.csv", "clocks.csv"}
    points = lines(made["points.csv"])
    assert tuple(points[0]) == POINTS
    weights = [point["weight_cd"] for point in points]
    assert weights == sorted(weights, key=("critical", "attention", "info").index)


def test_every_kind_of_point_is_a_count_in_sql(cast: Workspace, made: dict[str, bytes]) -> None:
    points = [point["point_cd"] for point in lines(made["points.csv"])]
    with closing(sqlite3.connect(cast.target)) as store:
        counted = {code: store.execute(statement).fetchone()[0] for code, statement in COUNTS.items()}
    assert {code: points.count(code) for code in COUNTS} == counted
    assert all(counted.values()), "the cast has a story for each"
    assert points.count("MAIL_BOUNCES") == 1


def test_EMAIL_DIFFERS_compares_trimmed_and_folded_addresses_of_contacts_in_force(cast: Workspace, made: dict[str, bytes]) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        rows = store.execute(
            """SELECT DISTINCT c.legacy_key, c.email, l.email_display FROM account_contact c JOIN login l ON l.login_id = c.login_id
               WHERE c.scope_cd = 'CTPAT' AND c.removed_at IS NULL AND trim(c.email) <> ''"""
        ).fetchall()
    differ = {key for key, own, login in rows if own.strip().casefold() != login.strip().casefold()}
    assert {point["legacy_key"] for point in lines(made["points.csv"]) if point["point_cd"] == "EMAIL_DIFFERS"} == differ


def test_followers_are_the_rows_that_a_root_holds_at_any_depth(made: dict[str, bytes]) -> None:
    """Profile 4 has no entity: its model, and everything that depends on either, is held because of it."""
    held = {(p["legacy_table"], p["legacy_key"]): int(p["followers"]) for p in lines(made["points.csv"]) if p["point_cd"] == "HELD_ROOT"}
    company = next(row for row in lines(made["companies.csv"]) if row["company_profile_id"] == "4")
    assert (company["rows_loaded"], company["rows_held"]) == ("0", company["rows_read"])
    assert held["company_profile", "4"] == int(company["rows_held"]) - 1


def test_companies_have_the_rows_that_were_read_loaded_and_held(cast: Workspace, made: dict[str, bytes]) -> None:
    companies = {row["company_profile_id"]: row for row in lines(made["companies.csv"])}
    with closing(sqlite3.connect(cast.folder / "legacy" / "portal2.sqlite")) as source, closing(sqlite3.connect(cast.target)) as store:
        profiles = source.execute("SELECT company_profile_id FROM company_profile WHERE typeof(company_profile_id) = 'integer'").fetchall()
        visible = dict(store.execute("SELECT legacy_profile_id, sum(trade_visible) FROM entity_account GROUP BY 1").fetchall())
        # Of one company without held rows: every table counted by hand.
        contacts = source.execute("SELECT count(*) FROM company_contact WHERE company_profile_id = 9").fetchone()[0]
        models = source.execute("SELECT count(*) FROM security_model WHERE company_profile_id = 9").fetchone()[0]
        entities = source.execute(
            "SELECT count(*) FROM model_entity JOIN security_model USING (security_model_id) WHERE company_profile_id = 9"
        ).fetchone()[0]
    assert set(companies) == {str(row[0]) for row in profiles}
    assert {key: int(row["accounts_visible"]) for key, row in companies.items() if row["accounts"] != "0"} == {
        str(k): v for k, v in visible.items()
    }
    assert int(companies["9"]["rows_read"]) >= 1 + contacts + models + entities
    for row in companies.values():
        assert int(row["rows_read"]) <= int(row["rows_loaded"]) + int(row["rows_held"])
    totals = [point["company_profile_id"] for point in lines(made["points.csv"]) if point["weight_cd"] == "critical"]
    assert {key: int(row["critical"]) for key, row in companies.items() if row["critical"] != "0"} == {
        key: totals.count(key) for key in {*totals} - {""}
    }


def test_NOBODY_CAN_OPEN_says_where_the_only_opener_is_restricted_or_of_trade_compliance(published: Workspace) -> None:
    alone = (
        "SELECT a.account_number FROM entity_account a JOIN account_contact c USING (account_id) WHERE a.trade_visible AND c.removed_at IS NULL"
        " AND c.login_id IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    with published.database("portal3.sqlite") as store:
        of_tc, restricted, plain = (number for (number,) in store.execute(f"{alone} LIMIT 3").fetchall())
        mine = "account_id = (SELECT account_id FROM entity_account WHERE account_number = ?)"
        store.execute(f"UPDATE account_contact SET scope_cd = 'TC' WHERE {mine}", (of_tc,))
        store.execute(f"UPDATE account_contact SET scope_cd = 'CTPAT', restricted_reason_cd = 'COMPANY_STATUS' WHERE {mine}", (restricted,))
        store.execute(f"UPDATE account_contact SET scope_cd = 'CTPAT', restricted_reason_cd = NULL WHERE {mine}", (plain,))
        store.execute("UPDATE login SET status_cd = 'DISABLED'")
    done = published.command("readiness")
    assert done.code == 0, done.err
    rows = lines((published.folder / "run" / "readiness" / "points.csv").read_bytes())
    said = {row["account_number"]: row["sentence"] for row in rows if row["point_cd"] == "NOBODY_CAN_OPEN"}
    assert "; the only opener is of Trade Compliance" in said[of_tc]
    assert "; the only opener is restricted" in said[restricted]
    assert "the only opener" not in said[plain]
    assert "the logins of its contacts are disabled" in said[plain]


def test_the_crosswalk_has_every_entity_and_its_account(cast: Workspace, made: dict[str, bytes]) -> None:
    crosswalk = lines(made["crosswalk.csv"])
    with closing(sqlite3.connect(cast.folder / "legacy" / "portal2.sqlite")) as source, closing(sqlite3.connect(cast.target)) as store:
        entities = source.execute("SELECT count(*) FROM model_entity").fetchone()[0]
        accounts = dict(store.execute("SELECT legacy_entity_id, account_id FROM entity_account").fetchall())
    assert len(crosswalk) == entities
    assert {int(row["entity_id"]): row["account_id"] for row in crosswalk if row["account_id"]} == accounts


def test_A6_both_dates_are_listed_and_agree(made: dict[str, bytes]) -> None:
    rows = lines(made["dates.csv"])
    names = [name.removesuffix("_old") for name in rows[0] if name.endswith("_old")]
    assert len(names) == 8
    differing = {(row["entity_id"], name) for row in rows for name in names if row[f"{name}_old"] != row[f"{name}_new"]}
    # 3801's anniversary is an empty text there and null here: both are empty cells.
    assert differing == {(row["entity_id"], "business_start_dt") for row in rows if row["business_start_dt_old"] == "2023-02-30"} != set()


def test_clocks_are_counts_in_sql_and_name_the_row_of_each_login(cast: Workspace, made: dict[str, bytes]) -> None:
    """The line of a login that was made for a Trade Compliance contact named an old user without a key."""
    clocks = lines(made["clocks.csv"])
    due = {
        "security_profile": "security_profile WHERE due_dt IS NOT NULL AND submitted_at IS NULL",
        "portal_task": "portal_task WHERE due_dt IS NOT NULL AND done_at IS NULL",
        "validation_finding": "validation_finding WHERE due_dt IS NOT NULL",
        "tc_annual_notification": "tc_annual_notification WHERE due_dt IS NOT NULL AND submitted_at IS NULL",
    }
    with closing(sqlite3.connect(cast.target)) as store:
        for table, rows in due.items():
            for clock, condition in (("EXTENDED", "IS NOT NULL"), ("RUNNING", "IS NULL")):
                (count,) = store.execute(f"SELECT count(*) FROM {rows} AND due_dt_adjusted {condition}").fetchone()
                assert sum(line["clock_cd"] == clock and line["legacy_table"] == table for line in clocks) == count, (table, clock)
        active = {
            login: ("portal_user", str(user)) if user is not None else ("tc_contact", str(contact))
            for login, user, contact in store.execute(
                """SELECT l.login_id, (SELECT min(CAST(u.legacy_key AS INTEGER)) FROM login_alias u WHERE u.login_id = l.login_id),
                   (SELECT min(CAST(c.legacy_key AS INTEGER)) FROM account_contact c WHERE c.login_id = l.login_id AND c.legacy_portal_cd = 'TC')
                   FROM login l WHERE l.status_cd = 'ACTIVE'"""
            )
        }
    idle = [(line["legacy_table"], line["legacy_key"]) for line in clocks if line["clock_cd"] == "IDLE"]
    assert sorted(idle) == sorted(active.values())
    assert {table for table, _ in idle} == {"portal_user", "tc_contact"}


def test_the_workbook_and_the_page_have_specialist_officers_documents_and_chapters(cast: Workspace, made: dict[str, bytes]) -> None:
    def sheet(name: str) -> list[dict[str, object]]:
        head, *rows = openpyxl.load_workbook(io.BytesIO(made["readiness.xlsx"]))[name].iter_rows(values_only=True)
        return [dict(zip(map(str, head), row, strict=True)) for row in rows]

    with closing(sqlite3.connect(cast.target)) as store:
        specialist = dict(store.execute("SELECT account_number, scss_cbp_user_id FROM entity_account").fetchall())
        officers = dict(
            store.execute(
                "SELECT legacy_profile_id, count(*) FROM entity_account WHERE trade_visible AND NOT acting_officer GROUP BY 1"
            ).fetchall()
        )
    points, companies = sheet("points"), sheet("companies")
    of_accounts = [point for point in points if point["account_number"] in specialist]  # not those with escaped control characters
    assert of_accounts
    assert all(point["specialist_cbp_user_id"] == specialist[str(point["account_number"])] for point in of_accounts)
    shown = {str(c["company_profile_id"]): c["accounts_without_acting_officer"] for c in companies}  # a number of 16 digits is a text there
    assert {profile: count for profile, count in shown.items() if count} == {str(profile): count for profile, count in officers.items()}
    for company in companies:
        mine = [point for point in points if point["company_profile_id"] == company["company_profile_id"]]
        assert company["documents_broken"] == sum(point["point_cd"] == "DOCUMENT_BROKEN" for point in mine)
        held = sum(int(part.rpartition(" ")[2]) for part in str(company["held_by_chapter"] or "x 0").split("; "))
        assert held == company["rows_held"]
    page = made["readiness.html"].decode()
    assert f"<h1>{sum(p['weight_cd'] == 'critical' for p in points)} critical" in page
    for office in {point["office_cd"] for point in points}:
        mine = [point for point in points if point["office_cd"] == office]
        named = len({point["company_profile_id"] for point in mine} - {None})
        row = (
            page.partition('aria-label="Points by office"')[2]
            .partition(f'<th scope="row">{office or "none"}</th>')[2]
            .partition("</tr>")[0]
        )
        numbers = [int(number) for number in re.findall(r">(\d+)</td>", row)]
        assert numbers == [named, *(sum(point["weight_cd"] == weight for point in mine) for weight in ("critical", "attention", "info"))], (
            office
        )


def test_D2_D4_E15_signatures_to_review_are_on_the_page(cast: Workspace, made: dict[str, bytes]) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        flagged = store.execute("SELECT rule_cd, legacy_key FROM migration_exception WHERE rule_cd IN ('D2', 'D4', 'E15')").fetchall()
    listed = made["readiness.html"].decode().partition('id="reviews"')[2]
    assert sorted(re.findall(r'<th scope="row">(D2|D4|E15)</th>.*?P2\.\w+ (\d+)</td>', listed)) == sorted(flagged)


def test_no_cell_is_a_formula_and_the_workbook_says_the_same(made: dict[str, bytes]) -> None:
    for name, content in made.items():
        if name.endswith(".csv"):
            cells = [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
            assert not [cell for cell in cells if cell[:1] in "=+@\t\r" and cell[:1]], name
            assert not [cell for cell in cells if cell.startswith("-") and not cell[1:].isdigit()], name
    book = openpyxl.load_workbook(io.BytesIO(made["readiness.xlsx"]))
    assert book.sheetnames == ["points", "companies", "crosswalk", "dates", "clocks"]
    assert book["points"].max_row - 1 == len(lines(made["points.csv"]))
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n", "b"}


def test_personal_data_is_only_in_the_activation_list_and_only_on_request(cast: Workspace, made: dict[str, bytes], tmp_path) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        emails = [row[0] for row in store.execute("SELECT email_display FROM login")]
    for name, content in made.items():
        if name != "readiness.xlsx":
            assert not [email for email in emails if email.strip() and email.encode() in content], name
    done = cast.json("readiness", "--out", str(tmp_path / "named"), "--names")
    assert done.code == 0, done.err
    activation = lines((tmp_path / "named" / "activation.csv").read_bytes())
    assert len(activation) == len(emails)
    assert cast.json("readiness", "--out", str(tmp_path / "named")).code == 0
    assert not (tmp_path / "named" / "activation.csv").exists(), "a list that was not asked for this time does not stay"


def test_the_same_run_gives_the_same_bytes_and_since_marks_new_points(cast: Workspace, made: dict[str, bytes], tmp_path) -> None:
    done = cast.json("readiness", "--out", str(tmp_path / "again"), "--since", "run")
    assert done.code == 0, done.err
    again = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    for name in ("companies.csv", "crosswalk.csv", "dates.csv", "clocks.csv"):
        if name != "companies.csv":  # the bounced login is a point of its company
            assert again[name] == made[name]
    assert done.data["since"] == {"still": done.data["lines"]["points"]}


def test_the_screen_names_what_it_counts(cast: Workspace, tmp_path) -> None:
    (tmp_path / "bounces.csv").write_text("email\nnobody@nowhere.example\nnot an address\n", encoding="utf-8")
    done = cast.command("readiness", "--out", str(tmp_path / "out"), "--bounces", str(tmp_path / "bounces.csv"), "--since", "run")
    assert "bounces without a login: 1; given twice: 0; not an e-mail address: 1" in done.out
    assert re.search(r"since the earlier run: \d+ still open", done.out)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--bounces", "none.csv"), 1, "cannot be read"),
        (("--bounces", "bad.csv"), 1, "no column email"),
        (("--bounces", "semicolons.csv"), 1, "separated by commas"),
        (("--bounces", "empty.csv"), 1, "empty.csv is empty"),
        (("--out", "legacy/portal2.sqlite"), 7, "Paths overlap"),
        (("--out", "open"), 7, "accessible to other users"),
        (("--since", "nowhere"), 1, "next: Give --since the folder of a started run."),
        (("--out", "run/extract"), 7, "Paths overlap"),
        (("--out", "run/load/lists"), 7, "Paths overlap"),
    ],
)
def test_invalid_input_is_refused_and_nothing_is_written(published: Workspace, words: tuple[str, str], code: int, said: str) -> None:
    (published.folder / "bad.csv").write_text("mail\nx@y.example\n", encoding="utf-8")
    (published.folder / "semicolons.csv").write_text("date;email\n1;x@y.example\n", encoding="utf-8")
    (published.folder / "empty.csv").touch()
    (published.folder / "open").mkdir(mode=0o755)
    done = published.command("readiness", *words)
    assert done.code == code, done.err
    assert said in done.err
    assert not (published.run / "readiness").exists()


def test_a_run_that_published_nothing_has_no_lists(checked: Workspace) -> None:
    done = checked.command("readiness")
    assert (done.code, "not published anything" in done.err) == (7, True)


def test_weights_of_points_are_data_and_all_wrong_words_are_reported_together(cast: Workspace, tmp_path) -> None:
    mappings = copied_mappings(tmp_path)
    changed(mappings / "readiness.toml", 'weight   = "critical"', 'weight   = "terrible"')
    changed(mappings / "readiness.toml", "{missing}", "{secret}")
    done = command(*cast.words("readiness", "--mappings", str(mappings), "--out", str(tmp_path / "out")), folder=cast.folder)
    assert done.code == 1
    assert "'terrible'" in done.err
    assert "{secret}" in done.err
    assert not (tmp_path / "out").exists()


def test_the_json_output_counts_the_lines_of_the_files(cast: Workspace, made: dict[str, bytes], tmp_path) -> None:
    data = cast.json("readiness", "--out", str(tmp_path / "out")).data
    points = lines((tmp_path / "out" / "points.csv").read_bytes())
    assert data["lines"]["points"] == len(points) == sum(data["points"].values()) == sum(data["weights"].values())
    json.dumps(data)
