"""K5 and fine print 60 on SQLite: views that cannot be opened, virtual tables and the tables in which they keep their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import Workspace, said
from tests.support.small_worlds import one_company_workspace

OTHERS_VIEWS = (
    "CREATE VIEW loads AS SELECT load_extension('/tmp/x.so') AS a",
    "CREATE VIEW stale AS SELECT * FROM dropped_long_ago",
    "CREATE VIEW of_json AS SELECT json_extract('{}', '$.a') AS a",
    "CREATE VIEW own AS SELECT function_of_the_old_application(1) AS a",
    "CREATE VIEW circle AS SELECT * FROM circle",
)
NOTE = "note_id, company_profile_id, entity_id, note_type_cd, {} AS note_text, cbp_user_id, created_at"
INDEX = "CREATE VIRTUAL TABLE searched USING {}"
UNKNOWN = "INSERT INTO sqlite_master VALUES ('table', 'sounds', 'sounds', 0, 'CREATE VIRTUAL TABLE sounds USING spellfix1')"


def altered(folder: Path, *statements: str) -> Workspace:
    """The world of one company and one note, its Portal 2.0 altered by these statements."""
    workspace = one_company_workspace(folder)
    with workspace.database("legacy/portal2.sqlite") as old:
        old.execute("INSERT INTO internal_note VALUES (1, 1, NULL, 'GENERAL', 'x', NULL, '2020-01-01 00:00:00')")
        for statement in statements:
            old.execute(statement)
    return workspace


def adapter(workspace: Workspace, name: str, text: str) -> tuple[str, str]:
    file = workspace.folder / "adapter" / "portal2" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return ("--adapter", str(workspace.folder / "adapter"))


def test_fp60_views_that_cannot_be_opened_are_named_and_prevent_nothing(tmp_path: Path) -> None:
    workspace = altered(tmp_path, *OTHERS_VIEWS)
    plan = workspace.json("plan")
    assert plan.code == 0, plan.out
    beside = plan.data["conditions"]["P2"]["beside"]
    assert "view stale that cannot be opened (no such table: main.dropped_long_ago)" in beside
    assert "view loads that cannot be opened (unsafe use of load_extension())" in beside
    assert len(beside) == len(OTHERS_VIEWS)
    done = workspace.command("run")
    assert (done.code, "Published and equal" in done.out) == (0, True), done
    assert workspace.command("scaffold", "--source", "sqlite:///legacy/portal2.sqlite", "--to", "draft").code == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("load_extension('/tmp/x.so')", "unsafe use of load_extension()"),
        ("fts3_tokenizer('simple')", "unsafe use of fts3_tokenizer()"),
        ("own_function(note_text)", "no such function: own_function"),
    ],
)
def test_fp60_a_mapped_view_that_cannot_be_opened_is_refused_with_the_reason_and_the_way_out(
    text: str, reason: str, tmp_path: Path
) -> None:
    workspace = altered(
        tmp_path, "ALTER TABLE internal_note RENAME TO notes", f"CREATE VIEW internal_note AS SELECT {NOTE.format(text)} FROM notes"
    )
    for command in ("plan", "run"):
        done = workspace.command(command)
        said(done, 1, f"P2.internal_note: a view that cannot be opened ({reason})", "put a table with its rows in its place")
    presented = adapter(workspace, "source.toml", '[ignored]\nnotes = "behind the view"\n')
    said(workspace.command("plan", *presented), 1, f"internal_note, a view that cannot be opened ({reason})")
    lookup = adapter(
        workspace,
        "internal_note.toml",
        '[[from]]\ntable = "notes"\nlookup = { v = { table = "internal_note", key = "note_id", by = "note_id" } }\n'
        '[from.columns]\nnote_text = "v.note_text"\n',
    )
    said(workspace.command("plan", *lookup), 1, "from[0].lookup.v.table: found internal_note, a view that cannot be opened")


def test_a_view_whose_computation_fails_in_one_row_is_an_error_of_the_portal(tmp_path: Path) -> None:
    workspace = altered(
        tmp_path,
        "INSERT INTO internal_note VALUES (2, 1, NULL, 'GENERAL', 'y', NULL, '2020-01-01 00:00:00')",
        "ALTER TABLE internal_note RENAME TO notes",
        f"CREATE VIEW internal_note AS SELECT {NOTE.format('CASE note_id WHEN 2 THEN abs(-9223372036854775807 - 1) ELSE note_text END')} FROM notes",
    )
    presented = adapter(workspace, "source.toml", '[ignored]\nnotes = "behind the view"\n')
    for command in ("plan", "run"):
        said(workspace.command(command, *presented), 1, "Portal 2.0: internal_note cannot be read (integer overflow)", "in its place")


@pytest.mark.parametrize(
    ("statements", "described"),
    [
        ((INDEX.format("fts5(a, b)"),), "searched: this virtual table (fts5, with 5 tables of its own)"),
        ((INDEX.format("fts4(a, b)"),), "searched: this virtual table (fts4, with 5 tables of its own)"),
        ((INDEX.format("rtree(id, x0, x1)"),), "searched: this virtual table (rtree, with 3 tables of its own)"),
        (
            ("PRAGMA writable_schema = on", UNKNOWN),
            "sounds: this virtual table (spellfix1; it cannot be opened: no such module: spellfix1)",
        ),
    ],
)
def test_K5_a_virtual_table_is_one_line_that_says_what_it_is_and_one_line_ignores_it(
    statements: tuple[str, ...], described: str, tmp_path: Path
) -> None:
    workspace = altered(tmp_path, *statements)
    done = workspace.command("plan")
    said(done, 1, f"P2.{described} is not in any mapping", "[ignored]")
    assert done.err.count("not in any mapping") == 1, done.err
    ignored = f'[ignored]\n{described.partition(":")[0]} = "an index over other tables"\n'
    (tmp_path / "empty").mkdir()
    said(
        workspace.command("plan", "--adapter", str(tmp_path / "empty")),
        1,
        f"the physical table {described.partition(':')[0]}, which",
        "in 1 places",
    )
    published = workspace.command("run", *adapter(workspace, "source.toml", ignored))
    assert (published.code, "Published and equal" in published.out) == (0, True), published


def test_a_virtual_table_can_be_presented_and_its_own_tables_need_no_line(tmp_path: Path) -> None:
    names = "note_id, company_profile_id, entity_id, note_type_cd, note_text, cbp_user_id, created_at"
    workspace = altered(
        tmp_path,
        f"CREATE VIRTUAL TABLE notes USING fts5({names})",
        f"INSERT INTO notes ({names}) SELECT {names} FROM internal_note",
        "DROP TABLE internal_note",
    )
    columns = "".join(f'{name} = {{ integer = "{name}" }}\n' for name in names.split(", ") if name.endswith("_id"))
    presented = adapter(
        workspace,
        "internal_note.toml",
        f'[[from]]\ntable = "notes"\n[from.columns]\n{columns}created_at = {{ moment = "created_at", form = "YYYY-MM-DD HH24:MI:SS" }}\n'
        '[from.retired]\nnotes = "of the index"\nrank = "of the index"\n',
    )
    done = workspace.command("run", *presented)
    assert (done.code, "Published and equal" in done.out) == (0, True), done
    with workspace.database("portal3.sqlite") as store:
        assert store.execute("SELECT note_text FROM internal_note").fetchall() == [("x",)]


def test_K9_an_index_over_a_function_of_the_old_application_is_not_damage_and_is_not_read(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    with workspace.database("legacy/portal2.sqlite") as old:
        old.create_function("sounds_like", 1, lambda text: text, deterministic=True)
        old.execute("CREATE INDEX by_sound ON portal_user (sounds_like(user_name))")
        old.execute("CREATE UNIQUE INDEX some ON message (message_id) WHERE sounds_like(message_id)")
    plan = workspace.command("plan")
    assert (plan.code, "whether an index lacks rows is unknown (unknown function: sounds_like()" in plan.out) == (0, True), plan
    done = workspace.command("run")
    assert (done.code, "Published and equal" in done.out) == (0, True), done


def test_K5_a_database_without_any_table_is_named_before_the_missing_tables(tmp_path: Path) -> None:
    workspace = one_company_workspace(tmp_path)
    (workspace.folder / "legacy" / "portal2.sqlite").write_bytes(b"")
    said(workspace.command("plan"), 1, "P2: the database has no tables at all", "P2.message: the table is missing", "Check the URL")


def test_K9_a_mapped_view_that_depends_on_chance_or_on_the_moment_is_named(tmp_path: Path) -> None:
    """Two readings of it may differ; a function of dates depends on the moment only without arguments or with 'now'."""
    row = "1 AS note_id, 1 AS company_profile_id, NULL AS entity_id, 'GENERAL' AS note_type_cd, {} AS note_text, NULL AS cbp_user_id, {} AS created_at"
    workspace = altered(
        tmp_path,
        "DROP TABLE internal_note",
        f"CREATE VIEW \"Behind it\" AS SELECT {row.format('abs(random())', chr(39) + '2020-01-01 00:00:00' + chr(39))} WHERE datetime('now') > '2020'",
        'CREATE VIEW internal_note AS SELECT * FROM "Behind it"',
        f"CREATE VIEW steady AS SELECT {row.format('1', 'date(5)')}",
    )
    plan = workspace.json("plan")
    assert plan.code == 0, plan.out
    unsure = plan.data["conditions"]["P2"]["not_ruled_out"]
    assert "internal_note: the view depends on 'now', random(), so two readings may differ (K9)" in unsure
    assert not any("steady" in sentence for sentence in unsure)
