"""What the command line, the environment and the configuration give: empty is wrong usage, never absent; keys may be negative; URLs have a form."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from etl.commands.strict_options import StrictCommand
from tests.docs.handbook import every_command
from tests.support.command import Workspace, command
from tests.support.legacy import Legacy

COMMANDS = dict(every_command())
GIVEN = [
    (name, option)
    for name, each in COMMANDS.items()
    for option in each.params
    if isinstance(option, click.Option) and not option.is_flag and option.name not in ("version",)
]


@pytest.mark.parametrize("blank", ["", " "])
def test_an_empty_value_of_any_option_is_wrong_usage(blank: str, tmp_path: Path) -> None:
    for name, option in GIVEN:
        needed = [word for other in COMMANDS[name].params if other.required and other is not option for word in _filled(other)]
        done = command(*name.split(), *needed, max(option.opts, key=len), blank, folder=tmp_path)
        assert done.code == 2, (name, option.name, done.err)
        assert max(option.opts, key=len) in done.err, (name, option.name, done.err)
    assert list(tmp_path.iterdir()) == []


def _filled(parameter: click.Parameter) -> list[str]:
    return ["x"] if isinstance(parameter, click.Argument) else [max(parameter.opts, key=len), "x"]


def test_an_empty_environment_variable_of_any_option_is_wrong_usage(tmp_path: Path) -> None:
    """A secret that is not set arrives in CI as an empty variable: a whole portal would be left out (fine print 64)."""
    for name, each in COMMANDS.items():
        for option in each.params:
            if isinstance(option.envvar, str):
                needed = [word for other in each.params if other.required for word in _filled(other)]
                done = command(*name.split(), *needed, folder=tmp_path, **{option.envvar: ""})
                assert (done.code, option.envvar in done.err) == (2, True), (name, option.name, done.err)
    done = command("run", "--source", "sqlite:///p2.db", "--run", "run", folder=tmp_path, PORTAL_MIGRATE_SEAL="")
    assert (done.code, "PORTAL_MIGRATE_SEAL is set, but empty" in done.err) == (2, True)


def test_every_command_is_strict() -> None:
    assert all(isinstance(each, StrictCommand) for each in COMMANDS.values())


def test_an_empty_configuration_value_is_wrong_usage_and_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    Legacy().write(tmp_path / "legacy")
    file = tmp_path / "migration.toml"
    file.write_text('source = "sqlite:///legacy/portal2.sqlite"\ntc = ""\n')
    done = command("plan", "--config", "migration.toml", folder=tmp_path)
    assert (done.code, "tc is empty" in done.err) == (2, True)
    file.write_text('source = "sqlite:///legacy/portal2.sqlite"\ndigest = " "\n')  # no option of plan, but given all the same
    assert command("plan", "--config", "migration.toml", folder=tmp_path).code == 2
    file.write_bytes(b'\xef\xbb\xbfsource = "sqlite:///legacy/portal2.sqlite"\n')
    assert command("plan", "--config", "migration.toml", folder=tmp_path).code == 0
    file.write_bytes('source = "sqlite:///legacy/portal2.sqlite"\n'.encode("utf-16"))
    done = command("plan", "--config", "migration.toml", folder=tmp_path)
    assert (done.code, "is not a valid TOML file in UTF-8" in done.err) == (2, True)


def test_empty_arguments_are_wrong_usage(tmp_path: Path) -> None:
    for words in (("picker", ""), ("demo", " ")):
        assert command(*words, folder=tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+asyncpg://u@h/d", "the driver 'asyncpg'"),
        ("postgresql+psycopg2://u@h/d", "Write postgresql:// without a driver"),
        ("sqlite+aiosqlite:///x.db", "the driver 'aiosqlite'"),
        ("postgresql://u@h:port/d", "is not a valid database URL"),
        ("jdbc:postgresql://h/d", "is not a valid database URL"),
        ("host=h dbname=d", "is not a valid database URL"),
        ("mysql+asyncmy://u@h/d", "the driver 'asyncmy'"),
        ("sqlite:///:memory:", "a SQLite database is given as a file"),
        ("sqlite:///file:x?mode=memory&uri=true", "a SQLite database is given as a file"),
        ("sqlite:///x.db?timeout=5", "a SQLite database is given as a file"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_its_option_and_never_shown(url: str, says: str, tmp_path: Path) -> None:
    for option in ("--source", "--tc", "--target"):
        given = {"--source": "sqlite:///p2.db", "--tc": "sqlite:///tc.db", "--target": "sqlite:///p3.db"} | {option: url}
        done = command("plan", *(word for pair in given.items() for word in pair), folder=tmp_path)
        assert done.code == 2
        assert done.err.startswith(option)
        assert says in done.err
        assert url not in done.err


def test_postgres_as_a_scheme_is_postgresql(postgres: str, tmp_path: Path) -> None:
    done = command("plan", "--source", postgres.replace("postgresql://", "postgres://", 1), folder=tmp_path)
    assert done.code == 1  # no tables there, but it was reached
    assert "database" not in done.err.splitlines()[0]


def test_a_negative_key_is_traced_in_any_argument_position(tmp_path: Path) -> None:
    world = Legacy().user(5, user_name="a@x.example").profile(-7).model(-8).entity(-9, type="IMP").contact(-10, user=5, profile=-7)
    world.document(-11, model=-8, profile=-7).content(-11, b"abc").link(-11, "MODEL", -8).write(tmp_path / "legacy")
    workspace = Workspace(tmp_path)
    assert workspace.command("run").code == 0
    for words in (
        ("trace", "P2", "document", "-11", "--run", "run"),
        ("trace", "--run", "run", "P2", "document", "--", "-11"),
        ("trace", "--output", "json", "P2", "--run", "run", "document", "-11"),
        ("trace", "P2", "document_link", "-11|MODEL|-8", "--run", "run"),
    ):
        done = command(*words, folder=tmp_path)
        assert done.code == 0, (words, done.err)
        assert "-11" in done.out
    done = command("trace", "P2", "business_type", "-X", "--run", "run", folder=tmp_path)
    assert (done.code, "begins with a hyphen: -- -X" in done.err) == (2, True)
    done = command(
        "company",
        "-7",
        "--folder",
        "letters",
        "--run",
        "run",
        "--source",
        workspace.stores["--source"],
        "--target",
        workspace.stores["--target"],
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    assert b"M-000000009" in workspace.target.read_bytes()
