"""The explorer in a real browser: a help desk's story, an auditor's story, a phone, the keyboard alone."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from etl.explore.advice import advice
from tests.cli.test_explore import Client, serving
from tests.support.accessibility import barriers, barriers_everywhere
from tests.support.command import Workspace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def explorer(cast: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(cast, "--run", "run", "--state", str(tmp_path_factory.mktemp("explore") / "state"), "--names") as client:
        yield client


@pytest.fixture
def page(chromium: Browser, explorer: Client) -> Iterator[Page]:
    """A page that has entered, whose complaints end the test."""
    made = chromium.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    made.goto(explorer.address)
    yield made
    made.close()
    assert complaints == []


def base(client: Client) -> str:
    return client.address.partition("/?")[0]


def test_a_search_by_name_leads_to_the_reason_why_an_account_has_no_opener(page: Page, cast: Workspace) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        name, number = store.execute(
            """SELECT a.legal_name, a.account_number FROM entity_account a WHERE a.trade_visible AND a.legal_name GLOB 'Closed Wing*' AND NOT EXISTS
               (SELECT 1 FROM account_picker p JOIN login l ON l.login_id = p.login_id WHERE p.account_id = a.account_id AND l.status_cd = 'ACTIVE')"""
        ).fetchone()
    page.fill("#q", name[:8].lower())
    page.wait_for_selector(f".hits a:has-text('{name}')")
    page.click(f".hits a:has-text('{name}')")
    assert page.url.rpartition("/")[0].endswith("/company")
    points = page.inner_text(".points")
    assert "Nobody can open" in points
    assert number in points
    assert "Say:" in points
    assert "Do:" in points


def test_from_a_count_to_the_source_row(page: Page, explorer: Client) -> None:
    page.goto(base(explorer) + "/run")
    page.click("a:text-is('H3')")
    assert "identifiers" in page.inner_text(".lead").lower()
    page.click("section[aria-labelledby=rows] tbody a >> nth=0")
    assert page.inner_text(".kicker") == "Row of the old portal"
    assert "H3" in page.inner_text("section[aria-labelledby=flags]")
    page.click("summary")
    assert "SELECT" in page.inner_text(".sql pre >> nth=0")


def test_typing_searches_and_the_url_can_be_shared(page: Page, explorer: Client) -> None:
    page.fill("#q", "twin riv")
    page.wait_for_selector(".hits a:has-text('Twin Rivers')")
    assert page.url.endswith("/?q=twin%20riv")
    page.goto(page.url)
    assert page.inner_text(".hits a >> nth=0").endswith("profile 2")


def test_the_keyboard_alone_leads_from_search_to_account(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    page.keyboard.type("10000201")
    page.wait_for_selector(".hits li:first-child a[href='/account/10000201']")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.hits a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/10000201")
    assert page.evaluate("getComputedStyle(document.activeElement).display") != "none"


def tabbed(page: Page, selector: str, most: int = 200) -> None:
    """Moves the focus with the Tab key to the first such element, which has to show that it has it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle + ' ' + getComputedStyle(document.activeElement).outlineWidth"
            )
            assert outline not in ("none 0px", "none 3px"), selector
            return
    raise AssertionError(f"{most} times Tab do not lead to {selector}")


def test_the_keyboard_alone_leads_from_a_count_to_the_source_row_and_back(page: Page, explorer: Client, cast: Workspace) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        (count,) = store.execute("SELECT count(*) FROM migration_exception WHERE rule_cd = 'H3'").fetchone()
    tabbed(page, "nav a[href='/run']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run")
    tabbed(page, "a[href='/rule/H3']")
    assert page.evaluate("document.activeElement.closest('tr').cells[1].textContent") == str(count)
    page.keyboard.press("Enter")
    page.wait_for_url("**/rule/H3")
    assert page.inner_text("#rows") == f"{count} rows"
    tabbed(page, "section[aria-labelledby=rows] tbody a")
    row = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{row}")
    assert page.inner_text(".kicker") == "Row of the old portal"
    tabbed(page, "section[aria-labelledby=flags] a[href='/rule/H3']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rule/H3")
    tabbed(page, "nav a[href='/run']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/run")
    tabbed(page, "details summary")
    page.keyboard.press("Enter")
    assert "SELECT rule_cd, count(*)" in page.inner_text("details[open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_pages_fit_the_width_and_text_is_readable(chromium: Browser, explorer: Client, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light")
    phone = context.new_page()
    phone.goto(explorer.address)
    for path in ("/", "/company/1", "/company/32", "/account/10000101", "/run", "/?q=a"):
        phone.goto(base(explorer) + path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path
    ink, ground = phone.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert ink != ground
    context.close()


def test_a_login_with_many_accounts_is_one_page(page: Page, explorer: Client, cast: Workspace) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        login, count = store.execute(
            "SELECT login_id, count(DISTINCT account_id) FROM account_picker GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
        ).fetchone()
    page.goto(f"{base(explorer)}/person/{login}")
    assert page.locator("section[aria-labelledby=now] tbody tr").count() == count


def test_axe_finds_no_barrier_on_any_page(page: Page, explorer: Client, cast: Workspace) -> None:
    with closing(sqlite3.connect(cast.target)) as store:
        (login,) = store.execute("SELECT login_id FROM account_picker ORDER BY 1 LIMIT 1").fetchone()
        (key,) = store.execute(
            "SELECT legacy_key FROM document WHERE legacy_portal_cd = 'P2' AND content_state_cd = 'PRESENT' LIMIT 1"
        ).fetchone()
    paths = [
        "/",
        "/?q=twin",
        "/?q=zzzqq",
        "/company/1",
        "/company/32",
        "/account/10000101",
        f"/person/{login}",
        f"/document/P2/{key}",
        "/run",
    ]
    paths += ["/rule/H3", "/held/PARENT_HELD", f"/row/P2/document/{key}"]
    assert {path: found for path in paths if (found := barriers_everywhere(page, base(explorer) + path))} == {}


def test_a_missing_page_has_a_search_field(chromium: Browser, explorer: Client) -> None:
    made = chromium.new_page()
    made.goto(explorer.address)
    answer = made.goto(base(explorer) + "/account/<b>nothing")
    assert answer is not None
    assert answer.status == 404
    assert "<b>nothing" in made.inner_text("h1")
    assert barriers(made) == []
    made.fill("#q", "twin riv")
    made.press("#q", "Enter")
    made.wait_for_selector(".hits a:has-text('Twin Rivers')")
    made.close()


def test_a_point_about_150_accounts_names_a_few_and_says_how_many_more() -> None:
    account = {"trade_visible": True, "acting_officer": True, "agreement_basis_cd": "SIGNED", "identifiers_complete": False}
    points = advice([{**account, "account_number": str(80_000_000 + number)} for number in range(150)], [], [])
    assert [point["what"] for point in points] == [
        "Identifiers missing on 80000000, 80000001, 80000002, 80000003, 80000004, 80000005 and 144 more"
    ]


def test_no_request_goes_to_another_host(chromium: Browser, explorer: Client, tmp_path: Path) -> None:
    made = chromium.new_page()
    asked: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.goto(explorer.address)
    for path in ("/company/1", "/run", "/account/10000101"):
        made.goto(base(explorer) + path)
    made.close()
    assert {url for url in asked if not url.startswith(base(explorer) + "/")} == set()
