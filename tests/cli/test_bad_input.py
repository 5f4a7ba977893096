"""Bad input, item by item: what cannot be is said (what, where, what to do), what can be carried is carried, and nothing is lost.

Single values by rule: test_rules_x.py (X2), test_rules_e.py (E8), test_rules_c.py (C6, C12). Wrong options: also test_cli.py, test_exit_codes.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

import cli
from sample_data.world import World
from tests.support.command import FREEZE, Done, Workspace, command
from tests.support.legacy import MAPPINGS, Legacy, Store, Undecodable, migrate
from tests.unit.transform.test_laws import loaded_keys, source_keys


def said(done: Done, code: int, *parts: str) -> None:
    """Asserts that the command ended with that code and that its message contains these texts and the next step."""
    assert done.code == code, done.out + done.err
    assert [part for part in parts if part not in done.err] == [], done.err
    assert done.next.startswith("next: "), done.err
    assert "Internal error" not in done.err
    assert "Traceback" not in done.err


def one_company() -> Legacy:
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5).year(1).answer(1)
    return world.document(1, model=11, object_path="a.pdf").share("a.pdf", b"abc")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one company, whose document is on the file share."""
    one_company().write(tmp_path / "legacy")
    return Workspace(tmp_path)


def nothing_is_left(workspace: Workspace) -> None:
    assert not workspace.target.exists()
    assert not (workspace.run / "extract").exists()


# -- sources -------------------------------------------------------------------------------------------------------------------------------


def _garbage(file: Path) -> None:
    file.write_bytes(b"this is not a database, whatever its name says " * 100)


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _empty(file: Path) -> None:
    file.write_bytes(b"")


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (Path.unlink, "does not exist"),
    "a folder": (_folder, "does not exist"),
    "no database": (_garbage, "is not a readable SQLite database"),
    "cut off": (_cut, "database disk image is malformed"),
    "empty": (_empty, "P2.company_profile: the table is missing"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_source_file_that_cannot_be_read_is_named(workspace: Workspace, how: str) -> None:
    spoil, sentence = BROKEN[how]
    spoil(workspace.folder / "legacy" / "portal2.sqlite")
    for name in ("plan", "extract"):
        said(workspace.command(name), 1, sentence, "P2" if how == "empty" else "Portal 2.0")
        nothing_is_left(workspace)


def test_a_source_that_is_locked_at_any_read_is_reported_as_in_use(workspace: Workspace) -> None:
    """Also at a later read than the first: `freeze check` then ends with 5."""
    from etl.databases.sqlite.source import SqliteSource
    from etl.errors import Busy

    file = workspace.folder / "legacy" / "portal2.sqlite"
    for read in (
        SqliteSource.shapes,
        lambda source: source.count("document"),
        lambda source: list(source.read(MAPPINGS.tables["P2", "document"], 9)),
    ):
        with SqliteSource(f"sqlite:///{file}", "Portal 2.0") as source, workspace.database("legacy/portal2.sqlite") as writer:
            source._connection.execute("ROLLBACK")  # its snapshot is gone
            source._connection.execute("PRAGMA busy_timeout = 0")
            writer.isolation_level = None
            writer.execute("BEGIN EXCLUSIVE")
            with pytest.raises(Busy, match="another process is writing"):
                read(source)


def test_swapped_sources_are_reported_in_one_sentence(workspace: Workspace) -> None:
    done = workspace.command("plan", "--source", workspace.stores["--tc"], "--tc", workspace.stores["--source"])
    said(done, 1, "--source and --tc appear to be swapped", "Swap the two URLs")


def test_all_missing_tables_are_reported_together(workspace: Workspace) -> None:
    lacking = ("business_type", "document", "svi_link")
    with workspace.database("legacy/portal2.sqlite") as source:
        for table in lacking:
            source.execute(f"DROP TABLE {table}")
    said(workspace.command("run"), 1, *(f"P2.{table}: the table is missing" for table in lacking), "No data was read")
    nothing_is_left(workspace)


def test_sources_without_a_single_row_are_migrated_and_equal(tmp_path: Path) -> None:
    world = Legacy()
    world.tables.clear()
    workspace = Workspace(tmp_path)
    world.write(tmp_path / "legacy")
    done = workspace.json("run")
    assert done.code == 0, done.envelope["errors"]
    with closing(sqlite3.connect(workspace.target)) as store:
        counts = {table: store.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in MAPPINGS.target.tables}
    assert {table for table, rows in counts.items() if rows} == {"migration_run"}
    assert workspace.json("reconcile").data["answer"] == "equal"


# -- targets, folders, stores --------------------------------------------------------------------------------------------------------------


def test_a_target_with_rows_of_others_is_refused_and_keeps_them(checked: Workspace) -> None:
    with checked.database("portal3.sqlite") as store:
        store.executescript(MAPPINGS.target.text)
        store.execute("INSERT INTO business_type VALUES ('XXX', 'of others', 1)")
    before = checked.content()
    said(checked.command("load"), 7, "business_type")
    assert checked.content() == before


def test_a_target_with_other_tables_of_the_same_names_is_refused(checked: Workspace) -> None:
    with checked.database("portal3.sqlite") as store:
        store.execute("CREATE TABLE login (login_id INTEGER PRIMARY KEY, nick TEXT)")
    before = checked.content()
    said(checked.command("load"), 7, "login.login_id: found INTEGER", "expected TEXT", "login.nick: not in the contract")
    assert checked.content() == before


@pytest.mark.parametrize(
    ("url", "sentence"), [("garbage", "is not a readable SQLite database"), ("no/such/folder/x", "is not an existing folder")]
)
def test_a_target_that_cannot_be_written_is_named(checked: Workspace, url: str, sentence: str) -> None:
    _garbage(checked.folder / "garbage")
    before = (checked.folder / "garbage").read_bytes()
    checked.run.joinpath("manifest.json").write_bytes(_without_setting(checked, "target"))
    said(checked.command("load", "--target", f"sqlite:///{url}"), 1, "--target", sentence)
    assert (checked.folder / "garbage").read_bytes() == before


def _without_setting(workspace: Workspace, name: str) -> bytes:
    """Makes the manifest that of a run without a target so far."""
    from etl.runfolder.folder import _digest

    body = json.loads((workspace.run / "manifest.json").read_bytes())["run"]
    body["settings"].pop(name, None)
    return json.dumps({"run": body, "sha256": _digest(body)}, ensure_ascii=False).encode()


def test_a_run_folder_of_another_run_is_refused_and_unchanged(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.command("extract").code == 0
    other = Workspace(tmp_path / "other")
    one_company().write(other.folder / "legacy")
    before = {path: path.read_bytes() for path in workspace.run.rglob("*") if path.is_file() and path.name != "events.jsonl"}
    said(other.command("extract", "--run", str(workspace.run), "--source", f"sqlite:///{other.folder}/legacy/portal2.sqlite"), 7, "source")
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_folder_with_other_files_is_refused_and_unchanged(workspace: Workspace) -> None:
    workspace.run.mkdir()
    (workspace.run / "letter.txt").write_text("not mine")
    said(workspace.command("extract"), 7, "letter.txt")
    assert [path.name for path in workspace.run.iterdir() if path.name != ".lock"] == ["letter.txt"]


def test_a_run_folder_that_is_a_file_or_a_link_is_refused(workspace: Workspace) -> None:
    workspace.run.write_text("a file")
    said(workspace.command("extract"), 1, "run")
    workspace.run.unlink()
    workspace.run.symlink_to(workspace.folder / "legacy")
    said(workspace.command("extract"), 7, "Paths overlap")
    assert {path.name for path in (workspace.folder / "legacy").iterdir()} == {"portal2.sqlite", "tc.sqlite", "files"}
    (workspace.folder / "elsewhere").mkdir()
    workspace.run.unlink()
    workspace.run.symlink_to(workspace.folder / "elsewhere")
    said(workspace.command("extract"), 7, "link")
    assert list((workspace.folder / "elsewhere").iterdir()) == []


def test_a_missing_file_share_is_named(workspace: Workspace) -> None:
    said(workspace.command("extract", "--files", "no/such/share"), 1, "--files", "no/such/share")
    nothing_is_left(workspace)


def test_documents_on_a_share_that_was_not_given_stop_the_extract(workspace: Workspace) -> None:
    words = [word for word in workspace.words("extract") if word not in ("--files", "legacy/files")]
    said(command(*words, folder=workspace.folder), 1, "Document 1", "--files")


@pytest.mark.parametrize("option", ["--files", "--objects"])
def test_an_unknown_kind_of_store_is_refused_by_name(workspace: Workspace, option: str) -> None:
    said(workspace.command("extract", option, "ftp://server/folder"), 2, option, "ftp://")


def test_an_object_store_that_is_a_file_is_named(workspace: Workspace) -> None:
    (workspace.folder / "objects").write_text("a file")
    said(workspace.command("extract"), 1, "--objects")
    assert (workspace.folder / "objects").read_text() == "a file"


# -- values --------------------------------------------------------------------------------------------------------------------------------

LONG = "long " * 40_960  # 200 KB
BIG = 2**53 + 1
MOMENTS = ("0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999")
TEXTS: dict[int, object] = {
    1: "",
    2: None,
    3: LONG,
    4: "zero\0character",
    5: Undecodable(b"Latin-1 \xe9"),
    6: Undecodable(b"half a pair \xed\xa0\xbd"),
    7: " ends with blanks  ",
    8: "line\r\nline\u2028line",
    9: "e\u0301 is not é",
    10: "\u202egnp.exe",
    11: "'; DROP TABLE document; --",
    12: "=1+1",
    13: "\N{GRINNING FACE}" * 100,
}
LOADED = {4: "zero\ufffdcharacter", 5: "Latin-1 \ufffd", 6: "half a pair \ufffd\ufffd\ufffd"}
NAMES = {
    1: "../../etc/passwd",
    2: "/etc/shadow",
    3: "C:\\CON",
    4: "a\nb\tc",
    5: "invoice\u202egnp.exe",
    6: "\x1b[31mred",
    7: "n" * 400,
    8: "<img src=x>.pdf",
    9: ".",
    10: "a|b",
}
PATHS = {20: "in.pdf", 21: "../outside.txt", 22: "out.pdf", 23: "way/outside.txt", 24: "/etc/hostname", 25: "a\0b", 26: "pipe"}
DAYS = {"0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31", "2023-02-30": None, "31.12.2022": None, "": None, "soon": None}


def hostile() -> Legacy:
    """A world of values that are hard to carry, each on rows of its own."""
    world = (
        Legacy()
        .user(5, user_name="a@x.example")
        .profile(
            1, employee_count="about 1,250?", years_in_business="many", **dict(zip(("created_at", "modified_at"), MOMENTS, strict=True))
        )
    )
    world.model(11).entity(101, type="IMP").contact(1, user=5)
    for number in TEXTS:
        world.question(1000 + number, question_no=number)
    world.year(1)
    for number, text in TEXTS.items():
        world.answer(number, question=1000 + number, response_text=text)
    for number, day in enumerate(DAYS, start=1):
        world.task(number, due=day)
    world.event(1).event(BIG).event(2**60 + 1)
    world.profile(BIG).model(BIG).entity(BIG, type="EXP").profile(-7).model(-7).entity(-7, type="EXP")
    world.highway_crossing(101, "a|b").highway_crossing(101, "a").highway_crossing(101, "|")
    for number, name in NAMES.items():
        world.document(number, model=11, file_name=name).content(number, f"content {number}".encode())
    for number, path in PATHS.items():
        world.document(number, model=11, object_path=path)
    return world.share("good.pdf", b"good").share("../outside.txt", b"a canary outside of the share")


def write(world: Legacy, folder: Path) -> World:
    """The world on disk, its share with links that lead out and a pipe."""
    import os

    path = world.write(folder / "legacy")
    for name, target in (("in.pdf", "good.pdf"), ("out.pdf", "../outside.txt"), ("way", "..")):
        (path.files / name).symlink_to(target)
    os.mkfifo(path.files / "pipe")
    return path


@pytest.fixture(scope="module")
def world() -> Legacy:
    return hostile()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, world: Legacy) -> Store:
    folder = tmp_path_factory.mktemp("hostile")
    return migrate(write(world, folder), folder)


def test_texts_load_unchanged_and_undecodable_texts_keep_their_bytes(store: Store) -> None:
    texts = {int(key): text for key, text in store.rows("profile_response", "legacy_key", "response_text")}
    assert texts == {**TEXTS, **LOADED}
    assert store.flags("E8") == ["document 25", "profile_response 4", "profile_response 5", "profile_response 6"]
    exact = {b"zero\0character", b"Latin-1 \xe9", b"half a pair \xed\xa0\xbd"}
    assert exact <= set(store.stored().values())


def test_dates_from_0001_to_9999_load_and_invalid_ones_are_null_and_held_with_their_text(store: Store) -> None:
    days = {int(key): day for key, day in store.rows("portal_task", "legacy_key", "due_dt")}
    assert days == {number: DAYS[day] for number, day in enumerate(DAYS, start=1)}
    held = {number: store.holding(f"portal_task {number}")["due_dt"] for number, day in enumerate(DAYS, start=1) if DAYS[day] is None}
    assert held == {3: "2023-02-30", 4: "31.12.2022", 5: "", 6: "soon"}


def test_a_text_of_digits_stays_a_text(store: Store) -> None:
    rows = store.rows("entity_account", "legacy_entity_id", "employee_count_txt", "employee_count", "years_in_business_txt")
    assert rows[1] == (101, "about 1,250?", None, "many")


def test_microseconds_load(store: Store) -> None:
    assert store.accounts("profile_created_at", "profile_modified_at")[101] == MOMENTS


def test_negative_ids_and_ids_beyond_53_bits_load(store: Store) -> None:
    assert set(store.accounts("legacy_profile_id").items()) >= {(BIG, BIG), (-7, -7)}
    assert {str(BIG), str(2**60 + 1)} <= set(store.rows("event_history", "legacy_key"))


def test_keys_that_contain_the_separator_stay_distinct(store: Store) -> None:
    assert store.rows("account_highway_crossing", "account_id", "port_cd") == [(101, "a"), (101, "a|b"), (101, "|")]


def test_file_names_are_data_and_never_a_path(store: Store) -> None:
    names = dict(store.rows("document", "legacy_key", "file_name"))
    assert {int(key): name for key, name in names.items() if int(key) in NAMES} == NAMES
    places = {path.relative_to(store.objects).as_posix() for path in store.objects.rglob("*") if path.is_file()}
    assert {f"sha256/{name[:2]}/{name}" for name in store.stored()} == places


def test_no_link_or_path_reads_outside_the_share(store: Store) -> None:
    states = {int(key): state for key, state in store.rows("document", "legacy_key", "content_state_cd") if int(key) in PATHS}
    assert states == {number: "PRESENT" if path == "in.pdf" else "MISSING" for number, path in PATHS.items()}
    assert [content for content in store.stored().values() if b"canary" in content] == []


def test_every_row_is_loaded_or_held_and_the_verifier_agrees(store: Store, world: Legacy) -> None:
    loaded = loaded_keys(store)
    lost = {
        table: {key for key in keys if key not in loaded[table] and f"{table} {key}" not in store.held}
        for table, keys in source_keys(world).items()
        if table not in ("document_content", "tc_document_content")
    }
    assert {table: keys for table, keys in lost.items() if keys} == {}
    done = Workspace(store.path.parent).json("reconcile")
    assert (done.data["answer"], done.data["differences"]) == ("equal", [])


def test_values_are_printed_as_plain_text(store: Store) -> None:
    folder = store.path.parent
    for key in map(str, NAMES):
        done = command("trace", "P2", "document", key, "--target", f"sqlite:///{store.path}", folder=folder)
        assert done.code == 0
        assert [letter for letter in done.out if not letter.isprintable() and letter != "\n"] == []


# -- options -------------------------------------------------------------------------------------------------------------------------------


def every_command(group: click.Group = cli.commands, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, entry in group.commands.items():
        if isinstance(entry, click.Group):
            yield from every_command(entry, (*before, name))
        else:
            yield (*before, name), entry


def wrong_words() -> Iterator[tuple[str, ...]]:
    """For every command: an option that it does not have, a second word where it takes none; for every option: no value, and one that it cannot have."""
    for words, entry in every_command():
        yield (*words, "--no-such-option")
        if not any(isinstance(p, click.Argument) or p.required for p in entry.params):
            yield (*words, "word")
        for option in entry.params:
            if isinstance(option, click.Option) and not option.is_flag:
                yield (*words, option.opts[-1])
                if not isinstance(option.type, click.types.StringParamType):
                    yield (*words, option.opts[-1], "-1")
            elif isinstance(option, click.Option):
                yield (*words, f"{option.opts[-1]}=yes")


def test_every_invalid_option_value_is_wrong_usage_and_names_the_option(tmp_path: Path) -> None:
    for words in wrong_words():
        done = command(*words, folder=tmp_path)
        named = next((word.partition("=")[0] for word in words if word.startswith("--")), "word")
        assert (done.code, named in done.err, done.next.startswith("next: ")) == (2, True, True), (words, done.err)
        envelope = (
            command(words[0], "--output=json", *words[1:], folder=tmp_path).envelope if words[0] not in ("freeze", "evidence") else None
        )
        assert envelope is None or (envelope["exit_code"], envelope["errors"][0]["code"]) == (2, "USAGE"), words
    assert list(tmp_path.iterdir()) == []


COMBINATIONS: dict[str, tuple[str, ...]] = {
    "half a freeze": ("run", "--run", "run", *FREEZE[:2]),
    "a freeze that ends first": ("run", "--run", "run", *FREEZE[:2], "--freeze-to", "2023-09-15"),
    "a day that is none": ("run", "--run", "run", "--freeze-from", "2023-02-30", "--freeze-to", "2023-03-01"),
    "a rehearsal with a target": ("run", "--run", "run", "--rehearse", "--target", "sqlite:///x"),
    "a rehearsal with objects": ("run", "--run", "run", "--rehearse", "--objects", "x"),
    "workers and a cluster": ("run", "--run", "run", "--workers", "2", "--scheduler", "tcp://x:1"),
    "no run folder": ("run",),
    "no source": ("plan",),
    "neither row nor account": ("trace",),
    "half a row": ("trace", "P2", "document"),
    "row and account": ("trace", "P2", "document", "1", "--account", "1"),
    "no such portal": ("trace", "P3", "document", "1"),
    "no such table": ("trace", "TC", "document", "1"),
    "no e-mail": ("picker", "a@b@c"),
    "no bundle": ("evidence", "verify", "--public-key", "x"),
    "no key": ("evidence", "pack", "--bundle", "b"),
    "no folder for letters": ("company", "1"),
    "a profile that is not a number": ("company", "one", "--folder", "f"),
    "no URL": ("plan", "--source", "portal2.sqlite"),
    "nothing to reconcile": ("reconcile",),
    "no target to roll back": ("rollback",),
    "no command": ("migrate",),
    "nothing to write the sample to": ("sample",),
}


@pytest.mark.parametrize("case", COMBINATIONS)
def test_a_wrong_combination_is_wrong_usage_and_says_what_to_give(tmp_path: Path, case: str) -> None:
    done = command(*COMBINATIONS[case], folder=tmp_path)
    said(done, 2)
    assert len(done.next) > len("next: ")
    assert list(tmp_path.iterdir()) == []
