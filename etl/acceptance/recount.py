"""The goals' numbers counted once more, without the run's stage files: by SQL in the new store, and as the verifier counted the old portals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from etl.databases.reading import Reading
from mappings.model import Mappings

_USABLE = "(l.status_cd = 'ACTIVE' OR (l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE')))"
SQL = {
    "held": "SELECT count(*) AS n FROM migration_holding WHERE legacy_table = ?",
    "exceptions": "SELECT count(*) AS n FROM migration_exception WHERE rule_cd = ?",
    "openable": f"SELECT count(DISTINCT p.account_id) AS n FROM account_picker p JOIN login l ON l.login_id = p.login_id WHERE {_USABLE}",
    "documents": "SELECT count(*) AS n FROM (SELECT DISTINCT legacy_portal_cd, legacy_key FROM document WHERE content_state_cd = 'PRESENT') d",
}
_VISIBLE = "SELECT count(*) AS n FROM entity_account WHERE trade_visible"


def recounted(entries: Iterable[Mapping[str, Any]], store: Reading, read: Mapping[str, int], mappings: Mappings) -> list[dict[str, Any]]:
    """Returns goal, actual, total of each goal that one statement can count; `read`: by old table, the rows that the verifier read.

    Goals about open points (made of several lists) and about minutes (from the run's log) are not recounted.
    """
    found = []
    for entry in entries:
        if entry["kind"] in SQL:
            actual = _count(store, SQL[entry["kind"]], *([entry["of"]] if entry["of"] else []))
            found.append({"goal": entry["goal"], "actual": actual, "total": _total(entry, store, read, mappings)})
    return found


def _total(entry: Mapping[str, Any], store: Reading, read: Mapping[str, int], mappings: Mappings) -> int | None:
    match entry["kind"]:
        case "held":
            return read.get(entry["of"], 0)
        case "openable":
            return _count(store, _VISIBLE)
        case "documents":
            return sum(read.get(table, 0) for table in {maker.table for maker in mappings.makers("document")})
    return None


def _count(store: Reading, statement: str, *values: object) -> int:
    return int(store.rows(statement, *values)[0]["n"])
