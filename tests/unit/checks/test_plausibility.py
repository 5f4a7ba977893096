"""The plausibility gate: a result of which most is held, or of which an indicator reads as no everywhere, is never published."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import checks
from mappings.errors import MappingErrors
from mappings.limits import Limit, Limits, read_limits
from tests.support.command import Workspace
from tests.support.legacy import MAPPINGS, Legacy
from tests.unit.checks.test_checks_stage import Stage, sound, stage

__all__ = ["sound", "stage"]  # fixtures


@pytest.mark.parametrize(
    ("rows", "held", "fails", "warns"),
    [(20, 15, False, True), (20, 16, True, True), (19, 19, False, False), (20, 1, False, True), (21, 1, False, False)],
)
def test_more_than_three_quarters_held_fails_and_one_twentieth_warns(stage: Stage, rows: int, held: int, fails: bool, warns: bool) -> None:
    keys = stage.grow("internal_note", rows)
    stage.hold("internal_note", keys[:held])
    answers = stage.answers("plausible_held", "many_held")
    hard, soft = answers["plausible_held.P2.internal_note"], answers["many_held.P2.internal_note"]
    assert (hard.passed, soft.passed, hard.severity, soft.severity) == (not fails, not warns, "critical", "warning")
    if fails:
        assert (hard.asked, hard.failed) == (rows, held)
        assert hard.sentence == (
            "P2.internal_note: 16 of 20 rows (80.0%) are held; the most frequent reason is BROKEN_REFERENCE (16 rows); the limit is 75%."
            " Examples of keys: 1001, 1002, 1003, 1004, 1005."
        )


def test_a_raised_limit_lets_a_table_and_a_column_pass_and_the_warning_says_why(stage: Stage) -> None:
    stage.hold("internal_note", stage.grow("internal_note", 20)[:16])
    stage.grow("company_address", 20, mailing_ind=["1"] * 20)
    limits = Limits({"internal_note": Limit(0.8, "closed in 2019")}, {"company_address.mailing_ind": Limit(1.0, "never asked for")})
    for given, passes in ((Limits(), False), (limits, True)):
        answers = {a.id: a for a in checks.ask(stage.run, MAPPINGS, lambda *_: None, limits=given)}
        for name in ("plausible_held.P2.internal_note", "plausible_indicator.P2.company_address.mailing_ind"):
            assert answers[name].passed == passes
    assert "limits.toml allows 80%: closed in 2019" in answers["many_held.P2.internal_note"].sentence
    assert "limits.toml allows 100%: never asked for" in answers["odd_indicator.P2.company_address.mailing_ind"].sentence


@pytest.mark.parametrize(
    ("values", "fails", "warns", "cause"),
    [
        (["Y", "N"] * 5 + ["1"] * 10, False, True, "digits (10 values)"),  # a half exactly
        (["Y"] * 9 + ["1"] * 6 + ["true"[:1]] * 5, True, True, "digits (6 values)"),
        (["Y"] * 10 + [None] * 20 + [""] * 9, False, False, ""),  # 19 values: NULL is none
        (["Y"] * 19 + ["n"], False, True, "small letters (1 values)"),
        (["N"] * 9 + [" "] * 11, True, True, "blank or empty (11 values)"),
    ],
)
def test_an_indicator_with_other_words_than_Y_and_N_fails(
    stage: Stage, values: list[str | None], fails: bool, warns: bool, cause: str
) -> None:
    stage.grow("company_contact", len(values), admin_ind=list(values))
    answers = stage.answers("plausible_indicator", "odd_indicator")
    hard, soft = (answers[f"{name}.P2.company_contact.admin_ind"] for name in ("plausible_indicator", "odd_indicator"))
    assert (hard.passed, soft.passed) == (not fails, not warns)
    assert cause in soft.sentence


def test_an_indicator_longer_than_its_column_is_counted(stage: Stage) -> None:
    """SQLite keeps `true` in CHAR(1): it is unreadable (X2), not absent."""
    keys = stage.grow("company_contact", 20, admin_ind=[None] * 20)
    files = stage.run.steps["extract"].files
    location = next(number for number, file in enumerate(files) if file.path == "extract/odd.parquet")
    old = stage.run.read_table(files[location])
    rows = [("P2", "company_contact", key, "admin_ind", '"true"', True) for key in keys]
    frame = pl.DataFrame(rows, schema=pl.DataFrame(old).schema, orient="row")
    files[location] = stage.run.write_table("extract/odd.parquet", frame.to_arrow().cast(old.schema))
    name = "plausible_indicator.P2.company_contact.admin_ind"
    answer = stage.answers(name)[name]
    assert (answer.asked, answer.failed) == (20, 20)
    assert "a text longer than the column (20 values)" in answer.sentence
    assert "true" not in answer.sentence


@pytest.mark.parametrize(("entities", "fails"), [(6, False), (7, True), (20, True)])
def test_fewer_than_half_of_the_entities_as_accounts_fail(
    stage: Stage, entities: int, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound world has three accounts; the number from which the gate applies is lowered for the boundary."""
    if entities < 20:
        monkeypatch.setattr("checks.plausible.LEAST", 6)
    keys = stage.grow("model_entity", entities)
    stage.hold("model_entity", keys[3:])
    answers = stage.answers("plausible_accounts", "many_entities_held")
    assert answers["plausible_accounts"].passed != fails
    assert f"{entities - 3} of {entities} entities" in answers["many_entities_held"].sentence


def _world(folder: Path) -> Workspace:
    """Twenty-four companies, one contact each, whose portal writes 1 and 0 where the contract has Y and N."""
    world = Legacy()
    for number in range(1, 25):
        world.user(number, user_name=f"person{number}@x.example").profile(number).model(number).entity(number, type="EXP")
        world.contact(number, user=number, profile=number, admin_ind=str(number % 2), email=f"person{number}@x.example")
    world.write(folder / "legacy")
    return Workspace(folder)


def test_a_portal_of_ones_and_zeros_is_not_published_and_a_signed_limit_lets_it_pass(tmp_path: Path) -> None:
    workspace = _world(tmp_path)
    done = workspace.command("run")
    assert done.code == 3
    assert not workspace.target.exists()
    assert "P2.company_contact.admin_ind: 24 of 24 values (100.0%) are neither Y nor N; the most frequent form is digits" in done.err
    assert "Examples of keys: 1, 2, 3, 4, 5." in done.err
    report = json.loads((workspace.run / "report" / "report.json").read_text())
    assert any("neither Y nor N" in sentence for sentence in report["verdict"]["why"])

    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "limits.toml").write_text(
        '[indicator]\n"company_contact.admin_ind" = { share = 1.0, reason = "nobody is an administrator" }\n'
    )
    assert workspace.command("run", "--adapter", "adapter").code == 7  # this run began without it
    done = workspace.command("run", "--adapter", "adapter", "--run", "other")
    assert done.code == 0, done.err
    assert workspace.command("run", "--run", "other").code == 7  # and the other one with it
    (adapter / "limits.toml").write_text('[indicator]\n"company_contact.admin_ind" = { share = 0.9, reason = "another one" }\n')
    assert workspace.command("run", "--adapter", "adapter", "--run", "other").code == 7
    assert workspace.command("reconcile", "--adapter", "adapter", "--run", "other").code == 7


_MESSAGE = '[held]\nmessage = { share = 0.8, reason = "x" }\n'


def _held(entry: str) -> str:
    return f"[held]\nmessage = {entry}\n"


def _indicator(name: str) -> str:
    return f'[indicator]\n{name} = {{ share = 1.0, reason = "x" }}\n'


# By the file's content: what one line of the answer says, in this order.
WRONG: dict[str | bytes, tuple[str, ...]] = {
    "[hold]\n": ("limits.toml, line 1: hold: found an unknown word", "[held] or [indicator] (nearest: held)"),
    "# a\n\nshare = 0.8\n": ("limits.toml, line 3: share: found an unknown word", "[held] or [indicator]"),
    "held = 0.8\n": ("limits.toml, line 1: held: found 0.8", "[held] or [indicator]"),
    '[[held]]\nmessage = { share = 0.8, reason = "x" }\n': ("limits.toml, line 1: held: found a list", "[held]"),
    _MESSAGE.replace("message", "no_table"): ("line 2: held.no_table: found 'no_table'", "a table of an old portal's contract"),
    _MESSAGE.replace("message", "mesage"): ("line 2: held.mesage: found 'mesage'", "a table of an old portal", "(nearest: message)"),
    _MESSAGE.replace("message", "account_contact"): ("line 2: held.account_contact: found 'account_contact'",),  # of the new store
    _MESSAGE.replace("message", '"P2.message"'): ("line 2: held.P2.message: found 'P2.message'",),
    _MESSAGE.replace("message", "Message"): ("line 2: held.Message: found 'Message'", "(nearest: message)"),
    _held("{ share = 0.8 }"): ("line 2: held.message.reason: found nothing", "the reason, a text in quotes"),
    _held('{ share = 0.8, reason = " " }'): ("line 2: held.message.reason: found ' '", "the reason"),
    _held("{ share = 0.8, reason = 7 }"): ("line 2: held.message.reason: found 7", "a text in quotes"),
    _held('{ reason = "x" }'): ("line 2: held.message.share: found nothing", "a number from 0 to 1, without quotes"),
    _held('{ share = 80, reason = "x" }'): ("line 2: held.message.share: found 80", "a number from 0 to 1"),
    _held('{ share = -0.1, reason = "x" }'): ("line 2: held.message.share: found -0.1", "a number from 0 to 1"),
    _held('{ share = 1.0000001, reason = "x" }'): ("line 2: held.message.share: found 1.0000001", "a number from 0 to 1"),
    _held('{ share = true, reason = "x" }'): ("line 2: held.message.share: found true", "a number from 0 to 1"),
    _held('{ share = nan, reason = "x" }'): ("line 2: held.message.share: found NaN", "a number from 0 to 1"),
    _held('{ share = inf, reason = "x" }'): ("line 2: held.message.share: found Infinity", "a number from 0 to 1"),
    _held('{ share = "0.8", reason = "x" }'): ("line 2: held.message.share: found '0.8'", "without quotes"),
    _held('{ share = 2023-09-15, reason = "x" }'): ("line 2: held.message.share: found 2023-09-15", "a number from 0 to 1"),
    _held('{ share = 0,8, reason = "x" }'): ("limits.toml, line 2: text: found", "write a number without a comma"),
    _held('{ share = 80%, reason = "x" }'): ("limits.toml, line 2: text: found", "write a share as a number from 0 to 1"),
    _held('{ share = .8, reason = "x" }'): ("limits.toml, line 2: text: found", "write a digit in front of the point"),
    _held("{ share = 0.8, reason = x }"): ("limits.toml, line 2: text: found", "write a text in quotes"),
    _held('{ shares = 0.8, share = 0.8, reason = "x" }'): ("line 2: held.message.shares: found an unknown word", "(nearest: share)"),
    _held("0.8"): ("line 2: held.message: found 0.8", "{ share = 0.8, reason = ... }"),
    _held("[]"): ("line 2: held.message: found a list", "{ share = 0.8, reason = ... }"),
    '# why\n\n[held.message]\n\nshare = 2\nreason = "x"\n': ("limits.toml, line 5: held.message.share: found 2",),
    '[held.message]\nreason = """\nshare = 3\n"""\nshare = 2\n': ("limits.toml, line 5: held.message.share: found 2",),
    _MESSAGE + 'message = { share = 0.9, reason = "y" }\n': ("limits.toml, line 3: text: found", "occurs twice", "keep one of them"),
    _MESSAGE + "[held]\n": ("limits.toml, line 3: text: found", "occurs twice"),
    _indicator('"document.status_ind"'): ("line 2: indicator.\"document.status_ind\": found 'document.status_ind'", "an indicator column"),
    _indicator('"document.file_name"'): ("line 2: indicator.\"document.file_name\": found 'document.file_name'", "ends with _ind"),
    _indicator('"company_contact.admn_ind"'): ("line 2:", "(nearest: company_contact.admin_ind)"),
    _indicator("company_contact.admin_ind"): ("line 2: indicator.\"company_contact\": found 'company_contact'", '"table.column" in quotes'),
    _indicator("admin_ind"): ("line 2: indicator.\"admin_ind\": found 'admin_ind'", '"table.column" in quotes'),
    "[held": ("limits.toml, line 1: text: found", "write the heading with as many brackets"),
    "a = " + "[" * 5000: ("limits.toml: text: found", "write tables as [[word]]"),
    "a = " + "9" * 5000: ("limits.toml, line 1: text: found", "thousands of digits"),
    b"\xef\xbb\xbf" + _MESSAGE.encode(): ("limits.toml, line 1: text: found a byte order mark", "UTF-8 without one"),
    b"\xff\xfe": ("limits.toml, line 1: text: found the file is not UTF-8", "TOML in UTF-8"),
    _MESSAGE.encode("utf-16"): ("limits.toml, line 1: text: found the file is not UTF-8", "TOML in UTF-8"),
    _MESSAGE.encode("utf-16-le"): ("limits.toml, line 1: text: found the file contains the character U+0000", "TOML in UTF-8"),
    b"[held]\n# Gru\xdf\n": ("limits.toml, line 2: text: found the file is not UTF-8", "TOML in UTF-8"),
}


def test_limits_that_cannot_be_are_named_with_line_value_and_correction(tmp_path: Path) -> None:
    missed = {}
    for content, parts in WRONG.items():
        (tmp_path / "limits.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(MappingErrors) as caught:
            read_limits(tmp_path, MAPPINGS)
        said = str(caught.value).splitlines()
        if len(said) != 1 or not all(part in said[0] for part in parts):
            missed[content[:60]] = said
    assert missed == {}


def test_all_invalid_limits_are_reported_together_before_any_write(tmp_path: Path) -> None:
    workspace = _world(tmp_path)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "limits.toml").write_bytes(b'\xef\xbb\xbf[held]\nnone = 1\nmessage = { share = 2, reason = "x" }\n')
    for words in (("plan",), ("run",)):
        done = workspace.command(*words, "--adapter", "adapter")
        assert done.code == 1
        for part in (
            "limits.toml, line 1: text: found a byte order mark, expected UTF-8 without one",
            "limits.toml, line 2: held.none: found 'none'",
            "limits.toml, line 2: held.none: found 1",
            "limits.toml, line 3: held.message.share: found 2",
        ):
            assert part in done.err, done.err
    assert not workspace.run.exists()
    (tmp_path / "adapter" / "limits.toml").unlink()
    (tmp_path / "adapter" / "notes.txt").write_text("x")
    done = workspace.command("run", "--adapter", "adapter")
    assert (done.code, "notes.txt: found a file that does not belong to an adapter" in done.err) == (1, True)
    assert workspace.command("run", "--adapter", "nowhere").code == 1
