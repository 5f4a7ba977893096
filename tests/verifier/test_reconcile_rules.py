"""The verifier's own reading of the rule book, rule by rule, on worlds of a few rows with the answer written by hand."""

import hashlib
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
    """Two old portals of a few rows; columns that a row leaves out and that must not be null get a plain value."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "files").mkdir()
        self.db = {}
        for portal, name in (("P2", "portal2"), ("TC", "tc")):
            self.db[portal] = sqlite3.connect(folder / f"{name}.sqlite")
            self.db[portal].executescript(re.sub(r"\bBYTEA\b", "BLOB", (SCHEMAS / f"{name}.sql").read_text(encoding="utf-8")))

    def add(self, table: str, *rows: ROW) -> "Old":
        portal = "TC" if table.startswith("tc_") else "P2"
        for row in rows:
            values = {c.name: _plain(c.name, c.kind) for c in SPEC.sources[portal][table].columns.values() if c.mandatory} | row
            self.db[portal].execute(
                f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", list(values.values())
            )
        return self

    def company(self, profile: int, *models: tuple[int, list[ROW]]) -> "Old":
        """A profile with these models, each with these entities."""
        self.add("company_profile", {"company_profile_id": profile, "company_name": f"Company {profile}"})
        for model, entities in models:
            self.add("security_model", {"security_model_id": model, "company_profile_id": profile, "model_name": f"Model {model}"})
            self.add(
                "model_entity",
                *({"security_model_id": model, "business_type_cd": "IMP", "status_cd": "CERTIFIED"} | row for row in entities),
            )
        return self

    def person(self, user: int, profile: int, contact: int, name: str = "", **more: Any) -> "Old":
        if name:
            self.add("portal_user", {"user_id": user, "user_name": name, "user_status_cd": "ACTIVE", "first_name": "A", "last_name": "B"})
        row = {"contact_id": contact, "company_profile_id": profile, "user_id": user, "contact_type_cd": "OFFICER", "primary_poc_ind": "N"}
        return self.add("company_contact", row | more)

    def expected(self) -> "Seen":
        for db in self.db.values():
            db.commit()
        return Seen(self.folder)


def _plain(name: str, kind: str) -> object:
    if name.endswith("_ind"):
        return "N"
    return {"integer": 1, "date": DAY, "timestamp": NOON, "binary": b"x"}.get(kind, "x")


class Seen:
    """The expected side of an old world."""

    def __init__(self, folder: Path) -> None:
        sources = {p: Source(SPEC, p, SqliteDatabase(folder / f"{n}.sqlite")) for p, n in (("P2", "portal2"), ("TC", "tc"))}
        freeze = (date(2023, 9, 16), date(2023, 9, 30))
        self.world = ExpectedState(SPEC, sources, folder / "files", freeze, datetime(2023, 9, 17))
        self.pieces: list[ExpectedRows] = list(Expected(self.world).first_pass())

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of every expected row; '@' is the entity id of its account."""
        found = []
        for piece in self.pieces:
            if piece.table == table and len(piece):
                frame = piece.frame(np.ones(len(piece), np.bool_))
                found += frame.select(ACCOUNT if c == "@" else c for c in columns).rows()
        return sorted(found, key=repr)

    def held(self, table: str = "") -> dict[str, str]:
        return {
            (r["key"] if table else f"{r['table']} {r['key']}"): r["reason"]
            for r in self.world.ledger.held().to_dicts()
            if table in ("", r["table"])
        }

    def flags(self, rule: str) -> list[str]:
        return sorted(f"{r['table']} {r['key']}" for r in self.world.ledger.flags().to_dicts() if r["rule"] == rule)


@pytest.fixture
def old(tmp_path: Path) -> Old:
    types = [
        {"business_type_cd": code, "name": code, "active_ind": "Y"} for code in ("IMP", "EXP", "BRK", "CON", "HWM", "HWC", "HWY", "SEA")
    ]
    return Old(tmp_path).add("business_type", *types)


# A. accounts ------------------------------------------------------------------------------------------------------------


def test_a1_a5_profile_and_model_without_entity_are_held_and_what_hangs_on_them(old: Old) -> None:
    old.company(1).company(2, (20, [{"entity_id": 1}]), (21, []))
    old.add("company_address", {"address_id": 7, "company_profile_id": 1})
    old.add("security_profile", {"security_profile_id": 8, "security_model_id": 21})
    seen = old.expected()
    assert seen.held() == {
        "company_profile 1": "PROFILE_WITHOUT_ENTITY",
        "security_model 21": "MODEL_WITHOUT_ENTITY",
        "company_address 7": "PARENT_HELD",
        "security_profile 8": "PARENT_HELD",
    }
    assert seen.rows("account_group", "group_kind_cd", "legacy_key") == [("COMPANY_PROFILE", "2"), ("SECURITY_MODEL", "20")]


def test_a4_broken_models_and_entities(old: Old) -> None:
    old.add("security_model", {"security_model_id": 5, "company_profile_id": 99})
    old.add("model_entity", {"entity_id": 1, "security_model_id": 5}, {"entity_id": 2, "security_model_id": 6})
    old.add("vetting_record", {"vetting_id": 3, "entity_id": 1, "sealed_content": b"secret"}, {"vetting_id": 4, "entity_id": 77})
    seen = old.expected()
    assert seen.held() == {
        "security_model 5": "BROKEN_REFERENCE",
        "model_entity 1": "PARENT_HELD",
        "model_entity 2": "BROKEN_REFERENCE",
        "vetting_record 3": "PARENT_HELD",
        "vetting_record 4": "BROKEN_REFERENCE",
    }


def test_a7_a8_visibility(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "status_cd": "WITHDRAWN"}]), (11, [{"entity_id": 3}]))
    old.db["P2"].execute("UPDATE security_model SET deleted_ind = 'Y' WHERE security_model_id = 11")
    assert old.expected().rows("entity_account", "legacy_entity_id", "trade_visible", "archived") == [
        (1, True, False),
        (2, False, False),
        (3, False, True),
    ]


def test_a11_a12_types(old: Old) -> None:
    rows = [
        {"entity_id": n, "business_type_cd": "HWY", "border_crossed_cd": border}
        for n, border in enumerate(("MEX", "BOTH", "CAN", None, "mex"), 1)
    ]
    seen = old.company(1, (10, [*rows, {"entity_id": 9, "business_type_cd": "EFC"}])).expected()
    assert seen.rows("entity_account", "legacy_entity_id", "business_type_cd") == [
        (1, "HWM"),
        (2, "HWM"),
        (3, "HWC"),
        (4, "HWY"),
        (5, "HWY"),
        (9, "EFC"),
    ]
    assert seen.flags("A11") == ["model_entity 4", "model_entity 5"]
    assert seen.flags("A12") == ["model_entity 9"]
    assert ("EFC", "EFC", False) in seen.rows("business_type", "business_type_cd", "name", "active")


def test_a16_account_numbers(old: Old) -> None:
    numbers = {7: "A", 3: "A", 4: None, 5: "  ", 6: "M000000004", -8: None, 9: "a"}
    seen = old.company(1, (10, [{"entity_id": entity, "account_number": number} for entity, number in numbers.items()])).expected()
    assert dict(seen.rows("entity_account", "legacy_entity_id", "account_number")) == {
        3: "A",
        7: "M000000007",
        4: "M000000004X",
        5: "M000000005",
        6: "M000000004",
        -8: "M-000000008",
        9: "a",
    }
    assert seen.flags("A16") == ["model_entity 7"]


def test_a16_made_number_that_outgrows_its_column_holds_the_entity(old: Old) -> None:
    seen = old.company(1, (10, [{"entity_id": 1}, {"entity_id": -(2**63)}])).expected()
    assert seen.held() == {"model_entity -9223372036854775808": "UNREADABLE_VALUE"}


def test_a18_equal_names_and_a21_employees(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}])).company(2, (20, [{"entity_id": 2}])).company(3)
    for profile, name, employees in ((1, " Straße ", "1,250"), (2, "STRASSE", "12,50"), (3, "strasse", "007")):
        old.db["P2"].execute(
            "UPDATE company_profile SET company_name = ?, employee_count_txt = ? WHERE company_profile_id = ?", (name, employees, profile)
        )
    seen = old.expected()
    assert seen.flags("A18") == ["company_profile 1", "company_profile 2"]  # 3 is held: it is compared, not flagged
    assert seen.rows("entity_account", "legacy_entity_id", "employee_count", "employee_count_txt") == [
        (1, 1250, "1,250"),
        (2, None, "12,50"),
    ]


def test_a10_groups_and_members(old: Old) -> None:
    old.add("trade_organization", {"trade_org_id": 1, "org_name": "Org"}, {"trade_org_id": 2, "org_name": "Empty"})
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2}]))
    old.db["P2"].execute("UPDATE company_profile SET trade_org_id = 1")
    seen = old.expected()
    assert len(seen.rows("account_group_member", "account_id")) == 6
    assert ("TRADE_ORG", "2", "Empty") in seen.rows("account_group", "group_kind_cd", "legacy_key", "name")


# B. people --------------------------------------------------------------------------------------------------------------


def test_b2_one_login_for_equal_names_survivor_and_shared(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    users = [
        (1, " ANN@X.example", None, "Ann"),
        (2, "ann@x.example", "2020-05-05 00:00:00", "ann "),
        (3, "bob@x.example", None, "Bob"),
        (4, "BOB@x.example ", None, "Rob"),
    ]
    for user, name, seen_at, first in users:
        old.add(
            "portal_user", {"user_id": user, "user_name": name, "last_login_at": seen_at, "first_name": first, "user_status_cd": "ACTIVE"}
        )
    seen = old.expected()
    assert seen.rows("login", "email_key", "email_display", "first_name") == [
        ("ann@x.example", "ann@x.example", "ann "),
        ("bob@x.example", "bob@x.example", "Bob"),
    ]
    assert seen.flags("B2") == ["portal_user 3", "portal_user 4"]
    assert seen.rows("login_alias", "legacy_key", "email_as_typed")[0] == ("1", " ANN@X.example")
    assert len(seen.flags("B16")) == 4


def test_b7_b8_b10_primary_contacts_and_officers(old: Old) -> None:
    for profile in (1, 2, 3):
        old.company(profile, (profile * 10, [{"entity_id": profile}]))
    old.person(1, 1, 11, "a@x.y", primary_poc_ind="Y", modified_at="2020-01-01 00:00:00")
    old.person(2, 1, 12, "b@x.y", primary_poc_ind="Y", modified_at="2020-01-02 00:00:00")
    old.person(3, 1, 13, "c@x.y", primary_poc_ind="Y", modified_at="2020-01-02 00:00:00")
    old.person(4, 1, 14, "d@x.y", primary_poc_ind="Y", modified_at="2021-01-01 00:00:00", removed_at="2021-01-02 00:00:00")
    old.person(5, 2, 21, "e@x.y", primary_poc_ind="Y", contact_type_cd="CONSULTANT")
    seen = old.expected()
    assert dict(seen.rows("account_contact", "legacy_key", "primary_poc")) == {"11": False, "12": True, "13": False, "14": True, "21": True}
    assert seen.flags("B7") == ["company_contact 11", "company_contact 13"]
    assert seen.flags("B8") == ["company_profile 2", "company_profile 3"]
    assert seen.rows("entity_account", "legacy_entity_id", "needs_officer") == [(1, False), (2, True), (3, True)]


def test_b12_locked_for_company_status(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1, "status_cd": "SUSPENDED"}, {"entity_id": 2}])).company(2, (20, [{"entity_id": 3}]))
    old.person(1, 1, 11, "a@x.y").person(2, 2, 21, "b@x.y")
    old.db["P2"].execute("UPDATE portal_user SET user_status_cd = 'LOCKED', lock_reason_cd = 'COMPANY_STATUS'")
    seen = old.expected()
    assert seen.rows("login", "email_key", "status_cd", "lock_reason_cd") == [
        ("a@x.y", "ACTIVE", None),
        ("b@x.y", "LOCKED", "COMPANY_STATUS"),
    ]
    assert seen.rows("account_contact", "legacy_key", "@", "restricted_reason_cd") == [
        ("11", 1, "COMPANY_STATUS"),
        ("11", 2, None),
        ("21", 3, None),
    ]
    assert seen.flags("B12") == ["portal_user 2"]


def test_b15_names_that_are_no_email(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    names = ["nobody", "a@", "@b", "a@b@c", "a b@c", "a@b\u2003c", None, "ok@b", " ok2@b\t"]
    for user, name in enumerate(names, 1):
        old.add("portal_user", {"user_id": user, "user_name": name, "user_status_cd": "ACTIVE"})
        old.person(user, 1, user)
    old.person(99, 1, 99)  # a user that is not there
    seen = old.expected()
    assert seen.held("portal_user") == {str(user): "INVALID_EMAIL" for user in range(1, 8)}
    assert [row[0] for row in seen.rows("login", "email_key")] == ["ok2@b", "ok@b"]
    assert seen.flags("B15") == [f"company_contact {n}" for n in range(1, 8)]
    assert seen.flags("X1") == ["company_contact 99"]


# C. documents -----------------------------------------------------------------------------------------------------------


def test_c1_c2_c3_accounts_of_documents_and_their_links(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2}]), (11, [{"entity_id": 3}])).company(2, (20, [{"entity_id": 4}]))
    old.add("security_profile", {"security_profile_id": 5, "security_model_id": 11}, {"security_profile_id": 6, "security_model_id": 20})
    old.add(
        "profile_response",
        {"response_id": 7, "security_profile_id": 5, "question_id": 1},
        {"response_id": 8, "security_profile_id": 6, "question_id": 1},
    )
    base = {"library_cd": "PARTNER", "file_name": "f", "version_no": 1}
    old.add(
        "document",
        base | {"document_id": 1, "security_model_id": 10},
        base | {"document_id": 2, "company_profile_id": 1},
        base | {"document_id": 3, "security_model_id": 10, "company_profile_id": 1},
        base | {"document_id": 4},
        base | {"document_id": 5, "library_cd": "PUBLIC"},
        base | {"document_id": 6},
        base | {"document_id": 7, "security_model_id": 99},
        base | {"document_id": 8, "security_model_id": 99, "company_profile_id": 2},
        base | {"document_id": 9, "company_profile_id": 99},
    )
    old.add(
        "document_link",
        {"document_id": 3, "target_cd": "RESPONSE", "target_id": 7},
        {"document_id": 3, "target_cd": "RESPONSE", "target_id": 8},
        {"document_id": 4, "target_cd": "RESPONSE", "target_id": 8},
        {"document_id": 4, "target_cd": "RESPONSE", "target_id": 7},
        {"document_id": 1, "target_cd": "POEM", "target_id": 7},
        {"document_id": 6, "target_cd": "RESPONSE", "target_id": 70},
        {"document_id": 77, "target_cd": "RESPONSE", "target_id": 7},
        {"document_id": 1, "target_cd": "MODEL", "target_id": 10},
    )
    seen = old.expected()
    assert seen.rows("document", "legacy_key", "@", "inherited") == [
        ("1", 1, False),
        ("1", 2, False),
        ("2", 1, True),
        ("2", 2, True),
        ("2", 3, True),
        ("3", 1, False),
        ("3", 2, False),
        ("3", 3, False),
        ("4", 3, False),
        ("5", None, False),
        ("8", 4, True),
    ]
    assert seen.held("document") == {"6": "NO_OWNER", "7": "BROKEN_REFERENCE", "9": "BROKEN_REFERENCE"}
    assert seen.held("document_link") == {
        "3|RESPONSE|8": "CROSS_PROFILE",
        "4|RESPONSE|8": "CROSS_PROFILE",
        "1|POEM|7": "BROKEN_REFERENCE",
        "6|RESPONSE|70": "BROKEN_REFERENCE",
        "77|RESPONSE|7": "BROKEN_REFERENCE",
    }
    assert seen.rows("document_link", "#key", "@") == [("1|MODEL|10", 1), ("1|MODEL|10", 2), ("3|RESPONSE|7", 3), ("4|RESPONSE|7", 3)]
    assert "document 8" in seen.flags("X1")


def test_c6_c7_c8_bytes(old: Old, tmp_path: Path) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    (old.folder / "files" / "a").mkdir()
    (old.folder / "files" / "a" / "f").write_bytes(b"file")
    (old.folder / "outside").write_bytes(b"out")
    (old.folder / "files" / "link").symlink_to("../outside")
    paths = {2: "a/f", 3: "a/../a/f", 4: "../outside", 5: "/a/f", 6: "a", 7: "link", 8: "none", 9: None}
    base = {"library_cd": "PARTNER", "file_name": "f", "version_no": 1, "company_profile_id": 1}
    for document, path in ({1: "a/f"} | paths).items():
        old.add("document", base | {"document_id": document, "object_path": path})
    digest = hashlib.sha256(b"abc").hexdigest()
    old.add(
        "document",
        base | {"document_id": 10, "sha256_hex": digest.upper(), "size_bytes": 3},
        base | {"document_id": 11, "sha256_hex": "0" * 64, "size_bytes": 9},
    )
    old.add(
        "document", base | {"document_id": 12, "size_bytes": 9}, base | {"document_id": 13, "company_profile_id": 9, "object_path": "a/f"}
    )
    for document in (1, 10, 11, 12, 13, 99):
        old.add("document_content", {"document_id": document, "content": b"abc"})
    seen = old.expected()
    assert dict(seen.rows("document", "legacy_key", "content_state_cd")) == {
        "1": "PRESENT",
        "2": "PRESENT",
        "3": "PRESENT",
        "4": "MISSING",
        "5": "MISSING",
        "6": "MISSING",
        "7": "MISSING",
        "8": "MISSING",
        "9": "MISSING",
        "10": "PRESENT",
        "11": "DIGEST_MISMATCH",
        "12": "SIZE_MISMATCH",
    }
    assert dict(seen.rows("document", "legacy_key", "sha256"))["2"] == hashlib.sha256(b"file").hexdigest()
    held = {f"{r['table']} {r['key']}": (r["reason"], r["digest"]) for r in seen.world.ledger.held().to_dicts()}
    assert held == {
        "document 13": ("BROKEN_REFERENCE", hashlib.sha256(b"file").hexdigest()),
        "document_content 13": ("PARENT_HELD", digest),
        "document_content 99": ("ORPHAN_CONTENT", digest),
    }
    assert seen.rows("stored_object", "sha256", "size_bytes") == sorted([(digest, 3), (hashlib.sha256(b"file").hexdigest(), 4)], key=repr)


def test_c11_earlier_versions(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]), (11, [{"entity_id": 2}]))
    base = {"library_cd": "PARTNER", "file_name": "f", "version_no": 1}
    earlier = {
        1: (10, None),
        2: (10, 1),
        3: (11, 1),
        4: (10, 77),
        5: (10, 6),
        6: (10, 5),
        7: (10, 5),
        8: (10, 8),
        9: (10, 20),
        20: (99, None),
    }
    for document, (model, previous) in earlier.items():
        old.add("document", base | {"document_id": document, "security_model_id": model, "previous_document_id": previous})
    seen = old.expected()
    assert {key for key, previous in seen.rows("document", "legacy_key", "previous_document_id") if previous is not None} == {"2", "7"}
    assert seen.flags("C11") == ["document 4", "document 5", "document 6", "document 8"]


# D. agreements ----------------------------------------------------------------------------------------------------------


def test_d1_d2_d5_d11_d12_signatures(old: Old) -> None:
    early, late = "2019-01-01 00:00:00", "2021-01-01 00:00:00"
    old.company(1, (10, [{"entity_id": 1, "created_at": early}, {"entity_id": 2, "business_type_cd": "BRK", "created_at": late}]))
    old.company(2, (20, [{"entity_id": 3, "status_cd": "APPLICANT"}, {"entity_id": 4, "status_cd": "SUSPENDED"}]))
    old.add(
        "agreement_version",
        {"agreement_version_id": 1, "agreement_cd": "VOLUNTARY", "effective_dt": "2018-01-01"},
        {"agreement_version_id": 2, "agreement_cd": "SVI_CONSENT", "business_type_cd": "BRK", "effective_dt": "2018-01-01"},
        {"agreement_version_id": 3, "agreement_cd": "SVI_CONSENT", "business_type_cd": "SEA", "effective_dt": "2020-06-01"},
    )
    sign = {"company_profile_id": 1, "signed_at": NOON}
    old.add(
        "agreement_signature",
        sign | {"signature_id": 1, "agreement_version_id": 1, "security_model_id": 10},
        sign | {"signature_id": 2, "agreement_version_id": 2},
        sign | {"signature_id": 3, "agreement_version_id": 3},
        sign | {"signature_id": 4, "agreement_version_id": 9},
        sign | {"signature_id": 5, "agreement_version_id": 2, "entity_id": 1, "signed_at": "2023-09-17 00:00:01"},
    )
    seen = old.expected()
    assert seen.rows("account_agreement", "#key", "@", "coverage_cd") == [
        ("1", 1, "INHERITED"),
        ("1", 2, "PRE_DATES_ACCOUNT"),
        ("2", 2, "PRE_DATES_ACCOUNT"),
        ("3", 1, "INHERITED"),
        ("3", 2, "PRE_DATES_ACCOUNT"),
        ("5", 1, "DIRECT"),
    ]
    assert seen.held() == {"agreement_signature 4": "BROKEN_REFERENCE"}
    assert seen.flags("D2") == [f"agreement_signature {n}" for n in (1, 2, 3)]
    assert seen.flags("D11") == ["agreement_signature 3", "agreement_signature 5"]
    assert seen.flags("D12") == ["agreement_signature 3"]
    assert dict(seen.rows("entity_account", "legacy_entity_id", "agreement_basis_cd")) == {
        1: "SIGNED",
        2: "SIGNED",
        3: "NONE",
        4: "CONTINUED_MEMBERSHIP",
    }


def test_d4_signer_is_only_a_consultant_there(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}])).company(2, (20, [{"entity_id": 2}]))
    old.person(1, 1, 1, "a@x.y", contact_type_cd="CONSULTANT", removed_at=NOON).person(1, 2, 2)
    old.add("agreement_version", {"agreement_version_id": 1, "agreement_cd": "X"})
    for profile in (1, 2):
        old.add(
            "agreement_signature", {"signature_id": profile, "agreement_version_id": 1, "company_profile_id": profile, "signer_user_id": 1}
        )
    assert old.expected().flags("D4") == ["agreement_signature 1"]


# E. responses -----------------------------------------------------------------------------------------------------------


def test_e3_e7_e10_answers(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "business_type_cd": "BRK"}]))
    old.add("profile_question", {"question_id": 1}, {"question_id": 2}).add(
        "question_applicability", {"question_id": 1, "business_type_cd": "IMP", "strength_cd": "MUST"}
    )
    old.add("question_applicability", {"question_id": 5, "business_type_cd": "BRK", "strength_cd": "MUST"})
    old.add("security_profile", {"security_profile_id": 1, "security_model_id": 10})
    for response, question, modified in (
        (1, 1, "2020-01-01 00:00:00"),
        (2, 1, "2020-01-02 00:00:00"),
        (3, 2, NOON),
        (4, 2, NOON),
        (5, 5, NOON),
        (6, 9, NOON),
    ):
        old.add("profile_response", {"response_id": response, "security_profile_id": 1, "question_id": question, "modified_at": modified})
    seen = old.expected()
    assert seen.rows("profile_response", "legacy_key", "@", "superseded", "applicability_cd") == [
        ("1", 1, True, "MUST"),
        ("1", 2, True, "NOT_APPLICABLE"),
        ("2", 1, False, "MUST"),
        ("2", 2, False, "NOT_APPLICABLE"),
        *((key, entity, key == "3", "NOT_APPLICABLE") for key in ("3", "4", "5", "6") for entity in (1, 2)),
    ]
    assert seen.flags("E7") == ["profile_response 1", "profile_response 3"]
    assert seen.held("question_applicability") == {"5|BRK": "BROKEN_REFERENCE"}  # even though E10 makes a stub of that id
    assert seen.flags("E10") == ["profile_response 5", "profile_response 6"]
    assert (5, "UNKNOWN(5)", True) in seen.rows("profile_question", "question_id", "question_text", "stub")


def test_e8_texts_that_no_target_can_hold(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    old.add("internal_note", {"note_id": 1, "company_profile_id": 1, "note_type_cd": "x", "note_text": "a\0b"})
    old.db["P2"].execute("UPDATE internal_note SET note_text = 'a' || char(0) || 'b'")
    old.add("internal_note", {"note_id": 2, "company_profile_id": 9, "note_text": "x"})
    old.db["P2"].execute("UPDATE internal_note SET note_text = CAST(X'61F080FF' AS TEXT) WHERE note_id = 2")
    seen = old.expected()
    assert seen.rows("internal_note", "legacy_key", "note_text") == [("1", "a\ufffdb")]
    assert seen.flags("E8") == ["internal_note 1", "internal_note 2"]  # held rows too
    assert sorted(row[1] for row in seen.rows("stored_object", "sha256", "size_bytes")) == [3, 4]


def test_e14_due_dates_inside_the_freeze(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    for task, due in enumerate(("2023-09-15", "2023-09-16", "2023-09-30", "2023-10-01", None), 1):
        old.add("portal_task", {"task_id": task, "company_profile_id": 1, "due_dt": due})
    moved = dict(old.expected().rows("portal_task", "legacy_key", "due_dt_adjusted"))
    assert moved == {"1": None, "2": date(2023, 10, 1), "3": date(2023, 10, 15), "4": None, "5": None}


# F, G, H ----------------------------------------------------------------------------------------------------------------


def test_f2_validation_of_a_profile_and_what_hangs_on_it(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]), (11, [{"entity_id": 2}]))
    old.add("validation", {"validation_id": 1, "company_profile_id": 1}, {"validation_id": 2, "company_profile_id": 1, "entity_id": 2})
    old.add(
        "validation_finding", {"finding_id": 3, "validation_id": 1, "finding_kind_cd": "INTERNAL"}, {"finding_id": 4, "validation_id": 2}
    )
    old.add(
        "finding_response",
        {"finding_response_id": 5, "finding_id": 3},
        {"finding_response_id": 6, "finding_id": 4},
        {"finding_response_id": 7, "finding_id": 9},
    )
    seen = old.expected()
    assert seen.rows("finding_response", "legacy_key", "@") == [("5", 1), ("5", 2), ("6", 2)]
    assert seen.rows("validation_finding", "legacy_key", "@", "internal") == [("3", 1, True), ("3", 2, True), ("4", 2, False)]
    assert seen.flags("F2") == ["validation 1"]
    assert seen.held() == {"finding_response 7": "BROKEN_REFERENCE"}


def test_g1_g6_pairs(old: Old) -> None:
    early, late = "2019-01-01 00:00:00", "2022-01-01 00:00:00"
    old.company(1, (10, [{"entity_id": 1, "created_at": early}, {"entity_id": 2, "created_at": early}]))
    old.company(2, (20, [{"entity_id": 3, "created_at": early}, {"entity_id": 4, "created_at": late}]))
    link = {"request_status_cd": "ACCEPTED", "monitor_profile_id": 1, "monitored_profile_id": 2, "requested_at": NOON}
    old.add(
        "svi_link",
        link | {"link_id": 1, "monitor_entity_id": 1, "responded_at": "2020-02-01 00:00:00"},
        link | {"link_id": 2, "monitor_entity_id": 1, "monitored_entity_id": 3, "responded_at": None},
        link | {"link_id": 3, "monitored_profile_id": 1},
        link | {"link_id": 4, "monitor_entity_id": 1, "monitored_entity_id": 1},
        link | {"link_id": 5, "monitor_profile_id": 9},
        link | {"link_id": 6, "monitored_entity_id": 4, "monitor_entity_id": 2},
    )
    seen = old.expected()
    assert seen.rows("svi_link", "legacy_key", "monitor_account_id", "monitored_account_id", "superseded") == [
        ("1", 1, 3, False),
        ("2", 1, 3, True),
        ("3", 1, 2, False),
        ("3", 2, 1, False),
        ("6", 2, 4, False),
    ]
    assert seen.held() == {"svi_link 4": "NO_ACCOUNT", "svi_link 5": "BROKEN_REFERENCE"}
    assert seen.flags("G6") == ["svi_link 2"]


def test_g9_membership_needs_consent_and_certification(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "status_cd": "APPROVED"}])).company(2, (20, [{"entity_id": 3}]))
    old.add("agreement_version", {"agreement_version_id": 1, "agreement_cd": "SVI_CONSENT"})
    old.add("agreement_signature", {"signature_id": 1, "agreement_version_id": 1, "company_profile_id": 1})
    old.add("svi_setting", {"company_profile_id": 1, "consent_signature_id": 1}, {"company_profile_id": 2, "consent_signature_id": 9})
    seen = old.expected()
    assert seen.rows("svi_membership", "@", "active") == [(1, True), (2, False), (3, False)]
    assert seen.flags("X1") == ["svi_setting 2"]


def test_h1_h2_h3_h4_h6_identifiers(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}, {"entity_id": 2, "business_type_cd": "SEA"}]))
    numbers: list[tuple[int, str, str, int | None, int | None]] = [
        (1, "IOR", " 123-45-6789", None, 1),
        (2, "BOND", "b-1", None, 1),
        (3, "SCAC", "Straße", None, 1),
        (4, "FILER", "x", None, 1),
    ]
    numbers += [(5, "EIN", "1", None, None), (6, "MID", "ﬁ", 2, 9), (7, "EIN", "123-45-6789", None, 1), (8, "DUNS", "ß" * 31, None, 1)]
    for number, kind, value, entity, profile in numbers:
        row = {
            "identifier_id": number,
            "identifier_type_cd": kind,
            "identifier_value": value,
            "entity_id": entity,
            "company_profile_id": profile,
            "active_ind": "Y",
        }
        old.add("entity_identifier", row)
    seen = old.expected()
    assert seen.rows("account_identifier", "legacy_key", "@", "value_norm", "pii") == [
        ("1", 1, "123456789", True),
        ("2", 1, "B1", False),
        ("2", 2, "B1", False),
        ("3", 2, "STRASSE", False),
        ("6", 2, "FI", False),
        ("7", 1, "123456789", True),
        ("7", 2, "123456789", True),
    ]
    assert seen.held() == {
        "entity_identifier 4": "NO_ELIGIBLE_ACCOUNT",
        "entity_identifier 5": "NO_OWNER",
        "entity_identifier 8": "UNREADABLE_VALUE",
    }
    assert seen.flags("H3") == []


# I, J, X ----------------------------------------------------------------------------------------------------------------


def test_i1_i4_i9_trade_compliance(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}])).company(2, (20, [{"entity_id": 2}, {"entity_id": 3}])).company(
        4, (40, [{"entity_id": 9, "business_type_cd": "BRK"}])
    )
    for number, entity, value in ((1, 2, "11-1"), (2, 3, "22-2"), (3, 3, "33-3"), (4, 1, "44-4")):
        old.add(
            "entity_identifier",
            {"identifier_id": number, "entity_id": entity, "identifier_type_cd": "IOR", "identifier_value": value, "active_ind": "Y"},
        )
    old.person(1, 2, 1, "p2@x.y")
    accounts = {1: 1, 2: 2, 3: None, 4: 99, 5: None, 6: 4, 7: None}
    for account, profile in accounts.items():
        old.add("tc_account", {"tc_account_id": account, "company_profile_id": profile})
    for account, value in ((2, "111"), (2, "222"), (2, "33 3"), (3, "222"), (3, "111"), (4, "444"), (5, "555"), (1, "999")):
        old.add("tc_ior", {"tc_account_id": account, "ior_value": value, "active_ind": "Y"})
    for contact, account, email in ((1, 1, " P2@X.Y"), (2, 1, "new@x.y"), (3, 2, "NEW@x.y"), (4, 1, "none"), (5, 5, "held@x.y")):
        old.add("tc_contact", {"tc_contact_id": contact, "tc_account_id": account, "email": email, "job_title": f"Job {contact}"})
    seen = old.expected()
    assert seen.rows("tc_program", "legacy_key", "account_id") == [("1", 1), ("2", 3), ("4", 1)]
    assert seen.held("tc_account") == {"3": "TC_AMBIGUOUS", "5": "TC_NO_IMPORTER", "6": "TC_NO_IMPORTER", "7": "TC_NO_IMPORTER"}
    assert seen.flags("I1") == ["tc_account 4"]
    assert seen.flags("I4") == ["tc_ior 1|999", "tc_ior 2|111"]
    assert seen.flags("I9") == ["tc_contact 4"]
    assert seen.rows("login", "email_key", "email_display", "job_title", "status_cd") == [
        ("new@x.y", "new@x.y", "Job 2", "ACTIVE"),
        ("p2@x.y", "p2@x.y", None, "ACTIVE"),
    ]


def test_j4_the_wall_clock_of_new_york(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    clocks = {
        1: ("2020-01-15 12:00:00", "2020-01-15 17:00:00", True),
        2: ("2020-07-15 12:00:00", "2020-07-15 16:00:00", True),
        3: ("2020-11-01 01:30:00", "2020-11-01 05:30:00", False),
        4: ("2020-03-08 02:30:00", "2020-03-08 07:30:00", False),
        5: ("2020-03-08 03:00:00", "2020-03-08 07:00:00", True),
        6: ("2020-02-30 00:00:00", None, False),
        7: ("2020-01-15T12:00:00", None, False),
        8: (None, None, False),
        9: ("2020-01-15 24:00:00", None, False),
        10: ("2500-07-01 00:00:00", "2500-07-01 04:00:00", True),
        11: ("2020-01-15 12:00:00.0", None, False),
        12: ("1883-11-18 12:01:00", "1883-11-18 16:57:02", False),
        13: ("9999-12-31 23:00:00", None, False),
    }
    for event, (clock, _, _) in clocks.items():
        old.add("event_history", {"event_id": event, "company_profile_id": 1, "updated_local": clock})
    found = {
        key: (str(at) if at else None, sure)
        for key, at, sure in old.expected().rows("event_history", "legacy_key", "occurred_at", "occurred_certain")
    }
    assert found == {str(event): (at, sure) for event, (_, at, sure) in clocks.items()}


def test_x2_unreadable_values(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    task = {"company_profile_id": 1, "task_kind_cd": "x"}
    dates = {1: "2023-02-30", 2: "", 3: 2023, 4: "2023-01-01 00:00:00", 5: "2023-01-01T00:00:00", 6: b"2023-01-01"}
    old.add("portal_task", *(task | {"task_id": n, "due_dt": due} for n, due in dates.items()), task | {"task_id": 7, "entity_id": "x"})
    old.add(
        "portal_task",
        task | {"task_id": None},
        task | {"task_id": "abc"},
        task | {"task_id": None},
        task | {"task_id": 8, "task_kind_cd": "k" * 21},
    )
    old.add(
        "portal_task",
        task | {"task_id": 9, "done_at": "2023-01-01"},
        task | {"task_id": 10, "done_at": "2023-01-01T01:02:03.5Z"},
        task | {"task_id": 1.5},
    )
    seen = old.expected()
    loaded = {key: (due, done) for key, due, done in seen.rows("portal_task", "legacy_key", "due_dt", "done_at")}
    assert loaded == {
        "1": (None, None),
        "2": (None, None),
        "3": (None, None),
        "4": (date(2023, 1, 1), None),
        "5": (None, None),
        "6": (None, None),
        "9": (None, None),
        "10": (None, datetime(2023, 1, 1, 1, 2, 3, 500_000)),
    }
    also = {str(n) for n in (1, 2, 3, 5, 6, 9)}
    assert seen.held("portal_task") == dict.fromkeys(also | {"7", "8", "abc", "1.5", "NULL#1", "NULL#2"}, "UNREADABLE_VALUE")
    assert seen.flags("X2") == sorted(f"portal_task {key}" for key in also)


def test_keys_that_become_equal(old: Old) -> None:
    old.company(1, (10, [{"entity_id": 1}]))
    old.add("highway_crossing", {"entity_id": 1, "port_cd": "ab"}, {"entity_id": 1, "port_cd": b"ab"}, {"entity_id": 1, "port_cd": None})
    seen = old.expected()
    assert seen.held() == {"highway_crossing 1|ab#2": "UNREADABLE_VALUE", "highway_crossing NULL#1": "UNREADABLE_VALUE"}
    assert seen.rows("account_highway_crossing", "@", "port_cd") == [(1, "ab")]
