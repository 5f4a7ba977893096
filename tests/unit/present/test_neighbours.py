"""Tables with similar columns are distinguished by their neighbours."""

from __future__ import annotations

from typing import Any

from etl.present.draft import drafted
from mappings.read import read_mappings


def _column(declared: str, distinct: int, **more: Any) -> dict[str, Any]:
    kind = {"BIGINT": "integer", "TIMESTAMP": "moment"}.get(declared, "text")
    about = {"type": declared, "kind": kind, "length": None, "nulls": 0.0, "distinct": distinct, "unique": False}
    return {**about, "shortest": 1, "longest": 8, "forms": [], "looks": [], "personal": False, **more}


def _table(rows: int, **columns: dict[str, Any]) -> dict[str, Any]:
    keys = [name for name, about in columns.items() if about["unique"]]
    return {"rows": rows, "view": False, "columns": columns, "keys": keys, "key_of_several": []}


def test_a_reference_decides_between_two_similar_tables() -> None:
    """`message_thread` and `trade_organization` stand here with the same key and times; only one of them is named by messages."""
    message = _table(
        90,
        a=_column("TEXT", 90, looks=["words"], longest=300),
        b=_column("BIGINT", 90, unique=True),
        c=_column("BIGINT", 30, refers_to=["T3.a"]),
        d=_column("TIMESTAMP", 88),
    )

    def like() -> dict[str, Any]:
        return _table(30, a=_column("BIGINT", 30, unique=True), b=_column("TIMESTAMP", 30), c=_column("BIGINT", 9, nulls=0.3))

    mappings = read_mappings()
    drafts = {draft.mapping.table: draft for draft in drafted({"tables": {"T1": message, "T2": like(), "T3": like()}}, "P2", mappings)}
    assert drafts["message"].table == "T1"
    assert drafts["message"].columns["thread_id"].physical == "c"
    assert drafts["message_thread"].table == "T3"
