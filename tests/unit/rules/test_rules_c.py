"""Chapter C of the rules: the accounts of documents, their links and their content."""

import hashlib
from pathlib import Path

import pytest

from tests.support.legacy import Legacy, Undecodable


def _two_models() -> Legacy:
    """Profile 1: model 11 with entity 101, model 12 with entities 102 and 103; each model a year with one answer. Profile 2: entity 201."""
    world = Legacy().profile(2).model(21).entity(201).year(20).answer(200).profile(1).model(11).entity(101).year(10).answer(100)
    return world.model(12).entity(102).entity(103).year(12).answer(120)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_C1_a_document_is_on_the_accounts_of_its_model_and_of_all_its_good_link_targets(tmp_path: Path) -> None:
    world = _two_models().document(1, profile=1, model=12).document(2, profile=1, model=11).link(2, "RESPONSE", 120)
    world.document(3, profile=1).link(3, "RESPONSE", 100).link(3, "RESPONSE", 120)
    assert world.migrate(tmp_path).rows("document", "document_id", "inherited") == [
        ("1@102", 0),
        ("1@103", 0),
        ("2@101", 0),
        ("2@102", 0),
        ("2@103", 0),
        ("3@101", 0),
        ("3@102", 0),
        ("3@103", 0),
    ]


def test_C1_without_model_and_good_links_it_is_inherited_by_all_accounts_of_its_profile(tmp_path: Path) -> None:
    world = (
        _two_models().document(1, profile=1).document(2, profile=1).link(2, "RESPONSE", 999).document(3, profile=1).link(3, "RESPONSE", 200)
    )
    assert world.migrate(tmp_path).rows("document", "document_id", "inherited") == [
        (f"{document}@{entity}", 1) for document in (1, 2, 3) for entity in (101, 102, 103)
    ]


def test_C1_a_public_document_without_owner_is_one_row_without_account_and_a_linked_one_follows_its_link(tmp_path: Path) -> None:
    world = (
        _two_models()
        .document(1, library="PUBLIC")
        .document(2, library="PUBLIC")
        .link(2, "RESPONSE", 100)
        .document(3, library="PUBLIC", model=99)
    )
    store = world.migrate(tmp_path)
    assert store.rows("document", "document_id", "account_id") == [("1", None), ("2@101", 101), ("3", None)]
    assert store.held == {}
    assert store.flags("X1") == []  # the missing model of 3 stands beside no T and no profile


def test_C1_a_document_that_finds_no_account_is_held_for_the_reason_why(tmp_path: Path) -> None:
    world = _two_models().model(13).profile(3).document(1).document(2, model=99).document(3, model=13)
    world.document(4, profile=99).document(5, profile=3).document(6, library="PUBLIC", profile=99).document(7, profile=3, model=99)
    store = world.migrate(tmp_path)
    assert {row: reason for row, reason in store.held.items() if row.startswith("document")} == {
        "document 1": "NO_OWNER",
        "document 2": "BROKEN_REFERENCE",
        "document 3": "PARENT_HELD",
        "document 4": "BROKEN_REFERENCE",
        "document 5": "PARENT_HELD",
        "document 6": "BROKEN_REFERENCE",
        "document 7": "PARENT_HELD",
    }


def test_C1_X1_fp34_a_missing_model_with_a_usable_owner_is_flagged_and_a_held_one_is_not(tmp_path: Path) -> None:
    world = (
        _two_models()
        .model(13)
        .document(1, profile=1, model=99)
        .document(2, model=99)
        .link(2, "RESPONSE", 100)
        .document(3, profile=1, model=13)
    )
    store = world.migrate(tmp_path)
    assert store.rows("document", "document_id", "inherited") == [
        ("1@101", 1),
        ("1@102", 1),
        ("1@103", 1),
        ("2@101", 0),
        ("3@101", 1),
        ("3@102", 1),
        ("3@103", 1),
    ]
    assert store.flags("X1") == ["document 1", "document 2"]


def test_C2_a_link_of_each_kind_leads_from_the_documents_row_to_the_targets_copy_in_the_same_account(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101).entity(102).year().answer(100).validation(5, model=11).finding(6).finding_response(7)
    world.signature(8, model=11).thread(9, model=11).message(10).document(1, profile=1, model=11)
    for kind, target in (("RESPONSE", 100), ("VALIDATION", 5), ("FINDING_RESPONSE", 7), ("SIGNATURE", 8), ("MESSAGE", 10), ("MODEL", 11)):
        world.link(1, kind, target, linked="2021-01-01 00:00:00")
    store = world.migrate(tmp_path)
    targets = {"RESPONSE": "100@{}", "VALIDATION": "5@{}", "FINDING_RESPONSE": "7@{}", "SIGNATURE": "8@{}", "MESSAGE": "10", "MODEL": "{}"}
    expected = [
        {
            "document_id": f"1@{entity}",
            "target_cd": kind,
            "target_id": entity if kind == "MODEL" else target.format(entity),
            "linked_at": "2021-01-01 00:00:00",
        }
        for entity in (101, 102)
        for kind, target in sorted(targets.items())
    ]
    assert store.rows("document_link") == expected
    assert store.held == {}


def test_C2_no_link_crosses_accounts(tmp_path: Path) -> None:
    store = (
        _two_models()
        .document(1, profile=1, model=11)
        .link(1, "RESPONSE", 120)
        .thread(3, model=11)
        .message(4)
        .link(1, "MESSAGE", 4)
        .migrate(tmp_path)
    )
    assert store.rows("document_link", "document_id", "target_cd", "target_id") == [
        ("1@101", "MESSAGE", "4"),
        ("1@102", "RESPONSE", "120@102"),
        ("1@103", "RESPONSE", "120@103"),
    ]


def test_C2_fp2_fp18_a_link_is_held_for_the_first_reason_over_its_document_and_its_target(tmp_path: Path) -> None:
    world = _two_models().model(13).year(30).answer(300)  # held: their model has no entity
    world.document(1, profile=1).document(2)  # 2 is held: NO_OWNER
    world.link(1, "RESPONSE", 999).link(1, "INVOICE", 100).link(1, "response", 100).link(1, "RESPONSE", 300).link(1, "RESPONSE", 200)
    world.link(2, "RESPONSE", 999).link(2, "RESPONSE", 300).link(99, "RESPONSE", 100).link(99, "RESPONSE", 300)
    world.document(4, profile=99).link(4, "RESPONSE", 100)  # held by its profile, and the link leads to another one
    store = world.migrate(tmp_path)
    assert {row.removeprefix("document_link "): reason for row, reason in store.held.items() if row.startswith("document_link")} == {
        "1|RESPONSE|999": "BROKEN_REFERENCE",
        "1|INVOICE|100": "BROKEN_REFERENCE",
        "1|response|100": "BROKEN_REFERENCE",
        "1|RESPONSE|300": "PARENT_HELD",
        "1|RESPONSE|200": "CROSS_PROFILE",
        "2|RESPONSE|999": "BROKEN_REFERENCE",
        "2|RESPONSE|300": "PARENT_HELD",
        "99|RESPONSE|100": "BROKEN_REFERENCE",
        "99|RESPONSE|300": "BROKEN_REFERENCE",
        "4|RESPONSE|100": "PARENT_HELD",
    }
    assert store.rows("document", "document_id") == ["1@101", "1@102", "1@103"]  # such targets add nothing to T


def test_C3_no_document_reaches_a_company_that_did_not_own_it(tmp_path: Path) -> None:
    world = _two_models().document(1, profile=1).link(1, "RESPONSE", 200)
    world.document(2, profile=2, model=11).link(2, "RESPONSE", 100).link(2, "RESPONSE", 200)  # the model's profile counts, not 2
    store = world.migrate(tmp_path)
    assert store.held == {"document_link 1|RESPONSE|200": "CROSS_PROFILE", "document_link 2|RESPONSE|200": "CROSS_PROFILE"}
    assert store.rows("document", "document_id") == ["1@101", "1@102", "1@103", "2@101"]


def test_C3_a_held_model_still_determines_the_documents_owner(tmp_path: Path) -> None:
    store = _two_models().model(13).document(1, model=13).link(1, "RESPONSE", 200).link(1, "RESPONSE", 100).migrate(tmp_path)
    assert store.rows("document", "document_id") == ["1@101"]
    assert store.held["document_link 1|RESPONSE|200"] == "CROSS_PROFILE"


def test_C3_fp25_without_profile_and_model_home_is_the_first_good_link_by_kind_and_number(tmp_path: Path) -> None:
    world = _two_models().answer(9, security_profile=20).answer(30, security_profile=10)  # 9 is profile 2's, 30 is profile 1's
    world.document(1).link(1, "RESPONSE", 30).link(1, "RESPONSE", 9)  # 9 comes before 30: as numbers
    world.document(2).link(2, "RESPONSE", 9).link(2, "MODEL", 11)  # MODEL comes before RESPONSE
    world.document(3, model=99).link(3, "RESPONSE", 30).link(3, "RESPONSE", 8)  # a missing model counts as none, a bad link too
    store = world.migrate(tmp_path)
    assert store.rows("document", "document_id") == ["1@201", "2@101", "3@101"]
    assert store.held == {
        "document_link 1|RESPONSE|30": "CROSS_PROFILE",
        "document_link 2|RESPONSE|9": "CROSS_PROFILE",
        "document_link 3|RESPONSE|8": "BROKEN_REFERENCE",
    }


def test_C6_fp46_bytes_come_from_the_file_share_and_no_path_leads_out_of_it(tmp_path: Path) -> None:
    paths = {
        "a/good.pdf": "PRESENT",
        "a/../good.pdf": "PRESENT",
        "./a//good.pdf": "PRESENT",
        "a\\b.pdf": "PRESENT",
        "in.pdf": "PRESENT",
        "empty.pdf": "PRESENT",
        "/a/good.pdf": "MISSING",
        "../files/a/good.pdf": "MISSING",
        "a/../../files/a/good.pdf": "MISSING",
        "../outside.txt": "MISSING",
        "out.pdf": "MISSING",
        "way/outside.txt": "MISSING",
        "a": "MISSING",
        "nothing.pdf": "MISSING",
        "dangling.pdf": "MISSING",
        "loop.pdf": "MISSING",
        "": "MISSING",
        "x" * 300: "MISSING",
    }
    world = _two_models().share("a/good.pdf", b"good").share("good.pdf", b"good").share("a\\b.pdf", b"backslash").share("empty.pdf", b"")
    world.share("../outside.txt", b"canary")
    for number, path in enumerate(paths, start=1):
        world.document(number, model=11, object_path=path)
    files = tmp_path / "legacy" / "files"
    files.mkdir(parents=True)
    for name, target in (
        ("in.pdf", "good.pdf"),
        ("out.pdf", "../outside.txt"),
        ("way", ".."),
        ("dangling.pdf", "no"),
        ("loop.pdf", "loop.pdf"),
    ):
        (files / name).symlink_to(target)
    store = world.migrate(tmp_path)
    states = dict(store.rows("document", "legacy_key", "content_state_cd"))
    assert {path: states[str(number)] for number, path in enumerate(paths, start=1)} == paths
    assert store.flags("C6") == sorted(f"document {n}" for n, state in enumerate(paths.values(), start=1) if state == "MISSING")
    assert sorted(store.stored().values()) == [b"", b"backslash", b"good"]


def test_C6_fp31_a_content_row_goes_before_the_file_and_files_that_no_row_names_are_not_migrated(tmp_path: Path) -> None:
    world = _two_models().share("a.pdf", b"file").share("b.pdf", b"nobody's").document(1, model=11, object_path="a.pdf").content(1, b"row")
    store = world.migrate(tmp_path)
    assert store.rows("document", "sha256") == [_sha(b"row")]
    assert store.stored() == {_sha(b"row"): b"row"}


def test_C7_fp9_the_file_of_a_held_document_is_kept_also_where_a_content_row_goes_before_it(tmp_path: Path) -> None:
    world = (
        _two_models()
        .share("a.pdf", b"file")
        .document(1, object_path="a.pdf")
        .content(1, b"row")
        .document(2, object_path="none.pdf")
        .content(2, b"row")
    )
    store = world.migrate(tmp_path)
    assert {row: store.digest_of(row) for row in store.held if row.startswith("document")} == {
        "document 1": _sha(b"file"),
        "document_content 1": _sha(b"row"),
        "document 2": None,
        "document_content 2": _sha(b"row"),
    }
    assert set(store.stored().values()) == {b"row", b"file"}
    assert store.rows("stored_object", "sha256") == sorted([_sha(b"row"), _sha(b"file")])


def test_C7_fp9_bytes_without_metadata_become_an_object_and_a_held_row_with_its_digest(tmp_path: Path) -> None:
    world = _two_models().content(77, b"whose?").add("tc_document_content", 88, b"whose, too?")
    store = world.migrate(tmp_path)
    assert store.held == {"document_content 77": "ORPHAN_CONTENT", "tc_document_content 88": "ORPHAN_CONTENT"}
    assert store.digest_of("document_content 77") == _sha(b"whose?")
    assert store.holding("document_content 77") == {"document_id": 77}
    assert store.holding("tc_document_content 88") == {"tc_document_id": 88}
    assert store.stored() == {_sha(content): content for content in (b"whose?", b"whose, too?")}


def test_C7_fp9_bytes_of_held_documents_and_sealed_ones_are_kept_with_their_digests(tmp_path: Path) -> None:
    world = _two_models().share("a.pdf", b"file").document(1).content(1, b"row").document(2, object_path="a.pdf").document(3)
    world.entity(104, model=99).vetting_record(5, sealed_content=b"sealed")
    store = world.migrate(tmp_path)
    assert {row: (reason, store.digest_of(row)) for row, reason in store.held.items()} == {
        "document 1": ("NO_OWNER", None),
        "document_content 1": ("PARENT_HELD", _sha(b"row")),
        "document 2": ("NO_OWNER", _sha(b"file")),
        "document 3": ("NO_OWNER", None),
        "model_entity 104": ("BROKEN_REFERENCE", None),
        "vetting_record 5": ("PARENT_HELD", _sha(b"sealed")),
    }
    assert "sealed_content" not in store.holding("vetting_record 5")
    assert set(store.stored().values()) == {b"row", b"file", b"sealed"}
    assert store.rows("stored_object", "sha256") == sorted(map(_sha, (b"row", b"file", b"sealed")))


@pytest.mark.parametrize("portal", ["P2", "TC"])
def test_C8_fp17_a_wrong_digest_counts_before_a_wrong_size_and_both_values_are_kept(tmp_path: Path, portal: str) -> None:
    good, wrong = _sha(b"abc"), "0" * 64
    cases = {
        1: (good, 3, "PRESENT"),
        2: (good.upper(), 3, "PRESENT"),
        3: (None, None, "PRESENT"),
        4: (wrong, 3, "DIGEST_MISMATCH"),
        5: (wrong, 4, "DIGEST_MISMATCH"),
        6: (good, 4, "SIZE_MISMATCH"),
        7: (None, 4, "SIZE_MISMATCH"),
        8: (wrong, None, "DIGEST_MISMATCH"),
    }
    world = _two_models().entity(111, type="IMP", model=11).tc_account(1, company_profile=1)
    table = "document" if portal == "P2" else "tc_document"
    for number, (digest, size, _) in cases.items():
        owner = {"model": 12} if portal == "P2" else {}
        world.add(table, number, sha256_hex=digest, size_bytes=size, **owner).add(f"{table}_content", number, b"abc")
    store = world.migrate(tmp_path)
    assert {
        (int(key), *rest)
        for key, *rest in store.rows("document", "legacy_key", "sha256", "recorded_sha256", "recorded_size_bytes", "content_state_cd")
    } == {(number, good, digest, size, state) for number, (digest, size, state) in cases.items()}
    assert store.flags("C8") == [f"{table} {number}" for number in (4, 5, 6, 7, 8)]


def test_C9_fp42_the_same_bytes_in_both_portals_and_on_the_share_are_one_object_of_many_rows(tmp_path: Path) -> None:
    world = _two_models().entity(111, type="IMP", model=11).tc_account(1, company_profile=1).tc_document(1).tc_document_content(1, b"abc")
    world.share("a.pdf", b"abc").document(1, model=12).content(1, b"abc").document(2, model=12, object_path="a.pdf").document(
        3, model=12
    ).content(3, "abc")
    store = world.migrate(tmp_path)
    assert store.rows("stored_object") == [{"sha256": _sha(b"abc"), "size_bytes": 3, "object_key": f"sha256/ba/{_sha(b'abc')}"}]
    assert store.rows("document", "document_id", "sha256") == [
        (row, _sha(b"abc")) for row in ("1@102", "1@103", "2@102", "2@103", "3@102", "3@103", "TC 1@111")
    ]
    assert store.stored() == {_sha(b"abc"): b"abc"}


def test_C11_fp32_the_earlier_version_is_its_copy_in_the_same_account_and_flagged_where_missing_or_on_a_cycle(tmp_path: Path) -> None:
    world = _two_models().document(1, model=12).document(2, model=12, previous_document=1)  # as it should be
    world.document(3, model=12, previous_document=99)  # missing
    world.document(4, model=12, previous_document=5).document(5, model=12, previous_document=4)  # a cycle of two
    world.document(6, model=12, previous_document=6)  # of itself
    world.document(7, model=12, previous_document=5)  # behind a cycle, not on it
    world.document(8, model=11).document(9, model=12, previous_document=8)  # of another account
    world.document(10).document(11, model=12, previous_document=10)  # held
    world.document(12, model=12, previous_document=13).document(13, previous_document=12)  # a cycle with a held one
    world.document(14, profile=1, previous_document=8)  # there on one account of three
    store = world.migrate(tmp_path)
    previous = {row: earlier for row, earlier in store.rows("document", "document_id", "previous_document_id") if earlier is not None}
    assert previous == {"2@102": "1@102", "2@103": "1@103", "7@102": "5@102", "7@103": "5@103", "14@101": "8@101"}
    assert store.flags("C11") == sorted(f"document {number}" for number in (3, 4, 5, 6, 12))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 17])
def test_C11_cycles_of_any_length_are_found_without_documents_that_lead_to_them(length: int) -> None:
    import numpy as np

    from etl.rules.c_documents import on_cycle

    following = np.array([*((position + 1) % length for position in range(length)), 0, length, -1, length + 2])
    assert on_cycle(following).tolist() == [True] * length + [False] * 4


def test_C12_hostile_file_names_are_data_verbatim_and_objects_are_named_by_their_digest(tmp_path: Path) -> None:
    names = (
        "../../../../etc/passwd",
        "/etc/shadow",
        "C:\\CON",
        "a\nb\r\tc",
        "gnp\u202e.exe",
        "x" * 400,
        "",
        ".",
        "con",
        "\x1b[31m",
        "ä" * 400,
        "<b>&amp;",
    )
    world = _two_models()
    for number, name in enumerate(names, start=1):
        world.document(number, model=11, file_name=name).content(number, name.encode())
    store = world.migrate(tmp_path)
    assert sorted(store.rows("document", "file_name")) == sorted(names)
    paths = {str(path.relative_to(store.objects)) for path in store.objects.rglob("*") if path.is_file()}
    assert (
        paths
        == {f"sha256/{_sha(name.encode())[:2]}/{_sha(name.encode())}" for name in names}
        == set(store.rows("stored_object", "object_key"))
    )


def test_C15_fp36_internal_things_stay_internal_and_what_is_unknown_counts_as_internal(tmp_path: Path) -> None:
    world = _two_models().document(1, model=11, library="INTERNAL").note(2).validation(3, model=11)
    for finding, kind in enumerate(("INTERNAL", "RECOMMENDATION", "internal"), start=1):
        world.finding(finding, finding_kind=kind)
    for comment, mark in enumerate(("N", "Y", None, "n", ""), start=1):
        world.comment(comment, response=100, internal=mark)
    store = world.migrate(tmp_path)
    assert store.rows("document", "library_cd") == ["INTERNAL"]
    assert store.rows("internal_note", "note_id") == ["2"]
    assert store.rows("validation_finding", "finding_id", "internal") == [("1@101", 1), ("2@101", 0), ("3@101", 0)]
    assert store.rows("response_comment", "comment_id", "internal") == [
        ("1@101", 0),
        ("2@101", 1),
        ("3@101", 1),
        ("4@101", 1),
        ("5@101", 1),
    ]


def test_C20_a_soft_deleted_document_loads_as_deleted(tmp_path: Path) -> None:
    store = _two_models().document(1, model=11, deleted="Y").document(2, model=11, deleted="y").document(3, model=11).migrate(tmp_path)
    assert store.rows("document", "document_id", "deleted") == [("1@101", 1), ("2@101", 0), ("3@101", 0)]


def test_C1_a_documents_own_columns_load_unchanged(tmp_path: Path) -> None:
    world = (
        _two_models()
        .user(5, user_name="u@x.example")
        .document(
            1,
            model=11,
            library="EXCHANGE",
            document_type="SEAL",
            mime_type="m",
            version_no=-3,
            uploaded_by_user=5,
            uploaded_by_cbp_user=1,
            uploaded="2021-02-03 04:05:06.000007",
            file_name=Undecodable(b"caf\xe9"),
        )
    )
    columns = (
        "library_cd",
        "document_type_cd",
        "mime_type",
        "version_no",
        "uploaded_by_login_id",
        "uploaded_by_cbp_user_id",
        "uploaded_by_email",
    )
    store = world.migrate(tmp_path)
    assert store.rows("document", *columns, "uploaded_at", "file_name", "legacy_portal_cd") == [
        ("EXCHANGE", "SEAL", "m", -3, "u@x.example", 1, None, "2021-02-03 04:05:06.000007", "caf\ufffd", "P2"),
    ]
    assert store.flags("E8") == ["document 1"]
