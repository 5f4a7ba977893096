"""How the verifier reads: whole columns and single values agree, nothing is ever written, one snapshot, every kind of hostile value."""

import hashlib
import os
import sqlite3
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.reconcile.databases import sqlite
from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.engine.cells import UNREADABLE, Text, readable
from etl.reconcile.engine.frames import LOCATOR, typed
from etl.reconcile.engine.spec import Column
from etl.reconcile.errors import ReconcileError
from etl.reconcile.objects.store import _from_folder

COLUMNS = [
    Column("a", "integer"),
    Column("b", "text", 5),
    Column("d", "date"),
    Column("x", "binary"),
    Column("t", "timestamp"),
    Column("i", "integer", 0, 32),
]
ROWS = [
    (1, "a\0b", "2020-01-01", b"\0\1", "2020-01-01 00:00:00", 5),
    (2, None, 2020, None, None, None),
    (3, "", "2020-01-01 00:00:00", b"", "2020-02-29T23:59:59.5Z", 2**40),
    (2**62 + 1, "zzzzzz", "2023-02-30", "txt", "2020-01-01", 1),
    (7, "ok", "0001-01-01", b"z", "9999-12-31 23:59:59.999999+00:00", 1),
    (8, b"blob", "2020-1-01", 5, "2020-01-01 24:00:00", "abc"),
    ("key", b"\xff", b"2020-01-01", b"", "2020-01-01 00:00:00.1234567", 1.5),
    (9, "ééééé", "2000-02-29", "q", "2020-01-01 00:00:00Z", -1),
    *((100 + n, "ab", "2020-05-06", b"1", "2020-05-06 07:08:09.000001", n) for n in range(5)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    db = sqlite3.connect(tmp_path / "old.sqlite")
    db.execute("CREATE TABLE t (a BIGINT PRIMARY KEY, b VARCHAR(5), d DATE, x BLOB, t TIMESTAMP, i INTEGER)")
    db.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", ROWS)
    db.commit()
    db.close()
    return tmp_path / "old.sqlite"


@pytest.mark.parametrize("driver", [True, False], ids=["arrow", "rows"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_regular_and_odd_rows_are_the_same_for_any_batch_size_and_driver(
    path: Path, size: int, driver: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BATCH", {"binary": size})
    database = SqliteDatabase(path)
    if not driver:
        database._bulk = None
    parts = list(database.parts("t", COLUMNS))
    frame = pl.concat([part.frame for part in parts])
    assert frame["a"].to_list() == [7, 9, 100, 101, 102, 103, 104]
    assert frame.row(0) == (5, 7, "ok", date(1, 1, 1), b"z", datetime(9999, 12, 31, 23, 59, 59, 999999), 1)
    assert frame["x"].to_list()[1] == b"q"  # a text in a binary column is its bytes
    assert sorted(at for part in parts for at in part.odd) == [1, 2, 3, 4, 6, 7]
    exact = list(database.parts("t", COLUMNS, exact=True))
    assert sorted(at for part in exact for at in part.odd) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert dict(database.rows("t", ["b", "x"], [7, 2])) == {2: (None, None), 7: (b"\xff", b"")}
    database.close()


def test_a_blob_is_distinguished_from_a_text(path: Path) -> None:
    database = SqliteDatabase(path)
    [(_, (text, blob))] = database.rows("t", ["b", "x"], [5])
    assert type(text) is Text
    assert type(blob) is bytes
    database.close()


TEXTS = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.text(max_size=30),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?(Z|\+00:00|\+01:00)?)?", fullmatch=True
    ),
)


@given(st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=20))
def test_typed_columns_of_dates_equal_typed_single_values(texts: list[str | None]) -> None:
    array = pl.Series(texts, dtype=pl.String).to_arrow(compat_level=pl.CompatLevel.oldest()).cast("string")
    for kind in ("date", "timestamp"):
        column = Column("d", kind)
        series, odd = typed(array, column, exact=False)
        one_by_one = [readable(None if text is None else Text(text.encode()), column) for text in texts]
        assert odd.tolist() == [value is UNREADABLE for value in one_by_one]
        assert series.to_list() == [None if value is UNREADABLE else value for value in one_by_one]


@given(st.lists(st.one_of(st.none(), st.binary(max_size=12), st.text(max_size=12).map(str.encode)), min_size=1, max_size=20))
def test_texts_are_accepted_only_if_valid_and_short_enough(raws: list[bytes | None]) -> None:
    array = pl.Series(raws, dtype=pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest()).cast("binary")
    column = Column("b", "text", 5)
    series, odd = typed(array, column, exact=False)
    for raw, value, strange in zip(raws, series.to_list(), odd.tolist(), strict=True):
        clean = raw is None or (raw.decode("utf-8", "replace").encode() == raw and b"\0" not in raw and len(raw.decode()) <= 5)
        assert strange == (not clean)
        if clean:
            assert value == (None if raw is None else raw.decode())


def test_reading_changes_no_byte_and_creates_no_file(path: Path) -> None:
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    database = SqliteDatabase(path)
    list(database.parts("t", COLUMNS))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database._rows.execute("DELETE FROM t")
    database.close()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file.name for file in path.parent.iterdir()] == ["old.sqlite"]


def test_a_snapshot_is_stable_while_another_session_writes(path: Path) -> None:
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    database = SqliteDatabase(path)
    writer.execute("DELETE FROM t WHERE a >= 100")
    writer.commit()
    assert 104 in pl.concat([part.frame for part in database.parts("t", COLUMNS)])["a"].to_list()
    assert len(list(database.rows("t", ["a"], range(9, 14)))) == 5
    database.close()
    writer.close()


def test_contents_of_any_size_are_hashed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHUNK_BYTES", 2)
    db = sqlite3.connect(path)
    db.execute("UPDATE t SET x = ? WHERE a = 1", (b"larger than a piece",))
    db.execute("UPDATE t SET x = ? WHERE a = 9", ("größer",))
    db.commit()
    db.close()
    database = SqliteDatabase(path)
    found = {content.at: (content.digest, content.size) for content in database.contents("t", "a", "x")}
    assert found[1] == (hashlib.sha256(b"larger than a piece").hexdigest(), 19)
    assert found[8] == (hashlib.sha256("größer".encode()).hexdigest(), 8)
    assert found[2] == found[6] == (None, 0)  # nothing, and a number
    assert found[3] == (hashlib.sha256(b"").hexdigest(), 0)
    database.close()


@pytest.mark.parametrize("content", [None, b"", b"this is not a database at all, however long it may be" * 30])
def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "old.sqlite"
    if content is not None:
        path.write_bytes(content)
    if content == b"":  # an empty file is an empty database
        assert SqliteDatabase(path).tables() == {}
        return
    with pytest.raises(ReconcileError, match=r"old\.sqlite"):
        SqliteDatabase(path)


def test_locators_lead_back_to_their_rows(path: Path) -> None:
    database = SqliteDatabase(path)
    for part in database.parts("t", COLUMNS):
        for at, a in part.frame.select(LOCATOR, "a").iter_rows():
            assert dict(database.rows("t", ["a"], [at])) == {at: (a,)}
    database.close()


def test_only_regular_files_inside_the_store_are_objects(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    (store / "ab").mkdir(parents=True)
    outside.mkdir()
    (outside / "x").write_bytes(b"secret")
    (store / "ab" / "x").write_bytes(b"x")
    (store / "ab" / "link").symlink_to("x")
    (store / "ab" / "out").symlink_to(outside / "x")
    (store / "cd").symlink_to(outside)
    (store / "ab" / "folder").mkdir()
    os.mkfifo(store / "ab" / "pipe")
    read = _from_folder(store)
    digest = hashlib.sha256(b"x").hexdigest()
    assert [(read(key).digest, read(key).size) for key in ("ab/x", "ab/link")] == [(digest, 1)] * 2
    lost = {
        key: read(key).why for key in ("ab/y", "ab/out", "cd/x", "../outside/x", "/etc/passwd", "ab/folder", "ab/pipe", "ab/\0", "ab/x/y")
    }
    out = "the key points outside the store"
    assert lost == {
        "ab/y": "missing",
        "ab/out": out,
        "cd/x": out,
        "../outside/x": out,
        "/etc/passwd": out,
        "ab/folder": "no file",
        "ab/pipe": "no file",
        "ab/\0": "cannot be read",
        "ab/x/y": "cannot be read",
    }
