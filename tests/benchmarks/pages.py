"""How long a page of lists takes in Chromium: to open until it answers, to search, to sort."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from playwright.sync_api import CDPSession, Page, sync_playwright

TYPED = ("a", "imp", "importer", "")
TIMES = 3  # the best of so many: others work on the machine too
_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_IN_SIGHT = "place => { document.querySelectorAll('[data-list]')[place].scrollIntoView(); }"
# Layout is asked for at the end of each: what a person waits for is the page as it is shown, not the script alone.
_SEARCHED = """([place, typed]) => { const field = document.querySelectorAll('[data-list]')[place].querySelector('input');
  const began = performance.now(); field.value = typed; field.dispatchEvent(new Event('input')); document.body.offsetHeight;
  return performance.now() - began; }"""
_SORTED = """place => { const button = document.querySelectorAll('[data-list]')[place].querySelector('thead button');
  const began = performance.now(); button.click(); document.body.offsetHeight; return performance.now() - began; }"""


def opened(page: Path) -> dict[str, tuple[float, str]] | None:
    """Value and unit of `opened` (navigation to the second frame behind `load`, best of TIMES; its processor time is that of the page's own thread),
    `search` and `sort` (the slowest of all words and lists, each the best of TIMES, the list in sight).

    The browser runs already, with a blank page before. None where there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        devtools = shown.context.new_cdp_session(shown)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        openings = [_opening(shown, devtools, page) for _ in range(TIMES)]
        lists = range(shown.locator("[data-list]").count())
        searches, sorts = [], []
        for place in lists:
            shown.evaluate(_IN_SIGHT, place)
            shown.evaluate(_FRAMES)
            rounds = [[float(shown.evaluate(_SEARCHED, [place, typed])) for typed in TYPED] for _ in range(TIMES)]
            searches += [min(took) for took in zip(*rounds, strict=True)]
            sorts.append(min(float(shown.evaluate(_SORTED, place)) for _ in range(TIMES)))
        browser.close()
    return {
        "opened": (min(seconds for seconds, _ in openings), "s"),
        "opened: processor time": (min(cpu for _, cpu in openings), "s"),
        "search": (max(searches, default=0.0), "ms"),
        "sort": (max(sorts, default=0.0), "ms"),
    }


def _opening(shown: Page, devtools: CDPSession, page: Path) -> tuple[float, float]:
    shown.goto("about:blank")
    before, began = _busy(devtools), time.perf_counter()
    shown.goto(page.absolute().as_uri(), wait_until="load")
    shown.evaluate(_FRAMES)
    return time.perf_counter() - began, _busy(devtools) - before


def _busy(devtools: CDPSession) -> float:
    return next(float(one["value"]) for one in devtools.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")
