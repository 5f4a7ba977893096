"""Names of old portals, new stores, files and keys that try to drive a terminal or a CI system: shown, never obeyed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from etl.system.progress import ProgressReporter
from etl.system.terminal import Screen, write
from tests.support.command import Done, Workspace, command

NAME = "evil \x1b]8;;http://evil.example/\x07click\x1b[2J \r\n::error file=x::injected\n  ::set-output name=a::b\n##[add-mask]x \u202e\u2028\x9b"
START = "::stop-commands::x\x1b[31m"


def is_harmless(done: Done) -> bool:
    """Whether nothing that went out moves a cursor, turns the writing, or is a command to who reads the log."""
    for written in (done.out, done.err):
        assert not {character for character in written if not character.isprintable()} - {"\n"}, written
        assert not any(line.lstrip().startswith("::") or "##[" in line for line in written.splitlines()), written
    return True


def test_hostile_names_in_a_catalogue_are_escaped(checked: Workspace) -> None:
    with checked.database("legacy/portal2.sqlite") as source:
        for name in (NAME, START):
            source.execute(f'CREATE TABLE "{name}" (a INTEGER)')
        source.execute(f'ALTER TABLE message ADD COLUMN "{NAME}" TEXT')
        source.commit()
    folder, stores = checked.folder, [word for pair in checked.stores.items() for word in pair]
    for words in (("plan", *stores), ("run", *stores, "--run", "other"), ("extract", *stores, "--run", "other", "-v")):
        done = command(*words, folder=folder)
        assert (done.code, "evil" in done.err) == (1, True), done.err
        assert is_harmless(done)
        assert "\\x1b" in done.err
        assert "\\u202e" in done.err
    with checked.database("portal3.sqlite") as store:
        store.execute(f'CREATE TABLE login (login_id TEXT PRIMARY KEY, "{NAME}" TEXT, "{START}" TEXT)')
        store.commit()
    done = command("plan", *stores, folder=folder)
    assert (done.code, "evil" in done.err) == (7, True), done.err
    assert is_harmless(done)


def test_hostile_texts_of_the_command_line_and_files_are_escaped(cast: Workspace, tmp_path: Path) -> None:
    config = tmp_path / "migration.toml"
    config.write_text('"evil \\u001b[2J\\n::error::x" = 1\n', encoding="utf-8")
    run = tmp_path / START.replace("/", "")
    run.mkdir()
    for words in (
        ("plan", "--config", str(config)),
        ("trace", "P2", NAME, "1", "--run", str(cast.run)),
        ("trace", "P2", "document", NAME, "--run", str(cast.run)),
        ("trace", "--account", START, "--run", str(cast.run)),
        ("status", "--run", str(tmp_path / NAME)),
        ("status", "--run", str(run)),
        (NAME,),
        ("plan", f"--{NAME}"),
        ("evidence", "verify", "--bundle", NAME, "--public-key", START),
        ("plan", "--source", NAME),
        ("run", "--run", NAME, "--files", START),
    ):
        done = command(*words, folder=cast.folder)
        assert done.code in (1, 2, 6, 7), (words, done.err)
        assert is_harmless(done), words


@pytest.mark.parametrize("text", [NAME, START, f"  {START}", "a\n::b", "##[command]x"])
def test_every_message_is_escaped(text: str) -> None:
    for said in (
        lambda out: write(out, text),
        lambda out: Screen(file=out).print(text),
        lambda out: Screen(file=out, highlight=False, markup=False).print(text),
        lambda out: ProgressReporter(console=Screen(file=out)).info(text),
    ):
        out = io.StringIO()
        said(out)
        assert is_harmless(Done(0, out.getvalue(), "")), out.getvalue()
        assert out.getvalue().strip()
