"""Problems of a PostgreSQL source or target: each has its message, exit code and next step; and the settings of libpq."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from etl.databases.postgresql import connection as postgresql
from tests.faults.proxy import Proxy
from tests.support.command import Done, command
from tests.support.servers import READER, WRITER, Portals, portals

__all__ = ["portals"]  # a fixture
CANARY, SECRETIVE = "canary-word-77", "secretive_reader"


def refused(done: Done, code: int, sentence: str, next_step: str = "") -> None:
    assert done.code == code, done
    assert sentence in done.err
    assert next_step in done.next
    assert CANARY not in done.out + done.err
    assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def locked(portals: Portals) -> Portals:
    """A reader role with a password that this server requires."""
    with portals.session("postgres") as connection:
        connection.execute("SET password_encryption = 'scram-sha-256'")  # before PostgreSQL 14 it is not the default
        connection.execute(f"CREATE ROLE {SECRETIVE} LOGIN PASSWORD '{CANARY}' IN ROLE {READER}")
        hba = Path(connection.execute("SHOW hba_file").fetchone()[0])
        hba.write_text(f"local all {SECRETIVE} scram-sha-256\n{hba.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    for _ in range(100):
        if command("plan", "--source", portals.url("portal2", SECRETIVE), folder=portals.folder).code:
            return portals
        time.sleep(0.05)
    raise AssertionError("the server asks for no password")


def host(portals: Portals) -> str:
    return portals.uri.split("host=")[1]


def test_the_password_file_the_service_file_and_the_environment_work(locked: Portals, tmp_path: Path) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:{SECRETIVE}:{CANARY}\n")
    passwords.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(f"[old]\nhost={host(locked)}\ndbname=portal2\nuser={SECRETIVE}\n")
    known = {"PGPASSFILE": str(passwords)}
    for source, environment in (
        (locked.url("portal2", SECRETIVE), known),
        (locked.url("portal2", SECRETIVE), {"PGPASSWORD": CANARY}),
        (locked.url("portal2", SECRETIVE, CANARY), {}),
        ("postgresql:///?service=old", {**known, "PGSERVICEFILE": str(services)}),
        ("postgresql://", {**known, "PGHOST": host(locked), "PGUSER": SECRETIVE, "PGDATABASE": "portal2"}),
        ("postgresql+psycopg:///portal2", {**known, "PGHOST": host(locked), "PGUSER": SECRETIVE}),
        ("postgresql:///portal2", {"PGSERVICE": "old", "PGSERVICEFILE": str(services), **known}),
    ):
        done = command(
            "extract",
            "--source",
            source,
            "--files",
            "files",
            "--objects",
            "o",
            "--run",
            str(tmp_path / "run"),
            folder=locked.folder,
            **environment,
        )
        assert done.code == 0, (source, done.err)
        assert CANARY not in done.out + done.err
        for step in (tmp_path / "run").rglob("*"):
            assert not step.is_file() or CANARY.encode() not in step.read_bytes()
        (tmp_path / "run").rename(tmp_path / f"run-{time.monotonic_ns()}")


def test_sslmode_is_respected(portals: Portals) -> None:
    """The server speaks no SSL: `require` is refused, `prefer` is not."""
    with Proxy(f"{host(portals)}/.s.PGSQL.5432") as proxy:
        url = f"postgresql://{WRITER}@127.0.0.1:{proxy.port}/portal3?gssencmode=disable&sslmode="
        refused(portals.run("plan", "--target", f"{url}require"), 1, "no connection with the required sslmode", "sslmode")
        refused(portals.run("plan", "--target", f"{url}verify-full"), 1, "--target: no connection to")
        assert portals.run("plan", "--target", f"{url}prefer").code == 0


REFUSALS = {
    "nobody listens": (f"postgresql://x:{CANARY}@127.0.0.1:1/portal2", "no server is listening there", "Start the server"),
    "no such host": (f"postgresql://x:{CANARY}@nowhere.invalid/portal2", "the host name cannot be resolved", "name service"),
    "no such setting": (f"postgresql://x@127.0.0.1:1/portal2?colour={CANARY}", "no connection to", "settings"),
    "sslmode is not valid": (f"postgresql://x@127.0.0.1:1/portal2?sslmode={CANARY}", "no connection", "sslmode"),
    "the service is not in the service file": (
        f"postgresql:///?service={CANARY}",
        "the service is not in the service file",
        "PGSERVICEFILE",
    ),
}


@pytest.mark.parametrize("option", ["--source", "--target"])
@pytest.mark.parametrize("what", REFUSALS)
def test_a_refused_connection_is_reported(what: str, option: str, portals: Portals) -> None:
    url, sentence, next_step = REFUSALS[what]
    refused(portals.run("plan", option, url), 1, sentence, next_step)


def test_a_wrong_password_is_not_shown(locked: Portals) -> None:
    refused(locked.run("plan", "--source", locked.url("portal2", SECRETIVE, f"{CANARY}-wrong")), 1, "the password is wrong", "PGPASSFILE")
    refused(
        locked.run("plan", "--source", locked.url("portal2", SECRETIVE)),
        1,
        "the server asks for a password, and none is given",
        "PGPASSFILE",
    )
    name = f"postgresql://{SECRETIVE}:{CANARY}-wrong@/portal2?host={host(locked)}"
    refused(command("reconcile", "--source", name, "--target", name, "--objects", "o", folder=locked.folder), 1, "cannot be read")


def test_a_limit_of_connections_says_how_many_are_needed(portals: Portals) -> None:
    """53300: at the first connection, at a later one, in the verifier; `doctor` counts before."""
    sentence = "the connection limit is reached"
    assert portals.run("run", run="limits").code == 0  # so that there is a store to compare
    try:
        for limit in (0, 1):
            portals.do("portal2", f"ALTER ROLE {READER} CONNECTION LIMIT {limit}")
            refused(portals.run("plan"), 1, sentence, "2 more for each worker")
        audit = (
            "reconcile",
            "--source",
            portals.url("portal2", READER),
            "--tc",
            portals.url("tc", READER),
            "--target",
            portals.url("portal3", WRITER),
            "--files",
            "files",
        )
        refused(command(*audit, "--objects", "o", folder=portals.folder), 1, sentence, "up to 3 connections")
        portals.do("portal2", f"ALTER ROLE {READER} CONNECTION LIMIT 8")
        found = portals.run("doctor", "--workers", "3", "--output", "json")
        assert [f for f in found.data["findings"] if "7 connections are free, 8 are needed" in str(f)], found.out
    finally:
        portals.do("portal2", f"ALTER ROLE {READER} CONNECTION LIMIT -1")


def as_superuser(portals: Portals, database: str) -> str:
    return portals.url(database, "postgres")


def test_a_missing_database_or_role_is_reported(portals: Portals) -> None:
    refused(portals.run("plan", "--source", as_superuser(portals, "portal9")), 1, "the database does not exist", "PGDATABASE")
    refused(portals.run("plan", "--source", portals.url("portal2", "nobody")), 1, "the role does not exist", "PGUSER")
    refused(portals.run("plan", "--source", portals.url("portal3", "portal_stranger")), 1, "the role does not exist")
    portals.do("postgres", "CREATE ROLE outsider LOGIN")
    refused(portals.run("plan", "--source", portals.url("portal3", "outsider")), 1, "may not connect to this database", "GRANT CONNECT")


def test_a_server_of_an_old_version_is_refused(portals: Portals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST", 990000)
    refused(
        portals.run("plan", "--source", as_superuser(portals, "portal2")),
        1,
        "Portal 2.0: the server is PostgreSQL ",
        "PostgreSQL 99 or later",
    )


def world(portals: Portals, source: str | None = None) -> tuple[str, ...]:
    return ("--source", source or as_superuser(portals, "portal2"), "--tc", as_superuser(portals, "tc"))


def test_a_target_that_is_read_only_or_of_another_encoding(portals: Portals) -> None:
    portals.do("postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    done = portals.run("run", "--target", as_superuser(portals, "ascii"), *world(portals), run="encoding")
    assert (done.code, "SQL_ASCII" in done.err, "UTF8" in done.err) == (7, True, True), done.err
    portals.do("postgres", "CREATE DATABASE still", "ALTER DATABASE still SET default_transaction_read_only = on")
    refused(
        portals.run("run", "--target", as_superuser(portals, "still"), *world(portals), run="still"),
        7,
        "default_transaction_read_only is on",
        "End or change",
    )


def test_an_old_portal_of_another_encoding_gives_the_same_texts(portals: Portals, tmp_path: Path) -> None:
    """A Latin-1 database and a client encoding of Latin-1: the texts are still UTF-8."""
    portals.do("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    text = (Path(postgresql.__file__).parents[3] / "mappings/schemas/portal2.sql").read_text()
    for database in ("latin", "utf"):
        if database == "utf":
            portals.do("postgres", "CREATE DATABASE utf ENCODING 'UTF8' TEMPLATE template0")
        portals.do(
            database, text, "INSERT INTO message (message_id, thread_id, body, sent_at) VALUES (1, 1, U&'M\\00FCller \\00E9', '2020-01-01')"
        )
    bytes_of = []
    for database, encoding in (("latin", "LATIN1"), ("utf", "LATIN1"), ("utf", "UTF8"), ("latin", "UTF8")):
        run = tmp_path / f"{database}-{encoding}"
        done = command(
            "extract",
            "--source",
            as_superuser(portals, database),
            "--objects",
            str(tmp_path / "o"),
            "--run",
            str(run),
            folder=portals.folder,
            PGCLIENTENCODING=encoding,
        )
        assert done.code == 0, done.err
        bytes_of.append([file.read_bytes() for file in sorted(run.glob("extract/**/*.parquet"))])
    assert bytes_of[0] == bytes_of[1] == bytes_of[2] == bytes_of[3]


def test_a_deadlock_and_a_lock_timeout_are_retried(portals: Portals) -> None:
    """Another session takes the same locks in the opposite order: the server ends one of them; the load queries the record and starts again."""
    portals.do("postgres", "CREATE DATABASE deadlock")
    target = as_superuser(portals, "deadlock")
    assert portals.run("run", *world(portals), "--target", target, run="first").code == 0
    portals.do("portal2", "UPDATE message SET body = 'another' WHERE message_id = (SELECT min(message_id) FROM message)")
    with portals.session("deadlock") as other:
        other.execute("BEGIN")
        other.execute(
            "LOCK TABLE criteria_version IN ACCESS EXCLUSIVE MODE"
        )  # the first table of all, and the last of those that are removed from
        release = threading.Timer(3, lambda: other.execute("ROLLBACK"))
        release.start()
        done = portals.run("run", *world(portals), "--target", target, run="second", PGOPTIONS="-c lock_timeout=700ms")
        release.join()
    assert done.code == 0, done.err
    with portals.session("deadlock") as connection:
        assert connection.execute("SELECT count(*) FROM migration_run WHERE state_cd = 'PUBLISHED'").fetchone() == (2,)


def test_a_deadlock_ends_in_one_published_run(portals: Portals) -> None:
    import psycopg

    target = as_superuser(portals, "deadlock")
    portals.do("portal2", "UPDATE message SET body = 'a third' WHERE message_id = (SELECT min(message_id) FROM message)")
    waiting = threading.Event()
    ended: list[str] = []

    def other() -> None:
        # Deadlock detection far behind the load's: the load is the one that is ended.
        with portals.session("deadlock") as connection:
            connection.execute("SET deadlock_timeout = '60s'")
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE criteria_version IN ACCESS EXCLUSIVE MODE")
            waiting.set()
            for _ in range(600):
                held = connection.execute(
                    "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'message' AND l.mode = 'RowExclusiveLock' AND l.granted"
                ).fetchone()
                if held[0]:
                    break
                time.sleep(0.02)
            try:
                connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
                ended.append("got both")
            except psycopg.Error as error:
                ended.append(str(error.sqlstate))
            connection.execute("ROLLBACK")

    thread = threading.Thread(target=other)
    thread.start()
    assert waiting.wait(10)
    done = portals.run("run", *world(portals), "--target", target, run="third")
    thread.join()
    assert ended == ["got both"]
    assert done.code == 0, done.err
    with portals.session("deadlock") as connection:
        assert connection.execute("SELECT count(*) FROM migration_run WHERE state_cd = 'PUBLISHED'").fetchone() == (3,)


def test_a_cancelled_statement_is_reported(portals: Portals) -> None:
    """A server ends a statement as it does at a statement_timeout (57014): here it waits for a lock, and is cancelled."""
    ended = threading.Event()

    def cancel() -> None:
        with portals.session("deadlock") as session:  # outside of a transaction: inside, pg_stat_activity stays as it was at first
            while not ended.wait(0.05):
                session.execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'portal-migrate' AND state = 'active' AND wait_event_type = 'Lock'"
                )

    portals.do("portal2", "UPDATE message SET body = 'a fourth' WHERE message_id = (SELECT min(message_id) FROM message)")
    with portals.session("deadlock") as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE criteria_version IN ACCESS EXCLUSIVE MODE")
        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        done = portals.run("run", *world(portals), "--target", as_superuser(portals, "deadlock"), run="cancelled")
        ended.set()
        cancelling.join()
        other.execute("ROLLBACK")
    refused(done, 1, "SQLSTATE 57014", "statement_timeout")
