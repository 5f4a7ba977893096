"""The pages of `readiness` and `compare` in a real browser: no violation found by axe, no horizontal scrolling, headings on every printed page, no hostile markup."""

import shutil
from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import sync_playwright

from tests.support.accessibility import barriers_everywhere
from tests.support.command import Workspace, command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")


def test_pages_of_readiness_and_compare_are_accessible_and_print_with_headings(cast: Workspace, tmp_path: Path) -> None:
    run = str(cast.run)
    for words in (("readiness", "--run", run, "--since", run), ("compare", run, run)):
        done = command(*words, "--out", str(tmp_path / words[0]), folder=cast.folder)
        assert done.code == 0, done.err
    pages = {"Readiness": tmp_path / "readiness" / "readiness.html", "Runs compared": tmp_path / "compare" / "compare.html"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        for title, path in pages.items():
            assert barriers_everywhere(page, path.as_uri()) == {}
            page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
            sheets = [sheet.extract_text() for sheet in pypdf.PdfReader(tmp_path / "page.pdf").pages]
            for number, text in enumerate(sheets, 1):
                assert text.splitlines()[0].startswith(title), (title, number)
                assert f"Page {number} of {len(sheets)}" in text
            assert path.stat().st_size < 3_000_000
        browser.close()
    assert complaints == []
