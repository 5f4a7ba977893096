"""Chapter H of the rules: identifiers, which accounts may have them, and which lack one."""

import json
from pathlib import Path

from etl.domain.identifier_values import is_personal, normal
from etl.domain.masking import masked
from tests.support.legacy import MAPPINGS, TYPES, Legacy

# The words of the rules.
CARRIERS = {
    "IOR": "IMP",
    "EIN": "*",
    "DUNS": "*",
    "SVI": "*",
    "MID": "FMF",
    "SCAC": "HWM HWC HWY MLH SEA RAIL",
    "USDOT": "HWM HWC HWY",
    "FMC": "CON MPT",
    "IATA": "AIR CON",
    "BOND": "IMP AIR SEA RAIL CON",
    "FILER": "BRK",
    "LICENSE": "BRK",
    "SCT": "MLH",
    "RFC": "HWM HWY MLH FMF",
    "XYZ": "",
}
NEEDED = {
    "IMP": "IOR BOND",
    "BRK": "FILER LICENSE",
    "HWM": "SCAC USDOT",
    "HWC": "SCAC USDOT",
    "HWY": "SCAC USDOT",
    "SEA": "SCAC",
    "RAIL": "SCAC",
    "AIR": "IATA",
    "MLH": "SCT",
    "FMF": "MID",
    "EXP": "EIN",
    "CON": "",
    "3PL": "",
    "MPT": "",
}
ENTITY = {kind: number for number, kind in enumerate(TYPES, start=1)}


def _everybody() -> Legacy:
    """Profile 1 with an entity of every type."""
    world = Legacy().profile(1).model(11)
    for kind, entity in ENTITY.items():
        world.entity(entity, type=kind)
    return world


def test_H1_an_identifier_of_a_profile_goes_to_the_accounts_whose_type_may_carry_it(tmp_path: Path) -> None:
    world = _everybody()
    for number, kind in enumerate(CARRIERS, start=1):
        world.identifier(number, profile=1, identifier_type=kind)
    store = world.migrate(tmp_path)
    found: dict[str, set[str]] = {kind: set() for kind in CARRIERS}
    type_of = {entity: kind for kind, entity in ENTITY.items()}
    for kind, account in store.rows("account_identifier", "identifier_type_cd", "account_id"):
        found[kind].add(type_of[account])
    assert found == {kind: set(TYPES) if types == "*" else set(types.split()) for kind, types in CARRIERS.items()}
    assert store.held == {f"entity_identifier {len(CARRIERS)}": "NO_ELIGIBLE_ACCOUNT"}


def test_H1_fp14_without_an_eligible_account_it_is_held_and_the_type_is_that_after_the_split(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, type="HWY", border_crossed="CAN").identifier(1, profile=1, identifier_type="RFC")
    store = world.identifier(2, profile=1, identifier_type="USDOT").migrate(tmp_path)
    assert store.held == {"entity_identifier 1": "NO_ELIGIBLE_ACCOUNT"}  # HWC: the RFC is of carriers to Mexico
    assert store.rows("account_identifier", "identifier_id") == ["2@101"]


def test_H1_follows_the_routes_of_any_reference(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(3)
        .profile(1)
        .model(11)
        .entity(101)
        .identifier(1)
        .identifier(2, profile=99)
        .identifier(3, profile=3)
        .identifier(4, entity=99, profile=1)
    )
    assert {row: reason for row, reason in world.migrate(tmp_path).held.items() if row.startswith("entity")} == {
        "entity_identifier 1": "NO_OWNER",
        "entity_identifier 2": "BROKEN_REFERENCE",
        "entity_identifier 3": "PARENT_HELD",
        "entity_identifier 4": "BROKEN_REFERENCE",
    }


def test_H2_where_both_owners_are_set_the_entity_decides_whatever_its_type(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(2)
        .model(21)
        .entity(201, type="IMP")
        .profile(1)
        .model(11)
        .entity(101, type="3PL")
        .identifier(1, profile=2, entity=101, identifier_type="IOR")
    )
    assert world.migrate(tmp_path).rows("account_identifier", "identifier_id") == ["1@101"]


def test_H3_an_account_is_complete_when_its_active_identifiers_cover_what_its_type_needs(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11)
    expected = {}
    for number, (kind, needed) in enumerate(NEEDED.items(), start=1):
        kinds = needed.split()
        for case, have in enumerate((kinds, kinds[:-1], kinds[1:]), start=1):  # all, without the last, without the first
            entity = number * 10 + case
            world.entity(entity, type=kind)
            for identifier in have:
                world.identifier(entity=entity, identifier_type=identifier)
            expected[entity] = int(have == kinds)
    store = world.migrate(tmp_path)
    assert store.accounts("identifiers_complete") == expected
    assert store.flags("H3") == sorted(f"model_entity {entity}" for entity, complete in expected.items() if not complete)


def test_H3_an_exporter_needs_either_an_EIN_or_a_DUNS_and_an_inactive_one_does_not_count(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(1)
        .model(11)
        .entity(1, type="EXP")
        .identifier(entity=1, identifier_type="DUNS")
        .entity(2, type="EXP")
        .entity(3, type="EXP")
    )
    store = world.identifier(entity=2, identifier_type="EIN", active="N").identifier(entity=3, identifier_type="EIN").migrate(tmp_path)
    assert store.accounts("identifiers_complete") == {1: 1, 2: 0, 3: 1}


def test_H4_fp29_the_normal_form_is_the_upper_case_of_python_reduced_to_A_to_Z_and_0_to_9(tmp_path: Path) -> None:
    forms = {"12-3456789ab": "123456789AB", " ß-é12": "SS12", "Ａx": "X", "ı": "I", "": "", "--": "", "٣4": "4", "ŉ1": "N1"}
    assert {raw: normal(raw) for raw in forms} == forms
    world = Legacy().profile(1).model(11).entity(101)
    for number, raw in enumerate(forms, start=1):
        world.identifier(
            number, entity=101, identifier_value=raw, identifier_type="DUNS", valid_from="0001-01-01", valid_to="9999-12-31", active="N"
        )
    store = world.migrate(tmp_path)
    assert dict(store.rows("account_identifier", "value_raw", "value_norm")) == forms
    assert set(store.rows("account_identifier", "active", "valid_from_dt", "valid_to_dt")) == {(0, "0001-01-01", "9999-12-31")}


def test_H4_fp44_a_normal_form_too_long_for_its_column_is_an_unreadable_value(tmp_path: Path) -> None:
    store = (
        Legacy()
        .profile(1)
        .model(11)
        .entity(101)
        .identifier(1, entity=101, identifier_value="ß" * 31)
        .identifier(2, entity=101, identifier_value="ß" * 30)
        .migrate(tmp_path)
    )
    assert store.held == {"entity_identifier 1": "UNREADABLE_VALUE"}
    assert store.rows("account_identifier", "value_norm") == ["S" * 60]


def test_H6_fp29_a_value_of_the_form_of_a_social_security_number_is_personal_under_any_type(tmp_path: Path) -> None:
    cases = {"078-05-1120": 1, "\u00a0078-05-1120 ": 1, "078051120": 0, "078-05-11200": 0, "0780-5-1120": 0, "٠78-05-1120": 0}
    world = Legacy().profile(1).model(11).entity(101)
    for number, value in enumerate(cases, start=1):
        world.identifier(number, entity=101, identifier_type="IOR", identifier_value=value)
    store = world.identifier(9, entity=101, identifier_type="EIN", identifier_value="078-05-1120").migrate(tmp_path)
    assert store.rows("account_identifier", "legacy_key", "pii") == [
        *((str(n), pii) for n, pii in enumerate(cases.values(), start=1)),
        ("9", 1),
    ]
    assert not is_personal("IOR", None)


def test_H6_fp40_such_a_number_is_raw_in_the_database_and_masked_wherever_it_is_shown(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, type="IMP").tc_account(1, company_profile=1).tc_ior(1, "078-05-1120")
    store = world.migrate(tmp_path)
    assert store.rows("tc_ior", "ior_value") == ["078-05-1120"]
    assert store.flags("I4") == ["tc_ior 1|078-05-1120"]
    shown = masked(json.dumps(store.details("I4")) + " 078-05-1120, x078-05-1120y; 1078-05-11201")
    assert "078-05-1120" not in shown.replace("1078-05-11201", "")
    assert "***-**-****" in shown


def test_H1_H3_the_code_tables_agree_with_the_rules() -> None:
    carriers: dict[str, set[str]] = {}
    for row in MAPPINGS.codes["identifier_carrier"]:
        carriers.setdefault(row["identifier_type_cd"], set()).add(row["business_type_cd"])
    assert carriers == {kind: set(types.split()) for kind, types in CARRIERS.items() if types}
