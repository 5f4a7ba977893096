"""The page of a company: its accounts, without data of other companies and without internal data."""

# The fixture `urls` is a pair.
# mypy: disable-error-code="call-arg"

import json
import re
import sqlite3
import stat

import pytest

from etl.errors import MigrationError, Refused
from etl.report.company import as_files, companies, company, write_companies
from etl.report.company_letter import LetterHead, accounts, actions, as_letter_html, as_letter_markdown, earlier_letters, opening
from mappings.letters import language_for, read_letters
from tests.unit.report.cast_run import MAPPINGS, cast

TEXTS = read_letters(MAPPINGS.home)
ENGLISH, SPANISH = TEXTS["en"], TEXTS["es"]
HEAD = LetterHead(sender="CTPAT, ctpat@example.gov", date="2023-10-02")


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
        ("East River", "CERTIFIED", "Importer"),
        ("West River", "SUSPENDED", "Importer"),
    ]
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


def test_a_company_page_is_the_same_alone_and_among_all(urls):
    every = {page["profile"]["id"]: page for page in companies(urls[0], MAPPINGS)}
    for profile, page in every.items():
        assert company(urls[0], None, profile, MAPPINGS) == page


def test_every_profile_of_the_old_portal_has_a_page(urls):
    with sqlite3.connect(cast().folder / "portal2.sqlite") as source:
        old = {
            row[0] for row in source.execute("SELECT company_profile_id FROM company_profile WHERE typeof(company_profile_id) = 'integer'")
        }
    assert {page["profile"]["id"] for page in companies(urls[0], MAPPINGS)} == old


def test_counts_exclude_internal_rows(urls, store):
    internal = store.execute("SELECT count(*) FROM document WHERE library_cd = 'INTERNAL' AND account_id IS NOT NULL").fetchone()[0]
    total = store.execute("SELECT count(*) FROM document WHERE account_id IS NOT NULL").fetchone()[0]
    assert internal
    assert sum(account["counts"]["documents"] for page in companies(urls[0], MAPPINGS) for account in page["accounts"]) == total - internal


def test_a_page_names_no_other_company(urls, store):
    own = {}
    whole = "trim(coalesce(c.first_name, '') || ' ' || coalesce(c.last_name, ''))"
    query = f"SELECT a.legacy_profile_id, c.email, c.last_name, c.full_name, {whole}, l.email_display FROM account_contact c"
    query += " JOIN entity_account a USING (account_id) LEFT JOIN login l ON l.login_id = c.login_id"
    for profile, *names in store.execute(query):
        own.setdefault(profile, set()).update(name for name in names if name)
    everybody = {name for names in own.values() for name in names if len(name) > 4 and name.isprintable()}
    for page in companies(urls[0], MAPPINGS):
        profile = page["profile"]["id"]
        text = json.dumps(page, ensure_ascii=False)
        foreign = {name for name in everybody - own.get(profile, set()) if f'"{name}"' in text}
        assert foreign == set(), profile
        assert not re.search(r"[0-9]{3}-[0-9]{2}-[0-9]{4}", text)


def test_the_page_of_a_profile_without_entity_says_that_it_is_held(urls):
    page = company(*urls, 4)
    assert page["held"]["reason"] == "PROFILE_WITHOUT_ENTITY"
    assert page["accounts"] == []
    assert page["set_aside"]["company_contact"] == 1
    assert page["profile"]["name"] == "Empty Shell Holdings"
    letter = as_letter_markdown(page, ENGLISH, HEAD)
    assert "No account in the new portal came from this company profile" in letter
    assert "Empty Shell Holdings" in letter
    assert "PROFILE_WITHOUT_ENTITY" not in letter


def test_a_model_without_entity_is_named_where_the_old_portal_is_given(urls):
    assert [len(model["entities"]) for model in company(*urls, 5)["before"]] == [1, 0]


def test_what_to_do_names_the_document_the_person_and_the_identifier(urls, store):
    page = company(*urls, 21)
    found = {entry["code"]: entry for entry in page["todo"]}
    missing = (
        "SELECT DISTINCT d.file_name FROM document d JOIN entity_account a ON a.account_id = d.account_id WHERE a.legacy_profile_id = 21"
    )
    missing += " AND d.content_state_cd = 'MISSING' AND d.library_cd <> 'INTERNAL' AND NOT d.deleted"
    assert set(found["C6"]["documents"]) == {row[0] for row in store.execute(missing)}
    sentences = actions(page, ENGLISH)
    assert any(found["C6"]["documents"][0] in sentence for sentence in sentences)
    assert {entry["code"] for page in companies(urls[0], MAPPINGS) for entry in page["todo"]} <= ENGLISH.sections["todo"].keys()


def test_the_letter_of_a_company_without_an_opener_says_so(urls, store):
    """An account that no user can open is the most urgent fact for a company."""
    usable = "l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE')"
    query = f"""SELECT a.legacy_profile_id, a.account_number FROM entity_account a WHERE a.trade_visible AND NOT EXISTS
        (SELECT 1 FROM account_picker p JOIN login l ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND ({usable}))"""
    closed = {}
    for profile, account in store.execute(query):
        closed.setdefault(profile, set()).add(account)
    told = {
        page["profile"]["id"]: {n for e in page["todo"] if e["code"] == "NOBODY" for n in e["accounts"]}
        for page in companies(urls[0], MAPPINGS)
    }
    assert closed
    assert {profile: numbers for profile, numbers in told.items() if numbers} == closed


def test_rows_that_are_loaded_and_held_are_not_listed_as_held(urls):
    page = company(*urls, 38)
    assert "company_profile" not in page["set_aside"]
    assert "X2" in {entry["code"] for entry in page["todo"]}


def test_a_letter_is_dated_addressed_and_names_the_letter_that_it_replaces(urls, tmp_path):
    write_companies(urls[0], tmp_path / "first", 1, head=LetterHead(date="2023-09-20"))
    earlier = earlier_letters(tmp_path / "first")
    assert earlier == {"1": "2023-09-20"}
    write_companies(
        urls[0], tmp_path / "second", 1, head=LetterHead(sender="CTPAT, ctpat@example.gov", date="2023-10-02", replaces=earlier)
    )
    letter = (tmp_path / "second" / "company-1.md").read_text()
    for said in (
        "2023-10-02",
        "replaces ours of 2023-09-20",
        "Harbor & Pine Imports".replace("&", "\\&"),
        "ctpat@example.gov",
        "company profile 1, migration run-",
    ):
        assert said in letter
    with pytest.raises(MigrationError, match="holds no letters"):
        earlier_letters(tmp_path)


def test_the_language_follows_the_country_of_the_mailing_address(urls):
    assert language_for(TEXTS, "MX") is SPANISH
    assert language_for(TEXTS, "CA") is language_for(TEXTS, None) is ENGLISH
    page = company(*urls, 2)
    letter = as_letter_html(page, SPANISH, HEAD)
    assert '<html lang="es">' in letter
    assert "Acciones que debe realizar" in letter
    assert "What to do now" not in letter


def test_business_types_and_a_company_without_a_name_are_in_the_language_of_the_letter(urls):
    """Both were English in every language; of one closed account the letter spoke as of several."""
    page = company(*urls, 2)
    for account, (_, shown, *_) in zip(page["accounts"], accounts(page, SPANISH), strict=True):
        assert shown == SPANISH.sections["business_types"].get(account["business_type_cd"], account["business_type"])
        assert shown != account["business_type"]
    nameless = {**page, "profile": {**page["profile"], "name": None}}
    assert "A la atención del directivo responsable de Perfil de empresa 2:" in as_letter_markdown(nameless, SPANISH, HEAD)
    closed = {**page, "accounts": [{**page["accounts"][0], "trade_visible": False}]}
    assert opening(closed, ENGLISH).endswith("it has one account. It is closed: it is kept, and not shown in the portal.")
    assert opening(closed, SPANISH).endswith("tiene una cuenta. Está cerrada: se conserva, pero no se muestra en el portal.")


@pytest.mark.parametrize("profile", [31, 32, 33, 35])
def test_hostile_names_are_text(urls, profile):
    page = company(*urls, profile)
    html, markdown = as_letter_html(page, ENGLISH, HEAD), as_letter_markdown(page, ENGLISH, HEAD)
    assert "<script" not in html
    assert not {c for c in html + markdown if ord(c) < 32 and c != "\n"}
    assert not re.search(r"(?<!\\)://", markdown.replace("`", ""))


def test_an_unknown_profile_is_refused(urls):
    with pytest.raises(MigrationError, match="has no company profile 999999"):
        company(*urls, 999999)


def test_letters_are_private_files(urls, tmp_path):
    written = write_companies(urls[0], tmp_path / "letters")
    assert len(written) == 2 * len(list(companies(urls[0], MAPPINGS)))
    assert stat.S_IMODE((tmp_path / "letters" / "letters.json").stat().st_mode) == 0o600
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}
    assert stat.S_IMODE((tmp_path / "letters").stat().st_mode) == 0o700
    one = write_companies(urls[0], tmp_path / "one", 2, urls[1])
    assert [file.name for file in one] == ["company-2.html", "company-2.md"]
    page = company(*urls, 2)
    assert one[1].read_bytes() == as_files(page, ENGLISH, LetterHead().of(page))["company-2.md"]


def test_a_link_in_the_folder_is_replaced_and_an_open_folder_refused(urls, tmp_path):
    (tmp_path / "letters").mkdir(mode=0o700)
    (tmp_path / "letters" / "company-2.html").symlink_to(tmp_path / "elsewhere")
    write_companies(urls[0], tmp_path / "letters", 2)
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(Refused, match="accessible to other users"):
        write_companies(urls[0], tmp_path / "open", 2)
    assert list((tmp_path / "open").iterdir()) == []
