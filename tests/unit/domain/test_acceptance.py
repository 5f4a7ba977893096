"""The goals that the owners signed: what the file may contain, the message for everything else, and when a goal is met."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.domain.acceptance import AcceptanceError, Goal, known_names, read_goals
from etl.domain.decisions import DecisionError
from etl.errors import WrongUsage
from etl.options import Options
from etl.pipeline.signed_files import read_signed
from mappings.acceptance import read_goal_kinds
from mappings.errors import MappingErrors
from tests.support.legacy import MAPPINGS

SIGNED_ON = date(2023, 9, 1)
KNOWN = known_names(MAPPINGS, with_tc=True)
SIGNED = 'by = "O. Owner"\non = 2023-09-01\nreason = "Board."\n'
HELD = '[[held]]\ngoal = "g"\ntable = "company_profile"\nshare_at_most = 0.1\n'


def _wrong(text: str | bytes) -> list[str]:
    """What is said of these bytes as a file of goals."""
    return read_goals(text if isinstance(text, bytes) else text.encode(), "a.toml", KNOWN)[1]


def _one(*lines: str) -> str:
    """A file with one goal of these lines, the first of them on line 5."""
    return SIGNED + "[[held]]\n" + "\n".join(lines) + "\n"


# By the file: the sentence about it begins so, and says what to write instead.
BAD: dict[str | bytes, tuple[str, str]] = {
    b"": ("a.toml: has no goal", "write at least one of [[held]]"),
    SIGNED: ("a.toml: has no goal", "or leave out --acceptance"),
    b"\xef\xbb\xbf" + (SIGNED + HELD).encode(): ("a.toml, line 1: the file begins with a byte order mark", "save it without one"),
    (SIGNED + HELD).encode("utf-16"): ("a.toml, line 1: the file is not UTF-8", "save it as UTF-8"),
    (SIGNED + HELD).encode("utf-16-le"): ("a.toml, line 1: the file contains the character U+0000", "save it as UTF-8"),
    SIGNED.encode() + b'\nx = "\xe9"\n': ("a.toml, line 5: the file is not UTF-8", "save it as UTF-8"),
    SIGNED + '[[heldd]]\ngoal = "g"\n': (
        "a.toml, line 4: heldd is not a kind of goal (perhaps held)",
        "write one of [[held]], [[exceptions]]",
    ),
    SIGNED + '[held]\ngoal = "g"\n': ("a.toml, line 4: held is not a list of tables", "write [[held]] above each goal"),
    "note = 1\n" + SIGNED + HELD: ("a.toml, line 1: note is not a kind of goal", "write one of"),
    _one('goal = "g"', 'tabel = "company_profile"', "share_at_most = 0"): (
        "a.toml, line 6: held g: tabel is not a word of [[held]] (perhaps table)",
        "it has",
    ),
    _one('table = "company_profile"', "share_at_most = 0"): ("a.toml, line 4: held: goal is missing", "write goal = ..."),
    _one('goal = ""', 'table = "company_profile"', "share_at_most = 0"): ("a.toml, line 5: held: goal is empty", "a text in quotes"),
    _one("goal = 7", 'table = "company_profile"', "share_at_most = 0"): (
        "a.toml, line 5: held: goal is of the wrong type",
        "a text in quotes",
    ),
    _one('goal = "a b"', 'table = "company_profile"', "share_at_most = 0"): ("a.toml, line 5: held: goal is 'a b'", "letters, digits"),
    _one('goal = "g"', "share_at_most = 0"): ("a.toml, line 4: held g: table is missing", "write table = ..."),
    _one('goal = "g"', 'table = "company_profiles"', "share_at_most = 0"): (
        "a.toml, line 6: held g: table 'company_profiles' is not a table of an old portal (perhaps company_profile)",
        "write a table of an old portal",
    ),
    _one('goal = "g"', 'table = "entity_account"', "share_at_most = 0"): ("a.toml, line 6: held g: table 'entity_account' is not", "write"),
    _one('goal = "g"', 'table = "company_profile"'): (
        "a.toml, line 5: held g: a limit is missing",
        "write share_at_most = a number from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "count_at_most = 0"): (
        "a.toml, line 7: held g: count_at_most is not a word",
        "share_at_most",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = 5"): (
        "a.toml, line 7: held g: share_at_most is 5",
        "a number from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = -0.1"): (
        "a.toml, line 7: held g: share_at_most is -0.1",
        "from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = nan"): ("a.toml, line 7: held g: share_at_most is NaN", "from 0 to 1"),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = inf"): (
        "a.toml, line 7: held g: share_at_most is Infinity",
        "from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = true"): (
        "a.toml, line 7: held g: share_at_most is true",
        "from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', 'share_at_most = "5%"'): (
        "a.toml, line 7: held g: share_at_most is '5%'",
        "from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = 5%"): (
        "a.toml, line 7: is not TOML",
        "write a share as a number from 0 to 1",
    ),
    _one('goal = "g"', 'table = "company_profile"', "share_at_most = 0,05"): ("a.toml, line 7: is not TOML", "decimals behind a point"),
    _one("goal = g"): ("a.toml, line 5: is not TOML", "write a text in quotes"),
    _one('goal = "g"', 'goal = "h"'): ("a.toml, line 6: is not TOML", "the word or heading occurs twice"),
    _one("goal = “g”"): ("a.toml, line 5: is not TOML", "write straight quotes"),
    SIGNED + HELD + HELD: ("a.toml, line 8: held g: this name occurs twice (a.toml, line 4)", "give each goal its own"),
    SIGNED + HELD + HELD.replace('"g"', '"h"'): (
        "a.toml, line 8: held h: share_at_most of company_profile is signed twice",
        "keep one of them",
    ),
    SIGNED + '[[exceptions]]\ngoal = "g"\nrule = "b20"\ncount_at_most = 0\n': (
        "a.toml, line 6: exceptions g: rule 'b20' is not a rule that flags",
        "write",
    ),
    SIGNED + '[[exceptions]]\ngoal = "g"\nrule = "K5"\ncount_at_most = 0\n': (
        "a.toml, line 6: exceptions g: rule 'K5' is not a rule that flags",
        "write",
    ),
    SIGNED + '[[exceptions]]\ngoal = "g"\nrule = "B20"\ncount_at_most = 1.5\n': (
        "a.toml, line 7: exceptions g: count_at_most is 1.5",
        "a whole number from 0",
    ),
    SIGNED + '[[exceptions]]\ngoal = "g"\nrule = "B20"\ncount_at_most = -1\n': (
        "a.toml, line 7: exceptions g: count_at_most is -1",
        "a whole number from 0",
    ),
    SIGNED + '[[points]]\ngoal = "g"\nweight = "heavy"\ncount_at_most = 1\n': (
        "a.toml, line 6: points g: weight 'heavy' is not",
        "write one of critical, attention, info",
    ),
    SIGNED + '[[openable]]\ngoal = "g"\nshare_at_least = 1\ncount_at_least = 1\n': (
        "a.toml, line 7: openable g: share_at_least and count_at_least are both",
        "keep one",
    ),
    SIGNED + '[[time]]\ngoal = "g"\nminutes_at_most = 0\n': ("a.toml, line 6: time g: minutes_at_most is 0", "minutes above 0"),
    HELD: ("a.toml, line 1: held g: by is missing", "here or above all goals"),
    SIGNED.replace("2023-09-01", '"2023-09-01"') + HELD: ("a.toml, line 2: on is of the wrong type", "a date without quotes (2023-09-15)"),
    SIGNED.replace("2023-09-01", "2023-09-01 10:00:00") + HELD: (
        "a.toml, line 2: on is of the wrong type (found 2023-09-01 10:00:00)",
        "a date without",
    ),
    SIGNED.replace("2023-09-01", "2023-02-30") + HELD: ("a.toml, line 2: is not TOML", "write a date as 2023-09-15"),
    SIGNED.replace("2023-09-01", "01.09.2023") + HELD: ("a.toml, line 2: is not TOML", "write a date as 2023-09-15"),
    SIGNED.replace("2023-09-01", "0023-09-01") + HELD: ("a.toml, line 2: on is 0023-09-01, before 1900", "the day on which it was signed"),
    SIGNED.replace('"O. Owner"', '" "') + HELD: ("a.toml, line 1: by is empty", "a text in quotes"),
    SIGNED.replace('"Board."', f'"{"x" * 2001}"') + HELD: ("a.toml, line 3: reason has 2,001 letters", "write at most 2,000"),
    SIGNED + HELD + 'by = ""\n': ("a.toml, line 8: held g: by is empty", "a text in quotes"),
    "a = " + "[" * 5000: ("a.toml", "write"),
    "x = " + "9" * 5000: ("a.toml, line 1: a whole number has thousands of digits", "write at most 18"),
}


@pytest.mark.parametrize("text", BAD, ids=[f"{position}" for position in range(len(BAD))])
def test_L5_every_error_of_a_goals_file_is_reported_with_line_and_correction(text: str | bytes) -> None:
    (said,) = _wrong(text)[:1]
    begins, advice = BAD[text]
    assert said.startswith(begins), said
    assert advice in said


def test_L5_all_errors_of_both_files_are_reported_together_without_signers(tmp_path: Path) -> None:
    goals, decisions = tmp_path / "goals.toml", tmp_path / "made.toml"
    goals.write_text('by = "Jane Doe jane@x.example"\n[[held]]\ngoal = "g"\n[[exceptions]]\ngoal = "h"\nrule = "Z9"\n', encoding="utf-8")
    decisions.write_text('[[user]]\nuser_name = "no mail"\nby = "Jane Doe"\n', encoding="utf-8")
    with pytest.raises(AcceptanceError) as refused:
        read_signed(Options(decisions=decisions, acceptance=goals), MAPPINGS)
    said = str(refused.value)
    wanted = ("made.toml, line 1: user: user_id is missing", "user_name is not an e-mail", "goals.toml, line 2: held g: table is missing")
    assert [part for part in (*wanted, "line 6: exceptions h: rule 'Z9'", "on is missing", "reason is missing") if part not in said] == []
    assert "Doe" not in said
    assert "no mail" not in said
    assert refused.value.exit_code == 1


def test_L5_a_waiver_of_a_goal_that_does_not_exist_is_refused_where_there_are_goals(tmp_path: Path) -> None:
    goals, decisions = tmp_path / "goals.toml", tmp_path / "made.toml"
    goals.write_text(SIGNED + HELD, encoding="utf-8")
    decisions.write_text(f'[[waiver]]\ngoal = "G"\n{SIGNED}', encoding="utf-8")
    with pytest.raises(AcceptanceError, match=r"made.toml, line 1: waiver G: is not a goal of the acceptance file.*; write one of g"):
        read_signed(Options(decisions=decisions, acceptance=goals), MAPPINGS)
    assert [waiver.key for waiver in read_signed(Options(decisions=decisions), MAPPINGS).decisions.of("waiver")] == ["G"]
    decisions.write_text("[[waiver]]\n", encoding="utf-8")
    with pytest.raises(DecisionError):
        read_signed(Options(decisions=decisions, acceptance=goals), MAPPINGS)
    with pytest.raises(WrongUsage, match="--acceptance"):
        read_signed(Options(acceptance=tmp_path / "none.toml"), MAPPINGS)


def test_a_goal_about_a_table_that_the_run_does_not_read_is_refused() -> None:
    text = SIGNED + '[[held]]\ngoal = "g"\ntable = "tc_account"\nshare_at_most = 0\n'
    assert read_goals(text.encode(), "a.toml", KNOWN)[1] == []
    (said,) = read_goals(text.encode(), "a.toml", known_names(MAPPINGS, with_tc=False))[1]
    assert said.startswith("a.toml, line 6: held g: table tc_account is not read by this run: --tc is not given")


def test_a_signature_above_all_goals_applies_to_unsigned_goals() -> None:
    other = '[[openable]]\ngoal = "o"\ncount_at_least = 3\nby = "S. Other"\n'
    acceptance, wrong = read_goals((SIGNED + HELD + other).encode(), "a.toml", KNOWN)
    assert wrong == []
    assert [(goal.name, goal.by, goal.reason, goal.limit) for goal in acceptance.goals] == [
        ("g", "O. Owner", "Board.", Decimal("0.1")),
        ("o", "S. Other", "Board.", 3),
    ]


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.decimals(0, 1, places=6))
def test_a_share_is_compared_exactly_and_a_share_of_zero_rows_is_valid(one: int, other: int, limit: Decimal) -> None:
    actual, total = sorted((one, other))
    for word, holds in (
        ("share_at_most", Fraction(actual) <= Fraction(limit) * total),
        ("share_at_least", actual >= Fraction(limit) * total),
    ):
        goal = Goal("g", "held", "", word, limit, "", SIGNED_ON, "", "")
        assert goal.met(actual, total) is holds
        assert goal.met(0, 0)


def test_kinds_of_goals_are_data_and_read_strictly() -> None:
    kinds = MAPPINGS.files["acceptance.toml"]
    assert list(read_goal_kinds(MAPPINGS.files)) == ["held", "exceptions", "points", "openable", "documents", "time"]
    for before, after, said in (
        (b'word    = "held"', b'word    = "lost"', "kind 1.word: found 'lost', expected one of held"),
        (b'judged  = "verdict"', b'judged  = "check"', "kind 6.judged"),
        (b"rows of {of} that", b"rows of {who} that", "kind 1.subject"),
        (b'limits  = ["share_at_most"]', b'limits  = ["minutes_at_most"]', "kind 1.limits"),
        (b'about   = "rule"', b'about   = "table"', "kind 2.about"),
        (b'subject = "minutes', b'sentence = "minutes', "kind 6.sentence: found an unknown word"),
    ):
        with pytest.raises(MappingErrors, match=said):
            read_goal_kinds({"acceptance.toml": kinds.replace(before, after, 1)})
    last = kinds.rindex(b"[[kind]]")
    for content, said in (
        (kinds[:last], "found no time"),
        (kinds + kinds[last:], "time a second time"),
        (b"kind = 3", "a table"),
        (b"\xff", "UTF-8"),
    ):
        with pytest.raises(MappingErrors, match=said):
            read_goal_kinds({"acceptance.toml": content})
    with pytest.raises(MappingErrors, match="found nothing"):
        read_goal_kinds({})
