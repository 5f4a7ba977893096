"""The controls of NIST SP 800-53 that a run supports, and where an auditor sees each: controls.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Control:
    """`shown`: report#SECTION, beside:FILE, a command, or a page below runbooks/."""

    control: str
    title: str
    what: str
    shown: tuple[str, ...]


@lru_cache
def controls() -> tuple[Control, ...]:
    """Returns the controls in the order of controls.toml."""
    given = tomllib.loads((Path(__file__).parent / "controls.toml").read_text(encoding="utf-8"))["control"]
    return tuple(Control(one["control"], one["title"], one["what"], tuple(one["shown"])) for one in given)


# By the id of each section of report.html, what its contents call it.
SECTIONS = {
    "goals": "Goals",
    "flow": "Where the rows went",
    "rows": "Source rows",
    "store": "New store",
    "checks": "Checks",
    "compared": "Old and new compared",
    "exceptions": "Exceptions",
    "rules": "Rules",
    "held": "Held rows",
    "closed": "Nobody can open",
    "companies": "Companies",
    "documents": "Documents",
    "columns": "Columns",
    "personal": "Personal data",
    "steps": "Steps",
    "not-checked": "Not checked",
    "recheck": "Recheck",
    "signed": "Who signed",
    "controls": "Controls",
    "run": "The run",
}


def shown_and_link(shown: str) -> tuple[str, str]:
    """Returns (text to show, link on report.html); the link is "" for a command or a page outside the report's folder."""
    if shown.startswith("report#"):
        return SECTIONS[shown.removeprefix("report#")], shown.removeprefix("report")
    if shown.startswith("beside:"):
        return shown.removeprefix("beside:"), shown.removeprefix("beside:")
    return (shown, "") if shown.startswith("runbooks/") else (f"portal-migrate {shown}", "")
