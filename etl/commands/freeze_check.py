"""The command `freeze check`: checks before the cut-over that the old portal is closed; the run checks again before it publishes (K1)."""

from __future__ import annotations

import time
from typing import Any

from etl.errors import Busy, SourceChanged
from etl.options import Options
from etl.pipeline.preflight import refuse_hidden
from etl.pipeline.sources import sources_of
from mappings.read import read_mappings


def check(options: Options, seconds: float) -> dict[str, Any]:
    """Returns the result of `_looked`; a portal that a writer has locked is not frozen either: the same exit code."""
    try:
        return _looked(options, seconds)
    except Busy as busy:
        raise SourceChanged(f"Not frozen: {busy.message}", "Close the portal as described in runbooks/cutover.md.") from None


def _looked(options: Options, seconds: float) -> dict[str, Any]:
    """Returns, for each portal, the tables that changed during `seconds`, and who could still write to it.

    Raises SourceChanged (exit 5) with the same data where something changed.
    """
    mappings = read_mappings(options.mappings)
    with sources_of(options) as sources:
        known = refuse_hidden(sources, mappings, deep=False)
        before = {portal: source.freeze_mark() for portal, source in sources.items()}
        counts = {portal: {m.table: source.count(m.table) for m in mappings.of(portal)} for portal, source in sources.items()}
    time.sleep(seconds)
    portals = []
    with sources_of(options) as sources:
        for portal, source in sources.items():
            since = source.changed_since(before[portal], counts[portal])
            changed, unsure = since.changed, list(known[portal].not_ruled_out)
            if changed is None and not since.evidence:  # views, and databases of the portable reader: only a second full read could tell
                changed = []
                unsure.append("whether rows were altered: nothing here keeps evidence of writes, only the numbers of rows were compared")
            portals.append(
                {
                    "portal": portal,
                    "changed": ["some table"] if changed is None else changed,
                    "writers": source.writers(),
                    "not_ruled_out": unsure,
                }
            )
    data: dict[str, Any] = {"portals": portals, "seconds": seconds}
    moving = [f"{entry['portal']} ({', '.join(entry['changed'])})" for entry in portals if entry["changed"]]
    if moving:
        error = SourceChanged(
            f"Not frozen: {'; '.join(moving)} changed within {seconds:g} seconds.", "Close the portal as described in runbooks/cutover.md."
        )
        error.data = data
        raise error
    return data
