"""`plan`, and the start of `run`, on what the roles lack and have too much; and on a target that has tables already."""

from __future__ import annotations

import pytest

from tests.support.servers import AUDITOR, READER, WRITER, Portals, portals

__all__ = ["portals"]  # a fixture


def test_the_documented_roles_have_what_they_need_and_nothing_else(portals: Portals) -> None:
    done = portals.run("plan")
    assert done.code == 0, done.err
    for option, role in (("--source", READER), ("--tc", READER), ("--target", WRITER)):
        assert f"rights: {option}: role {role} has the required rights and no others" in done.out
    rights = portals.run("plan", "--output", "json").data["rights"]
    assert rights["--source"] == {"role": READER, "missing": [], "excess": []}


def test_a_superuser_is_named_as_one(portals: Portals) -> None:
    done = portals.run("plan", "--source", portals.url("portal2", "postgres"))
    assert done.code == 0
    assert "rights: --source: role postgres is a superuser: more than required" in done.out


MISSING = {
    "a table": (
        "portal2",
        f"REVOKE SELECT ON message FROM {READER}",
        f"GRANT SELECT ON message TO {READER}",
        "--source: role migration_reader may not SELECT from message",
    ),
    "a column": (
        "portal2",
        f"REVOKE SELECT ON message FROM {READER}; DO $$ BEGIN EXECUTE (SELECT format('GRANT SELECT (%s) ON message TO {READER}',"
        " string_agg(attname, ', ')) FROM pg_attribute WHERE attrelid = 'message'::regclass AND attname NOT IN ('body', 'tableoid', 'cmin', 'cmax', 'xmax')); END $$",
        f"REVOKE ALL ON message FROM {READER}; GRANT SELECT ON message TO {READER}",
        "may not SELECT body of message",
    ),
    "what proves the freeze": (
        "portal2",
        f"REVOKE SELECT (xmin) ON portal_user FROM {READER}",
        f"GRANT SELECT (xmin) ON portal_user TO {READER}",
        "may not SELECT xmin of portal_user",
    ),
    "the old schema": (
        "tc",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC, migration_reader",
        "GRANT USAGE ON SCHEMA public TO PUBLIC, migration_reader",
        "--tc: role migration_reader no schema of the search path",
    ),
    "the new schema": (
        "portal3",
        "ALTER SCHEMA portal3 RENAME TO elsewhere",
        "ALTER SCHEMA elsewhere RENAME TO portal3",
        "--target: role migration_writer no schema of the search path (portal3) exists",
    ),
    "creating": (
        "portal3",
        "ALTER SCHEMA portal3 OWNER TO postgres; GRANT USAGE ON SCHEMA portal3 TO migration_writer",
        "ALTER SCHEMA portal3 OWNER TO migration_writer",
        "--target: role migration_writer may not CREATE in schema portal3",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_missing_rights_stop_plan_and_run_before_anything_is_read(what: str, portals: Portals) -> None:
    database, there, back, sentence = MISSING[what]
    with portals.changed(database, there, back):
        for name in ("plan", "run"):
            done = portals.run(name, run=f"missing-{name}")
            assert done.code == 1, done
            assert sentence in done.err
            assert "runbooks/roles.md" in done.next
        assert not list((portals.folder / "missing-run").rglob("*.parquet"))
    assert portals.run("plan").code == 0


EXCESS = {
    "writing": (
        "--source",
        "portal2",
        f"GRANT INSERT, DELETE ON message TO {READER}",
        f"REVOKE INSERT, DELETE ON message FROM {READER}",
        ["may INSERT message", "may DELETE message"],
    ),
    "writing one column": (
        "--source",
        "portal2",
        f"GRANT UPDATE (body) ON message TO {READER}",
        f"REVOKE UPDATE (body) ON message FROM {READER}",
        ["may UPDATE message"],
    ),
    "by another role": (
        "--tc",
        "tc",
        f"CREATE ROLE other; GRANT UPDATE ON tc_contact TO other; GRANT other TO {READER}",
        "DROP OWNED BY other; DROP ROLE other",
        ["may UPDATE tc_contact"],
    ),
    "as an owner": (
        "--source",
        "portal2",
        f"ALTER TABLE message OWNER TO {READER}",
        f"ALTER TABLE message OWNER TO postgres; GRANT SELECT ON message TO {READER}",
        ["owns message"],
    ),
    "creating": (
        "--source",
        "portal2",
        f"GRANT CREATE ON SCHEMA public TO {READER}; GRANT CREATE ON DATABASE portal2 TO {READER}",
        f"REVOKE CREATE ON SCHEMA public FROM {READER}; REVOKE CREATE ON DATABASE portal2 FROM {READER}",
        ["may create schemas in the database", "may create in schema public"],
    ),
    "passwords": (
        "--source",
        "portal2",
        f"GRANT SELECT (password_hash) ON portal_user TO {READER}",
        f"REVOKE SELECT (password_hash) ON portal_user FROM {READER}",
        ["may read columns that are never needed: portal_user.password_hash"],
    ),
    "attributes": (
        "--source",
        "postgres",
        f"ALTER ROLE {READER} CREATEDB CREATEROLE",
        f"ALTER ROLE {READER} NOCREATEDB NOCREATEROLE",
        ["may create roles", "may create databases"],
    ),
    "a predefined role": (
        "--source",
        "postgres",
        f"GRANT pg_execute_server_program TO {READER}",
        f"REVOKE pg_execute_server_program FROM {READER}",
        ["is a member of pg_execute_server_program"],
    ),
    "becoming a superuser": (
        "--source",
        "postgres",
        f"GRANT postgres TO {READER}",
        f"REVOKE postgres FROM {READER}",
        ["is a member of postgres"],
    ),
    "a sequence": (
        "--source",
        "portal2",
        f"CREATE SEQUENCE numbers; GRANT USAGE ON SEQUENCE numbers TO {READER}",
        "DROP SEQUENCE numbers",
        ["may advance the sequence numbers"],
    ),
    "another schema": ("--target", "portal3", f"CREATE SCHEMA more AUTHORIZATION {WRITER}", "DROP SCHEMA more", ["owns schema more"]),
    "another table": (
        "--target",
        "portal3",
        f"CREATE TABLE public.theirs (x int); GRANT TRUNCATE ON public.theirs TO {WRITER}",
        "DROP TABLE public.theirs",
        ["may TRUNCATE public.theirs"],
    ),
    "the database": (
        "--target",
        "portal3",
        f"ALTER DATABASE portal3 OWNER TO {WRITER}",
        f"ALTER DATABASE portal3 OWNER TO postgres; GRANT CONNECT ON DATABASE portal3 TO {WRITER}",
        ["owns the database"],
    ),
}


@pytest.mark.parametrize("what", EXCESS)
def test_excess_rights_are_named(what: str, portals: Portals) -> None:
    option, database, there, back, sentences = EXCESS[what]
    with portals.changed(database, there, back):
        done = portals.run("plan", "--output", "json")
        assert done.code == 0, done
        found = done.data["rights"][option]["excess"]
        assert set(sentences) <= set(found), found
        if what not in ("by another role", "becoming a superuser", "a predefined role", "as an owner", "the database"):
            assert found == sentences
    assert portals.run("plan", "--output", "json").data["rights"][option]["excess"] == []


def test_a_run_reports_excess_rights_and_continues(portals: Portals) -> None:
    with portals.changed("portal2", f"GRANT DELETE ON message TO {READER}", f"REVOKE DELETE ON message FROM {READER}"):
        done = portals.run("run", run="excess")
        assert done.code == 0, done.err
        assert "--source: role migration_reader may DELETE message: more than required" in done.err
    assert portals.run("run", "--target", portals.url("portal3", AUDITOR), run="other").code == 1
    portals.new_store()


# -- a target that has tables already ---------------------------------------------------------------------------------------------------

OTHER = {
    "type": ("ALTER TABLE login ALTER COLUMN first_name TYPE varchar(7)", "login.first_name: found VARCHAR(7), expected"),
    "time zone": (
        "ALTER TABLE login ALTER COLUMN last_login_at TYPE timestamptz",
        "login.last_login_at: found TIMESTAMPTZ, expected TIMESTAMP",
    ),
    "nullability": ("ALTER TABLE login ALTER COLUMN email_key DROP NOT NULL", "login.email_key: found"),
    "column gone": ("ALTER TABLE message DROP COLUMN body", "message.body: no such column"),
    "column more": ("ALTER TABLE message ADD COLUMN colour text", "message.colour: not in the contract"),
    "table gone": ("DROP TABLE migration_exception", "migration_exception: no such table"),
    "primary key": ("ALTER TABLE migration_run DROP CONSTRAINT migration_run_pkey CASCADE", "migration_run: no PRIMARY KEY (run_id)"),
    "unique": (
        "ALTER TABLE entity_account DROP CONSTRAINT entity_account_account_number_key",
        "entity_account: no UNIQUE (account_number)",
    ),
    "reference": (
        "ALTER TABLE portal_task DROP CONSTRAINT portal_task_account_id_fkey",
        "portal_task: no FOREIGN KEY (account_id) to entity_account",
    ),
    "always generated": (
        "ALTER TABLE entity_account ALTER COLUMN legacy_entity_id ADD GENERATED ALWAYS AS IDENTITY",
        "entity_account.legacy_entity_id: its value is always generated",
    ),
}


@pytest.fixture(scope="module")
def contract_store(portals: Portals) -> Portals:
    """The new store with the contract's own DDL, run by the role that will fill it."""
    from mappings.read import read_mappings

    portals.do("portal3", f"SET ROLE {WRITER}; SET search_path = portal3; {read_mappings().target.text}")
    return portals


@pytest.mark.parametrize("what", OTHER)
def test_other_tables_are_refused_with_a_list(what: str, contract_store: Portals) -> None:
    statement, sentence = OTHER[what]
    portals = contract_store
    try:
        portals.do("portal3", f"SET search_path = portal3; {statement}")
        for name in ("plan", "run"):
            done = portals.run(name, run=f"other-{name}")
            assert done.code == 7, done
            assert sentence in done.err
            assert "empty target" in done.next
        with portals.session("portal3") as connection:
            assert connection.execute("SELECT count(*) FROM portal3.login").fetchone() == (0,)
    finally:
        portals.new_store()
        from mappings.read import read_mappings

        portals.do("portal3", f"SET ROLE {WRITER}; SET search_path = portal3; {read_mappings().target.text}")


def test_existing_tables_of_the_contract_are_filled_and_sequences_continue(contract_store: Portals) -> None:
    """Existing empty tables; a sequence and an identity column below the migrated numbers."""
    portals = contract_store
    portals.do(
        "portal3",
        f"SET ROLE {WRITER}; SET search_path = portal3; ALTER TABLE entity_account ALTER COLUMN legacy_entity_id ADD GENERATED BY DEFAULT AS IDENTITY;"
        " CREATE SEQUENCE given OWNED BY entity_account.legacy_profile_id; SELECT setval('given', 5000000000)",
    )
    done = portals.run("run", run="filled")
    assert done.code == 0, done.err
    with portals.session("portal3") as connection:
        connection.execute("SET search_path = portal3")
        highest, following = connection.execute(
            "SELECT max(legacy_entity_id), nextval(pg_get_serial_sequence('entity_account', 'legacy_entity_id')) FROM entity_account"
        ).fetchone()
        assert following == highest + 1
        assert connection.execute("SELECT nextval('given')").fetchone() == (5000000001,)  # never back
        never = connection.execute(
            "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'portal3' AND last_analyze IS NULL AND n_live_tup > 0"
        ).fetchall()
        assert never == []  # statistics are fresh
    portals.new_store()
