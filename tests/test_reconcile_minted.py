"""A store minted from the verifier's own expected side: held against itself it has no difference, whatever the world (a law of reconcile)."""

import hashlib
import json
import re
import sqlite3
from datetime import date, datetime
from pathlib import Path

import pytest

from etl.reconcile.cells import plain
from etl.reconcile.expected import Expected
from etl.reconcile.frames import LOCATOR
from etl.reconcile.hashing import ACCOUNT, fingerprint, identity, own_id
from etl.reconcile.source import NEVER_READ, Source
from etl.reconcile.spec import read_spec
from etl.reconcile.sqlite import SqliteDatabase
from etl.reconcile.verifier import reconcile
from etl.reconcile.world import Piece, World
from sample_data.world import World as Place
from sample_data.world import write_cast

FREEZE = (date(2023, 9, 16), date(2023, 9, 30))
BEGAN = datetime(2023, 9, 17, 1, 2, 3, 4)
SCHEMA = Path(__file__).resolve().parent.parent / "mappings" / "schemas" / "portal3.sql"
SPEC = read_spec()


def mint(place: Place, folder: Path) -> tuple[str, str]:
    """URL of a new store and root of its objects, holding exactly what the verifier expects of the old portals at `place`."""
    sources = {
        p: Source(SPEC, p, SqliteDatabase(Path(url.removeprefix("sqlite:///")))) for p, url in (("P2", place.source), ("TC", place.tc))
    }
    world = World(SPEC, sources, place.files, FREEZE, BEGAN)
    expected = Expected(world)
    path, objects = folder / "portal3.sqlite", folder / "objects"
    objects.mkdir(parents=True)
    db = sqlite3.connect(path)
    db.executescript(re.sub(r"\bBYTEA\b", "BLOB", re.sub(r"\bUUID\b", "TEXT", SCHEMA.read_text(encoding="utf-8"))))
    db.execute("INSERT INTO migration_run VALUES ('r1', 'PUBLISHED', ?, ?, ?, ?, ?)", (str(BEGAN), str(BEGAN), *map(str, FREEZE), "0" * 64))
    for piece in expected.first_pass():
        _insert(db, piece)
    for rule, portal, table, key in world.ledger.flags().iter_rows():
        db.execute("INSERT INTO migration_exception VALUES (?, ?, ?, ?, 'r1', 'look at it')", (rule, portal, table, key))
    for row in world.ledger.held().iter_rows(named=True):
        source = sources[row["portal"]]
        columns = [c for c in source.table(row["table"]).columns.values() if c.name != NEVER_READ and c.kind != "binary"]
        [(_, raws)] = source.database.rows(row["table"], [c.name for c in columns], [row[LOCATOR]])
        text = json.dumps({c.name: plain(raw, c) for raw, c in zip(raws, columns, strict=True)})
        db.execute(
            "INSERT INTO migration_holding VALUES (?, ?, ?, 'r1', ?, ?, ?)",
            (row["portal"], row["table"], row["key"], row["reason"], text, row["digest"]),
        )
    for data in _bytes(place, sources):
        (objects / hashlib.sha256(data).hexdigest()).write_bytes(data)
    db.commit()
    db.close()
    for source in sources.values():
        source.database.close()
    return f"sqlite:///{path}", str(objects)


def _insert(db: sqlite3.Connection, piece: Piece) -> None:
    table = SPEC.target[piece.table]
    everything = piece.frame(__import__("numpy").ones(len(piece), bool))
    numbers = fingerprint((everything[name] for name in identity(SPEC, piece.table)), len(everything))
    for number, row in zip(numbers.tolist(), everything.iter_rows(named=True), strict=True):
        values = []
        for name in table.columns:
            parent = table.refers.get(name)
            if name == own_id(table):
                values.append(_uuid(piece.table, number))
            elif (piece.table, name) == ("document_link", "target_id"):
                values.append(_uuid(SPEC.link_targets[row["target_cd"]][1], row[name]))
            elif parent == "entity_account":
                values.append(None if row[name] is None else _uuid_of_entity(row[name]))
            elif parent and own_id(SPEC.target[parent]):
                values.append(None if row[name] is None else _uuid(parent, row[name]))
            elif (piece.table, name) == ("stored_object", "object_key"):
                values.append(row["sha256"])
            else:
                values.append(str(row[name]) if isinstance(row[name], (date, datetime)) else row[name])
        db.execute(f"INSERT INTO {piece.table} VALUES ({', '.join('?' * len(values))})", values)


def _uuid(table: str, number: int) -> str:
    digits = hashlib.sha256(f"{table} {number}".encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _uuid_of_entity(entity: int) -> str:
    import polars as pl

    return _uuid("entity_account", int(fingerprint([pl.Series("legacy_entity_id", [entity], dtype=pl.Int64)], 1)[0]))


def _bytes(place: Place, sources: dict[str, Source]) -> list[bytes]:
    """Every run of bytes that an old portal holds: contents, files, texts that are no Unicode."""
    found = []
    for url in (place.source, place.tc):
        db = sqlite3.connect(url.removeprefix("sqlite:///"))
        db.text_factory = bytes
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {name.decode()}"):
                found += [value for value in row if isinstance(value, bytes)]
        db.close()
    return found + [path.read_bytes() for path in place.files.rglob("*") if path.is_file()]


@pytest.fixture(scope="session")
def cast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str, str]:
    folder = tmp_path_factory.mktemp("minted")
    place = write_cast(folder / "legacy")
    return place, *mint(place, folder)


def test_minted_store_equals_what_it_was_minted_from(cast: tuple[Place, str, str]) -> None:
    place, target, objects = cast
    result = reconcile(place.source, place.tc, str(place.files), target, objects)
    assert result.differences.rows() == []
    assert result.answer == "equal"
    assert result.profiles_checked > 30
    assert result.objects.counted == result.tables["stored_object"].expected > 20


def test_accounts_column_is_not_counted_twice() -> None:
    assert ACCOUNT in identity(SPEC, "finding_response")
