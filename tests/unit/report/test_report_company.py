"""The page per company: what one profile has become, and that nobody else's data and nothing of CBP's own is in it."""

import json
import re
import sqlite3
import stat

import pytest

from etl.errors import MigrationError
from etl.report.company import as_files, companies, company, write_companies
from etl.report.company_letter import SENTENCES, as_letter_html, as_letter_markdown
from tests.unit.report.test_report import MAPPINGS, cast


@pytest.fixture(scope="module")
def urls():
    folder = cast().folder
    return f"sqlite:///{folder / 'portal3.sqlite'}", f"sqlite:///{folder / 'portal2.sqlite'}"


@pytest.fixture(scope="module")
def store():
    with sqlite3.connect(cast().folder / "portal3.sqlite") as database:
        yield database


def test_one_profile_with_two_models_is_now_two_accounts(urls):
    page = company(*urls, 2)
    assert page["profile"] == {"id": 2, "name": "Twin Rivers Trading"}
    assert [(m["name"], [e["status"] for e in m["entities"]]) for m in page["before"]] == [
        ("East River", ["CERTIFIED"]),
        ("West River", ["SUSPENDED"]),
    ]
    assert [(a["account_label"], a["status_cd"], a["business_type"]) for a in page["accounts"]] == [
        ("East River", "CERTIFIED", "Importer"), ("West River", "SUSPENDED", "Importer"),
    ]  # fmt: skip
    lee = page["people"][0]
    assert lee["primary"]
    assert lee["sees"] == lee["on"] == ["10000201", "10000202"]
    assert lee["restricted_on"] == ["10000202"]


def test_people_see_what_the_picker_of_the_new_store_shows(urls, store):
    shown = {}
    for page in companies(urls[0], MAPPINGS):
        for person in page["people"]:
            shown.setdefault(page["profile"]["id"], set()).update(person["sees"])
    picker = {}
    query = (
        "SELECT DISTINCT a.legacy_profile_id, p.account_number FROM account_picker p JOIN entity_account a ON a.account_id = p.account_id"
    )
    for profile, number in store.execute(query):
        picker.setdefault(profile, set()).add(number)
    assert {profile: numbers for profile, numbers in shown.items() if numbers} == picker


def test_one_page_is_the_same_alone_and_among_all(urls):
    every = {page["profile"]["id"]: page for page in companies(urls[0], MAPPINGS)}
    for profile, page in every.items():
        assert company(urls[0], None, profile, MAPPINGS) == page


def test_every_profile_of_the_old_portal_has_a_page(urls):
    with sqlite3.connect(cast().folder / "portal2.sqlite") as source:
        old = {
            row[0] for row in source.execute("SELECT company_profile_id FROM company_profile WHERE typeof(company_profile_id) = 'integer'")
        }
    assert {page["profile"]["id"] for page in companies(urls[0], MAPPINGS)} == old


def test_counts_leave_out_what_only_cbp_sees(urls, store):
    internal = store.execute("SELECT count(*) FROM document WHERE library_cd = 'INTERNAL' AND account_id IS NOT NULL").fetchone()[0]
    total = store.execute("SELECT count(*) FROM document WHERE account_id IS NOT NULL").fetchone()[0]
    assert internal
    assert sum(account["counts"]["documents"] for page in companies(urls[0], MAPPINGS) for account in page["accounts"]) == total - internal


def test_a_page_names_nobody_else(urls, store):
    own = {}
    whole = "trim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, ''))"
    query = f"SELECT a.legacy_profile_id, c.email, c.last_name, c.full_name, {whole} FROM account_contact c JOIN entity_account a USING (account_id)"
    for profile, *names in store.execute(query):
        own.setdefault(profile, set()).update(name for name in names if name)
    everybody = {name for names in own.values() for name in names if len(name) > 4 and name.isprintable()}
    for page in companies(urls[0], MAPPINGS):
        profile = page["profile"]["id"]
        text = json.dumps(page, ensure_ascii=False)
        foreign = {name for name in everybody - own.get(profile, set()) if f'"{name}"' in text}
        assert foreign == set(), profile
        assert not re.search(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", text)


def test_a_profile_without_entity_says_that_it_is_held(urls):
    page = company(*urls, 4)
    assert page["held"]["reason"] == "PROFILE_WITHOUT_ENTITY"
    assert page["accounts"] == []
    assert page["set_aside"]["company_contact"] == 1
    assert "No account has come of company profile 4; everything of it is kept." in as_letter_markdown(page)


def test_a_model_without_entity_is_named_where_the_old_portal_is_given(urls):
    assert [len(model["entities"]) for model in company(*urls, 5)["before"]] == [1, 0]


def test_what_needs_attention_has_a_sentence_and_counts_old_rows_once(urls):
    page = company(*urls, 21)
    found = {entry["rule"]: entry["count"] for entry in page["attention"]}
    with sqlite3.connect(cast().folder / "portal3.sqlite") as database:
        missing = "SELECT count(DISTINCT d.legacy_key) FROM document d JOIN entity_account a ON a.account_id = d.account_id WHERE "
        missing += "a.legacy_profile_id = 21 AND d.content_state_cd = 'MISSING' AND d.library_cd <> 'INTERNAL'"
        assert found["C6"] == database.execute(missing).fetchone()[0]
    assert set(SENTENCES) <= set(MAPPINGS.rules)


def test_rows_that_are_loaded_as_well_are_not_set_aside(urls):
    page = company(*urls, 38)
    assert "company_profile" not in page["set_aside"]
    assert "X2" in {entry["rule"] for entry in page["attention"]}


@pytest.mark.parametrize("profile", [31, 32, 33, 35])
def test_hostile_names_are_text(urls, profile):
    page = company(*urls, profile)
    html = as_letter_html(page)
    assert "<script" not in html
    assert not {c for c in html + as_letter_markdown(page) if ord(c) < 32 and c != "\n"}
    assert not re.search(r"(?<!\\)://", as_letter_markdown(page).replace("`", ""))


def test_an_unknown_profile_is_refused(urls):
    with pytest.raises(MigrationError, match="knows no company profile 999999"):
        company(*urls, 999999)


def test_letters_are_for_nobody_elses_eyes(urls, tmp_path):
    written = write_companies(urls[0], tmp_path / "letters")
    assert len(written) == 2 * len(list(companies(urls[0], MAPPINGS)))
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}
    assert stat.S_IMODE((tmp_path / "letters").stat().st_mode) == 0o700
    one = write_companies(urls[0], tmp_path / "one", 2, urls[1])
    assert [file.name for file in one] == ["company-2.html", "company-2.md"]
    assert one[1].read_bytes() == as_files(company(*urls, 2))["company-2.md"]


def test_a_link_in_the_folder_is_not_followed(urls, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "company-2.html").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        write_companies(urls[0], tmp_path / "letters", 2)
    assert not (tmp_path / "elsewhere").exists()
