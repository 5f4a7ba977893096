"""The verifier's own reading of chapters C and D, on worlds of a few rows with the answer written by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.verifier_worlds import NOON, Old, old

__all__ = ["old"]  # a fixture


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
