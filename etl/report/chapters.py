"""The old portals' tables by subject, as the report groups them."""

from __future__ import annotations

import re

from mappings.model import Mappings

_SECTION = re.compile(r"^-- (.+?) -{5,}$")
_CREATED = re.compile(r"^CREATE TABLE (\w+)")


def chapters(mappings: Mappings) -> dict[tuple[str, str], str]:
    """Returns by (portal, table) the heading above the table in the old schema file; Trade Compliance is one chapter."""
    found: dict[tuple[str, str], str] = {}
    for portal, schema in mappings.sources.items():
        heading = "Trade Compliance" if portal == "TC" else "Other"
        for line in schema.text.splitlines():
            if (section := _SECTION.match(line)) and portal != "TC":
                heading = section[1].split(":")[0]
                heading = heading[:1].upper() + heading[1:]
            if created := _CREATED.match(line):
                found[portal, created[1]] = heading
    return found
