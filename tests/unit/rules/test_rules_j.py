"""Chapter J of the rules: threads, messages, notes and events are stored once; a wall clock in New York becomes UTC."""

from datetime import datetime
from pathlib import Path

import polars as pl

from etl.domain.new_york_time import utc
from tests.support.legacy import Legacy


def _world() -> Legacy:
    return Legacy().user(5, user_name="u@x.example").profile(1).model(11).entity(101).entity(102).model(12).entity(103)


def test_J1_threads_and_their_messages_are_stored_once_and_linked_to_the_accounts_concerned(tmp_path: Path) -> None:
    world = (
        _world()
        .thread(1, model=11, subject="s", created="2021-05-02 00:00:00")
        .message(2, from_user=5, body="b", sent="2021-05-03 00:00:00")
    )
    store = world.message(3, from_cbp_user=1, body=None).thread(4).message(5).migrate(tmp_path)
    assert store.rows("message_thread") == [
        {"thread_id": "1", "subject": "s", "created_at": "2021-05-02 00:00:00", "legacy_key": "1"},
        {"thread_id": "4", "subject": None, "created_at": "2020-01-01 00:00:00", "legacy_key": "4"},
    ]
    assert store.rows("thread_account", "thread_id", "account_id") == [("1", 101), ("1", 102), ("4", 101), ("4", 102), ("4", 103)]
    assert store.rows("message", "message_id", "thread_id", "from_login_id", "from_cbp_user_id", "body", "sent_at") == [
        ("2", "1", "u@x.example", None, "b", "2021-05-03 00:00:00"),
        ("3", "1", None, 1, None, "2020-01-01 00:00:00"),
        ("5", "4", None, None, None, "2020-01-01 00:00:00"),
    ]


def test_J1_notes_and_events_are_stored_once_and_linked_to_their_entity_or_to_the_whole_profile(tmp_path: Path) -> None:
    world = (
        _world()
        .note(1, entity=102, note_text="n", note_type="GENERAL", cbp_user=1)
        .note(2)
        .event(3, entity=102, new_value="v", updated_by="who")
        .event(4)
    )
    store = world.migrate(tmp_path)
    assert store.rows("internal_note", "note_id", "note_text", "note_type_cd", "cbp_user_id") == [
        ("1", "n", "GENERAL", 1),
        ("2", "x", "x", None),
    ]
    assert store.rows("note_account", "note_id", "account_id") == [("1", 102), ("2", 101), ("2", 102), ("2", 103)]
    assert store.rows("event_history", "event_id", "new_value", "updated_by_txt", "legacy_portal_cd") == [
        ("3", "v", "who", "P2"),
        ("4", None, None, "P2"),
    ]
    assert store.rows("event_account", "event_id", "account_id") == [("3", 102), ("4", 101), ("4", 102), ("4", 103)]


# Wall clock in New York -> (UTC, certain).
CLOCK: dict[str, tuple[str | None, bool]] = {
    "2022-07-04 12:00:00": ("2022-07-04 16:00:00", True),  # summer
    "2022-01-04 12:00:00": ("2022-01-04 17:00:00", True),  # winter
    "2022-11-06 00:59:59": ("2022-11-06 04:59:59", True),
    "2022-11-06 01:00:00": ("2022-11-06 05:00:00", False),  # the repeated hour: the earlier instant
    "2022-11-06 01:59:59": ("2022-11-06 05:59:59", False),
    "2022-11-06 02:00:00": ("2022-11-06 07:00:00", True),
    "2023-03-12 01:59:59": ("2023-03-12 06:59:59", True),
    "2023-03-12 02:00:00": ("2023-03-12 07:00:00", False),  # the skipped hour: shifted forward
    "2023-03-12 02:59:59": ("2023-03-12 07:59:59", False),
    "2023-03-12 03:00:00": ("2023-03-12 07:00:00", True),
    "2006-04-02 02:30:00": ("2006-04-02 07:30:00", False),  # when spring came in April
    "2006-10-29 01:00:00": ("2006-10-29 05:00:00", False),
    "2020-02-29 23:59:59": ("2020-03-01 04:59:59", True),
    "9999-12-31 12:00:00": ("9999-12-31 17:00:00", True),
    "2023-02-29 10:00:00": (None, False),
    "2023-1-1 00:00:00": (None, False),
    "2023-01-01 24:00:00": (None, False),
    "2023-01-01 23:59:60": (None, False),
    "2023-01-01T00:00:00": (None, False),
    " 2023-01-01 00:00:00": (None, False),
    "2023-01-01 00:00:00\n": (None, False),
    "2023-01-01 00:00:00.0": (None, False),
    "2023-01-01": (None, False),
    "2023-01-0١ 00:00:00": (None, False),
    "0000-01-01 00:00:00": (None, False),
    "yesterday": (None, False),
    "": (None, False),
}


def test_J4_fp28_the_wall_clock_becomes_utc_and_the_uncertain_is_flagged_with_its_raw_text_kept(tmp_path: Path) -> None:
    world = _world()
    for number, text in enumerate(CLOCK, start=1):
        world.event(number, entity=101, updated_local=text)
    store = world.event(99, entity=101, updated_local=None).migrate(tmp_path)
    found = {
        raw: (at, bool(certain)) for raw, at, certain in store.rows("event_history", "occurred_raw", "occurred_at", "occurred_certain")
    }
    assert found == {**CLOCK, None: (None, False)}  # type: ignore[misc]  # a text that is null
    assert store.flags("J4") == sorted(
        ["event_history 99", *(f"event_history {number}" for number, (_, certain) in enumerate(CLOCK.values(), start=1) if not certain)]
    )


def test_J4_local_mean_time_and_year_one_give_a_moment_or_null() -> None:
    """The local mean time of New York before 1883, and an instant at the edge of the calendar: nothing raises."""
    moments, certain = utc(pl.Series(["1883-11-18 12:10:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"]))
    assert moments[0] is not None
    assert moments[1] == datetime(1, 1, 1, 4, 56, 2)  # the store's moments have no zone
    assert certain[1]
    assert moments.len() == 3
