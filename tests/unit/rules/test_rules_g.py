"""Chapter G of the rules: status verification, from pairs of profiles or entities to pairs of accounts."""

from pathlib import Path

from tests.support.legacy import Legacy

EARLY, ANSWER, LATE = "2015-01-01 00:00:00", "2016-06-01 00:00:00", "2020-01-01 00:00:00"


def _world() -> Legacy:
    """Profile 1 watches: entities 101, 102. Profile 2 is watched: 201 was created early, 202 late. Profile 3 has no entity."""
    world = Legacy().profile(3).profile(1).model(11).entity(101, created=LATE).entity(102, created=EARLY)
    return world.profile(2).model(21).entity(201, created=EARLY).entity(202, created=LATE)


def test_G1_a_link_of_profiles_becomes_every_pair_of_accounts_that_existed_at_the_answer_or_request(tmp_path: Path) -> None:
    world = _world().user(5, user_name="u@x.example")
    times = {"requested_at": "2014-01-01 00:00:00", "responded_at": ANSWER, "ended_at": LATE}
    world.svi_link(1, monitor_profile=1, monitored_profile=2, requested_by_user=5, **times)  # 202 came after the answer
    world.svi_link(2, monitor_profile=1, monitored_profile=2, request_status="SENT", requested=LATE)  # not answered: 202 just in time
    store = world.migrate(tmp_path)
    columns = ("monitor_account_id", "monitored_account_id", "status_cd", "requested_by_login_id", *times)
    assert store.rows("svi_link", "link_id", *columns) == [
        (f"1@{a}>201", a, 201, "ACCEPTED", "u@x.example", *times.values())
        if link == 1
        else (f"2@{a}>{b}", a, b, "SENT", None, LATE, None, None)
        for link, a, b in ((1, 101, 201), (1, 102, 201), (2, 101, 201), (2, 101, 202), (2, 102, 201), (2, 102, 202))
    ]


def test_G1_an_account_created_at_the_very_moment_of_the_answer_counts(tmp_path: Path) -> None:
    world = _world().svi_link(1, monitor_profile=1, monitored_profile=2, requested=EARLY, responded=LATE)
    assert len(world.migrate(tmp_path).rows("svi_link")) == 4


def test_G1_a_named_entity_decides_whenever_it_was_created(tmp_path: Path) -> None:
    world = _world().svi_link(1, monitor_profile=3, monitor_entity=101, monitored_profile=3, monitored_entity=202, requested=EARLY)
    assert world.migrate(tmp_path).rows("svi_link", "link_id") == ["1@101>202"]


def test_G1_fp37_an_account_never_monitors_itself_and_a_link_without_any_pair_is_held(tmp_path: Path) -> None:
    world = _world().svi_link(1, monitor_profile=1, monitor_entity=101, monitored_profile=1, monitored_entity=101)
    world.svi_link(2, monitor_profile=1, monitored_profile=1, requested=LATE)
    store = world.svi_link(3, monitor_profile=1, monitored_profile=2, requested="2014-12-31 23:59:59").migrate(tmp_path)
    assert store.rows("svi_link", "link_id") == ["2@101>102", "2@102>101"]
    assert store.held == {"company_profile 3": "PROFILE_WITHOUT_ENTITY", "svi_link 1": "NO_ACCOUNT", "svi_link 3": "NO_ACCOUNT"}


def test_G1_fp2_references_are_followed_as_on_any_route_on_both_sides(tmp_path: Path) -> None:
    world = _world()
    world.svi_link(1, monitor_profile=99, monitored_profile=2).svi_link(2, monitor_profile=1, monitored_profile=3)
    world.svi_link(3, monitor_profile=1, monitor_entity=999, monitored_profile=2).svi_link(4, monitor_profile=3, monitored_profile=99)
    assert {row: reason for row, reason in world.migrate(tmp_path).held.items() if row.startswith("svi")} == {
        "svi_link 1": "BROKEN_REFERENCE",
        "svi_link 2": "PARENT_HELD",
        "svi_link 3": "BROKEN_REFERENCE",
        "svi_link 4": "BROKEN_REFERENCE",
    }


def test_G6_of_acceptances_of_the_same_pair_the_earliest_stays_and_the_others_are_superseded_and_flagged(tmp_path: Path) -> None:
    world = _world()
    answers = {1: None, 2: "2021-01-01 00:00:00", 3: "2020-06-01 00:00:00", 4: "2020-06-01 00:00:00"}
    for link, moment in answers.items():
        world.svi_link(link, monitor_profile=1, monitor_entity=101, monitored_profile=2, monitored_entity=201, responded=moment)
    world.svi_link(
        5, monitor_profile=1, monitor_entity=101, monitored_profile=2, monitored_entity=201, request_status="DECLINED", responded=EARLY
    )
    world.svi_link(6, monitor_profile=2, monitor_entity=201, monitored_profile=1, monitored_entity=101)  # the other way round: another pair
    store = world.migrate(tmp_path)
    assert store.rows("svi_link", "legacy_key", "superseded") == [("1", 1), ("2", 1), ("3", 0), ("4", 1), ("5", 0), ("6", 0)]
    assert store.flags("G6") == ["svi_link 1", "svi_link 2", "svi_link 4"]


def test_G6_is_judged_pair_by_pair(tmp_path: Path) -> None:
    world = _world().svi_link(1, monitor_profile=1, monitored_profile=2, requested=EARLY, responded=ANSWER)
    store = world.svi_link(2, monitor_profile=1, monitor_entity=101, monitored_profile=2, requested=EARLY, responded=LATE).migrate(tmp_path)
    assert store.rows("svi_link", "link_id", "superseded") == [("1@101>201", 0), ("1@102>201", 0), ("2@101>201", 1), ("2@101>202", 0)]
    assert store.flags("G6") == ["svi_link 2"]


def test_G9_a_setting_becomes_a_membership_per_account_active_only_with_an_existing_consent_and_certified(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(1)
        .model(11)
        .entity(101)
        .entity(102, status="APPROVED")
        .signature(7)
        .svi_setting(consent_signature=7, auto_accept="Y")
    )
    world.profile(2).model(21).entity(201).svi_setting(2, consent_signature=99).profile(3).model(31).entity(301).svi_setting(3)
    store = world.profile(4).model(41).entity(401).signature(8, agreement_version=99).svi_setting(4, consent_signature=8).migrate(tmp_path)
    assert store.rows("svi_membership") == [
        {"account_id": 101, "consent_act_id": "7", "active": 1, "auto_accept": 1, "share_more": 0, "legacy_key": "1"},
        {"account_id": 102, "consent_act_id": "7", "active": 0, "auto_accept": 1, "share_more": 0, "legacy_key": "1"},
        *(
            {"account_id": n * 100 + 1, "consent_act_id": None, "active": 0, "auto_accept": 0, "share_more": 0, "legacy_key": str(n)}
            for n in (2, 3, 4)
        ),
    ]
    assert store.flags("X1") == ["svi_setting 2", "svi_setting 4"]
