"""Old portals in a database that has no reader of its own: MariaDB, started by the tests where it is installed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mappings.read import read_mappings
from sample_data.world import write_cast
from tests.support.command import FREEZE, Done, command

PASSWORD = "canary-word-31"
_TYPES: dict[str, str] = {"TEXT": "LONGTEXT", "TIMESTAMP": "DATETIME(6)", "BYTEA": "LONGBLOB"}


@pytest.fixture(scope="module")
def world(mariadb: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cast in MariaDB, read by a role with SELECT only; the same rows, read back, in SQLite."""
    folder = tmp_path_factory.mktemp("world")
    write_cast(folder / "legacy")
    mappings = read_mappings()
    server = sa.create_engine(f"mysql+pymysql://root@/?unix_socket={mariadb}", isolation_level="AUTOCOMMIT")
    with server.connect() as root:
        root.exec_driver_sql(f"CREATE USER reader@localhost IDENTIFIED BY '{PASSWORD}'")
        for portal, name in (("P2", "portal2"), ("TC", "tc")):
            root.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
            root.exec_driver_sql(f"GRANT SELECT ON {name}.* TO reader@localhost")
            root.exec_driver_sql(f"USE {name}")
            with sqlite3.connect(folder / "legacy" / f"{name}.sqlite") as lite:
                lite.text_factory = bytes
                for mapping in mappings.of(portal):  # type: ignore[arg-type]
                    _moved(root, lite, mapping.shape)
            lite.close()
    server.dispose()
    return folder


def _moved(root: sa.Connection, lite: sqlite3.Connection, shape: Any) -> None:
    """Writes the table's rows to MariaDB; rows that it rejects are omitted in SQLite as well."""
    declared = ", ".join(f"`{c.name}` {_TYPES.get(c.sql_type, c.sql_type)}{' NOT NULL' if c.not_null else ' NULL'}" for c in shape.columns)
    root.exec_driver_sql(f"CREATE TABLE `{shape.name}` ({declared}, PRIMARY KEY ({', '.join(shape.key)}))")
    names = [c.name for c in shape.columns]
    marks = ", ".join("%s" for _ in names)
    for rowid, *row in lite.execute(f"SELECT rowid, {', '.join(names)} FROM {shape.name}").fetchall():
        try:
            values = [v.decode() if isinstance(v, bytes) and c.family != "binary" else v for v, c in zip(row, shape.columns, strict=True)]
            assert not any(
                isinstance(v, str) and c.family in ("date", "timestamp") and ("T" in v or v.endswith("Z") or len(v) < 10)
                for v, c in zip(values, shape.columns, strict=True)
            )
            root.exec_driver_sql(f"INSERT INTO `{shape.name}` VALUES ({marks})", tuple(values))
        except (sa.exc.DatabaseError, UnicodeDecodeError, AssertionError):
            lite.execute(f"DELETE FROM {shape.name} WHERE rowid = ?", (rowid,))


def url(socket: str, database: str, user: str = f"reader:{PASSWORD}") -> str:
    return f"mysql+pymysql://{user}@/{database}?unix_socket={socket}&charset=utf8mb4"


def run(world: Path, source: str, tc: str, name: str, *more: str) -> Done:
    return command(
        "run",
        "--source",
        source,
        "--tc",
        tc,
        "--files",
        "legacy/files",
        "--target",
        f"sqlite:///{name}.sqlite",
        "--objects",
        f"{name}-objects",
        "--run",
        name,
        *FREEZE,
        *more,
        folder=world,
    )


def test_a_portal_in_mariadb_gives_what_it_gives_in_sqlite(world: Path, mariadb: str) -> None:
    done = run(world, url(mariadb, "portal2"), url(mariadb, "tc"), "great")
    assert done.code == 0, done.err
    assert "one transaction, REPEATABLE READ (mysql, portable reader)" in done.err
    assert PASSWORD not in done.out + done.err
    lite = run(world, "sqlite:///legacy/portal2.sqlite", "sqlite:///legacy/tc.sqlite", "lite")
    assert lite.code == 0, lite.err
    plans = [
        command("plan", "--source", source, "--tc", tc, "--output", "json", folder=world).data["documents_bytes"]
        for source, tc in ((url(mariadb, "portal2"), url(mariadb, "tc")), ("sqlite:///legacy/portal2.sqlite", "sqlite:///legacy/tc.sqlite"))
    ]
    assert plans[0] == plans[1] > 0
    with sqlite3.connect(world / "great.sqlite") as great, sqlite3.connect(world / "lite.sqlite") as other:
        for table in read_mappings().target.tables:
            if table not in ("migration_run", "migration_holding", "migration_exception"):
                rows = [sorted(map(repr, store.execute(f"SELECT * FROM {table}"))) for store in (great, other)]
                assert rows[0] == rows[1], table
        assert great.execute("SELECT count(*) FROM entity_account").fetchone()[0] > 20
    great.close()
    other.close()


def test_changes_after_the_snapshot_are_detected_before_publishing(world: Path, mariadb: str) -> None:
    engine = sa.create_engine(url(mariadb, "portal2", "root"), isolation_level="AUTOCOMMIT")
    words = (
        "--source",
        url(mariadb, "portal2"),
        "--tc",
        url(mariadb, "tc"),
        "--files",
        "legacy/files",
        "--target",
        "sqlite:///changed.sqlite",
    )
    more = ("--objects", "changed-objects", "--run", "changed", *FREEZE)
    for step in ("extract", "split", "reattach", "check"):
        assert command(step, *words, *more, folder=world).code == 0
    with engine.connect() as root:
        before = root.exec_driver_sql("SELECT message_id, body FROM message ORDER BY message_id LIMIT 1").one()
        root.exec_driver_sql("UPDATE message SET body = 'another' WHERE message_id = %s", (before[0],))
        done = command("load", *words, *more, folder=world)
        root.exec_driver_sql("UPDATE message SET body = %s WHERE message_id = %s", (before[1], before[0]))
    engine.dispose()
    assert done.code == 5, done.err
    assert "P2.message" in done.err


def test_a_locked_table_times_out(world: Path, mariadb: str) -> None:
    """`freeze check` takes who holds it for a writer (5)."""
    engine = sa.create_engine(url(mariadb, "portal2", "root"), isolation_level="AUTOCOMMIT")
    stores = ("--source", url(mariadb, "portal2"), "--tc", url(mariadb, "tc"))
    with engine.connect() as root:
        before = root.exec_driver_sql("SELECT @@GLOBAL.lock_wait_timeout").scalar_one()
        root.exec_driver_sql("SET GLOBAL lock_wait_timeout = 1")
        root.exec_driver_sql("LOCK TABLES message WRITE")
        try:
            done = [command(*words, *stores, folder=world) for words in (("plan",), ("freeze", "check", "--seconds", "0"))]
        finally:
            root.exec_driver_sql("UNLOCK TABLES")
            root.exec_driver_sql(f"SET GLOBAL lock_wait_timeout = {before}")
    engine.dispose()
    assert [end.code for end in done] == [1, 5], [end.err for end in done]
    assert all("another session holds a lock" in end.err for end in done)


def test_an_unreadable_database_is_reported(world: Path, mariadb: str) -> None:
    for source, sentence in (
        (url(mariadb, "portal2", f"reader:{PASSWORD}-wrong"), "connecting failed (OperationalError)"),
        (url(f"{mariadb}-not", "portal2"), "connecting failed"),
    ):
        done = command("plan", "--source", source, folder=world)
        assert done.code == 1, done
        assert sentence in done.err
        assert PASSWORD not in done.out + done.err
    done = command("plan", "--source", url(mariadb, "portal2"), "--target", url(mariadb, "portal2"), folder=world)
    assert (done.code, "--target: mysql databases cannot be written as a target" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("quill://x@y/z", "no reader for quill databases"),
        ("oracle+oracledb://x@127.0.0.1/z", "the driver oracledb for oracle databases is not installed"),
    ],
)
def test_an_unknown_kind_of_database_is_refused(source: str, sentence: str, tmp_path: Path) -> None:
    done = command("plan", "--source", source, folder=tmp_path)
    assert done.code == 1
    assert sentence in done.err


def test_X2_unsigned_keys_beyond_64_bits_are_held_and_the_others_load(world: Path, mariadb: str) -> None:
    """`BIGINT UNSIGNED` is what most keys of a MariaDB are; 2^63 and more fit no BIGINT, in a key, a reference or a plain column."""
    server = sa.create_engine(url(mariadb, "portal2", "root"), isolation_level="AUTOCOMMIT")
    with server.connect() as root:
        profile = root.exec_driver_sql(
            "SELECT company_profile_id FROM model_entity JOIN security_model USING (security_model_id) LIMIT 1"
        ).scalar_one()
        for column, null in (("task_id", "NOT NULL"), ("entity_id", "NULL")):
            root.exec_driver_sql(f"ALTER TABLE portal_task MODIFY {column} BIGINT UNSIGNED {null}")
        for task, entity in ((2**63, None), (2**64 - 1, None), (2**63 - 1, None), (77_001, 2**63 + 1), (0, None)):
            row = (task, profile, entity)
            root.exec_driver_sql(
                "INSERT INTO portal_task (task_id, company_profile_id, entity_id, task_kind_cd) VALUES (%s, %s, %s, 'x')", row
            )
    server.dispose()
    done = run(world, url(mariadb, "portal2"), url(mariadb, "tc"), "unsigned")
    assert done.code == 0, done.err
    with sqlite3.connect(world / "unsigned.sqlite") as store:
        held = dict(store.execute("SELECT legacy_key, reason_cd FROM migration_holding WHERE legacy_table = 'portal_task'"))
        loaded = {key for (key,) in store.execute("SELECT legacy_key FROM portal_task")}
    store.close()
    assert {held.get(key) for key in (str(2**63), str(2**64 - 1), "77001")} == {"UNREADABLE_VALUE"}
    assert {"0", str(2**63 - 1)} <= loaded
