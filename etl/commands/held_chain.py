"""The chain of held rows that holds one row, from the holding of the new store."""

from __future__ import annotations

from typing import Any

import polars as pl

from etl.databases.reading import Reading
from etl.domain.masking import masked
from etl.holding.held_roots import FOLLOWER, held_rows
from mappings.model import Mappings

_LONGEST = 100  # rows of a chain that are listed: a chain of document versions can have thousands
_OF_ROW = "legacy_portal_cd = ? AND legacy_table = ? AND legacy_key = ?"


def chain_of(store: Reading, mappings: Mappings, portal: str, table: str, key: str) -> list[dict[str, Any]]:
    """Returns what holds a row with the reason PARENT_HELD, the nearest first: column, portal, table, key (masked), reason_cd; empty for another row."""
    found: list[dict[str, Any]] = []
    row, seen = (portal, table, key), {(portal, table, key)}
    while len(found) < _LONGEST:
        held = store.rows(
            f"SELECT legacy_portal_cd, legacy_table, legacy_key, reason_cd, row_json FROM migration_holding WHERE {_OF_ROW}", *row
        )
        if not held or held[0]["reason_cd"] != FOLLOWER:
            break
        references = held_rows(mappings, pl.DataFrame(held), pl.DataFrame(schema=_NO_FLAG)).references(row)
        above = [(column, parent, reason) for column, parent in references if (reason := _reason(store, *parent)) and parent not in seen]
        if not above:
            break
        column, row, reason = above[0]
        seen.add(row)
        found.append({"column": column, "portal": row[0], "table": row[1], "key": masked(row[2]), "reason_cd": reason})
    return found


_NO_FLAG = dict.fromkeys(("rule_cd", "legacy_portal_cd", "legacy_table", "legacy_key"), pl.String)


def _reason(store: Reading, portal: str, table: str, key: str) -> str | None:
    """Returns the reason of a row that is held and was not loaded as well (X2), else None."""
    held = store.rows(f"SELECT reason_cd FROM migration_holding WHERE {_OF_ROW}", portal, table, key)
    if not held:
        return None
    loaded_too = held[0]["reason_cd"] == "UNREADABLE_VALUE" and store.rows(
        f"SELECT rule_cd FROM migration_exception WHERE rule_cd = 'X2' AND {_OF_ROW}", portal, table, key
    )
    return None if loaded_too else str(held[0]["reason_cd"])
