"""Schemas of a mapping folder: parsed by two parsers and never executed; statements are rendered from the parsed form."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from etl.reconcile.engine.spec import tables
from etl.reconcile.errors import SpecError
from mappings.ddl import alterations, create_table
from mappings.ddl_parser import parse
from mappings.errors import MappingError
from mappings.read import HOME, read_mappings
from mappings.schema import read_schema
from tests.support.command import command

HARMLESS = "CREATE TABLE t (a INTEGER PRIMARY KEY);\n"
HOSTILE = {
    "attaches": "ATTACH DATABASE '{victim}' AS o; UPDATE o.company_profile SET company_name = 'owned';",
    "pragma": "PRAGMA writable_schema = on;",
    "inserts": "INSERT INTO t VALUES (1);",
    "a table from a query": "CREATE TABLE bomb AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c;",
    "a recursive view": "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c;",
    "a trigger": "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END;",
    "a comment within a comment": "CREATE VIEW harmless AS SELECT 1 AS a /* /* x */ -- */ ; DROP TABLE victim; SELECT 1\n, 2 AS b FROM t;",
    "a function": "CREATE VIEW v AS SELECT load_extension('x') AS a FROM t;",
    "a function as default": "CREATE TABLE u (a INTEGER PRIMARY KEY, b TEXT DEFAULT (randomblob(1000000000)));",
    "a generated column": "CREATE TABLE u (a INTEGER PRIMARY KEY, b INTEGER GENERATED ALWAYS AS (a) STORED);",
    "the catalogue": "CREATE VIEW v AS SELECT name FROM sqlite_master;",
    "another schema": "CREATE VIEW v AS SELECT a FROM pg_catalog.pg_authid;",
    "dollar quotes": "CREATE VIEW v AS SELECT $$;DROP TABLE t;$$ AS a FROM t;",
    "an escaped quote": "CREATE VIEW v AS SELECT '\\'; DROP TABLE t; --' AS a FROM t;",
    "a statement behind a view": "CREATE VIEW v AS SELECT a FROM t DROP TABLE t;",
    "a column that is not there": "CREATE VIEW v AS SELECT b FROM t;",
    "a temporary table": "CREATE TEMPORARY TABLE u (a INTEGER PRIMARY KEY);",
    "another database": "CREATE TABLE main.u (a INTEGER PRIMARY KEY);",
    "a name of other signs": 'CREATE VIEW "v; DROP TABLE t; --" AS SELECT a FROM t;',
    "no end of depth": "CREATE VIEW v AS SELECT {deep} AS a FROM t;",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_K5_statements_that_are_not_declarations_are_refused_and_not_executed(kind: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim.sqlite"
    with closing(sqlite3.connect(victim)) as db:
        db.execute("CREATE TABLE company_profile (company_name)")
    before = hashlib.sha256(victim.read_bytes()).hexdigest()
    text = HARMLESS + HOSTILE[kind].replace("{victim}", str(victim)).replace("{deep}", "(" * 50_000)
    with pytest.raises(MappingError) as raised:
        read_schema("portal3", text.encode())
    assert raised.value.file == "portal3.sql"
    path = tmp_path / "portal3.sql"
    path.write_text(text, encoding="utf-8")
    with suppress(SpecError):
        assert set(tables(path.name, path.read_bytes())) <= {"t", "u"}
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["portal3.sql", "victim.sqlite"]


def test_K5_a_schema_that_attaches_a_database_does_not_change_the_old_portal(tmp_path: Path) -> None:
    """`plan` reads, changes nothing: it wrote into the old portal's file, and made new ones."""
    home, victim = tmp_path / "mappings", tmp_path / "portal2.sqlite"
    shutil.copytree(HOME, home)
    with closing(sqlite3.connect(victim)) as db:
        db.execute("CREATE TABLE company_profile (company_name)")
    before = victim.read_bytes()
    with (home / "schemas" / "tc.sql").open("a", encoding="utf-8") as file:
        file.write(
            f"ATTACH DATABASE '{victim}' AS o;\nCREATE TABLE o.more (a);\nATTACH DATABASE '{tmp_path}/made.sqlite' AS n;\nCREATE TABLE n.t (a);\n"
        )
    done = command("plan", "--source", f"sqlite:///{victim}", "--mappings", str(home), folder=tmp_path)
    assert done.code == 1
    assert "tc.sql: statements: found syntax error in line" in done.err
    assert victim.read_bytes() == before
    assert not (tmp_path / "made.sqlite").exists()


RICH = """
CREATE TABLE parent ("order" INTEGER, second VARCHAR (8), note TEXT, PRIMARY KEY ("order", second)); -- of two parts
CREATE TABLE child (
  id BIGINT CONSTRAINT called PRIMARY KEY, one INTEGER NOT NULL DEFAULT 7, other VARCHAR(8) DEFAULT 'it''s; --' CHECK (other <> 'x'),
  alone INTEGER REFERENCES child, flag BOOLEAN DEFAULT TRUE, UNIQUE (one, other), FOREIGN KEY (one, other) REFERENCES parent ("order", second),
  CONSTRAINT fits CHECK (one BETWEEN 0 AND 100 AND other IN ('a', 'b', 'it''s; --') OR flag IS NOT TRUE)
);
/* a comment */ CREATE UNIQUE INDEX child_note ON child (alone);
COMMENT ON COLUMN child.one IS 'a comment''s text; DROP TABLE child';
CREATE VIEW seen (id, total, word) AS
  SELECT c.id, count(*) + 1, CASE WHEN coalesce(c.other, 'none') LIKE 'n%' THEN 'none' ELSE upper(c.other) || '!' END
  FROM child AS c LEFT JOIN parent p ON p."order" = c.one JOIN (SELECT DISTINCT id FROM child) d USING (id)
  WHERE NOT EXISTS (SELECT 1 FROM child x WHERE x.alone = c.id) AND c.one NOT IN (SELECT 3 FROM parent) GROUP BY c.id, c.other HAVING count(*) > 0
  UNION ALL SELECT CAST(1 AS BIGINT), 2, 'x' FROM parent ORDER BY 1 DESC;
"""


def test_checks_defaults_and_composite_keys_are_read_and_created_on_both_databases(postgres: str, tmp_path: Path) -> None:
    schema = read_schema("rich", RICH.encode())
    ddl = schema.ddl
    parent, child = schema.tables["parent"], schema.tables["child"]
    assert (parent.key, child.key, child.unique) == (("order", "second"), ("id",), (("one", "other"),))
    assert [(c.name, c.sql_type, c.not_null, c.refers_to) for c in child.columns][:4] == [
        ("id", "BIGINT", True, None),
        ("one", "INTEGER", True, None),
        ("other", "VARCHAR(8)", False, None),
        ("alone", "INTEGER", False, "child"),
    ]
    made = [*(create_table(table, {}) for table in ddl.tables.values()), *schema.views.values(), *ddl.indexes]
    assert not any("--" in statement.replace("it''s; --", "") for statement in made)
    broken = [
        "INSERT INTO child (id, one, other) VALUES (1, 7, 'x')",
        "INSERT INTO child (id, one, other) VALUES (1, 101, 'a')",
        "INSERT INTO child (id, one, other) VALUES (1, 8, 'a')",
    ]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = on")
        for statement in (*made, "INSERT INTO parent VALUES (7, 'a', NULL), (7, 'it''s; --', NULL)", "INSERT INTO child (id) VALUES (5)"):
            db.execute(statement)
        assert db.execute("SELECT one, other, flag FROM child").fetchall() == [(7, "it's; --", 1)]
        assert db.execute("SELECT word FROM seen").fetchall() == [("IT'S; --!",), ("x",), ("x",)]
        for statement in broken:
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(statement)
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("DROP SCHEMA IF EXISTS rich CASCADE; CREATE SCHEMA rich; SET search_path = rich")
        plain = parse(RICH)
        for table in plain.tables.values():
            table.checks, table.foreign = [], []
            for column in table.columns:
                column.default = None
        statements = [
            *(create_table(table, {}) for table in plain.tables.values()),
            *alterations(ddl),
            *schema.views.values(),
            *ddl.indexes,
            *ddl.comments,
        ]
        for statement in (
            *statements,
            "INSERT INTO parent VALUES (7, 'a', NULL), (7, 'it''s; --', NULL)",
            "INSERT INTO child (id) VALUES (5)",
        ):
            session.execute(statement.encode(), prepare=True)
        assert session.execute("SELECT one, other, flag FROM child").fetchall() == [(7, "it's; --", True)]
        assert session.execute("SELECT word FROM seen").fetchall() == [("IT'S; --!",), ("x",), ("x",)]
        for statement in broken:
            with pytest.raises(psycopg.IntegrityError):
                session.execute(statement.encode())
        with pytest.raises(psycopg.errors.SyntaxError):  # what is made of a mapping folder is one statement each, whatever it holds
            session.execute("SELECT 1; DROP TABLE child", prepare=True)
        session.execute("DROP SCHEMA rich CASCADE")
    path = tmp_path / "rich.sql"
    path.write_text(RICH, encoding="utf-8")
    read = tables(path.name, path.read_bytes())
    assert {name: (list(t.columns), t.key, t.unique, dict(t.refers)) for name, t in read.items()} == {
        name: ([c.name for c in t.columns], t.key, t.unique, {c.name: c.refers_to for c in t.columns if c.refers_to})
        for name, t in schema.tables.items()
    }


def test_both_parsers_give_the_same_contract() -> None:
    known = read_mappings()
    for name, schema in (("portal2", known.sources["P2"]), ("tc", known.sources["TC"]), ("portal3", known.target)):
        read = tables(f"{name}.sql", (HOME / "schemas" / f"{name}.sql").read_bytes())
        assert list(read) == list(schema.tables)
        for table, declared in schema.tables.items():
            theirs = read[table]
            ours = {c.name: (c.family, c.length or 0, c.not_null) for c in declared.columns}
            assert {n: (c.kind, c.length, c.mandatory) for n, c in theirs.columns.items()} == ours, table
            assert (theirs.key, sorted(theirs.unique)) == (declared.key, sorted(declared.unique)), table
            assert dict(theirs.refers) == {c.name: c.refers_to for c in declared.columns if c.refers_to}, table


def test_mappings_are_read_once_for_digest_and_use(tmp_path: Path) -> None:
    """A worker that reads the folder again refuses mappings that differ from the run's."""
    home = tmp_path / "mappings"
    shutil.copytree(HOME, home)
    known = read_mappings(home)
    assert read_mappings(home, known.digest).digest == known.digest == read_mappings().digest
    assert known.files["schemas/tc.sql"] == (home / "schemas" / "tc.sql").read_bytes()
    with (home / "rules.toml").open("a", encoding="utf-8") as file:
        file.write("# changed during the cut-over\n")
    with pytest.raises(MappingError, match="the folder changed while the run was under way"):
        read_mappings(home, known.digest)
