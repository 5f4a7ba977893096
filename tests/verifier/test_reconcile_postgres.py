"""The verifier on PostgreSQL: the same answers, and what only that database can hold."""

import hashlib
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest
from sqlalchemy.engine import make_url

from etl.reconcile import reconcile
from etl.reconcile.databases import postgresql as module
from etl.reconcile.engine.cells import UNREADABLE, Extreme, Text, extreme, readable
from etl.reconcile.engine.spec import Column
from etl.reconcile.errors import ReconcileError
from etl.reconcile.verifier import open_database
from tests.verifier.test_reconcile_store import SCHEMA, SPEC, WrittenStore, written_store_in

psycopg = pytest.importorskip("psycopg", exc_type=ImportError)


@pytest.fixture(scope="module")
def written_store(tmp_path_factory: pytest.TempPathFactory) -> WrittenStore:
    return written_store_in(tmp_path_factory.mktemp("written"))


@pytest.fixture
def store(postgres: str, written_store: WrittenStore) -> Iterator[tuple[str, Any]]:
    """The written store, moved to PostgreSQL; its URL, and a connection that may change it."""
    name = f"store_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        url = make_url(postgres).set(database=name).render_as_string(hide_password=False)
        lite = sqlite3.connect(written_store.target.removeprefix("sqlite:///"))
        with psycopg.connect(url, autocommit=True) as great:
            great.execute(SCHEMA.read_text(encoding="utf-8"))
            great.execute("SET session_replication_role = replica")  # rows in any order: keys are not looked at yet
            for table in SPEC.target.values():
                flags = [n for n, column in enumerate(table.columns.values()) if column.kind == "boolean"]
                for row in lite.execute(f"SELECT * FROM {table.name}"):
                    values = [None if value is None else bool(value) if n in flags else value for n, value in enumerate(row)]
                    great.execute(f"INSERT INTO {table.name} VALUES ({', '.join(['%s'] * len(values))})", values)
            yield url, great
        lite.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_same_store_on_postgresql_is_equal_and_a_changed_one_is_not(store: tuple[str, Any], written_store: WrittenStore) -> None:
    url, great = store
    old = written_store.old
    assert reconcile(old.source, old.tc, str(old.files), url, written_store.objects).differences.rows() == []
    great.execute("UPDATE profile_response SET modified_at = modified_at + interval '1 microsecond' WHERE legacy_key = '101'")
    great.execute("UPDATE entity_account SET trade_visible = NOT trade_visible WHERE legacy_entity_id = 101")
    great.execute("UPDATE security_profile SET due_dt = 'infinity' WHERE legacy_key = '101'")
    great.execute("DELETE FROM event_account WHERE account_id = (SELECT account_id FROM entity_account WHERE legacy_entity_id = 101)")
    result = reconcile(old.source, old.tc, str(old.files), url, written_store.objects)
    found = {(d["table"], d["kind"], d["column"]) for d in result.differences.to_dicts()}
    assert found == {
        ("profile_response", "changed", "modified_at"),
        ("entity_account", "changed", "trade_visible"),
        ("event_account", "missing", None),
        ("security_profile", "changed", "due_dt"),
    }
    open_still = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    by = time.monotonic() + 20  # a server notices that a client has gone only when it comes to look
    while great.execute(open_still).fetchone() != (0,):
        assert time.monotonic() < by, "a connection of the verifier is still open"
        time.sleep(0.05)


def test_values_that_only_postgresql_holds(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 4)
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, c CHAR(3), d DATE, t TIMESTAMP, u UUID, x BYTEA, v VARCHAR(9))")
        some = uuid.uuid4()
        rows = [
            (1, "a", "2020-01-01", "2020-01-01 00:00:00.000001", some, b"\0\xff", "é"),
            (2, None, None, None, None, None, None),
            (3, "b", "infinity", None, None, b"longer than a piece", None),
            (4, "c", None, "-infinity", None, b"", ""),
            (5, "d", "10000-01-01", None, None, None, None),
            (6, "e", None, "0044-03-15 BC", None, None, None),
            (7, "f", "0001-01-01", "9999-12-31 23:59:59.999999", None, b"12345678", None),
        ]
        for row in rows:
            db.execute(f"INSERT INTO {name} VALUES (%s, %s, %s::date, %s::timestamp, %s, %s, %s)", row)
        database = open_database(postgres)
        columns = [
            Column("id", "integer"),
            Column("c", "text", 3, padded=True),
            Column("d", "date"),
            Column("t", "timestamp"),
            Column("u", "uuid"),
            Column("x", "binary"),
            Column("v", "text", 9),
        ]
        parts = list(database.parts(name, columns))
        frame = pl.concat([part.frame for part in parts])
        assert frame["id"].to_list() == [1, 2, 7]
        assert frame["c"].to_list() == ["a", None, "f"]
        assert frame["u"].to_list() == [some.bytes, None, None]
        assert frame["d"].to_list() == [date(2020, 1, 1), None, date(1, 1, 1)]
        odd = dict(database.rows(name, ["id", "d", "t"], [at for part in parts for at in part.odd]))
        assert sorted(row[0] for row in odd.values()) == [3, 4, 5, 6]  # type: ignore[type-var]  # keys of one kind
        far = {key: (readable(d, columns[2]), readable(t, columns[3])) for key, d, t in odd.values()}
        assert far == {
            3: (2**31 - 1, None),
            4: (None, -(2**63)),
            5: (2_932_897, None),
            6: (None, -63_517_824_000_000_000),
        }  # days, microseconds since 1970
        assert all(isinstance(value, Extreme) for pair in far.values() for value in pair if value is not None)
        assert (
            readable(Text(b"infinity"), columns[2]) is UNREADABLE
        )  # in a column that can hold any text it is not a value of its type (X2)
        found = {content.key: (content.digest, content.size) for content in database.contents(name, "id", "x")}
        assert found == {row[0]: (None, 0) if row[5] is None else (hashlib.sha256(row[5]).hexdigest(), len(row[5])) for row in rows}
        assert database.has_key(name, ["id"])
        assert not database.has_key(name, ["c"])
        assert database.only_integers(name, "id")
        with psycopg.connect(postgres, autocommit=True) as other:
            other.execute(f"DELETE FROM {name}")
        assert sum(len(part.frame) for part in database.parts(name, columns)) == 3  # one snapshot
        database.close()
        db.execute(f"DROP TABLE {name}")


def test_X2_an_out_of_range_date_is_looked_up_while_a_large_table_is_read(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1 << 10)
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(
            f"CREATE TABLE {name} AS SELECT n::bigint AS id, CASE WHEN n % 1000 = 7 THEN 'infinity' ELSE date '2020-01-01' END AS d"
            " FROM generate_series(1, 5000) n"
        )
        database, read, far = open_database(postgres), 0, []
        for part in database.parts(name, [Column("id", "integer"), Column("d", "date")]):
            read += len(part.frame)
            far += [key for _, (key, _) in database.rows(name, ["id", "d"], part.odd)]
        assert (read, far) == (4995, [7, 1007, 2007, 3007, 4007])
        database.close()
        db.execute(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "0000-01-01"),
        ("date", "0000-01-01 BC"),
        ("date", "2023-02-30"),
        ("date", "010000-01-01"),
        ("date", "00044-03-15 BC"),
        ("date", "10000-02-30"),
        ("date", "Infinity"),
        ("date", "infinity "),
        ("date", "10000-01-01 00:00:00"),
        ("timestamp", "2020-01-01 24:00:00"),
        ("timestamp", "10000-01-01 24:00:00"),
        ("timestamp", "10000-01-01 00:60:00"),
        ("timestamp", "10000-01-01 00:00:00.50"),
        ("timestamp", "10000-01-01"),
        ("timestamp", "10000-01-01T00:00:00"),
    ],
)
def test_X2_no_other_text_is_taken_for_an_out_of_range_date(kind: str, text: str) -> None:
    """Otherwise a store with another text would count as equal."""
    assert readable(text, Column("c", kind)) is UNREADABLE
    assert extreme(text, Column("c", kind)) is UNREADABLE


def test_no_message_contains_a_password() -> None:
    with pytest.raises(ReconcileError) as error:
        open_database("postgresql://somebody:canary-word@127.0.0.1:1/nowhere?password=canary-word")
    assert "canary" not in f"{error.value} {error.value.next_step} {error.value.__cause__}"
