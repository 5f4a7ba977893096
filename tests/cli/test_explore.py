"""The explorer as a process of its own: who is let in, what it answers, that it changes nothing."""

import asyncio
import csv
import http.client
import json
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from etl.commands.explore import Serving, built, listening_socket
from mappings.read import read_mappings
from tests.support.command import Workspace, command, process, started


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Client:
    """A browser without a screen: one cookie, one address."""

    address: str
    cookie: str = ""
    authorization: str = ""

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        at = urlsplit(self.address)
        if at.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(at.hostname or "", at.port, timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
        given = {
            **({"Cookie": self.cookie} if self.cookie else {}),
            **({"Authorization": self.authorization} if self.authorization else {}),
            **headers,
        }
        with closing(connection):
            connection.request(method, path, headers=given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode("utf-8", "replace"))

    def enter(self) -> Answer:
        """Opens the start address and keeps the cookie."""
        at = urlsplit(self.address)
        answer = self.ask(f"{at.path}?{at.query}")
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer


@contextmanager
def serving(workspace: Workspace, *words: str) -> Iterator[Client]:
    running = started("explore", *words, folder=workspace.folder)
    try:
        assert running.stdout is not None
        line = running.stdout.readline().strip()
        assert line.startswith("http"), running.stderr.read() if running.stderr else ""
        yield Client(line)
    finally:
        running.send_signal(signal.SIGINT)
        try:
            _, said = running.communicate(timeout=20)
            assert "Stopped.\nnext: The same command serves again" in said, "nothing of publishing: a server was stopped"
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


@pytest.fixture(scope="module")
def workspace(cast: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The cast, whose explorer keeps its state elsewhere: the cast is for looking only."""
    return cast


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explorer") / "state"


@pytest.fixture(scope="module")
def inside(workspace: Workspace, state: Path) -> Iterator[Client]:
    with serving(workspace, "--run", "run", "--state", str(state)) as client:
        assert client.enter().status == 303
        yield client


def test_only_the_start_address_gives_access_and_the_cookie_differs_from_the_token(workspace: Workspace, inside: Client) -> None:
    token = urlsplit(inside.address).query.partition("=")[2]
    assert token not in inside.cookie
    other = Client(inside.address)
    assert other.ask("/run").status == 403
    assert other.ask("/?token=guess").status == 403
    entered = other.enter()
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(entered.headers["set-cookie"].split("; "))
    assert other.ask("/run").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get_requests_are_served(inside: Client, method: str) -> None:
    assert inside.ask("/run", method).status == 405


def test_another_host_name_is_refused(inside: Client) -> None:
    """DNS rebinding: the browser sends the name of the page that it believes to be on."""
    port = urlsplit(inside.address).port
    assert inside.ask("/run", Host=f"evil.example:{port}").status == 421
    assert inside.ask("/run", Host=f"localhost:{port}").status == 200


def test_every_response_has_strict_headers(inside: Client) -> None:
    for path in ("/", "/run", "/company/1", "/nothing", "/static/explore.css", "/search?q=harbor"):
        headers = inside.ask(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
    assert inside.ask("/" + "x" * 3000).status == 414


@pytest.mark.parametrize(
    ("typed", "href"),
    [
        ("harb", "/company/1"),
        ("pine imp", "/company/1"),
        ("10000101", "/account/10000101"),
        ("rosa.field@harbor", "/person/"),
        ("site-visit.txt", "/document/"),
        ("empty shell", "/company/4"),
        ("STRASSE", "/company/15"),
        ("h ha harb pine pin", "/company/1"),
        ("1", "/company/1"),
    ],
)
def test_search_finds_by_the_beginning_of_words(inside: Client, typed: str, href: str) -> None:
    answer = inside.ask("/search?q=" + quote(typed))
    assert answer.status == 200
    assert f'href="{href}' in answer.body


def test_no_part_of_an_answer_waits_for_the_other_side() -> None:
    """Without TCP_NODELAY the body of each answer on an open connection came 40 ms behind its head."""

    async def accepted() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Sees(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                told.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        listening = listening_socket(Serving())
        async with await asyncio.get_running_loop().create_server(Sees, sock=listening):
            with socket.create_connection(listening.getsockname()):
                return await asyncio.wait_for(told, 10)

    assert asyncio.run(accepted()) != 0


def test_no_answer_waits_while_lasting_objects_are_looked_through(tmp_path: Path) -> None:
    """One answer in some thousands took 0.1 s: a collection over all objects of the mappings and libraries."""
    script = (
        "import gc, time, pathlib; from etl.commands.explore import keep_lasting_objects; from mappings.read import read_mappings\n"
        "import etl.explore.app, uvicorn; kept = read_mappings(pathlib.Path('mappings').absolute()); before = len(gc.get_objects())\n"
        "keep_lasting_objects(); print(before, gc.get_freeze_count(), len(gc.get_objects()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    before, frozen, left = map(int, done.stdout.split())
    assert before > 50_000
    assert frozen > 0.9 * before
    assert left < 0.1 * before


def test_an_index_built_in_a_process_of_its_own_is_the_same(cast: Workspace, tmp_path: Path) -> None:
    def content(index: Path) -> list[str]:
        with closing(sqlite3.connect(index)) as opened:
            return list(opened.iterdump())

    mappings = read_mappings()
    for name, held in (("here", 0), ("apart", 10**6)):
        (tmp_path / name).mkdir()
        built(tmp_path / name / "index.sqlite", mappings, f"sqlite:///{cast.target}", cast.run, held)
    assert content(tmp_path / "here" / "index.sqlite") == content(tmp_path / "apart" / "index.sqlite")
    assert [path.name for path in (tmp_path / "apart").iterdir()] == ["index.sqlite"]


def test_an_empty_result_says_what_was_searched(inside: Client) -> None:
    body = inside.ask("/search?q=zzzzqqqq").body
    assert "zzzzqqqq" in body
    assert "Searched:" in body


def test_the_company_page_shows_old_and_new_and_accounts_without_an_opener(workspace: Workspace, inside: Client) -> None:
    body = inside.ask("/company/2").body
    for shown in ("East River", "West River", "/account/10000201", "/account/10000202"):
        assert shown in body
    with closing(sqlite3.connect(workspace.target)) as store:
        closed = store.execute(
            """SELECT a.legacy_profile_id, a.account_number FROM entity_account a WHERE a.trade_visible AND NOT EXISTS (SELECT 1 FROM account_picker p
               JOIN login l ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND (l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED'
               AND l.lock_reason_cd IN ('PASSWORD', 'IDLE'))) ORDER BY 1 LIMIT 1"""
        ).fetchone()
    assert f"Nobody can open {closed[1]}" in inside.ask(f"/company/{closed[0]}").body


def test_a_person_sees_exactly_what_the_picker_shows(workspace: Workspace, inside: Client) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        login, count = store.execute("SELECT login_id, count(*) FROM account_picker GROUP BY login_id ORDER BY 2 DESC LIMIT 1").fetchone()
        numbers = {row[0] for row in store.execute("SELECT account_number FROM account_picker WHERE login_id = ?", (login,))}
    body = inside.ask(f"/person/{login}").body
    now = body.partition('id="now"')[2].partition("</section>")[0]
    assert f"{count} accounts" in now
    assert set(re.findall(r'href="/account/([^"]+)"', now)) == numbers


def test_personal_data_is_masked_without_names(workspace: Workspace, inside: Client) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        emails = [row[0] for row in store.execute("SELECT email_display FROM login") if "@" in row[0]]
        personal = [row[0] for row in store.execute("SELECT value_raw FROM account_identifier WHERE pii")]
        numbers = [row[0] for row in store.execute("SELECT account_number FROM entity_account")]
    assert personal
    pages = "".join(inside.ask(f"/account/{quote(number, safe='')}").body for number in numbers)
    assert [email for email in emails if email in pages] == []
    assert [number for number in personal if number in pages] == []


def test_hostile_names_are_text(workspace: Workspace, inside: Client) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        profiles = [row[0] for row in store.execute("SELECT DISTINCT legacy_profile_id FROM entity_account")]
    for profile in profiles:
        body = inside.ask(f"/company/{profile}").body
        assert "<script>alert" not in body
        assert "<img" not in body
        assert not {c for c in body if ord(c) < 32 and c not in "\n"}, profile


def test_counts_on_the_run_page_lead_to_their_rows(workspace: Workspace, inside: Client) -> None:
    body = inside.ask("/run").body
    with closing(sqlite3.connect(workspace.target)) as store:
        flagged = dict(store.execute("SELECT rule_cd, count(*) FROM migration_exception GROUP BY 1").fetchall())
        held = dict(store.execute("SELECT reason_cd, count(*) FROM migration_holding GROUP BY 1").fetchall())
    for rule, count in flagged.items():
        assert re.search(rf'href="/rule/{rule}">{rule}</a></th><td class="n">{count}<', body)
        assert f"{count} rows" in inside.ask(f"/rule/{rule}").body
    for reason, count in held.items():
        assert f"{count} rows" in inside.ask(f"/held/{reason}").body


def test_every_link_of_a_company_leads_somewhere(inside: Client) -> None:
    person = re.search(r'href="(/person/[^"]+)"', inside.ask("/company/1").body)
    assert person
    for start in ("/run", "/company/1", "/company/21", "/company/4", person[1]):
        links = set(re.findall(r'href="(/[a-z]+/[^"#]*)"', inside.ask(start).body)) - {"/static/explore.css"}
        assert links
        for link in sorted(links):
            assert inside.ask(link.replace("&amp;", "&")).status == 200, link


def test_a_page_comes_as_text_and_unchanged_pages_are_not_sent_again(inside: Client) -> None:
    text = inside.ask("/company/1?as=text")
    assert text.headers["content-type"].startswith("text/plain")
    assert "Harbor & Pine Imports" in text.body
    tag = inside.ask("/company/1").headers["etag"]
    assert inside.ask("/company/1", **{"If-None-Match": tag}).status == 304


def addresses(store: sqlite3.Connection) -> list[str]:
    """One address for every person, account and company, and some of each other kind."""
    read = {
        "/person/{}": "SELECT login_id FROM login",
        "/account/{}": "SELECT account_number FROM entity_account",
        "/company/{}": "SELECT DISTINCT legacy_profile_id FROM entity_account",
        "/document/{}/{}": "SELECT DISTINCT legacy_portal_cd, legacy_key FROM document LIMIT 20",
        "/rule/{}": "SELECT DISTINCT rule_cd FROM migration_exception",
        "/held/{}": "SELECT DISTINCT reason_cd FROM migration_holding",
        "/row/{}/{}/{}": "SELECT legacy_portal_cd, legacy_table, min(legacy_key) FROM migration_holding GROUP BY 1, 2",
        "/row/P2/portal_user/{}": "SELECT legacy_key FROM login_alias",
    }
    found = [form.format(*(quote(str(part), safe="") for part in row)) for form, query in read.items() for row in store.execute(query)]
    return [*found, "/run"]


def test_no_page_and_no_text_of_a_page_shows_an_address_or_a_name_without_names(workspace: Workspace, inside: Client) -> None:
    """The text is that of the page: earlier it listed whole rows, with the addresses and names that the page masked."""
    with closing(sqlite3.connect(workspace.target)) as store:
        asked = addresses(store)
        emails = {
            row[0].strip() for row in store.execute("SELECT email_display FROM login UNION SELECT email FROM account_contact") if row[0]
        }
        names = {f"{one} {two}" for one, two in store.execute("SELECT first_name, last_name FROM account_contact") if one and two}
        companies = " ".join(row[0] for row in store.execute("SELECT legal_name FROM entity_account"))
        personal = [row[0] for row in store.execute("SELECT value_raw FROM account_identifier WHERE pii")]
    names = {name for name in names if name not in companies}
    for address in asked:
        for answer in (inside.ask(address), inside.ask(f"{address}?as=text")):
            assert answer.status == 200, address
            assert [value for value in (*emails, *names, *personal) if len(value) > 4 and value in answer.body] == [], address


def test_the_sql_behind_a_page_gives_its_numbers(workspace: Workspace, inside: Client) -> None:
    def statements(text: str) -> dict[str, str]:
        lines = text.partition("SQL behind this page\n")[2].splitlines()
        return dict(zip(lines[::2], lines[1::2], strict=True))

    with closing(sqlite3.connect(workspace.target)) as store:
        asked = addresses(store)

        def rows(statement: str) -> list[tuple[object, ...]]:
            return store.execute(statement).fetchall()

        for address in asked:
            for statement in statements(inside.ask(f"{address}?as=text").body).values():
                rows(statement)  # each can be run
        for profile in (1, 2, 3, 4, 21):
            page, known = inside.ask(f"/company/{profile}").body, statements(inside.ask(f"/company/{profile}?as=text").body)
            part = {name: page.partition(f'id="{name}"')[2].partition("</section>")[0] for name in ("new", "people", "held", "documents")}
            assert len(rows(known["Accounts"])) == part["new"].count("<li>")
            assert len(rows(known["People"])) == part["people"].count("<tr>") - bool(part["people"].count("<tr>"))
            assert ("Rows set aside" in known) == ("<table>" in part["held"])
            if "Rows set aside" in known:
                assert len(rows(known["Rows set aside"])) == part["held"].count("<tr>") - 1
            for state, count in rows(known["Documents by state"]):
                assert f"{count} {str(state).lower().replace('_', ' ')}" in part["documents"]
        page, known = inside.ask("/run").body, statements(inside.ask("/run?as=text").body)
        figures = [int(number.replace(",", "")) for number in re.findall(r"<li[^>]*><b>([\d,]+)</b>", page)]
        names = ("Accounts", "Logins", "Rows set aside", "Flags")
        assert figures == [*(rows(known[name])[0][0] for name in names), len(rows(known["Accounts that nobody can open"]))]


def test_the_company_page_lists_each_row_that_leads_to_the_company_and_what_holds_it(workspace: Workspace, inside: Client) -> None:
    """Rows that name no company, such as an entity of a held model, were missing; the cause was not shown."""
    done = workspace.json("readiness", "--out", str(workspace.folder.parent / "explored"))
    assert done.code == 0, done.err
    lines = csv.DictReader((workspace.folder.parent / "explored" / "companies.csv").read_text("utf-8-sig").splitlines())
    counted = {line["company_profile_id"]: int(line["rows_held"]) for line in lines if line["rows_held"] != "0"}
    assert counted
    for profile, count in counted.items():
        held = inside.ask(f"/company/{profile}").body.partition('<h2 id="held"')[2].partition("</section>")[0]
        assert held.count("<tr>") - 1 >= count, profile
    followers = inside.ask("/company/4").body.partition('<h2 id="held"')[2]
    assert "company_profile_id: company_profile 4 is set aside" in followers
    assert 'href="/row/P2/company_profile/4"' in followers
    assert "does not exist" in inside.ask("/held/BROKEN_REFERENCE").body
    assert "column " in inside.ask("/held/UNREADABLE_VALUE").body


def test_the_run_page_has_verdict_steps_checks_and_differences(workspace: Workspace, inside: Client) -> None:
    body = inside.ask("/run?as=text").body
    report = json.loads((workspace.run / "report" / "report.json").read_text())
    assert f"Verdict: {report['verdict']['sentence']}" in body
    for step in report["steps"]:
        assert f"{step['step']} | done" in body
    assert f"Checks: {report['checks']['asked']} run, {report['checks']['passed']} passed" in body
    assert {answer["id"] for answer in report["checks"]["answers"] if answer["failed"]} <= set(re.findall(r"^([\w.]+) \|", body, re.M))
    assert "old and new are equal" in body


def test_a_row_of_a_table_without_an_index_is_found_in_the_store(workspace: Workspace, inside: Client) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        key, number = store.execute(
            "SELECT r.legacy_key, a.account_number FROM profile_response r JOIN security_profile s USING (security_profile_id)"
            " JOIN entity_account a ON a.account_id = s.account_id ORDER BY 1 LIMIT 1"
        ).fetchone()
    page = inside.ask(f"/row/P2/profile_response/{key}")
    assert (page.status, f"/account/{number}" in page.body) == (200, True)
    assert f'href="/row/P2/profile_response/{key}"' in inside.ask(f"/search?q=profile_response+{key}").body
    assert inside.ask("/row/P2/profile_response/77777").status == 404


@pytest.mark.parametrize(
    ("typed", "query", "form"),
    [
        ("{}", "SELECT a.legacy_key, a.login_id FROM login_alias a ORDER BY length(a.legacy_key) DESC LIMIT 1", "/person/{}"),
        ("{}", "SELECT legacy_model_id, account_number FROM entity_account ORDER BY 1 DESC LIMIT 1", "/account/{}"),
        (
            "{}",
            "SELECT t.tc_account_number, a.account_number FROM tc_program t JOIN entity_account a USING (account_id) LIMIT 1",
            "/account/{}",
        ),
        ("{}", "SELECT t.account_name, a.account_number FROM tc_program t JOIN entity_account a USING (account_id) LIMIT 1", "/account/{}"),
        ("validation {}", "SELECT legacy_key, legacy_key FROM validation LIMIT 1", "/row/P2/validation/{}"),
        ("agreement_signature {}", "SELECT legacy_key, legacy_key FROM signature_act LIMIT 1", "/row/P2/agreement_signature/{}"),
        (
            "company_contact {}",
            "SELECT legacy_key, legacy_key FROM account_contact WHERE legacy_portal_cd = 'P2' LIMIT 1",
            "/row/P2/company_contact/{}",
        ),
        ("P2 response_comment {}", "SELECT legacy_key, legacy_key FROM response_comment LIMIT 1", "/row/P2/response_comment/{}"),
    ],
)
def test_search_finds_old_keys_of_every_kind(workspace: Workspace, inside: Client, typed: str, query: str, form: str) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        given, leads_to = store.execute(query).fetchone()
    assert form.format(leads_to) in inside.ask("/search?q=" + quote(typed.format(given))).body


def test_A16_the_old_number_of_an_account_that_got_another_is_found(workspace: Workspace, inside: Client) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        (key,) = store.execute("SELECT legacy_key FROM migration_exception WHERE rule_cd = 'A16' ORDER BY 1 LIMIT 1").fetchone()
        (number,) = store.execute("SELECT account_number FROM entity_account WHERE legacy_entity_id = ?", (key,)).fetchone()
    with closing(sqlite3.connect(workspace.folder / "legacy" / "portal2.sqlite")) as source:
        (old,) = source.execute("SELECT account_number FROM model_entity WHERE entity_id = ?", (key,)).fetchone()
    assert old.strip() != number
    assert f'href="/account/{number}"' in inside.ask("/search?q=" + quote(old)).body
    assert old.strip() in inside.ask(f"/account/{number}?as=text").body


def test_names_of_every_script_are_found_and_hostile_input_finds_nothing(workspace: Workspace, inside: Client, tmp_path: Path) -> None:
    """Index and input were folded by different rules: Korean, Japanese and German names, and full-width letters, were never found."""
    names = (
        "한국 무역",
        "ガス工業",
        "Große Straße",
        "Ａｃｍｅ Ｆｒｅｉｇｈｔ",
        "Łódź Spedycja",
        "Ελλάς Μεταφορές",
        "O'Brien & Söhne",
        "ﬁnance",
        "हिन्दी",
    )
    target = tmp_path / "portal3.sqlite"
    shutil.copy(workspace.target, target)
    with closing(sqlite3.connect(target)) as store, store:
        entities = store.execute("SELECT legacy_entity_id, account_number FROM entity_account ORDER BY 1 LIMIT ?", (len(names),)).fetchall()
        store.executemany(
            "UPDATE entity_account SET legal_name = ? WHERE legacy_entity_id = ?", zip(names, (e for e, _ in entities), strict=True)
        )
    with serving(workspace, "--target", f"sqlite:///{target}", "--state", str(tmp_path / "state")) as client:
        client.enter()
        for name, (_, number) in zip(names, entities, strict=True):
            for typed in (name, name.upper(), name.casefold(), name[:3], name.split()[-1]):
                assert f"/account/{number}" in client.ask("/search?q=" + quote(typed)).body, (name, typed)
        for typed in ('"', "*", "a\U000104b0b", "NEAR(", "%00", "'; DROP TABLE search --", "\u0345", "(" * 150):
            assert client.ask("/search?q=" + quote(typed)).status == 200, typed
    assert inside.ask("/search?q=" + quote("x" * 300)).status == 200


def test_documents_are_downloaded_only_with_the_option(workspace: Workspace, inside: Client, tmp_path: Path) -> None:
    with closing(sqlite3.connect(workspace.target)) as store:
        shown = "SELECT sha256 FROM document WHERE sha256 IS NOT NULL"
        sha256, size = store.execute(
            f"SELECT sha256, size_bytes FROM stored_object WHERE size_bytes > 0 AND sha256 IN ({shown}) ORDER BY 1 LIMIT 1"
        ).fetchone()
        held = [row[0] for row in store.execute(f"SELECT sha256 FROM stored_object WHERE sha256 NOT IN ({shown}) ORDER BY 1")]
    assert held, "the bytes of held rows are in the store too"
    assert inside.ask(f"/object/{sha256}").status == 404
    with serving(workspace, "--run", "run", "--state", str(tmp_path / "state"), "--documents") as client:
        client.enter()
        answer = client.ask(f"/object/{sha256}")
        assert (answer.status, int(answer.headers["content-length"])) == (200, size)
        assert answer.headers["content-disposition"].startswith("attachment")
        assert client.ask("/object/" + "0" * 64).status == 404
        assert {client.ask(f"/object/{other}").status for other in held} == {404}
        assert client.ask("/object/..%2F..%2Fetc").status == 404


def test_the_audit_log_records_who_viewed_which_company(inside: Client, state: Path) -> None:
    inside.ask("/company/3")
    lines = [json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines()]
    assert {"who": "start address", "page": "company", "of": "3"} in [{k: v for k, v in line.items() if k != "at"} for line in lines]
    assert stat.S_IMODE((state / "audit.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((state / "index.sqlite").stat().st_mode) == 0o600


def test_no_route_writes_to_store_or_index(workspace: Workspace, inside: Client, state: Path) -> None:
    before = {path: path.read_bytes() for path in (workspace.target, state / "index.sqlite")}
    for path in ("/", "/run", "/company/1", "/account/10000101", "/rule/H3", "/row/P2/model_entity/101", "/search?q=a", "/document/P2/301"):
        assert inside.ask(path).status == 200, path
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_that_published_nothing_shows_what_would_have_been_loaded(checked: Workspace) -> None:
    with serving(checked, "--run", "run") as client:
        client.enter()
        assert "would have been loaded" in client.ask("/company/1").body
        assert "Harbor" in client.ask("/search?q=harbor").body


def test_a_purged_run_is_reported_and_its_index_is_removed(published: Workspace) -> None:
    with serving(published, "--run", "run"):
        assert (published.run / "explore" / "index.sqlite").is_file()
    assert published.command("purge", "--yes").code == 0
    with serving(published, "--run", "run") as client:
        client.enter()
        assert "were purged" in client.ask("/company/1").body


def test_explore_works_without_a_run(workspace: Workspace, tmp_path: Path) -> None:
    with serving(workspace, "--target", workspace.stores["--target"], "--state", str(tmp_path / "state")) as client:
        client.enter()
        assert "Harbor" in client.ask("/company/1").body


def test_beyond_loopback_tls_and_a_login_are_required(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.command("explore", "--host", "192.0.2.1", "--state", str(tmp_path / "s")).code == 2
    logins = tmp_path / "logins.toml"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "cert.pem",
        ],
        capture_output=True,
        check=True,
    )
    assert made.returncode == 0
    added = subprocess.run(
        [sys.executable, "-m", "cli", "explore", "--login", str(logins), "--add-login", "auditor"],
        input="a long enough secret\n",
        text=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert added.returncode == 0, added.stderr
    assert stat.S_IMODE(logins.stat().st_mode) == 0o600
    assert "a long enough secret" not in logins.read_text()
    words = (
        "--run",
        "run",
        "--state",
        str(tmp_path / "s"),
        "--tls-cert",
        str(tmp_path / "cert.pem"),
        "--tls-key",
        str(tmp_path / "key.pem"),
        "--login",
        str(logins),
    )
    with serving(workspace, *words) as client:
        assert client.address.startswith("https://")
        assert client.ask("/run").status == 401
        client.authorization = "Basic " + b64encode(b"auditor:wrong").decode()
        assert client.ask("/run").status == 401
        client.authorization = "Basic " + b64encode(b"auditor:a long enough secret").decode()
        assert client.ask("/run").status == 200


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tls-cert", "none.pem"), 2, "are both required"),
        (("--host", "not a host"), 2, "reached from other machines"),
        (("--documents", "--run", "nowhere"), 1, "nowhere"),
        (("--state", "legacy/portal2.sqlite"), 7, "Paths overlap"),
        (("--state", "run/extract"), 7, "Paths overlap"),
        (("--documents", "--objects", "no-such-store"), 1, "no-such-store is not a folder"),
    ],
)
def test_invalid_input_is_refused_before_serving(workspace: Workspace, words: tuple[str, ...], code: int, said: str) -> None:
    run = () if "--run" in words else ("--run", "run")
    done = process("explore", *run, *words, folder=workspace.folder)
    assert (done.code, said in done.err) == (code, True), done.err
    assert not (workspace.folder / "no-such-store").exists()


def test_wrong_words_of_the_command_line_end_with_2(tmp_path: Path) -> None:
    assert command("explore", folder=tmp_path).code == 2
    assert command("explore", "--port", "99999", folder=tmp_path).code == 2
