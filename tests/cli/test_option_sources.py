"""Where options come from: the command line, the environment, the configuration file; and that none of them shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import Workspace, command
from tests.support.legacy import Legacy
from tests.support.small_worlds import one_company_workspace


def test_one_file_configures_all_commands_with_hyphens_or_underscores_and_toml_dates(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    text = "\n".join(f'{option.removeprefix("--")} = "{value}"' for option, value in workspace.stores.items())
    rest = 'run = "run"\nfreeze-from = 2023-09-16\nfreeze_to = "2023-09-30"\nworkers = 2\nbundle = "bundle"\nseconds = 1\n'
    (workspace.folder / "migration.toml").write_text(f"{text}\n{rest}", encoding="utf-8")
    assert command("extract", "--config", "migration.toml", folder=workspace.folder).code == 0
    status = command("status", "--output", "json", folder=workspace.folder, PORTAL_MIGRATE_CONFIG="migration.toml")
    assert status.data["settings"]["freeze"] == "2023-09-16 to 2023-09-30"
    assert workspace.command("split").code == 0  # the very same options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\udcff", "is not a valid TOML"),
        ("[source]\nurl = 'x'", "source is not a single value"),
        ("run = ['a']", "run is not a single value"),
    ],
)
def test_an_invalid_configuration_is_wrong_usage_and_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "migration.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = command("plan", "--config", "migration.toml", folder=tmp_path)
    assert done.code == 2
    assert said in done.err


def test_an_option_of_the_environment_reaches_only_commands_that_have_it(cast: Workspace) -> None:
    done = command("status", "--run", "run", folder=cast.folder, PORTAL_MIGRATE_SOURCE="sqlite:///x", PORTAL_MIGRATE_WORKERS="nonsense")
    assert done.code == 0


@pytest.mark.parametrize("name", ["a b#c%20d'é", "100%", "q?x=1&y", "semi;colon"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    world = Legacy().profile(1).model(11).entity(101).document(1, model=11).content(1, b"abc").write(folder / "legacy")
    words = ("--source", world.source, "--tc", world.tc, "--files", str(world.files), "--run", str(folder / "run"), "--rehearse")
    assert command("run", *words, folder=tmp_path).code == 0
    assert command("run", "--run", str(folder / "run"), "--rehearse", folder=tmp_path).code == 0  # as the run's folder remembers them
    assert command("plan", "--source", world.source, folder=tmp_path).code == 0


CANARY = "canary-p4ssw0rd"
SECRET_URL = f"postgresql://migrator:{CANARY}@127.0.0.1:9/portal?application_name={CANARY}"


@pytest.mark.parametrize("given_by", ["command line", "environment", "file"])
@pytest.mark.parametrize("option", ["source", "tc", "target"])
def test_a_password_in_a_url_is_never_shown_nor_stored(tmp_path: Path, option: str, given_by: str) -> None:
    workspace = one_company_workspace(tmp_path)
    (workspace.folder / "secret.toml").write_text(f'{option} = "{SECRET_URL}"\n', encoding="utf-8")
    name = "picker" if option == "target" else "extract"
    given = {**workspace.stores, "--run": "run"}
    taken = () if option == "target" else ("--source", "--tc", "--files", "--objects", "--run")
    words = [word for one in taken if one != f"--{option}" for word in (one, given[one])]
    words += {"command line": [f"--{option}", SECRET_URL], "file": ["--config", "secret.toml"], "environment": []}[given_by]
    environment = {f"PORTAL_MIGRATE_{option.upper()}": SECRET_URL} if given_by == "environment" else {}
    for output in ("human", "json"):
        done = command(
            name, *(["a@x.example"] if name == "picker" else []), *words, "-v", "--output", output, folder=workspace.folder, **environment
        )
        assert done.code == 1, done.err
        assert CANARY not in done.out + done.err
        assert "migrator" in done.out + done.err
    left = [file for file in workspace.folder.rglob("*") if file.is_file() and file.name != "secret.toml"]
    assert [file for file in left if CANARY.encode() in file.read_bytes()] == []


def test_an_invalid_url_is_not_repeated(tmp_path: Path) -> None:
    done = command("plan", "--source", f"post gresql//u:{CANARY}@h", folder=tmp_path)
    assert done.code == 2
    assert CANARY not in done.out + done.err


def test_the_manifest_identifies_a_target_without_its_password(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    assert workspace.command("extract", "--target", SECRET_URL).code == 0
    assert workspace.json("status").data["settings"]["target"] == "postgresql://migrator:***@127.0.0.1:9/portal"
    assert workspace.command("split", "--target", SECRET_URL.replace(CANARY, "another")).code == 0
