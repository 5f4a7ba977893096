"""Fine print 62 and 70: the store is more than its tables. What changes or exposes what is loaded is refused by name before anything is made; the rest is named."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from etl.databases.conditions import query_of, tokens
from mappings.read import read_mappings
from tests.support.command import Done, Workspace, command
from tests.support.legacy import Legacy

SCHEMA = read_mappings().target
SECOND = (
    "CREATE VIEW account_picker AS SELECT l.login_id, a.account_id, a.account_number, a.legal_name, a.account_label, a.business_type_cd, a.status_cd, a.tier_cd,"
    " a.legacy_profile_id FROM entity_account a, login l"
)


def for_sqlite(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text).replace(" UUID", " TEXT").replace(" BYTEA", " BLOB")


@pytest.fixture(scope="module")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5).year(1).answer(1)
    world.document(1, model=11).content(1, b"abc").write(folder / "legacy")
    return folder


@pytest.fixture
def small(_small: Path, tmp_path: Path) -> Workspace:
    """A workspace with one company, not yet begun; its store is the test's to prepare."""
    (tmp_path / "legacy").symlink_to(_small / "legacy")
    return Workspace(tmp_path)


def prepared(workspace: Workspace, text: str, *statements: str) -> None:
    store = sqlite3.connect(workspace.target)
    store.executescript(text)
    for statement in statements:
        store.execute(statement)
    store.commit()
    store.close()


ALTERING = {
    "trigger up on entity_account": "CREATE TRIGGER up AFTER INSERT ON entity_account BEGIN UPDATE entity_account SET modified_at = '2020-01-01 00:00:00'; END",
    "trigger pick on account_picker": "CREATE TRIGGER pick INSTEAD OF INSERT ON account_picker BEGIN DELETE FROM login; END",
    "account_picker: differs from the contract's view": f"DROP VIEW account_picker;{SECOND}",
    "account_picker: differs from the contract's view ": "DROP VIEW account_picker",
    "account_picker: differs from the contract's view  ": "DROP VIEW account_picker; CREATE TABLE account_picker (login_id TEXT)",
    "message.body: a generated column": (),
    "login.email_key: collation NOCASE": (),
    "account_group: a constraint with ON CONFLICT": (),
    "a reference with an automatic action (CASCADE)": (),
    "the file's encoding is UTF-16le": (),
}


def schema_with(what: str) -> str:
    """The contract's statements with the harm in them, where it cannot be done afterwards."""
    text = for_sqlite(SCHEMA.text)
    if what.startswith("message.body"):
        return re.sub(r"(CREATE TABLE message \(.*?)body TEXT", r"\1body TEXT GENERATED ALWAYS AS ('x') VIRTUAL", text, flags=re.DOTALL)
    if "NOCASE" in what:
        return re.sub(r"(email_key VARCHAR\(\d+\))", r"\1 COLLATE NOCASE", text, count=1)
    if "ON CONFLICT" in what:
        return re.sub(r"(CREATE TABLE account_group.*?PRIMARY KEY)", r"\1 ON CONFLICT REPLACE", text, count=1, flags=re.DOTALL)
    if "CASCADE" in what:
        return text.replace("REFERENCES entity_account", "REFERENCES entity_account ON DELETE CASCADE", 1)
    return "PRAGMA encoding = 'UTF-16le';" + text if "UTF-16" in what else text


@pytest.mark.parametrize("what", ALTERING)
def test_fp62_objects_that_change_loaded_rows_are_reported_by_plan_and_refused_sqlite(small: Workspace, what: str) -> None:
    given = ALTERING[what]
    # One statement may hold semicolons of its own (a trigger's body).
    statements = [given] if isinstance(given, str) and given.startswith("CREATE TRIGGER") else given.split(";") if given else []  # type: ignore[attr-defined]  # one text or several statements
    prepared(small, schema_with(what), *statements)
    before = small.target.read_bytes()
    for words in (("plan",), ("run",)):
        done = small.command(*words)
        assert done.code == 7, (words, done.out, done.err)
        assert what.strip() in done.err or (what.startswith("message.body") and "message.body" in done.err), done.err
    assert small.target.read_bytes() == before
    assert not (small.run / "extract").exists()


def test_fp70_harmless_objects_are_reported_and_the_contracts_view_is_recognised_in_any_spelling(small: Workspace) -> None:
    text = for_sqlite(SCHEMA.text)
    view = SCHEMA.views["account_picker"].replace('"', "").replace(" AS c", " c").lower().replace(" and ", "\n AND -- and\n ")
    prepared(small, text, "DROP VIEW account_picker", view, "CREATE TABLE other (x TEXT)", "CREATE INDEX more ON message (sent_at)")
    done = small.command("plan")
    assert (done.code, "target: not of the contract: table other: outside the contract; not blocking" in done.out) == (0, True), done.err
    assert small.command("run").code == 0


def test_a_trigger_added_during_staging_is_detected_before_the_commit(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored rows are compared with staged ones: if anything altered them, nothing is published."""
    prepared(small, for_sqlite(SCHEMA.text))
    import etl.load.step

    whole = etl.load.step.stage_all

    def harmed(*given: object) -> None:
        whole(*given)  # type: ignore[arg-type]
        with sqlite3.connect(small.target) as store:
            store.execute(
                "CREATE TRIGGER late AFTER INSERT ON login BEGIN UPDATE login SET email_display = 'another' WHERE login_id = NEW.login_id; END"
            )

    monkeypatch.setattr("etl.load.step.stage_all", harmed)
    done = small.command("run")
    assert done.code == 7, done.err
    assert "The stored rows differ from the staged rows: login. Nothing was published." in done.err
    with small.database("portal3.sqlite") as store:
        assert (
            store.execute("SELECT count(*) FROM login").fetchone() == store.execute("SELECT count(*) FROM migration_run").fetchone() == (0,)
        )


def test_equal_statements_have_equal_tokens_and_different_ones_do_not() -> None:
    assert tokens('SELECT "a" , [b]\n-- c\nFROM/**/T;') == tokens("select a,b from t")
    assert tokens("SELECT 'A'") != tokens("SELECT 'a'")
    assert tokens('SELECT "A"') != tokens("SELECT a")
    assert query_of("CREATE VIEW v AS SELECT 1 AS x") == tokens("SELECT 1 x")
    assert query_of("SELECT s.x FROM s.t", "s") == tokens("SELECT x FROM t")


# -- PostgreSQL ------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(postgres: str, request: pytest.FixtureRequest) -> str:
    """The URL of a new database with the contract's tables in it."""
    name = f"conditions_{abs(hash(request.node.name)) % 10**9}"
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name}".encode())
    url = make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(SCHEMA.text.encode())
    return url


def run(workspace: Workspace, name: str, url: str) -> Done:
    return command(*workspace.words(name), "--target", url, folder=workspace.folder)


POSTGRES = {
    "trigger up on login": (
        "CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email_display = upper(NEW.email_display); RETURN NEW; END'",
        "CREATE TRIGGER up BEFORE INSERT ON login FOR EACH ROW EXECUTE FUNCTION up()",
    ),
    "rule keep on migration_holding": ("CREATE RULE keep AS ON DELETE TO migration_holding DO INSTEAD NOTHING",),
    "row-security policy p on message": (
        "ALTER TABLE message ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON message FOR SELECT USING (false)",
    ),
    "document: row security is on": ("ALTER TABLE document ENABLE ROW LEVEL SECURITY",),
    "PUBLIC may INSERT login, message": ("GRANT INSERT ON login, message TO PUBLIC",),
    "PUBLIC may UPDATE login": ("GRANT UPDATE (email_display) ON login TO PUBLIC",),
    "PUBLIC may DELETE every table that is created here": ("ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO PUBLIC",),
    "login.email_key: a collation under which different texts are equal": (
        # As an ICU collation without regard to case is kept; the tests' server may have been built without ICU.
        "CREATE COLLATION blind (locale = 'C')",
        "ALTER TABLE login ALTER email_key TYPE varchar(254) COLLATE blind",
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'blind'",
    ),
    "PUBLIC may UPDATE beside.over, a view of login": (
        "CREATE SCHEMA beside",
        "CREATE VIEW beside.through AS SELECT * FROM login",
        "CREATE VIEW beside.over AS SELECT email_key AS mail FROM beside.through",
        "GRANT UPDATE (mail) ON beside.over TO PUBLIC",
    ),
    "message: subscription s writes its publisher's rows into it": (
        "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere.invalid' PUBLICATION p WITH (connect = false)",
        # As with a publisher, without its background worker.
        "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, 'message'::regclass, 'r' FROM pg_subscription",
        "UPDATE pg_subscription SET subenabled = true",
    ),
    "FOREIGN KEY (login_id) to beside.login, which is not in the contract": (
        "CREATE SCHEMA beside",
        "CREATE TABLE beside.login (login_id uuid PRIMARY KEY)",
        "ALTER TABLE account_contact DROP CONSTRAINT account_contact_login_id_fkey, ADD FOREIGN KEY (login_id) REFERENCES beside.login",
    ),
    "FOREIGN KEY (login_id) to login NOT VALID, which is not in the contract": (
        "ALTER TABLE account_contact DROP CONSTRAINT account_contact_login_id_fkey, ADD FOREIGN KEY (login_id) REFERENCES login NOT VALID",
    ),
    "message.sent_at: found TIMESTAMP(0)": ("ALTER TABLE message ALTER sent_at TYPE timestamp(0)",),
    "account_picker: differs from the contract's view": ("DROP VIEW account_picker", SECOND),
    "account_picker: differs from the contract's view ": ("DROP VIEW account_picker",),
    "message: kept inherits from it": ("CREATE TABLE kept () INHERITS (message)",),
    "a reference with an automatic action (CASCADE)": (
        "ALTER TABLE message DROP CONSTRAINT message_thread_id_fkey, ADD FOREIGN KEY (thread_id) REFERENCES message_thread ON DELETE CASCADE",
    ),
}


@pytest.mark.parametrize("what", POSTGRES)
def test_fp62_objects_that_change_or_expose_loaded_rows_are_reported_by_plan_and_refused_postgresql(
    small: Workspace, database: str, what: str
) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        for statement in POSTGRES[what]:
            session.execute(statement.encode())
    for name in ("plan", "run"):
        done = run(small, name, database)
        assert (done.code, what.strip() in done.err) == (7, True), (done.out, done.err)
    assert not (small.run / "extract").exists()


# In a store without the contract's tables: each has a name that a table or the view will need.
OTHERS = {
    "account_picker: is a view of another origin": "CREATE VIEW account_picker AS SELECT 1 AS one",
    "login: is a materialized view of another origin": "CREATE MATERIALIZED VIEW login AS SELECT 1 AS one",
    "document: is a sequence of another origin": "CREATE SEQUENCE document",
    "message: is a type of another origin": "CREATE TYPE message AS (one int)",
    "entity_account: is a type of another origin": "CREATE DOMAIN entity_account AS int",
    "cbp_user: is an index of another origin": "CREATE TABLE other (one int); CREATE INDEX cbp_user ON other (one)",
}


def test_fp62_objects_with_a_name_of_the_contract_in_a_store_without_its_tables_are_refused_postgresql(
    small: Workspace, postgres: str
) -> None:
    """Previously `plan` passed them, and the load ended with an error of the server, unknown whether it had published."""
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE DATABASE names_taken")
    url = make_url(postgres).set(database="names_taken").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as session:
        for statement in OTHERS.values():
            session.execute(statement.encode())
    for name in ("plan", "run"):
        done = run(small, name, url)
        assert done.code == 7, done.err
        assert [sentence for sentence in OTHERS if sentence not in done.err] == [], done.err
    assert not (small.run / "extract").exists()
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            "DROP VIEW account_picker; DROP MATERIALIZED VIEW login; DROP SEQUENCE document; DROP TYPE message; DROP DOMAIN entity_account;"
            " DROP TABLE other; CREATE TABLE account_picker (one int)"
        )
    done = run(small, "plan", url)
    assert (done.code, "account_picker: is a table of another origin" in done.err) == (7, True), done.err


def test_fp62_objects_with_a_name_of_the_contract_in_a_store_without_its_tables_are_refused(small: Workspace) -> None:
    prepared(
        small,
        "CREATE TABLE other (one INTEGER)",
        "CREATE INDEX document ON other (one)",
        "CREATE VIEW Login AS SELECT 1",
        "CREATE TABLE account_picker (one INTEGER)",
        "CREATE TABLE MESSAGE (one INTEGER)",  # SQLite knows one spelling of a name only
    )
    for name in ("plan", "run"):
        done = small.command(name)
        assert done.code == 7, done.err
        for sentence in ("document: is an index", "Login: is a view", "account_picker: is a table", "MESSAGE: is a table"):
            assert f"{sentence} of another origin" in done.err, done.err


def test_fp70_other_grants_and_disabled_triggers_are_reported_and_allowed_postgresql(small: Workspace, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("CREATE ROLE onlooker")
        session.execute("GRANT SELECT, INSERT ON login TO onlooker")
        session.execute("GRANT SELECT ON message TO PUBLIC")
        session.execute("CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        session.execute("CREATE TRIGGER idle BEFORE INSERT ON login FOR EACH ROW EXECUTE FUNCTION idle()")
        session.execute("ALTER TABLE login DISABLE TRIGGER idle")
        session.execute("ALTER TABLE login ALTER last_login_at SET DEFAULT now()")
        session.execute(
            "ALTER TABLE message DISABLE TRIGGER ALL; ALTER TABLE login REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE login"
        )
    done = run(small, "plan", database)
    assert done.code == 0, done.err
    for sentence in (
        "onlooker may INSERT login",
        "onlooker may SELECT login",
        "PUBLIC may SELECT message",
        "disabled trigger idle on login",
        "message: foreign keys are not checked (DISABLE TRIGGER)",
        "login: published (publication p) without a replica identity, so that a later run cannot change its rows",
    ):
        assert f"target: {sentence}: outside the contract; not blocking" in done.out.replace("\n", " "), done.out
    assert run(small, "run", database).code == 0
    with psycopg.connect(database) as session:
        assert session.execute("SELECT count(*) FROM account_picker").fetchone() == (1,)


def test_stored_rows_are_compared_with_staged_rows_before_the_commit_postgresql(
    small: Workspace, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import etl.load.step

    whole = etl.load.step.stage_all

    def harmed(*given: object) -> None:
        whole(*given)  # type: ignore[arg-type]
        with psycopg.connect(database, autocommit=True) as session:
            session.execute(
                "CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email_display = upper(NEW.email_display); RETURN NEW; END'"
            )
            session.execute("CREATE TRIGGER up BEFORE INSERT ON login FOR EACH ROW EXECUTE FUNCTION up()")

    monkeypatch.setattr("etl.load.step.stage_all", harmed)
    done = run(small, "run", database)
    assert (done.code, "differ from the staged rows: login. Nothing was published." in done.err) == (7, True), done.err
    with psycopg.connect(database) as session:
        assert session.execute("SELECT count(*) FROM login").fetchone() == (0,)


UPPER = "CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.email_display = upper(NEW.email_display); RETURN NEW; END'"
AS_EACH_IS_MADE = (
    "CREATE FUNCTION harm() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made text; BEGIN"
    " SELECT object_identity INTO made FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' AND object_identity LIKE '%\\_\\_login';"
    " IF made IS NOT NULL THEN EXECUTE format('CREATE TRIGGER up BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION up()', made); END IF; END $$"
)


@pytest.mark.parametrize("store", ["new", "empty tables", "tables that stay"])
def test_staged_tables_that_another_session_wrote_to_are_not_published_postgresql(
    small: Workspace, database: str, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """Where staged tables become the real ones nothing is copied that could be compared: each row has to be of the transaction that staged it."""
    import etl.load.step

    whole, harm = etl.load.step.stage_all, ""
    with psycopg.connect(database, autocommit=True) as session:
        if store == "new":
            session.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        if store == "tables that stay":
            session.execute("ALTER TABLE login ALTER last_login_at SET DEFAULT now()")

    def harmed(*given: object) -> None:
        whole(*given)  # type: ignore[arg-type]
        with psycopg.connect(database, autocommit=True) as session:
            assert session.execute(harm.encode()).rowcount == 1

    monkeypatch.setattr("etl.load.step.stage_all", harmed)
    for harm in (
        "UPDATE migration_stage__login SET email_display = 'another'",
        "DELETE FROM migration_stage__account_contact",
    ):
        done = run(small, "run", database)
        table = harm.partition("migration_stage__")[2].split()[0]
        assert (done.code, f"differ from the staged rows: {table}. Nothing was published." in done.err) == (7, True), (harm, done.err)
    monkeypatch.setattr("etl.load.step.stage_all", whole)
    assert run(small, "run", database).code == 0


def test_a_trigger_on_a_staging_table_is_detected_before_the_commit_postgresql(small: Workspace, database: str) -> None:
    """A superuser's event trigger, which acts on each table as it is made, alters rows while they are staged."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        session.execute(UPPER)
        session.execute(AS_EACH_IS_MADE.encode())
        session.execute("CREATE EVENT TRIGGER harm ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION harm()")
    done = run(small, "run", database)
    assert (done.code, "trigger up on login" in done.err) == (7, True), done.err
    with psycopg.connect(database) as session:
        assert session.execute("SELECT to_regclass('login')").fetchone() == (None,)


def test_a_database_of_another_encoding_is_refused_by_plan(small: Workspace, postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    url = make_url(postgres).set(database="latin").render_as_string(hide_password=False)
    for name in ("plan", "run"):
        done = run(small, name, url)
        assert (done.code, "the database's encoding is LATIN1" in done.err) == (7, True), done.err


# -- what the verifier answers afterwards ------------------------------------------------------------------------------------------------------------


def found(done: Done) -> set[tuple[str, str]]:
    assert done.code == 4, (done.out, done.err)
    return {(difference["table"], difference["kind"]) for difference in done.data["differences"]}


def test_the_rows_of_account_picker_are_compared_with_the_old_portals_sqlite(published: Workspace) -> None:
    """Its text is compared too; a view that shows the right rows by another text is not checked, one that shows others differs."""
    with published.database("portal3.sqlite") as store:
        (text,) = store.execute("SELECT sql FROM sqlite_master WHERE name = 'account_picker'").fetchone()
        text = text.replace('"', "")
        rows = store.execute("SELECT count(*) FROM account_picker").fetchone()[0]
        store.execute("DROP VIEW account_picker")
        store.execute(SECOND)
        every = store.execute("SELECT count(*) FROM account_picker").fetchone()[0]
    done = published.json("reconcile")
    assert found(done) == {("account_picker", "not_checked"), ("account_picker", "unexpected")}
    extra = [difference for difference in done.data["differences"] if difference["kind"] == "unexpected"]
    assert len(extra) == every - rows
    assert {difference["account_number"] is not None for difference in extra} == {True}
    for other, kinds in (
        (text.replace("c.removed_at IS NULL", "c.removed_at IS NULL AND a.account_number <> '10000101'"), {"not_checked", "missing"}),
        (text.replace("SELECT DISTINCT", "SELECT DISTINCT ").replace("a.trade_visible", "a.trade_visible AND 1"), {"not_checked"}),
        (text.replace("a.legal_name", "upper(a.legal_name) AS legal_name"), {"not_checked", "missing", "unexpected"}),
        (
            text.replace(" DISTINCT", " ALL").replace("WHERE", "JOIN business_type t ON t.business_type_cd <> 'x' WHERE"),
            {"not_checked", "unexpected"},
        ),
        (text.replace("a.tier_cd", "a.tier_cd AS tier"), {"not_checked"}),
    ):
        with published.database("portal3.sqlite") as store:
            store.execute("DROP VIEW account_picker")
            store.execute(other)
        assert found(published.json("reconcile")) == {("account_picker", kind) for kind in kinds}, other
    with published.database("portal3.sqlite") as store:
        store.execute("DROP VIEW account_picker")
        store.execute("CREATE TRIGGER later AFTER UPDATE ON login BEGIN DELETE FROM message; END")
    assert found(published.json("reconcile")) == {("account_picker", "not_checked"), ("login", "not_checked")}


def test_the_verifier_reports_triggers_and_view_contents_postgresql(small: Workspace, database: str) -> None:
    assert run(small, "run", database).code == 0

    def again() -> Done:
        return command(*small.words("reconcile"), "--target", database, "--output", "json", folder=small.folder)

    assert again().code == 0
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("DROP VIEW account_picker")
        session.execute(
            SECOND.replace("entity_account a, login l", "entity_account a JOIN login l ON l.email_key <> 'a@x.example'").encode()
        )
        session.execute("GRANT UPDATE ON login TO PUBLIC")
        session.execute("CREATE RULE keep AS ON DELETE TO migration_holding DO INSTEAD NOTHING")
    assert found(again()) == {
        ("account_picker", "not_checked"),
        ("account_picker", "missing"),
        ("login", "not_checked"),
        ("migration_holding", "not_checked"),
    }
