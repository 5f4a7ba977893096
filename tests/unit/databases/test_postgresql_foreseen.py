"""What `plan` and `doctor` foresee on PostgreSQL: settings of roles and databases, limits of connections, sessions that were left with locks."""

from __future__ import annotations

import psycopg

from etl.databases.postgresql.obstacles import RUN_LOCK
from etl.reconcile import reconcile
from tests.support.command import command
from tests.support.servers import AUDITOR, READER, WRITER, Portals, portals

__all__ = ["portals"]  # a fixture


def audit(portals: Portals, run: str) -> str:
    stores = (portals.url("portal2", AUDITOR), portals.url("tc", AUDITOR), str(portals.folder / "files"), portals.url("portal3", AUDITOR))
    return str(reconcile(*stores, str(portals.folder / f"{run}-objects")).answer)


def test_K9_plan_names_settings_that_are_overridden_and_those_that_apply(portals: Portals) -> None:
    """Of roles and databases, for old portals and the new store; a run under all of them is undisturbed, and equal."""
    there = (
        f"ALTER ROLE {READER} SET statement_timeout = '1s'; ALTER ROLE {READER} IN DATABASE portal2 SET idle_in_transaction_session_timeout = '1s';"
        " ALTER DATABASE portal2 SET DateStyle = 'German, DMY'; ALTER DATABASE tc SET bytea_output = 'escape'; ALTER DATABASE tc SET work_mem = '1MB';"
        " ALTER DATABASE portal2 SET statement_timeout = '7s'; ALTER DATABASE portal2 SET app.secret = 'Hunter2';"
        f" ALTER ROLE {WRITER} SET statement_timeout = '900ms'; ALTER ROLE {WRITER} SET idle_in_transaction_session_timeout = '20ms';"
        f" ALTER ROLE {WRITER} SET quote_all_identifiers = on; ALTER ROLE {WRITER} SET lock_timeout = '9s';"
        " ALTER DATABASE portal3 SET default_transaction_isolation = 'serializable'; ALTER DATABASE portal3 SET DateStyle = 'SQL, DMY'"
    )
    back = (
        f"ALTER ROLE {READER} RESET statement_timeout; ALTER ROLE {READER} IN DATABASE portal2 RESET ALL; ALTER DATABASE portal2 RESET ALL;"
        f" ALTER DATABASE tc RESET ALL; ALTER ROLE {WRITER} RESET statement_timeout; ALTER ROLE {WRITER} RESET idle_in_transaction_session_timeout;"
        f" ALTER ROLE {WRITER} RESET quote_all_identifiers; ALTER ROLE {WRITER} RESET lock_timeout; ALTER DATABASE portal3 RESET ALL"
    )
    with portals.changed("postgres", there.split("; "), back.split("; ")):
        done = portals.run("plan", "--output", "json")
        assert done.code == 0, done.err
        p2, tc = ("\n".join(done.data["conditions"][portal]["notes"]) for portal in ("P2", "TC"))
        target = "\n".join(done.data["foreseen"])
        assert f"role {READER} in database portal2 sets idle_in_transaction_session_timeout = 1s: overridden" in p2
        assert f"role {READER} sets default_transaction_read_only = on, statement_timeout = 1s: overridden" in p2, p2
        assert "statement_timeout = 7s" not in p2, "the role's goes before the database's"
        assert "database portal2 sets DateStyle = German, DMY: overridden" in p2
        assert "role or database also set app.secret: these remain in force" in p2
        assert "database tc sets bytea_output = escape: overridden" in tc
        assert "role or database also set work_mem: these remain in force" in tc
        assert f"role {WRITER} sets lock_timeout = 9s: it remains in force; a lock" in target
        assert "default_transaction_isolation = serializable" in target, target
        assert "Hunter2" not in done.out + done.err
        shown = portals.run("plan")
        assert (shown.code, "target: role" in shown.out) == (0, True), shown.err
        done = portals.run("run", run="settings")
        assert done.code == 0, done.err
        doctor = portals.run("doctor", "--run", "another", "--output", "json")
        assert any("lock_timeout = 9s" in finding["found"] and finding["state"] == "warning" for finding in doctor.data["findings"])
    assert audit(portals, "settings") == "equal"
    for role, database in ((READER, "portal2"), (WRITER, "portal3")):  # the verifier asks by itself, of either side
        with portals.changed(
            "postgres",
            f"ALTER ROLE {role} IN DATABASE {database} SET zero_damaged_pages = on",
            f"ALTER ROLE {role} IN DATABASE {database} RESET zero_damaged_pages",
        ):
            audited = command("reconcile", *portals.stores("settings"), folder=portals.folder)
            assert (audited.code, "zero_damaged_pages is on" in audited.err) == (7, True), audited
    portals.new_store()


def test_K9_a_server_that_hides_damaged_pages_is_refused_by_loader_and_verifier(portals: Portals) -> None:
    """`zero_damaged_pages` makes rows vanish without an error, `ignore_checksum_failure` reads what was damaged as if it were right."""
    for name in ("zero_damaged_pages", "ignore_checksum_failure"):
        with portals.changed("postgres", f"ALTER ROLE {READER} SET {name} = on", f"ALTER ROLE {READER} RESET {name}"):
            for verb in ("plan", "extract"):
                done = portals.run(verb)
                assert (done.code, name in done.err) == (7, True), done
            frozen = command("freeze", "check", *portals.stores()[:4], "--seconds", "0", folder=portals.folder)
            assert (frozen.code, name in frozen.err) == (7, True), frozen.err


def test_K9_conditions_that_would_end_the_run_are_refused_before_any_read(portals: Portals) -> None:
    read_only = (f"ALTER ROLE {WRITER} SET default_transaction_read_only = on", f"ALTER ROLE {WRITER} RESET default_transaction_read_only")
    replica = (f"ALTER ROLE {WRITER} SET session_replication_role = replica", f"ALTER ROLE {WRITER} RESET session_replication_role")
    role_limit = (f"ALTER ROLE {WRITER} CONNECTION LIMIT 3", f"ALTER ROLE {WRITER} CONNECTION LIMIT -1")
    database_limit = ("ALTER DATABASE portal3 CONNECTION LIMIT 3", "ALTER DATABASE portal3 CONNECTION LIMIT -1")
    for (there, back), sentence in (
        (read_only, "default_transaction_read_only is on"),
        (replica, "session_replication_role is replica"),
        (role_limit, f"--target: role {WRITER} allows 3 connections, 0 are in use; a run needs 4"),
        (database_limit, "--target: database portal3 allows 3 connections"),
    ):
        with portals.changed("postgres", there, back):
            for verb in ("plan", "run"):
                done = portals.run(verb, run="stopped")
                assert (done.code, sentence in done.err) == (7, True), (verb, done)
            doctor = portals.run("doctor", "--output", "json")
            assert (doctor.code, any(sentence in finding["found"] for finding in doctor.data["findings"])) == (7, True), doctor.out
    assert not list((portals.folder / "stopped").rglob("*.parquet"))


def test_K9_abandoned_sessions_with_locks_are_named(portals: Portals) -> None:
    """On an old portal what keeps from reading, on the new store any lock of a transaction that does not end; and the lock of a run."""
    with portals.session("portal2") as other:
        other.execute("BEGIN; LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
        pid = other.info.backend_pid
        done = portals.run("plan")
        assert done.code == 7, done
        assert f"P2: session {pid} of role postgres" in done.err
        assert "holds a lock on message" in done.err
        other.execute("ROLLBACK; BEGIN; LOCK TABLE message IN EXCLUSIVE MODE")
        assert portals.run("plan").code == 0, "a lock that lets others read is not an obstacle"
    assert portals.run("run", run="locks").code == 0
    with psycopg.connect(portals.url("portal3", "postgres")) as reader:
        reader.execute("SELECT count(*) FROM portal3.login")
        done = portals.run("plan")
        assert (done.code, f"--target: session {reader.info.backend_pid} of role postgres" in done.err) == (7, True), done
    with portals.session("portal3", WRITER) as left:
        left.execute(f"SELECT pg_advisory_lock({RUN_LOCK}, current_schema()::regnamespace::oid::int)")
        done = portals.run("plan")
        assert done.code == 7, done
        assert f"another run is at work, or its session was left behind: session {left.info.backend_pid} of role {WRITER}" in done.err
    assert portals.run("plan").code == 0
    portals.new_store()
