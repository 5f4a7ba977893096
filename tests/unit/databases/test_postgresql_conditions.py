"""K9 on PostgreSQL: loader and verifier query what server, role or database hide or alter, under the roles of runbooks/roles.md."""

from __future__ import annotations

import psycopg
import pytest

from etl.reconcile import reconcile
from tests.support.command import command
from tests.support.servers import AUDITOR, READER, WRITER, Portals, portals

__all__ = ["portals"]  # a fixture


SECURED = {
    "no policy": ("portal2", "message", "ALTER TABLE message ENABLE ROW LEVEL SECURITY"),
    "a policy that shows some": (
        "tc",
        "tc_contact",
        f"ALTER TABLE tc_contact ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON tc_contact FOR SELECT TO {READER} USING (tc_contact_id % 2 = 0)",
    ),
}


@pytest.mark.parametrize("what", SECURED)
def test_K9_row_security_on_a_source_table_is_refused(what: str, portals: Portals) -> None:
    database, table, statement = SECURED[what]
    back = f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY; DROP POLICY IF EXISTS p ON {table}"
    with portals.changed(database, statement, back):
        for name in ("plan", "extract", "run"):
            done = portals.run(name, run="secured")
            assert done.code == 7, done
            assert f"row-level security restricts the rows that role {READER} sees of {table} (K9)" in done.err
            assert "BYPASSRLS" in done.next
        assert not list((portals.folder / "secured").rglob("*.parquet"))
        stores = portals.stores()[:4]
        frozen = command("freeze", "check", *stores, "--seconds", "0", folder=portals.folder)
        assert (frozen.code, table in frozen.err) == (7, True), frozen.err
        with portals.changed("postgres", f"ALTER ROLE {READER} BYPASSRLS", f"ALTER ROLE {READER} NOBYPASSRLS"):
            seen = portals.run("plan", "--output", "json")
            assert seen.code == 0, seen.out
            assert seen.data["rights"]["--source" if database == "portal2" else "--tc"]["excess"] == []  # it needs that attribute
    assert portals.run("plan").code == 0


def test_K9_the_auditors_reconcile_is_never_equal_over_hidden_rows(portals: Portals) -> None:
    for step in ("extract", "split", "reattach", "check"):
        assert portals.run(step, run="seen").code == 0
    hide, show = (f"ALTER TABLE internal_note {word} ROW LEVEL SECURITY" for word in ("ENABLE", "DISABLE"))
    with portals.changed("portal2", hide, show):  # behind the extract
        late = portals.run("run", run="seen")
        assert (late.code, "internal_note" in late.err) == (7, True), late.err
    done = portals.run("run", run="seen")
    assert done.code == 0, done.err
    with portals.changed("portal2", hide, show):
        found = portals.audit("seen")
        assert found.code == 7, found
        assert "internal_note: row-level security" in found.err
    with portals.changed(
        "portal3",
        "ALTER TABLE portal3.internal_note ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE portal3.internal_note DISABLE ROW LEVEL SECURITY",
    ):
        found = portals.audit("seen", "--output", "json")
        assert found.code == 4, found.err
        assert {(d["table"], d["kind"]) for d in found.data["differences"]} == {
            ("internal_note", "not_checked"),
            ("note_account", "not_checked"),
        }
    equal = portals.audit("seen")
    assert equal.code == 0, equal.err
    portals.new_store()


def test_K9_the_settings_of_a_role_change_nothing(portals: Portals) -> None:
    """What a role, a database or a server set by default is set by every session itself: time-outs, quoting, forms of dates and bytes, path."""
    settings = {
        "quote_all_identifiers": "on",
        "DateStyle": "'German, DMY'",
        "IntervalStyle": "'sql_standard'",
        "TimeZone": "'Asia/Kolkata'",
        "bytea_output": "'escape'",
        "extra_float_digits": "-3",
        "standard_conforming_strings": "off",
        "statement_timeout": "'2s'",
        "idle_in_transaction_session_timeout": "'1s'",
        "search_path": "public, pg_catalog",
        "row_security": "on",
        "client_encoding": "'LATIN1'",
    }
    there = "; ".join(f"ALTER ROLE {role} SET {name} = {value}" for role in (READER,) for name, value in settings.items())
    back = f"ALTER ROLE {READER} RESET ALL; ALTER ROLE {READER} SET default_transaction_read_only = on"
    with portals.changed("postgres", there, back):
        done = portals.run("run", run="settings")
        assert done.code == 0, done.err
        result = reconcile(
            portals.url("portal2", READER),
            portals.url("tc", READER),
            str(portals.folder / "files"),
            portals.url("portal3", AUDITOR),
            str(portals.folder / "settings-objects"),
        )
        assert result.answer == "equal"
    portals.new_store()


def test_K9_operators_and_functions_of_other_schemas_are_never_called(portals: Portals) -> None:
    """A role that may create in `public` can define functions with the names of system functions (as in CVE-2018-1058)."""
    mine = (
        "CREATE TABLE public.caught (who text); GRANT INSERT ON public.caught TO PUBLIC;"
        " CREATE FUNCTION public.spy(a name, b name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;"
        " CREATE FUNCTION public.spy(a text, b text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;"
        " CREATE OPERATOR public.!~ (LEFTARG = name, RIGHTARG = name, FUNCTION = public.spy);"
        " CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.spy);"
        " CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.spy);"
        " CREATE FUNCTION public.current_schema() RETURNS name LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;"
        " CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called'; END $$;"
        f" ALTER ROLE {READER} SET search_path = public, pg_catalog"
    )
    back = (
        "DROP OPERATOR public.!~ (name, name); DROP OPERATOR public.= (text, text); DROP OPERATOR public.= (name, name); DROP FUNCTION public.spy(name, name);"
        " DROP FUNCTION public.spy(text, text); DROP FUNCTION public.current_schema(); DROP FUNCTION public.quote_ident(name); DROP TABLE public.caught;"
        f" ALTER ROLE {READER} RESET search_path"
    )
    with portals.changed("portal2", mine, back):
        done = portals.run("plan")
        assert done.code == 1, done  # of the strange table, and of nothing else (K5)
        assert done.err.count("P2.") == 1
        assert "P2.caught: this table is not in any mapping" in done.err
        portals.do("portal2", "DROP TABLE public.caught")
        assert portals.run("extract", run="spied").code == 0
        asked = portals.run("doctor", "--run", "spied", "--output", "json")
        assert "called" not in asked.out
        assert any(f["what"] == "server of --source" and f["found"].startswith("PostgreSQL ") for f in asked.data["findings"]), asked.out
        frozen = command("freeze", "check", *portals.stores()[:4], "--seconds", "0", folder=portals.folder)
        assert frozen.code == 0, frozen.err
        portals.do("portal2", "CREATE TABLE public.caught (who text)")


def test_the_freeze_check_names_under_the_documented_role_who_may_write(portals: Portals) -> None:
    there = (
        "CREATE ROLE app_owner LOGIN; CREATE ROLE app_writer LOGIN; CREATE ROLE app_group; CREATE ROLE app_member LOGIN IN ROLE app_group; CREATE ROLE app_column LOGIN;"
        " ALTER TABLE message OWNER TO app_owner; GRANT INSERT ON internal_note TO app_writer; GRANT DELETE ON document TO app_group;"
        " GRANT UPDATE (file_name) ON document TO app_column; GRANT TRUNCATE ON portal_task TO PUBLIC"
    )
    back = (
        f"ALTER TABLE message OWNER TO postgres; REVOKE TRUNCATE ON portal_task FROM PUBLIC; GRANT SELECT ON message TO {READER};"
        " DROP OWNED BY app_writer, app_group, app_column; DROP ROLE app_owner, app_writer, app_member, app_group, app_column"
    )
    with portals.changed("portal2", there, back):
        done = command("freeze", "check", *portals.stores()[:4], "--seconds", "0", "--output", "json", folder=portals.folder)
        assert done.code == 0, done.err
        (portal,) = [entry for entry in done.data["portals"] if entry["portal"] == "P2"]
        assert {
            "role postgres may write: it is a superuser",
            "role app_owner may write: it owns message",
            "role app_writer may write: granted on internal_note",
            "role app_group may write: granted on document; its members: app_member",
            "role app_column may write: granted on document",
            "role PUBLIC (everybody) may write: granted on portal_task",
        } <= set(portal["writers"])
        assert "not_ruled_out" in portal


def test_the_documented_reader_reads_tables_by_column_and_no_views(portals: Portals) -> None:
    """A view may show a password under another name; a column added later must not become readable."""
    with portals.session("portal2", READER) as session:
        session.execute("SET default_transaction_read_only = off")
        for statement in ("SELECT password_hash FROM portal_user", "CREATE TEMPORARY TABLE t (x int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())
    with (
        portals.changed(
            "portal2", "ALTER TABLE portal_user ADD COLUMN reset_token text", "ALTER TABLE portal_user DROP COLUMN reset_token"
        ),
        portals.session("portal2", READER) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute("SELECT reset_token FROM portal_user")
    with pytest.raises(psycopg.OperationalError), portals.session("portal2", WRITER):
        raise AssertionError("whoever has no right by name may not connect")


def test_K1_a_replaced_table_or_column_ends_the_run_with_5(portals: Portals) -> None:
    """Prepared before the extract, swapped after it: no row belongs to a later transaction, and the number of rows is the same. Previously the load published removed rows."""
    portals.do(
        "portal2",
        "CREATE SCHEMA other; CREATE SCHEMA attic",
        "CREATE TABLE other.message (LIKE public.message INCLUDING ALL)",
        "INSERT INTO other.message SELECT * FROM public.message",
        "UPDATE other.message SET body = 'forged'",
        f"GRANT USAGE ON SCHEMA other TO {READER}; GRANT SELECT ON other.message TO {READER}; GRANT SELECT (ctid, xmin) ON other.message TO {READER}",
    )
    for step in ("extract", "split", "reattach", "check"):
        done = portals.run(step, run="swapped")
        assert done.code == 0, done.err
    tables = "ALTER TABLE public.message SET SCHEMA attic; ALTER TABLE other.message SET SCHEMA public"
    back = "ALTER TABLE public.message SET SCHEMA other; ALTER TABLE attic.message SET SCHEMA public"
    columns = "; ".join(
        f"ALTER TABLE company_address RENAME {one} TO {other}"
        for one, other in (("street1", "s"), ("street2", "street1"), ("s", "street2"))
    )
    for there, again, table in ((tables, back, "P2.message"), (columns, columns, "P2.company_address")):
        with portals.changed("portal2", there, again):
            done = portals.run("run", run="swapped")
            assert (done.code, table in done.err) == (5, True), done
    portals.do("portal2", f"REVOKE ALL ON SCHEMA other FROM {READER}", "DROP SCHEMA other CASCADE; DROP SCHEMA attic")
    done = portals.run("run", run="swapped")
    assert done.code == 0, done.err
    portals.new_store()


def test_K5_a_user_type_with_the_name_of_a_system_type_is_refused(portals: Portals) -> None:
    there = "CREATE DOMAIN public.int8 AS numeric; ALTER TABLE message ALTER thread_id TYPE public.int8"
    with portals.changed("portal2", there, "ALTER TABLE message ALTER thread_id TYPE bigint; DROP DOMAIN public.int8"):
        done = portals.run("plan")
        assert (done.code, "P2.message.thread_id: found type PUBLIC.INT8, expected BIGINT" in done.err) == (1, True), done


def test_K9_a_materialized_view_that_was_never_filled_is_refused_by_name(portals: Portals) -> None:
    """The server refuses to read it; the message was "looking for doubled keys failed"."""
    there = (
        "CREATE SCHEMA behind",
        "ALTER TABLE internal_note SET SCHEMA behind",
        "CREATE MATERIALIZED VIEW internal_note AS SELECT * FROM behind.internal_note WITH NO DATA",
        f"GRANT SELECT ON internal_note TO {READER}",
    )
    back = ("DROP MATERIALIZED VIEW internal_note", "ALTER TABLE behind.internal_note SET SCHEMA public", "DROP SCHEMA behind")
    with portals.changed("portal2", there, back):
        for verb in ("plan", "run"):
            done = portals.run(verb, run="unfilled")
            assert (done.code, "internal_note is a materialized view without rows" in done.err) == (7, True), done


def test_a_view_whose_computation_fails_in_one_row_says_what_to_do(portals: Portals) -> None:
    there = (
        "CREATE SCHEMA behind",
        "ALTER TABLE internal_note SET SCHEMA behind",
        "CREATE VIEW internal_note AS SELECT note_id, company_profile_id, entity_id, note_type_cd,"
        " (1 / (note_id - (SELECT max(note_id) FROM behind.internal_note)))::text AS note_text, cbp_user_id, created_at FROM behind.internal_note",
        f"GRANT SELECT ON internal_note TO {READER}",
    )
    back = ("DROP VIEW internal_note", "ALTER TABLE behind.internal_note SET SCHEMA public", "DROP SCHEMA behind")
    with portals.changed("portal2", there, back):
        done = portals.run("plan")
        assert (done.code, "reading internal_note failed (SQLSTATE 22012)" in done.err) == (1, True), done
        assert "A view or generated column computes a value, or a foreign table reads one, and that fails for some row" in done.next


def test_K9_a_mapped_view_that_depends_on_chance_moment_or_role_is_named(portals: Portals) -> None:
    """Two readings of it may differ: the function of another schema is volatile because nobody declared it otherwise."""
    there = (
        "CREATE SCHEMA behind",
        "ALTER TABLE internal_note SET SCHEMA behind",
        "CREATE FUNCTION behind.seen() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        'CREATE VIEW behind."Recent ones" AS SELECT * FROM behind.internal_note WHERE created_at < now() AND behind.seen()',
        "CREATE VIEW internal_note AS SELECT * FROM behind.\"Recent ones\" WHERE random() >= 0 AND (current_user <> '' OR lower(note_text) = '')",
        f"GRANT SELECT ON internal_note TO {READER}",
    )
    back = ("DROP VIEW internal_note", "ALTER TABLE behind.internal_note SET SCHEMA public", "DROP SCHEMA behind CASCADE")
    with portals.changed("portal2", there, back):
        plan = portals.run("plan", "--output", "json")
    assert plan.code == 0, plan.err
    expected = "internal_note: the view depends on current_user, now(), random(), seen(), so two readings may differ (K9)"
    assert expected in plan.data["conditions"]["P2"]["not_ruled_out"], plan.data["conditions"]


def test_an_event_trigger_that_forbids_the_load_is_named_by_plan_and_by_the_next_step(portals: Portals) -> None:
    there = (
        "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE EVENT TRIGGER forbids ON ddl_command_start EXECUTE FUNCTION forbid()",
    )
    with portals.changed("portal3", there, ("DROP EVENT TRIGGER forbids", "DROP FUNCTION forbid()")):
        plan = portals.run("plan")
        assert (plan.code, "event trigger forbids" in plan.out + plan.err) == (0, True), plan
        done = portals.run("run", run="forbidden")
        assert (done.code, "ALTER EVENT TRIGGER ... DISABLE" in done.next) == (1, True), done
    again = portals.run("run", run="forbidden")
    assert again.code == 0, again.err
    portals.new_store()
