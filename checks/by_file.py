"""The stage files of a large old table, some at a time, each with the files of new rows that were made of them.

Steps make the rows of one stage file into files of the same number. No check relies on it: a row without a counterpart in its own part is compared
with the rows of all parts.
"""

from __future__ import annotations

from itertools import accumulate

from checks.comparable import TOGETHER
from checks.staged import Staged
from etl.runfolder import layout
from mappings.model import TableMapping


def parts_by_file(staged: Staged, mapping: TableMapping, target: str) -> list[Staged]:
    """Returns views of the staged rows, each with some stage files of the old table and the rows of `target` made of them; `staged` itself if it is small."""
    extracted = staged.extracted[mapping.portal, mapping.table]
    if sum(file.rows for file in extracted) <= TOGETHER:
        return [staged]
    before = accumulate((file.rows for file in extracted), initial=0)
    part_of = {layout.number(file.path): first // TOGETHER for file, first in zip(extracted, before, strict=False)}
    made = [file for file in staged.files[target] if layout.origin(file.path) == f"{mapping.portal}.{mapping.table}"]
    last = max(part_of.values())
    return [
        staged.view(
            (mapping.portal, mapping.table),
            [file for file in extracted if part_of[layout.number(file.path)] == part],
            target,
            [file for file in made if part_of.get(layout.number(file.path), last) == part],
        )
        for part in range(last + 1)
    ]
