"""Single faults, planted in a scratch copy of a migrated store: what a verifier must find (rules.md K10; faults of a silent kind)."""

import random
import sqlite3
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from etl.reconcile.compare.hashing import account_path, own_id
from etl.reconcile.engine.spec import Column, Spec
from etl.reconcile.errors import ReconcileError

# No source determines them: a run's record, and the detail of an exception.
_UNKNOWABLE = {"migration_run": None, "migration_exception": {"detail"}}
_OBJECTS = ("object with a flipped bit", "object truncated", "object missing", "objects of equal length swapped")
_ROWS = ("row dropped", "row doubled", "row too many")
_ATTEMPTS = 40


@dataclass(frozen=True)
class Spot:
    """Where a fault may be planted; `column` is '' for a whole row or an object."""

    kind: str
    table: str
    column: str


@dataclass(frozen=True)
class Planted:
    """A fault that was planted in a copy of the store."""

    spot: Spot
    what: str  # the row, by its place in the table: never a value
    objects: tuple[str, ...] = ()  # the keys of the objects that are no longer what they were


def spots(spec: Spec) -> list[Spot]:
    """Returns every kind of fault in every table and column in which it can occur."""
    found = [Spot(kind, "stored_object", "") for kind in _OBJECTS]
    found += [Spot("access too many", "account_contact", ""), Spot("documents of equal length swapped", "document", "sha256")]
    for name, table in spec.target.items():
        left_out = _UNKNOWABLE.get(name, set())
        if left_out is None:
            continue
        found += [Spot(kind, name, "") for kind in _ROWS]
        for column in table.columns.values():
            if column.name != own_id(table) and column.name not in left_out:
                found += [Spot(kind, name, column.name) for kind in _kinds(column)]
    return found


def _kinds(column: Column) -> Iterator[str]:
    if column.kind == "uuid":
        yield "reference led elsewhere"
        yield "reference to nothing"
        return
    yield "values of two rows swapped"
    yield from _CHANGES_BY_KIND[column.kind]
    if column.kind in ("text", "date", "timestamp", "integer") and not column.mandatory:
        yield "value lost"
    if column.kind == "text" and not column.mandatory:
        yield "nothing made empty"
    if column.kind == "text":
        yield "empty made nothing" if not column.mandatory else "text emptied"


def _one_character(value: str, chance: random.Random) -> str | None:
    if not value:
        return None
    at = chance.randrange(len(value))
    return value[:at] + chr((ord(value[at]) - 31) % 94 + 32) + value[at + 1 :]


def _other_form(value: str, chance: random.Random) -> str | None:
    for form in ("NFD", "NFC"):
        if (changed := unicodedata.normalize(form, value)) != value:
            return changed
    return None


def _shifted(text: str, step: timedelta) -> str | None:
    try:
        moved = datetime.fromisoformat(text) + step
    except (ValueError, OverflowError):
        return None
    return moved.strftime("%Y-%m-%d") if len(text) == len("YYYY-MM-DD") else moved.isoformat(" ")


Change = Callable[..., object]
_NULL: object = object()  # NULL, because None means that nothing can be changed
_CHANGES: dict[str, Change] = {
    "one character": _one_character,
    "case": lambda value, _: value.swapcase() if value.swapcase() != value else None,
    "trailing blank": lambda value, _: value + " ",
    "NFC for NFD": _other_form,
    "one day": lambda value, chance: _shifted(value, timedelta(days=chance.choice((-1, 1)))),
    "one microsecond": lambda value, chance: _shifted(value, timedelta(microseconds=chance.choice((-1, 1)))),
    "one hour": lambda value, chance: _shifted(value, timedelta(hours=chance.choice((-1, 1)))),
    "one more or less": lambda value, chance: value + chance.choice((-1, 1)),
    "flag flipped": lambda value, _: 1 - value,
    "one bit": lambda value, chance: _flipped(value, chance) if value else None,
    "value lost": lambda value, _: _NULL,
    "empty made nothing": lambda value, _: _NULL if value == "" else None,
    "text emptied": lambda value, _: "" if value else None,
}
_CHANGES_BY_KIND = {
    "text": ("one character", "case", "trailing blank", "NFC for NFD"),
    "date": ("one day",),
    "timestamp": ("one microsecond", "one hour", "one day"),
    "integer": ("one more or less",),
    "boolean": ("flag flipped",),
    "binary": ("one bit",),
}


class Planter:
    """Plants single faults in the scratch store at `path` and the scratch objects under `objects`."""

    def __init__(self, spec: Spec, path: Path, objects: Path, chance: random.Random) -> None:
        self._spec, self._path, self._objects, self._chance = spec, path, objects, chance

    def plant(self, spot: Spot) -> Planted | None:
        """Plants the fault and returns it; None if the store has no row in which it could occur."""
        db = sqlite3.connect(self._path)
        try:
            for _ in range(_ATTEMPTS):
                try:
                    planted = self._once(db, spot)
                except sqlite3.IntegrityError:  # the store's own constraints forbid it there
                    db.rollback()
                    continue
                if planted is not None:
                    db.commit()
                    return planted
            return None
        finally:
            db.close()

    def _once(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        if spot.kind in _OBJECTS:
            return self._object(db, spot)
        if spot.kind in _ROWS or spot.kind == "access too many":
            return self._row(db, spot)
        if spot.kind in ("values of two rows swapped", "documents of equal length swapped"):
            return self._swap(db, spot)
        if spot.kind.startswith("reference"):
            return self._reference(db, spot)
        return self._cell(db, spot)

    def _some(self, db: sqlite3.Connection, spot: Spot, condition: str = "1") -> int | None:
        """Returns the place of one randomly chosen row."""
        rows = db.execute(f"SELECT rowid FROM {spot.table} WHERE {condition} ORDER BY rowid").fetchall()
        return self._chance.choice(rows)[0] if rows else None

    def _cell(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        empty = {"nothing made empty": "IS NULL", "empty made nothing": "= ''"}.get(spot.kind, "IS NOT NULL")
        at = self._some(db, spot, f"{spot.column} {empty}")
        if at is None:
            return None
        [(value,)] = db.execute(f"SELECT {spot.column} FROM {spot.table} WHERE rowid = ?", (at,))
        changed = "" if spot.kind == "nothing made empty" else _CHANGES[spot.kind](value, self._chance)
        if changed is None or changed == value:
            return None
        db.execute(f"UPDATE {spot.table} SET {spot.column} = ? WHERE rowid = ?", (None if changed is _NULL else changed, at))
        return Planted(spot, f"row {at}")

    def _swap(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        one = self._some(db, spot, f"{spot.column} IS NOT NULL")
        if one is None:
            return None
        like = "1"
        if spot.table == "document" and spot.column == "sha256":
            size = "(SELECT size_bytes FROM stored_object s WHERE s.sha256 = document.sha256)"
            like = f"{size} = (SELECT s.size_bytes FROM stored_object s JOIN document d ON d.sha256 = s.sha256 WHERE d.rowid = {one})"
        other = self._some(db, spot, f"{spot.column} IS NOT (SELECT {spot.column} FROM {spot.table} WHERE rowid = {one}) AND {like}")
        if other is None:
            return None
        values = dict(db.execute(f"SELECT rowid, {spot.column} FROM {spot.table} WHERE rowid IN (?, ?)", (one, other)))
        for at, value in ((one, values[other]), (other, values[one])):
            db.execute(f"UPDATE {spot.table} SET {spot.column} = ? WHERE rowid = ?", (value, at))
        return Planted(spot, f"rows {one} and {other}")

    def _reference(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        parent = self._spec.target[spot.table].refers.get(spot.column)
        at = self._some(db, spot, f"{spot.column} IS NOT NULL")
        if at is None:
            return None
        if spot.kind == "reference to nothing" or parent is None:
            value = str(uuid.UUID(int=self._chance.getrandbits(128)))
        else:
            key = own_id(self._spec.target[parent])
            others = db.execute(
                f"SELECT {key} FROM {parent} WHERE {key} IS NOT (SELECT {spot.column} FROM {spot.table} WHERE rowid = ?) ORDER BY 1", (at,)
            ).fetchall()
            if not others:
                return None
            value = self._chance.choice(others)[0]
        db.execute(f"UPDATE {spot.table} SET {spot.column} = ? WHERE rowid = ?", (value, at))
        return Planted(spot, f"row {at}")

    def _row(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        at = self._some(db, spot, "login_id IS NOT NULL" if spot.kind == "access too many" else "1")
        if at is None:
            return None
        if spot.kind == "row dropped":
            db.execute(f"DELETE FROM {spot.table} WHERE rowid = ?", (at,))
            return Planted(spot, f"row {at}")
        table = self._spec.target[spot.table]
        cursor = db.execute(f"SELECT * FROM {spot.table} WHERE rowid = ?", (at,))
        row = dict(zip([d[0] for d in cursor.description], cursor.fetchone(), strict=True))
        if (key := own_id(table)) is not None:
            row[key] = str(uuid.UUID(int=self._chance.getrandbits(128)))
        if spot.kind == "row doubled":
            _without_constraints(db, spot.table)
        elif spot.kind == "access too many":
            row["account_id"] = self._another(db, "entity_account", "account_id", row["account_id"])
        else:
            self._renamed(db, spot.table, row)
        db.execute(f"INSERT INTO {spot.table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        return Planted(spot, f"like row {at}")

    def _renamed(self, db: sqlite3.Connection, name: str, row: dict[str, object]) -> None:
        """Changes the copy of a row to one that no source row explains: another key, another account."""
        table, path = self._spec.target[name], account_path(self._spec, name)
        plain = [c for c in {*table.key, *(c for u in table.unique for c in u), "legacy_key"} if c in row and c != own_id(table)]
        for column in plain:
            value = row[column]
            if isinstance(value, int):
                row[column] = value + self._chance.randrange(1000, 9000)
            elif table.columns[column].kind == "uuid" and column in table.refers and own_id(self._spec.target[table.refers[column]]):
                parent = table.refers[column]
                row[column] = self._another(db, parent, str(own_id(self._spec.target[parent])), value)
            elif isinstance(value, str) and table.columns[column].kind == "text":
                changed = f"{value[:-1]}{self._chance.choice('0123456789')}" if column == "sha256" else f"{value[:-1]}~"
                row[column] = changed
        if path in table.refers and not plain:
            parent = table.refers[str(path)]
            row[str(path)] = self._another(db, parent, str(own_id(self._spec.target[parent])), row[str(path)])

    def _another(self, db: sqlite3.Connection, table: str, key: str, than: object) -> object:
        others = db.execute(f"SELECT {key} FROM {table} WHERE {key} IS NOT ? ORDER BY 1", (than,)).fetchall()
        return self._chance.choice(others)[0] if others else than

    def _object(self, db: sqlite3.Connection, spot: Spot) -> Planted | None:
        listed = db.execute("SELECT object_key, size_bytes FROM stored_object ORDER BY sha256").fetchall()
        if not listed:
            raise ReconcileError("The store has no object to plant a fault in.")
        key, size = self._chance.choice(listed)
        path = self._objects / key
        if spot.kind == "object missing":
            path.unlink()
        elif spot.kind == "objects of equal length swapped":
            others = [other for other, length in listed if length == size and other != key]
            if not others:
                return None
            second = self._chance.choice(others)
            one, two = path.read_bytes(), (self._objects / second).read_bytes()
            path.write_bytes(two)
            (self._objects / second).write_bytes(one)
            return Planted(spot, f"objects {key} and {second}", (key, second))
        elif not size:
            return None
        elif spot.kind == "object truncated":
            path.write_bytes(path.read_bytes()[:-1])
        else:
            path.write_bytes(_flipped(path.read_bytes(), self._chance))
        return Planted(spot, f"object {key}", (key,))


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _without_constraints(db: sqlite3.Connection, table: str) -> None:
    """Creates the scratch table without its keys, as in a store whose constraints are missing."""
    columns = db.execute(f"PRAGMA table_info({table})").fetchall()
    declared = ", ".join(f"{column[1]} {column[2]}" for column in columns)
    for (view,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        db.execute(f'DROP VIEW "{view}"')
    db.execute(f"CREATE TABLE scratch_copy ({declared})")
    db.execute(f"INSERT INTO scratch_copy SELECT * FROM {table}")
    db.execute(f"DROP TABLE {table}")
    db.execute(f"ALTER TABLE scratch_copy RENAME TO {table}")
