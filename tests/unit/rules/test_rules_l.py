"""Chapter L of the rules: decisions by people, applied by both sides, refused if they cannot be applied, and recorded."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from etl.domain.decisions import DecisionError, parsed
from etl.errors import WrongUsage
from etl.reconcile.errors import OtherInputs
from sample_data.world import write_cast
from tests.support.command import Workspace
from tests.support.legacy import Legacy, migrate

EXAMPLE = Path(__file__).resolve().parents[3] / "sample_data" / "decisions" / "decisions.toml"
SIGNED = '\nby = "E. Example"\non = 2023-09-15\nreason = "Asked."\n'


def _decided(*tables: str) -> str:
    return "\n".join(table.replace("; ", "\n") + SIGNED for table in tables)


def _file(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "decisions.toml").write_text(text, encoding="utf-8")
    return folder / "decisions.toml"


def _world() -> Legacy:
    """Importers 101, 102 of profile 1, importer 201 and broker 202 of profile 2; profile 3 has no entity."""
    world = Legacy().profile(1).model(11).entity(101, type="IMP").entity(102, type="IMP")
    world.profile(2).model(21).entity(201, type="IMP").entity(202, type="BRK").profile(3)
    world.user(1, user_name="no mail").contact(1, profile=1, user=1).user(2, user_name="desk@x.example").contact(2, profile=2, user=2)
    world.user(3, user_name="DESK@x.example", first_name="Other").contact(3, profile=1, user=3)
    return world.tc_account(1, company_profile=1).tc_account(2, company_profile=99).tc_account(3, company_profile=2).tc_ior(1, "5")


def test_L1_fp67_a_decision_takes_precedence_over_I1_and_is_flagged_L1_only(tmp_path: Path) -> None:
    tables = (
        "[[tc_account]]; tc_account_id = 1; entity_id = 102",
        "[[tc_account]]; tc_account_id = 2; entity_id = 201",
        "[[tc_account]]; tc_account_id = 3; entity_id = 201",
    )
    store = _world().migrate(tmp_path, decisions=_file(tmp_path, _decided(*tables)))
    assert store.rows("tc_program", "legacy_key", "account_id") == [("1", 102), ("2", 201), ("3", 201)]
    assert {rule for rule, row in store.all_flags if row.startswith("tc_account")} == {"L1"}
    assert store.flags("L1") == ["tc_account 1", "tc_account 2", "tc_account 3"]  # 3 would have come about all the same (fine print 59)
    assert not any(name in detail for detail in store.details("L1").values() for name in ("Example", "Asked"))
    assert store.differences() == []


def test_L2_fp59_a_user_counts_under_the_decided_name_and_the_alias_keeps_the_old_one(tmp_path: Path) -> None:
    file = _file(
        tmp_path, _decided('[[user]]; user_id = 1; user_name = " Joe@x.example "', '[[user]]; user_id = 3; user_name = "own@x.example"')
    )
    store = _world().migrate(tmp_path, decisions=file)
    assert store.rows("login", "email_key", "email_display") == [
        ("desk@x.example", "desk@x.example"),
        ("joe@x.example", " Joe@x.example "),
        ("own@x.example", "own@x.example"),
    ]
    assert ("1", "joe@x.example", "no mail") in store.rows("login_alias", "legacy_key", "login_id", "email_as_typed")
    assert (store.flags("L2"), store.flags("B2"), store.flags("B15"), store.flags("B20")) == (
        ["portal_user 1", "portal_user 3"],
        [],
        [],
        [],
    )
    assert store.picker("joe@x.example") == [101, 102]
    assert not any("x.example" in detail for detail in store.details("L2").values())
    assert store.rows("migration_run", "decisions_sha256") == [hashlib.sha256(file.read_bytes()).hexdigest()]
    assert store.differences() == []


WRONG = {
    "tc_account_id = 9": ("[[tc_account]]; tc_account_id = 9; entity_id = 101", "line 1: tc_account 9: there is no such row"),
    "entity 202": (
        "[[tc_account]]; tc_account_id = 1; entity_id = 202",
        "line 1: tc_account 1: the account of entity 202 is not of type IMP",
    ),
    "entity 999": ("[[tc_account]]; tc_account_id = 1; entity_id = 999", "line 1: tc_account 1: entity 999 did not become an account"),
    "held account": ("[[tc_account]]; tc_account_id = 4; entity_id = 101", "line 1: tc_account 4: the row is held"),
    "no such user": ('[[user]]; user_id = 9; user_name = "a@b"', "line 1: user 9: there is no such row"),
    "held user": ('[[user]]; user_id = 4; user_name = "a@b"', "line 1: user 4: the user is held"),
    "nameless user": ('[[user]]; user_id = 5; user_name = "a@b"', "line 1: user 5: the user has no name"),
    "long name": (f'[[user]]; user_id = 1; user_name = "{"ß" * 130}@b"', "line 1: user 1: user_name is longer than the 254"),
}


@pytest.mark.parametrize("case", WRONG)
def test_L3_a_decision_that_cannot_be_applied_ends_the_run_before_publishing(tmp_path: Path, case: str) -> None:
    text, sentence = WRONG[case]
    world = _world().tc_account(4, company_profile="soon").user(4, user_name="u@x.example", user_status="x" * 40).user(5, user_name=None)
    with pytest.raises(DecisionError) as refused:
        world.migrate(tmp_path, decisions=_file(tmp_path, _decided(text)))
    assert sentence in str(refused.value)
    assert not (tmp_path / "portal3.sqlite").exists()


BADLY_WRITTEN = {
    "[[usr]]\nuser_id = 1": "line 1: usr is not a kind of decision; write one of [[tc_account]], [[user]], [[waiver]]",
    "[user]\nuser_id = 1": "line 1: user is not a list of tables; write [[user]]",
    "# a\n\n[[user]]\nuser_id = 1" + SIGNED: "line 3: user 1: user_name is missing; write user_name = ",
    '[[user]]\nuser_id = "1"\nuser_name = "a@b"' + SIGNED: "line 2: user: user_id is of the wrong type; write a whole number",
    "[[user]]\nuser_id = true\nuser_name = 'a@b'" + SIGNED: "line 2: user: user_id is of the wrong type",
    '[[user]]\nuser_id = 1\nuser_name = "a b@c"' + SIGNED: "line 3: user 1: user_name is not an e-mail; write one",
    '[[user]]\nuser_id = 1\nuser_name = "a@b"\nby = "E"\non = "2023-09-15"\nreason = "r"': "line 5: user 1: on is of the wrong type; write a date without quotes",
    '[[user]]\nuser_id = 1\nuser_name = "a@b"\nby = "E"\non = 2023-09-15T10:00:00\nreason = "r"': "line 5: user 1: on is of the wrong type",
    '[[user]]\nuser_id = 1\nuser_name = "a@b"\nby = " "\non = 2023-09-15\nreason = "r"': "line 4: user 1: by is empty; write a text in quotes that is not empty",
    '[[waiver]]\ngoal = "g"\nwhy = "x"' + SIGNED: "line 3: waiver: why is not a word of [[waiver]]; it has goal, by, on, reason",
    _decided(
        '[[user]]; user_id = 1; user_name = "a@b"', '[[user]]; user_id = 1; user_name = "c@d"'
    ): "is decided twice (decisions.toml, line 1)",
    "[[user]\n": "decisions.toml, line 1: is not TOML: ",
    "on = 2023-02-30\n": "decisions.toml, line 1: is not TOML: ",
    "[[user]]\non = 15.9.2023\n": "line 2: is not TOML: Expected newline or end of document after a statement; write a date as 2023-09-15",
    "[[user]]\non = 2023-9-5\n": "line 2: is not TOML: Expected newline or end of document after a statement; write a date as 2023-09-15",
    "[[user]]\nuser_id = 5,000\n": "line 2: is not TOML: Expected newline or end of document after a statement; write a number without a comma",
    "[[user]]\nuser_id = 007\n": "line 2: is not TOML: Expected newline or end of document after a statement; write a number without zeros",
    "[[user]]\nuser_id =\n": "line 2: is not TOML: Invalid value; write a value behind the equals sign",
    "[[user]]\nuser_name = a@b\n": "line 2: is not TOML: Invalid value; write a text in quotes",
    '[[user]]\nuser_name = "a\nby = "x"\n': "line 2: is not TOML: Illegal character '\\n'; end the text with the quote that it began with",
    "[[user]]\nby = \u201cE\u201d\n": "line 2: is not TOML: Invalid value; write straight quotes",
    '[[user]]\nby = "a\\q"\n': "write two backslashes for one",
    '[[user]]\nby = """\nE\n': "is not TOML: Unterminated string; end the text with the quotes that it began with",
    "[[user]]\nuser_id = 1\nuser_id = 2\n": "line 3: is not TOML: Cannot overwrite a value; the word or heading occurs twice",
    "[user]\nuser_id = 1\n[[user]]\n": "is not TOML: Cannot overwrite a value; the word or heading occurs twice; keep one of them",
    "user:\n  - user_id: 1\n": "line 1: is not TOML: Expected '=' after a key in a key/value pair; write word = value, with an equals sign",
    "tc_account_id,entity_id\n5,101\n": "line 1: is not TOML: ",
    "user = 5\n": "line 1: user is not a list of tables; write [[user]] above each",
    SIGNED: "line 2: by is not a kind of decision",
    "[[user]]\nuser_id = 5.0" + SIGNED: "line 2: user: user_id is of the wrong type (found 5.0); write a whole number, without quotes",
    "[[user]]\nuser_id = 99999999999999999999"
    + SIGNED: "line 2: user 99999999999999999999: user_id is not a number that an id can have; write at most 18 digits",
    "[[user]]\nuser_id = 1\non = 1023-09-15\n": "line 3: user 1: on is 1023-09-15, before 1900; write the day on which it was signed",
    "[[user]]\nuser_id = 1\non = 20230915\n": "line 3: user 1: on is of the wrong type (found 20230915); write a date without quotes",
    '[[user]]\nuser_id = 1\nby = ["E"]\n': "line 3: user 1: by is of the wrong type; write a text in quotes",
    f'[[user]]\nuser_id = 1\nreason = "{"x" * 2001}"\n': "line 3: user 1: reason has 2,001 letters; write at most 2,000",
    '[[user]]\nuser_id = 1\nuser_name = "a@b\\u0000"\n': "line 3: user 1: user_name contains the character U+0000; write it without",
    "waiver = [{ goal = 'g', by = 'E', on = 2023-09-15, reason = 'r' }, { goal = 'g', by = 'E', on = 2023-09-15, reason = 'r' }]": (
        "line 1: waiver g: is decided twice"
    ),
    f"x = {'9' * 5000}": "line 1: a whole number has thousands of digits; write at most 18",
    f"a = {'[' * 5000}": "decisions.toml",
    "[[user]]\nuser_id = 1\n\0": "line 3: the file contains the character U+0000",
}


@pytest.mark.parametrize("text", BADLY_WRITTEN)
def test_L3_invalid_entries_are_refused_with_line_and_correction(text: str) -> None:
    with pytest.raises(DecisionError) as refused:
        parsed(text.encode(), "decisions.toml")
    assert BADLY_WRITTEN[text] in str(refused.value)


def test_L3_all_errors_are_reported_together_and_other_encodings_are_refused(tmp_path: Path) -> None:
    text = 'note = """\n[[user]]\n"""\n[[user]]\nuser_id = 1\n[[waiver]]\ngoal = ""\n'
    with pytest.raises(DecisionError) as refused:
        parsed(text.encode(), "d.toml")
    assert [
        part
        for part in ("line 1: note", "line 4: user 1: user_name", "line 4: user 1: by", "line 7: waiver: goal is empty")
        if part not in str(refused.value)
    ] == []
    for content, sentence in (("x".encode("utf-16"), "line 1: the file is not UTF-8"), (b"\xef\xbb\xbf", "byte order mark")):
        with pytest.raises(DecisionError, match=sentence):
            parsed(content, "d.toml")
    for secret in ("jane.doe@x.example", "123-45-6789"):
        for line in (f'user_id = "{secret}"', f'"{secret}" = 1', f'user_name = "{secret} {secret}"', f'by = "{secret}"'):
            with pytest.raises(DecisionError) as refused:
                parsed(f"[[user]]\n{line}\n[[waiver]]\ngoal = '{secret}'{SIGNED}[[waiver]]\ngoal = '{secret}'{SIGNED}".encode(), "d.toml")
            assert secret not in str(refused.value), line
    with pytest.raises(WrongUsage, match="cannot be read"):
        _world().migrate(tmp_path, decisions=tmp_path / "nowhere.toml")


def test_L4_fp67_reconcile_without_the_decisions_of_the_run_or_with_others_is_refused(tmp_path: Path) -> None:
    text = _decided('[[user]]; user_id = 1; user_name = "joe@x.example"')
    store = _world().migrate(tmp_path, decisions=_file(tmp_path, text))
    assert store.differences() == []
    with pytest.raises(OtherInputs, match="L4"):
        store.differences(_file(tmp_path / "other", text + "# other bytes\n"))
    store.decisions = None
    with pytest.raises(OtherInputs, match="none are given"):
        store.differences()
    plain = _world().migrate(tmp_path / "plain")
    with pytest.raises(OtherInputs, match="without decisions"):
        plain.differences(tmp_path / "decisions.toml")


def test_L5_a_waiver_is_a_decision_that_touches_no_row(tmp_path: Path) -> None:
    store = _world().migrate(tmp_path, decisions=_file(tmp_path, _decided('[[waiver]]; goal = "held.document"')))
    assert {rule for rule, _ in store.all_flags if rule.startswith("L")} == set()
    assert store.differences() == []


def test_L1_L2_the_example_decides_rows_of_the_cast(tmp_path: Path) -> None:
    store = migrate(write_cast(tmp_path / "legacy"), tmp_path, decisions=EXAMPLE)
    assert (store.flags("L1"), store.flags("L2")) == (["tc_account 5", "tc_account 7"], ["portal_user 1907"])
    assert not {"tc_account 5", "tc_account 7", "portal_user 1907"} & store.held.keys()
    assert ("5", 3002) in store.rows("tc_program", "legacy_key", "account_id")
    assert store.differences() == []


def test_L3_L4_the_command_fixes_the_decisions_and_refuses_others(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_cast(tmp_path / "legacy")
    bad = _file(tmp_path / "bad", _decided('[[user]]; user_id = 101; user_name = "no mail"'))
    done = workspace.command("run", "--decisions", str(bad))
    assert (done.code, workspace.target.exists()) == (1, False)
    assert "decisions.toml, line 3: user 101: user_name is not an e-mail" in done.err
    assert workspace.command("run", "--decisions", str(tmp_path / "nowhere")).code == 2
    for step in ("extract", "split"):
        assert workspace.command(step, "--decisions", str(EXAMPLE)).code == 0
    other = workspace.command("run", "--decisions", str(_file(tmp_path / "other", EXAMPLE.read_text() + "# changed")))
    assert (other.code, "decisions" in other.err) == (7, True)
    done = workspace.command("run")  # the decisions are those that the run began with
    assert done.code == 0, done.err
    assert workspace.command("reconcile").code == 7
    equal = workspace.command("reconcile", "--decisions", str(EXAMPLE))
    assert equal.code == 0, equal.err
    report = workspace.command("report", "--output", "json").data["decisions"]
    assert [(d["rule"], d["table"], d["key"], d["on"]) for d in report] == [
        ("L1", "tc_account", "5", "2023-09-11"),
        ("L1", "tc_account", "7", "2023-09-11"),
        ("L2", "portal_user", "1907", "2023-09-12"),
    ]
    assert "Ledger Imports took the business over." in (workspace.run / "report" / "report.md").read_text(encoding="utf-8")
    assert "E. Example" in (workspace.run / "report" / "report.html").read_text(encoding="utf-8")
    assert "decided (L1) by E. Example, trade compliance branch on 2023-09-11" in workspace.command("trace", "TC", "tc_account", "5").out


def test_L1_L2_L3_plan_prints_a_template_of_decisions_without_personal_data(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_cast(tmp_path / "legacy")
    plan = workspace.json("plan").data["decisions_template"]
    empty = tomllib.loads(plan)
    assert {row["user_id"] for row in empty["user"]} == {1907, 1908, 1909, 1910}  # 1911 never had a name
    assert (
        {row["tc_account_id"] for row in empty["tc_account"]}
        == {5, 6, 7, 8, 9, 11} & {row["tc_account_id"] for row in empty["tc_account"]}
        >= {5, 6, 7, 8, 9}
    )
    assert "#   entity_id = 3002    # account 10003002, company profile 30, shares a number" in plan
    assert "@" not in plan
    assert "Joe" not in plan
    unfilled = workspace.command("run", "--decisions", str(_file(tmp_path / "unfilled", plan)))
    assert (unfilled.code, "user 1907: user_name is empty" in unfilled.err) == (1, True)
    left = tomllib.loads(workspace.json("plan", "--decisions", str(EXAMPLE)).data["decisions_template"])
    assert {row["user_id"] for row in left["user"]} == {1908, 1909, 1910}
    dead = _file(tmp_path / "dead", _decided("[[tc_account]]; tc_account_id = 5; entity_id = 101010"))
    refused = workspace.command("plan", "--decisions", str(dead))
    assert (refused.code, "tc_account 5: entity 101010 did not become an account" in refused.err) == (1, True)
    assert plan.splitlines()[-4:] == [line for line in workspace.command("plan").out.splitlines() if line in plan.splitlines()][-4:]
