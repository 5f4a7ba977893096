"""Chapter D of the rules: which accounts a signature covers; the act is stored once and never re-dated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.legacy import Legacy

SIGNED = "2021-05-05 05:05:05.000005"


def _world() -> Legacy:
    """Profile 1 with entity 101 (IMP) in model 11, 102 (EXP) and 103 (IMP) in model 12."""
    return Legacy().profile(1).model(11).entity(101, type="IMP").model(12).entity(102, type="EXP").entity(103, type="IMP")


def test_D1_a_signature_is_one_act_and_covers_every_account_of_what_it_was_signed_for(tmp_path: Path) -> None:
    signer = {"signer_name": " Rosa ", "signer_title": "VP", "signer_email": "Rosa@X.example", "ip_address": "2001:db8::1"}
    world = _world().user(5, user_name="rosa@x.example").signature(1, entity=101, model=12, signer_user=5, signed=SIGNED, **signer)
    store = world.signature(2, model=12, signed=SIGNED).signature(3, signed=SIGNED).migrate(tmp_path)
    assert store.rows("signature_act", "act_id", "login_id", "signed_at", *signer) == [
        ("1", "rosa@x.example", SIGNED, *signer.values()),
        ("2", None, SIGNED, *[None] * 4),
        ("3", None, SIGNED, *[None] * 4),
    ]
    assert store.rows("account_agreement", "act_id", "account_id", "coverage_cd") == [
        ("1", 101, "DIRECT"),
        ("2", 102, "INHERITED"),
        ("2", 103, "INHERITED"),
        ("3", 101, "INHERITED"),
        ("3", 102, "INHERITED"),
        ("3", 103, "INHERITED"),
    ]


def test_D1_a_signature_under_an_unknown_version_or_for_an_unknown_entity_is_held(tmp_path: Path) -> None:
    store = _world().signature(1, agreement_version=99).signature(2, entity=999).migrate(tmp_path)
    assert store.held == {"agreement_signature 1": "BROKEN_REFERENCE", "agreement_signature 2": "BROKEN_REFERENCE"}


def test_D2_fp33_an_account_younger_than_its_signature_is_PRE_DATES_ACCOUNT_and_the_signature_flagged(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, created=SIGNED).entity(102, created="2021-05-05 05:05:05.000006")
    store = (
        world.signature(1, signed=SIGNED).signature(2, entity=102, signed=SIGNED).signature(3, entity=101, signed=SIGNED).migrate(tmp_path)
    )
    assert store.rows("account_agreement", "act_id", "account_id", "coverage_cd") == [
        ("1", 101, "INHERITED"),
        ("1", 102, "PRE_DATES_ACCOUNT"),
        ("2", 102, "PRE_DATES_ACCOUNT"),
        ("3", 101, "DIRECT"),
    ]
    assert store.flags("D2") == ["agreement_signature 1", "agreement_signature 2"]


def test_D4_fp15_a_signer_whose_contacts_on_the_named_profile_are_consultants_only_is_flagged(tmp_path: Path) -> None:
    world = _world()
    for user in range(1, 7):
        world.user(user, user_name=f"u{user}@x.example")
    world.contact(1, user=1, contact_type="CONSULTANT", removed="2021-01-01 00:00:00")  # removed ones count
    world.contact(2, user=2, contact_type="CONSULTANT").contact(3, user=2, contact_type="OFFICER", removed="2021-01-01 00:00:00")
    world.user(7, user_name="U1@x.example").contact(4, user=7, contact_type="OFFICER")  # the same login as 1: by user id, not by login
    world.profile(2).model(21).entity(201).contact(5, user=5, contact_type="CONSULTANT")  # on another profile
    for number, signer in enumerate((1, 2, 3, 5, None, 7), start=1):
        world.signature(number, profile=1, signer_user=signer)
    assert world.migrate(tmp_path).flags("D4") == ["agreement_signature 1"]


def test_D5_fp33_an_account_is_signed_if_a_voluntary_act_covers_it_else_by_status_and_no_act_is_invented(tmp_path: Path) -> None:
    statuses = (
        "APPROVED",
        "CERTIFIED",
        "SUSPENDED",
        "APPLICANT",
        "PRE_APPLICANT",
        "REJECTED",
        "INELIGIBLE",
        "REMOVED",
        "WITHDRAWN",
        "certified",
    )
    world = Legacy().agreement_version(2, agreement="SVI_CONSENT").profile(1).model(11)
    for number, status in enumerate(statuses):
        world.entity(number, status=status)
    world.entity(20, status="WITHDRAWN").entity(21, status="APPLICANT", created="2022-01-01 00:00:00").entity(
        22, status="APPLICANT"
    ).entity(23)
    world.signature(1, agreement_version=1, entity=20, signed=SIGNED).signature(2, agreement_version=1, entity=21, signed=SIGNED)
    store = world.signature(3, agreement_version=2, entity=22).signature(4, agreement_version=99, entity=23).migrate(tmp_path)
    members = {"APPROVED", "CERTIFIED", "SUSPENDED"}
    assert store.accounts("agreement_basis_cd") == {
        **{number: "CONTINUED_MEMBERSHIP" if status in members else "NONE" for number, status in enumerate(statuses)},
        20: "SIGNED",
        21: "SIGNED",
        22: "NONE",
        23: "CONTINUED_MEMBERSHIP",  # 21: any coverage counts; 22: no voluntary act; 23: its act is held
    }
    assert store.rows("signature_act", "act_id") == ["1", "2", "3"]


def test_D11_fp39_signed_before_the_version_took_effect_or_after_the_extract_began_is_flagged(tmp_path: Path) -> None:
    world = _world().agreement_version(2, effective="2021-05-05")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
    moments = ("2021-05-04 23:59:59.999999", "2021-05-05 00:00:00", tomorrow, "9999-12-31 23:59:59")
    for number, moment in enumerate(moments, start=1):
        world.signature(number, signed=moment)
    store = world.migrate(tmp_path)
    assert store.flags("D11") == ["agreement_signature 1", "agreement_signature 3", "agreement_signature 4"]
    assert sorted(store.rows("signature_act", "signed_at")) == sorted(moments)


def test_D12_fp14_a_version_for_one_type_covers_only_accounts_of_that_type_or_all_with_a_flag(tmp_path: Path) -> None:
    world = _world().entity(104, type="HWY", border_crossed="CAN", model=11)
    world.agreement_version(2, business_type="IMP").agreement_version(3, business_type="BRK").agreement_version(4, business_type="HWC")
    world.signature(1, agreement_version=2).signature(2, agreement_version=2, model=12)  # the importers
    world.signature(3, agreement_version=3).signature(4, agreement_version=3, model=12)  # there is no broker
    world.signature(5, agreement_version=3, entity=102)  # the entity's own signature is not narrowed
    store = world.signature(6, agreement_version=4).migrate(tmp_path)  # judged after A11
    assert store.rows("account_agreement", "act_id", "account_id") == [
        ("1", 101),
        ("1", 103),
        ("2", 103),
        ("3", 101),
        ("3", 102),
        ("3", 103),
        ("3", 104),
        ("4", 102),
        ("4", 103),
        ("5", 102),
        ("6", 104),
    ]
    assert store.flags("D12") == ["agreement_signature 3", "agreement_signature 4"]
