"""The report's page in a real browser: nothing leaves it, hostile names show as text, search and sort work, it reads well without script.

Debian's Chromium is driven over its own pipe (DevTools protocol), so that no further package is needed. Without it these tests are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_report import HOSTILE, MAPPINGS, cast, copy_of, hostile

from etl.report import write_report
from etl.run import opened

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """One page of a headless browser."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser reads commands on descriptor 3 and answers on 4; bash (not sh: our numbers may have two digits) puts ours there.
        command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        arguments = ["bash", "-c", command, CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(arguments, pass_fds=(to_browser, from_browser), **quiet)
        os.close(to_browser)
        os.close(from_browser)
        self._left = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **({"sessionId": self._session} if self._session else {})}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser has ended"
            self._left += piece
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)

    def open(self, url: str) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        return [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        entries = [event["params"]["entry"]["text"] for event in self.events if event.get("method") == "Log.entryAdded"]
        return entries + [str(event) for event in self.events if event.get("method") == "Runtime.exceptionThrown"]

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The URL of a report with hostile names in it."""
    place = tmp_path_factory.mktemp("page")
    copy_of(cast().run, place / "run")
    with opened(place / "run") as folder:
        hostile(folder)
        write_report(folder, MAPPINGS)
    return (place / "run" / "report" / "report.html").as_uri()


def test_no_request_leaves_the_page_and_nothing_is_refused(browser, page):
    browser.open(page)
    assert browser.requests() == [page]
    assert browser.complaints() == []


def test_hostile_names_show_as_text(browser, page):
    browser.open(page)
    text = browser.run("document.body.innerText")
    assert "</td><script>alert(1)</script>&amp;\"'[red]x[/red]\\x1b[31m\\u202egnp.exe\\x00|`**b**" in text
    assert HOSTILE.startswith("</td><script>")
    assert browser.run("document.scripts.length") == 1


def test_search_hides_the_other_rows_and_says_how_many(browser, page):
    browser.open(page)
    found = browser.run("""(() => {
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


def test_sorting_knows_numbers_and_says_its_direction(browser, page):
    browser.open(page)
    found = browser.run("""(() => {
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


def test_it_reads_without_script_and_offers_no_dead_controls(browser, page):
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        root = browser.ask("DOM.getDocument", depth=-1)["root"]["nodeId"]
        assert browser.ask("DOM.querySelectorAll", nodeId=root, selector="th button")["nodeIds"] == []
        hidden = browser.ask("DOM.querySelectorAll", nodeId=root, selector=".search[hidden]")["nodeIds"]
        assert len(hidden) == len(browser.ask("DOM.querySelectorAll", nodeId=root, selector=".search")["nodeIds"]) > 0
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)


# Every text against the ground that it stands on, as WCAG 2 computes it; half-transparent grounds do not occur.
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
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(page)
    assert browser.run('matchMedia("(prefers-color-scheme: dark)").matches') == (scheme == "dark")
    assert browser.run(CONTRAST) == []


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
  ids.forEach((id, place) => { if (ids.indexOf(id) !== place) bad.push("id twice: " + id); });
  for (const link of document.querySelectorAll("a[href^='#']")) if (!document.getElementById(link.getAttribute("href").slice(1))) say("leads nowhere", link);
  for (const node of document.querySelectorAll("[aria-labelledby]"))
    for (const id of node.getAttribute("aria-labelledby").split(" ")) if (!document.getElementById(id)) say("label missing", node);
  for (const table of document.querySelectorAll("table")) for (const head of table.querySelectorAll("thead th")) if (!head.scope) say("no scope", head);
  for (const input of document.querySelectorAll("input")) if (!input.labels.length) say("no label", input);
  for (const box of document.querySelectorAll(".scroll, pre")) if (box.tabIndex !== 0) say("not reachable", box);
  return bad;
})()"""


def test_a_screen_reader_finds_its_way(browser, page):
    browser.open(page)
    assert browser.run(STRUCTURE) == []


@pytest.mark.parametrize("width", [320, 500, 1280])
def test_the_page_itself_never_scrolls_sideways(browser, page, width):
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(page)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_on_a_narrow_screen_the_picture_is_a_list_of_bars_that_is_seen_whole(browser, page):
    seen = {}
    for width in (390, 1280):
        browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        browser.open(page)
        seen[width] = browser.run("""(() => {
          const there = (node) => node.getClientRects().length > 0;
          const bars = Array.from(document.querySelectorAll(".ends li"));
          return {picture: there(document.querySelector(".flow svg")), bars: bars.filter(there).length,
                  out: bars.filter((bar) => bar.getBoundingClientRect().right > innerWidth).length};
        })()""")
    assert seen[390]["bars"] >= 3
    assert (seen[390]["picture"], seen[390]["out"]) == (False, 0)
    assert (seen[1280]["picture"], seen[1280]["bars"]) == (True, 0)


def test_it_prints(browser, page):
    browser.ask("Emulation.clearDeviceMetricsOverride")
    browser.open(page)
    browser.ask("Emulation.setEmulatedMedia", media="print")
    browser.ask("Emulation.setDeviceMetricsOverride", width=718, height=1040, deviceScaleFactor=1, mobile=False)  # A4 within its margins
    wide = browser.run("""Array.from(document.querySelectorAll("table, pre, svg, dl, p")).filter((node) => node.getClientRects().length)
      .filter((node) => node.getBoundingClientRect().right > 719).map((node) => node.outerHTML.slice(0, 120))""")
    browser.ask("Emulation.setEmulatedMedia", media="")
    browser.ask("Emulation.clearDeviceMetricsOverride")
    assert wide == []
    stream = browser.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)["data"]
    assert len(stream) > 10_000
