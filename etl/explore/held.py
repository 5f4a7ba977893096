"""Why each held row is held and to which company profile it leads, for the index."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from etl.holding.causes import BECAUSE, causes, holding
from etl.holding.held_roots import FOLLOWER, HeldRows, Row
from etl.holding.row_counts import RowsByProfile
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.stage_file_io import read_columns
from mappings.model import Mappings

HELD = dict.fromkeys(("portal", "table", "key", "reason", "sha256", "row_json"), pl.String)
FLAGGED = dict.fromkeys(("rule", "portal", "table", "key"), pl.String)


def held_because(
    mappings: Mappings, held: pl.DataFrame, flagged: pl.DataFrame, folder: RunFolder | None, profile_of: Callable[[Row], int | None]
) -> pl.DataFrame:
    """Returns BECAUSE for each row of `held` (HELD), in its order. `flagged`: FLAGGED.

    Without a run folder that has its stage files only chains of held rows are known: the missing row of a broken reference and the column of an unreadable
    value are null. `profile_of`: the company profile of a loaded row, None where the index has no such row.
    """
    rows = holding(mappings, held, flagged)
    if folder is not None and not folder.settings.purged and "split" in folder.steps:
        return causes(folder, mappings, held, rows, RowsByProfile(folder, mappings))
    found = []
    for row in held.select("portal", "table", "key").iter_rows():
        column, above = next(((c, p) for c, p in rows.references(row) if p in rows.only and p != row), (None, None))
        if rows.reasons[row] != FOLLOWER:
            column, above = None, None
        root = min(rows.roots(row), default=row)
        of = (above[1], above[2]) if above is not None else (None, None)
        found.append((column, *of, root[1], root[2], _profile(rows, row, profile_of), row not in rows.only))
    return pl.DataFrame(found, schema=BECAUSE, orient="row")


def _profile(rows: HeldRows, row: Row, profile_of: Callable[[Row], int | None]) -> int | None:
    """Returns the profile at the end of the row's first set route."""
    end = rows.end(row)
    if end is None:
        return None
    if end in rows.only:
        return int(end[2]) if end[1] == "company_profile" and end[2].lstrip("-").isdecimal() else None
    return profile_of(end)


def changed_numbers(folder: RunFolder | None, entities: list[int]) -> list[tuple[int, str]]:
    """Returns (entity, old account number) of those of these entities whose number was replaced (A16), where the run folder still has the old rows."""
    if folder is None or folder.settings.purged or not entities:
        return []
    found: list[tuple[int, str]] = []
    for file in folder.files("extract", layout.extracted("P2", "model_entity")):
        frame = pl.DataFrame(read_columns(folder.path, file, ["entity_id", "account_number"])).drop_nulls()
        found += frame.filter(pl.col("entity_id").is_in(entities)).iter_rows()
    return [(entity, number) for entity, number in found if str(number).strip()]
