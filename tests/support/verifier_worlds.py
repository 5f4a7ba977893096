"""Small old worlds for the verifier's rules: rows are added by hand, and the expected rows are inspected."""

from __future__ import annotations

import re
import sqlite3
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etl.reconcile.compare.hashing import ACCOUNT
from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.engine.expected import Expected
from etl.reconcile.engine.source import Source
from etl.reconcile.engine.spec import read_spec
from etl.reconcile.engine.world import ExpectedRows, ExpectedState

SPEC = read_spec()
SCHEMAS = Path(__file__).resolve().parents[2] / "mappings" / "schemas"
DAY = "2020-01-01"
NOON = "2020-01-01 12:00:00"
ROW = dict[str, Any]


class Old:
    """Two old portals of a few rows; mandatory columns that a row leaves out get a plain value."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "files").mkdir()
        self.db = {}
        for portal, name in (("P2", "portal2"), ("TC", "tc")):
            self.db[portal] = sqlite3.connect(folder / f"{name}.sqlite")
            self.db[portal].executescript(re.sub(r"\bBYTEA\b", "BLOB", (SCHEMAS / f"{name}.sql").read_text(encoding="utf-8")))

    def add(self, table: str, *rows: ROW) -> Old:
        """Adds rows to the table."""
        portal = "TC" if table.startswith("tc_") else "P2"
        for row in rows:
            values = {c.name: plain_value(c.name, c.kind) for c in SPEC.sources[portal][table].columns.values() if c.mandatory} | row
            self.db[portal].execute(
                f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values())
            )
        return self

    def company(self, profile: int, *models: tuple[int, list[ROW]]) -> Old:
        """Adds a profile with these models, each with these entities."""
        self.add("company_profile", {"company_profile_id": profile, "company_name": f"Company {profile}"})
        for model, entities in models:
            self.add("security_model", {"security_model_id": model, "company_profile_id": profile, "model_name": f"Model {model}"})
            self.add(
                "model_entity",
                *({"security_model_id": model, "business_type_cd": "IMP", "status_cd": "CERTIFIED"} | row for row in entities),
            )
        return self

    def person(self, user: int, profile: int, contact: int, name: str = "", **more: Any) -> Old:
        """Adds a user and its contact on the profile."""
        if name:
            self.add("portal_user", {"user_id": user, "user_name": name, "user_status_cd": "ACTIVE", "first_name": "A", "last_name": "B"})
        row = {"contact_id": contact, "company_profile_id": profile, "user_id": user, "contact_type_cd": "OFFICER", "primary_poc_ind": "N"}
        return self.add("company_contact", row | more)

    def expected(self) -> Seen:
        """Returns the expected side of this world."""
        for db in self.db.values():
            db.commit()
        return Seen(self.folder)


def plain_value(name: str, kind: str) -> object:
    """Returns a plain value for a mandatory column."""
    if name.endswith("_ind"):
        return "N"
    return {"integer": 1, "date": DAY, "timestamp": NOON, "binary": b"x"}.get(kind, "x")


class Seen:
    """The expected side of an old world."""

    def __init__(self, folder: Path) -> None:
        sources = {p: Source(SPEC, p, SqliteDatabase(folder / f"{n}.sqlite")) for p, n in (("P2", "portal2"), ("TC", "tc"))}
        freeze = (date(2023, 9, 16), date(2023, 9, 30))
        self.world = ExpectedState(SPEC, sources, folder / "files", freeze, datetime(2023, 9, 17))
        self.batches: list[ExpectedRows] = list(Expected(self.world).first_pass())

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Returns these columns of every expected row; '@' is the entity id of its account."""
        found = []
        for batch in self.batches:
            if batch.table == table and len(batch):
                frame = batch.frame(np.ones(len(batch), np.bool_))
                found += frame.select(ACCOUNT if c == "@" else c for c in columns).rows()
        return sorted(found, key=repr)

    def held(self, table: str = "") -> dict[str, str]:
        """Returns the hold reason by key, of one table or of all ('')."""
        return {
            (r["key"] if table else f"{r['table']} {r['key']}"): r["reason"]
            for r in self.world.ledger.held().to_dicts()
            if table in ("", r["table"])
        }

    def flags(self, rule: str) -> list[str]:
        """Returns the rows that the rule flags, as `table key`."""
        return sorted(f"{r['table']} {r['key']}" for r in self.world.ledger.flags().to_dicts() if r["rule"] == rule)


@pytest.fixture
def old(tmp_path: Path) -> Old:
    """Returns two old portals that hold only a catalogue of business types."""
    types = [
        {"business_type_cd": code, "name": code, "active_ind": "Y"} for code in ("IMP", "EXP", "BRK", "CON", "HWM", "HWC", "HWY", "SEA")
    ]
    return Old(tmp_path).add("business_type", *types)
