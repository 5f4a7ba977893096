"""The report's page in a real browser: nothing leaves it, hostile names show as text, search and sort work, it reads well without script.

Debian's Chromium, driven by Playwright. Without it these tests are skipped.
"""

import re
import shutil
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote, urlparse

import pypdf
import pytest
from playwright.sync_api import sync_playwright

from etl.report.write import write_report
from etl.runfolder.folder import open_locked
from tests.support.accessibility import barriers, barriers_everywhere
from tests.unit.report.cast_run import HOSTILE, MAPPINGS, cast, copy_of, hostile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield started
        started.close()


@pytest.fixture
def browser(chromium):
    """A page of its own, wide and light."""
    made = chromium.new_page(viewport=WIDE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The URL of a report with hostile names in it."""
    folder_of_page = tmp_path_factory.mktemp("page")
    copy_of(cast().run, folder_of_page / "run")
    with open_locked(folder_of_page / "run") as folder:
        hostile(folder)
        write_report(folder, MAPPINGS)
    return (folder_of_page / "run" / "report" / "report.html").as_uri()


def test_no_request_leaves_the_page_and_nothing_is_refused(browser, page):
    requests, complaints = [], []
    browser.on("request", lambda request: requests.append(request.url))
    browser.on("console", lambda message: complaints.append(message.text))
    browser.on("pageerror", lambda error: complaints.append(str(error)))
    browser.goto(page)
    assert requests == [page]
    assert complaints == []


def test_hostile_names_show_as_text(browser, page):
    browser.goto(page)
    text = browser.evaluate("document.body.innerText")
    assert "</td><script>alert(1)</script>&amp;\"'[red]x[/red]\\x1b[31m\\u202egnp.exe\\x00|`**b**" in text
    assert HOSTILE.startswith("</td><script>")
    assert browser.evaluate("document.scripts.length") == 1


def test_search_hides_the_other_rows_and_says_how_many(browser, page):
    browser.goto(page)
    found = browser.evaluate("""(() => {
      const block = document.getElementById("exception-list").closest("[data-list]");
      const input = block.querySelector("input");
      input.value = "New YORK  clock";
      input.dispatchEvent(new Event("input"));
      const rows = Array.from(block.querySelectorAll("tbody tr")).filter((row) => !row.hidden);
      return {rules: Array.from(new Set(rows.map((row) => row.cells[0].textContent))), shown: rows.length, told: block.querySelector("output").textContent};
    })()""")
    assert found["rules"] == ["J4"]
    assert 0 < found["shown"] < 30
    assert found["told"].startswith(f"{found['shown']} of ")


def test_a_search_that_is_cleared_shows_the_first_rows_at_once_and_then_all_again(browser, page, tmp_path):
    """Laying out a thousand rows takes longer than a person waits for a letter."""
    long = tmp_path / "long.html"
    head, mark, rest = Path(page.removeprefix("file://")).read_text(encoding="utf-8").partition('id="held-list"')
    before, body, after = rest.partition("<tbody>")
    long.write_text(head + mark + before + body + "<tr><td>one more</td></tr>" * 350 + after, encoding="utf-8")
    browser.goto(long.as_uri())
    none, first, every, told = browser.evaluate("""(() => {
      const block = document.getElementById("held-list").closest("[data-list]"), input = block.querySelector("input");
      const type = (text) => { input.value = text; input.dispatchEvent(new Event("input")); };
      const shown = () => Array.from(block.querySelectorAll("tbody tr")).filter((row) => !row.hidden).length;
      type("no row has these words"); const none = shown(); type("");
      return [none, shown(), block.querySelectorAll("tbody tr").length, block.querySelector("output").textContent];
    })()""")
    assert (none, first, every > 350) == (0, 100, True)
    assert told == f"{every} of {every} rows shown"
    browser.wait_for_selector("[data-list]:has(#held-list) tbody tr[hidden]", state="detached")


def test_the_keyboard_alone_leads_from_a_count_to_its_rows_and_back(browser, page):
    """Enter on a count moves to its list, filtered; the next stop of Tab is the list's search field, and the contents lead back."""

    def tabbed(selector, key="Tab"):
        for _ in range(500):
            browser.keyboard.press(key)
            if browser.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{key} does not lead to {selector}")

    browser.goto(page)
    tabbed("a[data-find=BROKEN_REFERENCE]")
    count = browser.evaluate("document.activeElement.closest('tr').cells[1].textContent")
    browser.keyboard.press("Enter")
    browser.keyboard.press("Tab")
    assert browser.evaluate("document.activeElement.value") == "BROKEN_REFERENCE"
    listed = "document.activeElement.closest('[data-list]')"
    rows = browser.evaluate(
        f"Array.from({listed}.querySelectorAll('tbody tr')).filter((row) => !row.hidden).map((row) => row.cells[2].textContent)"
    )
    assert str(len(rows)) == count
    assert all(rows)  # the keys of the source rows
    assert browser.evaluate(f"{listed}.querySelector('tbody tr:not([hidden])').getBoundingClientRect().top < innerHeight")
    tabbed("a[data-find=BROKEN_REFERENCE]", "Shift+Tab")


def test_numbers_are_sorted_as_numbers_and_the_direction_is_announced(browser, page):
    browser.goto(page)
    found = browser.evaluate("""(() => {
      const block = document.getElementById("held-list").closest("[data-list]");
      const head = block.querySelectorAll("th")[2];
      const keys = () => Array.from(block.querySelectorAll("tbody tr"), (row) => row.cells[2].textContent);
      const before = keys();
      head.querySelector("button").click();
      const up = [head.getAttribute("aria-sort"), keys()];
      head.querySelector("button").click();
      return {before, up, down: [head.getAttribute("aria-sort"), keys()]};
    })()""")
    assert found["up"][0] == "ascending"
    assert found["down"][0] == "descending"
    assert sorted(found["before"]) == sorted(found["up"][1]) == sorted(found["down"][1])
    numbers = [int(key) for key in found["up"][1] if key.isdigit()]
    assert numbers == sorted(numbers)
    assert [int(key) for key in found["down"][1] if key.isdigit()] == numbers[::-1]


def test_a_separator_of_thousands_does_not_end_a_number_and_a_printed_head_is_text(browser, page):
    browser.goto(page)
    found = browser.evaluate("""(() => {
      const block = document.getElementById("all-checks").closest("[data-list]");
      const cells = Array.from(block.querySelectorAll("tbody tr"), (row) => row.cells[4]);
      ["52,771", "999"].forEach((text, index) => { cells[index].textContent = text; });
      const button = block.querySelectorAll("th")[4].querySelector("button");
      button.click(); button.click();
      return Array.from(block.querySelectorAll("tbody tr"), (row) => row.cells[4].textContent);
    })()""")
    assert found[:2] == ["52,771", "999"]
    browser.click("a[data-find=BROKEN_REFERENCE]")
    rows = browser.evaluate("""Array.from(document.getElementById("held-list").closest("[data-list]").querySelectorAll("tbody tr"))
      .filter((row) => !row.hidden).map((row) => row.cells[3].textContent)""")
    assert set(rows) == {"BROKEN_REFERENCE"}
    number = browser.evaluate("""document.querySelector("a[data-find=BROKEN_REFERENCE]").closest("tr").cells[1].textContent""")
    assert str(len(rows)) == number
    browser.emulate_media(media="print")
    heads = browser.evaluate("""Array.from(document.querySelectorAll("[data-list] thead th")).filter((head) => head.getClientRects().length)
      .map((head) => [head.innerText.trim(), getComputedStyle(head.querySelector("button")).display])""")
    assert heads
    assert all(text and shown == "none" for text, shown in heads)


def test_the_page_works_without_script_and_hides_unusable_controls(chromium, page):
    plain = chromium.new_page(java_script_enabled=False)
    plain.goto(page)
    assert plain.locator("th button").count() == 0
    assert plain.locator(".search[hidden]").count() == plain.locator(".search").count() > 0
    assert "New York" in plain.locator("body").inner_text()
    plain.close()


# The contrast of every text with its background, as WCAG 2 computes it; half-transparent backgrounds do not occur.
CONTRAST = """(() => {
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
  const ground = (node) => { for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    if (node.closest("script, style")) continue;
    const own = Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const ink = parse(node.closest("svg") ? style.fill : style.color).slice(0, 3);
    const [one, other] = [light(ink), light(ground(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) bad.push([node.tagName, node.className.toString(), node.textContent.slice(0, 40), ratio.toFixed(2)]);
  }
  return bad;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough(browser, page, scheme):
    browser.emulate_media(color_scheme=scheme)
    browser.goto(page)
    assert browser.evaluate('matchMedia("(prefers-color-scheme: dark)").matches') == (scheme == "dark")
    assert browser.evaluate(CONTRAST) == []


# What a screen reader needs: names, headings in order, cells that know their heads, everything reachable by keyboard.
STRUCTURE = """(() => {
  const bad = [];
  const say = (what, node) => bad.push(what + ": " + node.outerHTML.slice(0, 90));
  if (!document.documentElement.lang) bad.push("no language");
  if (document.querySelectorAll("h1").length !== 1 || document.querySelectorAll("main").length !== 1) bad.push("not one h1 and one main");
  let level = 1;
  for (const head of document.querySelectorAll("h1, h2, h3")) {
    const now = Number(head.tagName[1]);
    if (now > level + 1) say("skipped a level", head);
    level = now;
  }
  const ids = Array.from(document.querySelectorAll("[id]"), (node) => node.id);
  ids.forEach((id, index) => { if (ids.indexOf(id) !== index) bad.push("id twice: " + id); });
  for (const link of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(link.getAttribute("href").slice(1))) say("leads nowhere", link);
  for (const node of document.querySelectorAll("[aria-labelledby]"))
    for (const id of node.getAttribute("aria-labelledby").split(" ")) if (!document.getElementById(id)) say("label missing", node);
  for (const table of document.querySelectorAll("table")) for (const head of table.querySelectorAll("thead th")) if (!head.scope) say("no scope", head);
  for (const input of document.querySelectorAll("input")) if (!input.labels.length) say("no label", input);
  for (const box of document.querySelectorAll(".scroll, pre")) if (box.tabIndex !== 0) say("not reachable", box);
  return bad;
})()"""


def test_a_screen_reader_can_navigate(browser, page):
    browser.goto(page)
    assert browser.evaluate(STRUCTURE) == []


@pytest.mark.parametrize("width", [320, 500, 1280])
def test_the_page_itself_never_scrolls_sideways(browser, page, width):
    browser.set_viewport_size({"width": width, "height": 900})
    browser.goto(page)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_narrow_screen_the_picture_is_a_list_of_bars_that_is_seen_whole(browser, page):
    seen = {}
    for width in (390, 1280):
        browser.set_viewport_size({"width": width, "height": 900})
        browser.goto(page)
        seen[width] = browser.evaluate("""(() => {
          const there = (node) => node.getClientRects().length > 0;
          const bars = Array.from(document.querySelectorAll(".ends li"));
          return {picture: there(document.querySelector(".flow svg")), bars: bars.filter(there).length,
                  out: bars.filter((bar) => bar.getBoundingClientRect().right > innerWidth).length};
        })()""")
    assert seen[390]["bars"] >= 3
    assert (seen[390]["picture"], seen[390]["out"]) == (False, 0)
    assert (seen[1280]["picture"], seen[1280]["bars"]) == (True, 0)


def test_the_page_prints_completely(browser, page):
    browser.goto(page)
    browser.emulate_media(media="print")
    browser.set_viewport_size({"width": 718, "height": 1040})  # A4 within its margins
    wide = browser.evaluate("""Array.from(document.querySelectorAll("table, pre, svg, dl, p")).filter((node) => node.getClientRects().length)
      .filter((node) => node.getBoundingClientRect().right > 719).map((node) => node.outerHTML.slice(0, 120))""")
    assert wide == []
    assert len(browser.pdf(format="A4")) > 10_000


def test_every_printed_page_has_its_headings_and_its_number_and_a_list_is_cut(browser, page, tmp_path):
    browser.goto(page)
    told = browser.locator(".verdict h1").inner_text()
    browser.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    pages = [normalize("NFKC", sheet.extract_text()) for sheet in pypdf.PdfReader(tmp_path / "report.pdf").pages]  # ligatures apart
    assert told in pages[0]
    for number, text in enumerate(pages, 1):
        assert "Portal migration report" in text.splitlines()[0], number
        assert f"Page {number} of {len(pages)}" in text, number
    # On every page that has rows of a list, the list's column heads are above them.
    held = [text for text in pages if len(re.findall(r"^(?:P2|TC)\s", text, re.MULTILINE)) > 5]
    assert len(held) > 1
    assert all("Because of" in text and "Reason" in text for text in held)
    assert "On paper: the first 50." in "".join(pages)
    shown = browser.evaluate("""(() => Array.from(document.querySelectorAll("#all-checks, #held-list"), (head) =>
      head.closest("[data-list]").querySelectorAll("tbody tr").length))()""")
    assert max(shown) > 50
    browser.emulate_media(media="print")
    left = browser.evaluate("""Array.from(document.querySelectorAll("[data-list]"), (block) =>
      Array.from(block.querySelectorAll("tbody tr")).filter((row) => row.getClientRects().length).length)""")
    assert max(left) == 50


def test_axe_reports_no_violation_and_detects_a_planted_one(browser, page):
    assert barriers_everywhere(browser, page) == {}
    browser.set_content("<html lang=en><title>t</title><main><h1>t</h1><img src=x><p>a</p><input></main></html>")
    assert [found.split(" ")[0] for found in barriers(browser)] == ["image-alt", "label"]


def test_a_count_shows_its_rows_by_keyboard_alone(browser, page):
    browser.goto(page)
    link = browser.locator('#held ~ div a[data-find*="\\t"]').first
    wanted, count = link.get_attribute("data-find").split("\t"), int(link.inner_text().replace(",", ""))
    link.focus()
    browser.keyboard.press("Enter")
    rows = browser.evaluate("""Array.from(document.getElementById("held-list").closest("[data-list]").querySelectorAll("tbody tr"))
      .filter((row) => !row.hidden).map((row) => Array.from(row.cells, (cell) => cell.textContent))""")
    assert len(rows) == count
    assert all(set(wanted) <= set(row) for row in rows)
    assert browser.url.endswith("#held-list")
    # The page is small enough to be mailed.
    assert Path(unquote(urlparse(page).path)).stat().st_size < 3_000_000
