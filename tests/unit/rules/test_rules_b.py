"""Chapter B of the rules: one login for each e-mail, every old user under it, access neither widened nor lost."""

from pathlib import Path

from etl.domain.emails import email_key
from tests.support.legacy import Legacy, Undecodable


def _company(world: Legacy, number: int, entities: int = 1, status: str = "CERTIFIED") -> Legacy:
    """Profile n with model n1 and entities n01, n02 ..."""
    world.profile(number).model(number * 10 + 1)
    for entity in range(1, entities + 1):
        world.entity(number * 100 + entity, status=status)
    return world


def test_B1_a_user_of_several_profiles_has_one_login_and_one_contact_row_per_account(tmp_path: Path) -> None:
    world = _company(Legacy().user(5, user_name="per@x.example"), 1, entities=2).contact(11, user=5)
    store = _company(world, 2).contact(21, user=5).migrate(tmp_path)
    assert store.rows("login", "email_key") == ["per@x.example"]
    assert store.rows("account_contact", "contact_id", "login_id", "scope_cd") == [
        ("11@101", "per@x.example", "CTPAT"),
        ("11@102", "per@x.example", "CTPAT"),
        ("21@201", "per@x.example", "CTPAT"),
    ]
    assert store.picker("per@x.example") == [101, 102, 201]


def test_B2_fp6_equal_names_are_one_login_with_the_attributes_of_the_user_who_logged_in_last(tmp_path: Path) -> None:
    world = Legacy().user(
        1, user_name="ana@x.example", first_name="Ana", last_name="López", job_title="old", last_login="2020-01-01 00:00:00"
    )
    world.user(2, user_name=" ANA@x.example ", first_name=" ana", last_name="LÓPEZ", job_title="new", last_login="2021-01-01 00:00:00")
    world.user(3, user_name="Ana@X.EXAMPLE", first_name="Ana", last_name="López", job_title="never")
    store = world.migrate(tmp_path)
    assert store.rows("login", "email_key", "email_display", "job_title", "last_name") == [
        ("ana@x.example", " ANA@x.example ", "new", "LÓPEZ")
    ]
    assert store.rows("login_alias", "legacy_key", "login_id", "email_as_typed") == [
        ("1", "ana@x.example", "ana@x.example"),
        ("2", "ana@x.example", " ANA@x.example "),
        ("3", "ana@x.example", "Ana@X.EXAMPLE"),
    ]
    assert store.flags("B2") == []


def test_B2_fp6_different_names_are_one_login_too_and_every_one_of_its_users_is_flagged_SHARED(tmp_path: Path) -> None:
    world = Legacy().user(2, user_name="desk@x.example", first_name="Bo", last_login="2021-01-01 00:00:00")
    world.user(1, user_name="DESK@x.example", first_name="Al", last_login="2021-01-01 00:00:00").user(3, user_name="desk@X.example")
    store = world.migrate(tmp_path)
    assert store.rows("login", "email_key", "first_name") == [("desk@x.example", "Al")]  # equal moments: the lowest id survives
    assert store.flags("B2") == ["portal_user 1", "portal_user 2", "portal_user 3"]
    assert all("SHARED" in detail for detail in store.details("B2").values())


def test_B2_fp1_a_missing_name_counts_as_empty_and_folding_is_the_full_one(tmp_path: Path) -> None:
    world = (
        Legacy()
        .user(1, user_name="straße@x.example", last_name="Weiß")
        .user(2, user_name="STRASSE@x.example", first_name=" ", last_name="WEISS")
    )
    world.user(3, user_name="İ@x.example").user(4, user_name="i@x.example")
    store = world.migrate(tmp_path)
    assert store.rows("login", "email_key") == ["i@x.example", "i\u0307@x.example", "strasse@x.example"]
    assert store.flags("B2") == []


def test_B2_no_other_folding_dots_plus_tags_and_look_alikes_stay_distinct(tmp_path: Path) -> None:
    names = ("ab@x.example", "a.b@x.example", "a.b+c@x.example", "\u0430b@x.example", "e\u0301@x.example", "é@x.example")
    world = Legacy()
    for number, name in enumerate(names, start=1):
        world.user(number, user_name=name)
    assert world.migrate(tmp_path).rows("login", "email_key") == sorted(names)


def test_B6_a_contact_is_on_all_accounts_of_its_profile_with_the_same_type_and_rights(tmp_path: Path) -> None:
    values = {"first_name": "Al", "last_name": "B", "email": "al@x.example", "phone": "1", "removed_at": "2021-01-01 00:00:00"}
    world = _company(Legacy().consultant_company(4), 1).model(12, deleted="Y").entity(102)
    world.contact(7, contact_type="CONSULTANT", admin="Y", ctpat_mail="Y", primary_poc="y", consultant_company=4, **values)
    columns = (
        "account_id",
        "contact_type_cd",
        "admin",
        "receives_mail",
        "primary_poc",
        "consultant_company_id",
        *values,
        "full_name",
        "job_title",
    )
    copied = ("CONSULTANT", 1, 1, 0, 4, *values.values(), None, None)
    assert world.migrate(tmp_path).rows("account_contact", *columns) == [(101, *copied), (102, *copied)]


def test_B7_of_several_primary_contacts_the_latest_changed_stays_and_the_others_are_flagged(tmp_path: Path) -> None:
    world = _company(Legacy(), 1)
    for contact, moment in ((1, "2020-01-01"), (3, "2021-01-01"), (2, "2021-01-01")):
        world.contact(contact, primary_poc="Y", modified=f"{moment} 00:00:00", contact_type="OFFICER", email="a@x.example")
    store = world.migrate(tmp_path)
    assert store.rows("account_contact", "contact_id", "primary_poc") == [("1@101", 0), ("2@101", 1), ("3@101", 0)]  # tie: the lowest id
    assert store.flags("B7") == ["company_contact 1", "company_contact 3"]
    assert store.flags("B8") == []


def test_B7_fp10_a_removed_primary_contact_keeps_its_indicator_and_does_not_compete(tmp_path: Path) -> None:
    world = _company(Legacy(), 1).contact(1, primary_poc="Y", modified="2022-01-01 00:00:00", removed="2022-01-01 00:00:00")
    store = world.contact(2, primary_poc="Y", modified="2020-01-01 00:00:00").migrate(tmp_path)
    assert store.rows("account_contact", "contact_id", "primary_poc") == [("1@101", 1), ("2@101", 1)]
    assert store.flags("B7") == []


def test_B8_a_profile_without_a_valid_primary_contact_is_flagged_and_no_contact_is_promoted(tmp_path: Path) -> None:
    world = Legacy().user(5, user_name="no mail")
    _company(world, 1).contact(1, primary_poc="Y", contact_type="CONSULTANT", email="a@x.example")  # a consultant
    _company(world, 2).contact(2, primary_poc="Y", email="ask at the desk")  # neither login nor address
    _company(world, 3).contact(3, email="a@x.example")  # none is primary
    _company(world, 4).contact(4, primary_poc="Y", email="a@x.example", removed="2021-01-01 00:00:00")  # removed
    _company(world, 5).contact(5, primary_poc="Y", user=5)  # the user has no login
    _company(world, 6).contact(6, primary_poc="Y", email=" a@x.example ")  # an address of its own
    _company(world.user(7, user_name="b@x.example"), 7).contact(7, primary_poc="Y", user=7)  # a login
    store = world.migrate(tmp_path)
    assert store.flags("B8") == [f"company_profile {number}" for number in (1, 2, 3, 4, 5)]
    assert store.rows("account_contact", "contact_id", "primary_poc") == [(f"{n}@{n}01", int(n != 3)) for n in range(1, 8)]


def test_B10_an_account_needs_an_officer_where_no_contact_that_is_not_removed_is_one(tmp_path: Path) -> None:
    world = _company(Legacy(), 1, entities=2).contact(1, contact_type="OFFICER")
    _company(world, 2).contact(2, contact_type="OFFICER", removed="2021-01-01 00:00:00").contact(3, contact_type="officer")
    store = _company(world, 3).migrate(tmp_path)
    assert store.accounts("needs_officer") == {101: 0, 102: 0, 201: 1, 301: 1}


def test_B12_fp11_a_user_locked_for_the_companys_status_is_freed_and_restricted_on_suspended_accounts_only(tmp_path: Path) -> None:
    world = Legacy().user(5, user_name="lee@x.example", user_status="LOCKED", lock_reason="COMPANY_STATUS")
    world.profile(1).model(11).entity(101).entity(102, status="SUSPENDED").contact(1, user=5).contact(
        2, user=5, removed="2021-01-01 00:00:00"
    ).contact(3)
    store = world.migrate(tmp_path)
    assert store.rows("login", "status_cd", "lock_reason_cd") == [("ACTIVE", None)]
    assert store.rows("account_contact", "contact_id", "restricted_reason_cd") == [
        ("1@101", None),
        ("1@102", "COMPANY_STATUS"),
        ("2@101", None),
        ("2@102", "COMPANY_STATUS"),
        ("3@101", None),
        ("3@102", None),
    ]
    assert store.flags("B12") == []


def test_B12_without_a_suspended_account_the_login_stays_locked_and_is_flagged(tmp_path: Path) -> None:
    world = _company(Legacy().user(5, user_name="lee@x.example", user_status="LOCKED", lock_reason="COMPANY_STATUS"), 1).contact(1, user=5)
    store = world.migrate(tmp_path)
    assert store.rows("login", "status_cd", "lock_reason_cd") == [("LOCKED", "COMPANY_STATUS")]
    assert store.flags("B12") == ["portal_user 5"]


def test_B12_fp11_the_logins_status_is_the_surviving_users_and_a_held_user_frees_nothing(tmp_path: Path) -> None:
    locked = {"user_status": "LOCKED", "lock_reason": "COMPANY_STATUS"}
    world = (
        Legacy()
        .user(1, user_name="a@x.example", last_login="2020-01-01 00:00:00", **locked)
        .user(2, user_name="A@x.example", user_status="DISABLED", last_login="2021-01-01 00:00:00")
    )
    world.user(3, user_name="no mail", **locked)
    store = _company(world, 1, status="SUSPENDED").contact(1, user=1).contact(2, user=2).contact(3, user=3).migrate(tmp_path)
    assert store.rows("login", "status_cd", "lock_reason_cd") == [("DISABLED", None)]
    assert store.rows("account_contact", "contact_id", "restricted_reason_cd") == [
        ("1@101", "COMPANY_STATUS"),
        ("2@101", None),
        ("3@101", None),
    ]


def test_B13_other_states_are_kept_and_every_login_must_be_activated_again(tmp_path: Path) -> None:
    states = (("LOCKED", "PASSWORD"), ("LOCKED", "IDLE"), ("DISABLED", None), ("DELETED", None), ("ACTIVE", None))
    world = Legacy()
    for number, (status, reason) in enumerate(states, start=1):
        world.user(number, user_name=f"u{number}@x.example", user_status=status, lock_reason=reason)
    assert world.migrate(tmp_path).rows("login", "email_key", "status_cd", "lock_reason_cd", "activation_required") == [
        (f"u{number}@x.example", *state, 1) for number, state in enumerate(states, start=1)
    ]


def test_B14_who_never_logged_in_has_no_last_login_and_other_moments_keep_their_microseconds(tmp_path: Path) -> None:
    world = Legacy().user(1, user_name="a@x.example").user(2, user_name="b@x.example", last_login="2023-08-30 12:34:56.789012")
    assert world.migrate(tmp_path).rows("login", "email_key", "last_login_at") == [
        ("a@x.example", None),
        ("b@x.example", "2023-08-30 12:34:56.789012"),
    ]


def test_B15_fp12_a_user_name_that_is_not_an_email_gives_no_login_and_its_contacts_load_without_one(tmp_path: Path) -> None:
    names = ("ask for Joe", "a@@x", "a@b@c", "@x.example", "a@", "a b@x.example", "a\u00a0b@x.example", "", "  ", None)
    world = _company(Legacy(), 1)
    for number, name in enumerate(names, start=1):
        world.user(number, user_name=name).contact(number, user=number)
    world.task(1).document(2, profile=1, uploaded_by_user=1)
    store = world.migrate(tmp_path)
    users = {f"portal_user {number}": "INVALID_EMAIL" for number in range(1, len(names) + 1)}
    assert store.held == users
    assert store.flags("B15") == sorted(f"company_contact {number}" for number in range(1, len(names) + 1))
    assert set(store.rows("account_contact", "login_id")) == {None}
    assert store.rows("login") == []
    assert store.flags("X1") == ["document 2"]  # any other reference to such a user


def test_B15_fp1_an_email_has_exactly_one_at_sign_text_on_both_sides_and_no_white_space() -> None:
    good = {"a@b": "a@b", " A@B\t": "a@b", "\u2003a@b\u2003": "a@b", "ß@X": "ss@x", "\u200ba@b": "\u200ba@b"}
    bad = (None, "", "a", "@", "a@", "@b", "a@b@c", "a@b c", "a\nb@c", "a@b\u3000c", "a@b\u2028c")
    assert {text: email_key(text) for text in good} == good
    assert [text for text in bad if email_key(text) is not None] == []


def test_B15_fp44_an_email_key_that_folding_makes_too_long_is_an_unreadable_value(tmp_path: Path) -> None:
    world = _company(Legacy().user(5, user_name="ß" * 125 + "@x.example"), 1).contact(1, user=5)
    store = world.migrate(tmp_path)
    assert store.held == {"portal_user 5": "UNREADABLE_VALUE"}
    assert store.flags("X1") == ["company_contact 1"]  # its user was held for another reason than B15
    assert store.flags("B15") == []


def test_B16_fp13_a_user_whom_no_contact_row_names_is_flagged_held_and_removed_contacts_included(tmp_path: Path) -> None:
    world = Legacy()
    for number in range(1, 5):
        world.user(number, user_name=f"u{number}@x.example")
    _company(world, 1).contact(1, user=1, removed="2021-01-01 00:00:00").contact(2, user=2, profile=99).contact(3, removed="never", user=3)
    world.tc_account(1, company_profile=1).tc_contact(1, email="u4@x.example")  # Trade Compliance contacts do not count
    store = world.migrate(tmp_path)
    assert store.flags("B16") == ["portal_user 4"]
    assert store.rows("login", "email_key") == [f"u{number}@x.example" for number in range(1, 5)]


def test_B17_password_hashes_are_never_read_staged_held_or_stored(tmp_path: Path) -> None:
    secret = "canary-of-a-hash"
    world = Legacy().user(1, user_name="a@x.example", password_hash=secret).user(2, user_name="no mail", password_hash=secret)
    store = world.user(3, user_name="b@x.example", password_hash=Undecodable(b"\xff" + secret.encode()), job_title="x" * 121).migrate(
        tmp_path
    )
    assert "password_hash" not in store.holding("portal_user 2")
    assert "password_hash" not in store.holding("portal_user 3")
    places = [store.path, *(path for path in (*store.run.path.rglob("*"), *store.objects.rglob("*")) if path.is_file())]
    assert [path for path in places if secret.encode() in path.read_bytes()] == []
    # Stage files are compressed: nor is there a column of that name.
    assert [path for path in places if b"password_hash" in path.read_bytes()] == []


def test_B18_a_removed_contact_loads_and_gives_no_access(tmp_path: Path) -> None:
    world = _company(Legacy().user(5, user_name="a@x.example"), 1).contact(1, user=5, removed="2021-01-01 00:00:00")
    store = _company(world, 2).contact(2, user=5).migrate(tmp_path)
    assert store.rows("account_contact", "contact_id", "login_id", "removed_at") == [
        ("1@101", "a@x.example", "2021-01-01 00:00:00"),
        ("2@201", "a@x.example", None),
    ]
    assert store.picker("a@x.example") == [201]
