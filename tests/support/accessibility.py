"""Violations that axe-core, the engine of most accessibility tools, finds on a page in a real browser."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}


def barriers(page: Page) -> list[str]:
    """Returns rule, impact and first element of each axe violation. AssertionError if axe checked nothing."""
    found = Axe().run(page, options={"resultTypes": ["violations", "passes"]}).response
    assert len(found["passes"]) > 8, "axe has looked at nothing"
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:140]}" for one in found["violations"]]


def barriers_everywhere(page: Page, address: str) -> dict[str, list[str]]:
    """Returns the violations by size and colour scheme: wide and on a phone, light and dark; only where there are any."""
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for name, size in SIZES.items():
            page.set_viewport_size({"width": size["width"], "height": size["height"]})
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], (name, address)
            if some := barriers(page):
                found[f"{name}, {scheme}"] = some
    return found
