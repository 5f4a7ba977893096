"""A new store that is a SQLite file, with staging in a separate file: the store's bytes do not change before the one transaction."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import sqlite3
import urllib.parse
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy

from etl.databases import redacted_url
from etl.databases.conditions import REJECTED, Conditions, refuse_altered
from etl.databases.editions import VIEW_DIFFERS, words_of
from etl.databases.sqlite import merge
from etl.databases.sqlite.conditions import conditions
from etl.databases.sqlite.merge import quoted as _q
from etl.databases.sqlite.staging import key_staged, stage
from etl.databases.target import (
    KEPT,
    RUN_COLUMNS,
    UNDO,
    Agree,
    Change,
    Rows,
    RunRecord,
    Tell,
    agreed,
    id_tags,
    in_reference_order,
    orphaned,
    run_record,
    run_values,
    volatile,
    written_meanwhile,
)
from etl.errors import MigrationError, Refused
from etl.objects.address import bucket_of, folder_of
from etl.system.interruption import interruptible
from mappings.ddl import create_table
from mappings.model import Mappings
from mappings.schema import Schema, Table

_CHUNK_BYTES = 1 << 20
_VERSIONS_AT, _NO_WRITE_AHEAD_LOG, _COMMITS_AT = 18, b"\1\1", 24  # in the file's header

Shape = dict[str, tuple[str, bool, int]]  # by column: type, NOT NULL, position in the key


class SqliteTarget:
    """Implements `Target`; holds a lock on the file until it is closed."""

    def __init__(self, url: str, staging_folder: Path) -> None:
        self._shown = redacted_url(url)
        self.path = Path(sqlalchemy.make_url(url).database or "").absolute()
        if not self.path.parent.is_dir():
            raise MigrationError(
                f"--target: {self.path.parent} is not an existing folder.", "Create the folder, then run the same command again."
            )
        self._staging = staging_folder / "staging.sqlite"
        self.store_state: dict[str, str] = {}
        self.images: dict[str, str] | None = None
        self.perhaps_committed = False
        self._known: int | None = None  # the data version when the file was found to hold exactly the published rows
        self._lock = self._locked()
        uri = f"file:{urllib.parse.quote(str(self.path))}?mode=rwc"
        self._connection = interruptible(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30))
        self._connection.execute("PRAGMA trusted_schema = off")  # views and indexes of a file may not call functions with side effects
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            self.close()
            raise MigrationError(
                f"--target: {self._shown} is not a readable SQLite database ({error}).", "Give a new or an empty file."
            ) from None
        self._connection.execute("PRAGMA foreign_keys = on")
        self._connection.execute("PRAGMA synchronous = full")

    def _locked(self) -> int:
        # The store's file: every other migration into it meets the lock, from any run folder; the kernel releases it with its process.
        self._was_there = self.path.exists()
        descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise Refused(f"Another run is active on {self._shown}.", "Wait for it to end, then run the same command again.") from None
        if not self.path.exists() or not os.path.samestat(os.fstat(descriptor), self.path.stat()):
            os.close(descriptor)  # its last holder removed the empty file between our open and our lock
            return self._locked()
        return descriptor

    def _shape(self, name: str) -> Shape:
        return _shape_of(self._connection, name)

    def differences_from(self, schema: Schema) -> list[str]:
        return _differences(self._connection, schema)

    def conditions(self, schema: Schema) -> Conditions:
        return conditions(self._connection, schema)

    def _exists(self, table: str) -> bool:
        return bool(self._shape(table))

    def runs(self) -> list[RunRecord]:
        if not self._exists("migration_run"):
            return []
        rows = self._connection.execute(
            f"SELECT {', '.join(RUN_COLUMNS)} FROM migration_run ORDER BY coalesce(finished_at, started_at), run_id"
        ).fetchall()
        return [run_record([_typed(name, value) for name, value in zip(RUN_COLUMNS, row, strict=True)]) for row in rows]

    def rows(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM main.{_q(table)}").fetchone()[0]) if self._exists(table) else 0

    def foreign_rows(self, mappings: Mappings) -> list[str]:
        found = []
        for table, tags in id_tags(mappings).items():
            key = _q(mappings.target.tables[table].key[0])
            known_tags = ", ".join(f"'8{tag}'" for tag in sorted(tags))
            if (
                self._exists(table)
                and self._connection.execute(
                    f"SELECT 1 FROM main.{_q(table)} WHERE substr({key}, 15, 4) NOT IN ({known_tags}) LIMIT 1"
                ).fetchone()
            ):
                found.append(table)
        return found

    def stage(self, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
        yield from stage(self._staging, tables, rows)

    def _attach(self) -> None:
        attached = {row[1] for row in self._connection.execute("PRAGMA database_list")}
        if "staging" not in attached:
            # Read-only: a second writable file would make the commit use a super-journal, which a kill leaves beside the store.
            self._connection.execute("ATTACH DATABASE ? AS staging", (f"file:{urllib.parse.quote(str(self._staging.absolute()))}?mode=ro",))

    def publish(self, schema: Schema, record: RunRecord, tell: Tell, agree: Agree = agreed) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
        fresh = not any(run.state == "PUBLISHED" for run in self.runs()) and not any(self.rows(table.name) for table in tables)
        if not fresh:
            key_staged(self._staging, tables)
        self._attach()
        with self._changing() as run:
            for statement in _statements(schema, {name for name in schema.tables if self._exists(name)}):
                run(statement)
            again = any(run.state == "PUBLISHED" and run.run_id == record.run_id for run in self.runs())
            if not fresh:
                run(KEPT)
                number = merge.number_of_next(self._connection)
                if again:
                    merge.keep_record(self._connection, record.run_id, number)
            run(_INSERT_RUN, _run_values(replace(record, fresh=fresh)))
            if fresh:
                changes = [self._fill(table) for table in tables]
            else:
                changes, images = merge.merge(self._connection, tables, number, tell)
                self.images = merge.keep(self._connection, record.run_id, number, images)
            refuse_altered([table.name for table in tables if merge.unlike(self._connection, table)])
            agree(changes)
            before = self._commits()
        self.store_state = {"file": digest} if (digest := self._digest(before)) else {}
        return changes

    @contextmanager
    def _changing(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Opens one transaction; foreign keys are checked once, at its end. Raises Refused where one is broken then."""
        run = self._connection.execute
        run("PRAGMA foreign_keys = off")
        run("BEGIN IMMEDIATE")
        try:
            yield run
            broken = run("PRAGMA foreign_key_check").fetchone()
            if broken:
                raise orphaned(f"{broken[0]} (a foreign key to {broken[2]})")
            self.perhaps_committed = True
            run("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                run("ROLLBACK")
                self.perhaps_committed = False
            if isinstance(error, sqlite3.IntegrityError):
                raise self._rejected(error) from None
            raise
        finally:
            run("PRAGMA foreign_keys = on")

    def _rejected(self, error: sqlite3.IntegrityError) -> MigrationError:
        """Returns the error for a row that a constraint or an index rejects: its table and columns, or its name."""
        what, _, about = str(error).partition(": ")
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_CHECK":  # `about` may be its expression, which may contain values
            found = self._connection.execute(
                "SELECT name FROM main.sqlite_master WHERE type = 'table' AND instr(sql, ?) ORDER BY 1", (about,)
            ).fetchall()
            about = ", ".join(name for (name,) in found)
        return MigrationError(f"--target: writing failed: {what} ({about}).", REJECTED)

    def _digest(self, after: int | None = None) -> str:
        """Returns the SHA-256 of the file while no other process can write; '' where the file is not the whole store or has a commit besides `after` + 1.

        Read by the descriptor that holds the lock: closing another one would release SQLite's locks on the file.
        """
        try:
            self._connection.execute("BEGIN")
            self._connection.execute(
                "SELECT count(*) FROM main.sqlite_master"
            ).fetchone()  # takes a read lock: no writer can commit from here
            # SQLite reads a log next to the file regardless of the header, also one left over when the file was restored.
            log = Path(f"{self.path.resolve()}-wal")
            logged = os.pread(self._lock, 2, _VERSIONS_AT) != _NO_WRITE_AHEAD_LOG or log.exists()
            if logged or after not in (None, self._commits() - 1):
                return ""
            self._known = self._version()
            digest, offset = hashlib.sha256(), 0
            while chunk := os.pread(self._lock, _CHUNK_BYTES, offset):
                digest.update(chunk)
                offset += len(chunk)
            return digest.hexdigest()
        except (sqlite3.Error, OSError):  # then only a comparison can tell
            return ""
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _commits(self) -> int:
        """Returns the file's commit counter: every writing transaction adds one, where there is no write-ahead log."""
        return int.from_bytes(os.pread(self._lock, 4, _COMMITS_AT), "big")

    def _version(self) -> int:
        """Returns a number that changes as soon as another connection has committed, also with a write-ahead log."""
        return int(self._connection.execute("PRAGMA main.data_version").fetchone()[0])

    def _fill(self, table: Table) -> Change:
        names = ", ".join(_q(column.name) for column in table.columns)
        into = f"INSERT INTO main.{_q(table.name)} ({names}) SELECT {names} FROM staging.{_q(table.name)}"
        return Change(table.name, int(self._connection.execute(into).rowcount), 0, 0)

    def differs_from_staged(self, schema: Schema) -> list[str]:
        self._attach()
        self._known = self._version()
        found = []
        for table in in_reference_order(schema):
            if table.name == "migration_run" or not self._exists(table.name):
                continue
            names = ", ".join(_q(c.name) for c in table.columns if c.name not in volatile(table))
            real = _q(table.name)
            for one, other in ((real, f"staging.{real}"), (f"staging.{real}", real)):
                if self._connection.execute(
                    f"SELECT 1 FROM (SELECT {names} FROM {one} EXCEPT SELECT {names} FROM {other}) LIMIT 1"
                ).fetchone():
                    found.append(table.name)
                    break
        return found

    def roll_back(self, schema: Schema, record: RunRecord, tell: Tell, images: Mapping[str, str] | None = None) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
        delta = self._is_delta(record)
        alone = not delta and self._has_only(schema)
        if alone:  # no other process between rollback and shrink, which removes the rows' bytes: no need to overwrite them one by one
            self._connection.execute("PRAGMA main.locking_mode = exclusive")
            self._connection.execute("PRAGMA main.secure_delete = off")
        with self._changing() as run:
            if self._known not in (None, self._version()):
                raise written_meanwhile()
            if delta:
                number, kept = merge.kept(self._connection, record.run_id, tables, images)
                changes = merge.restore(self._connection, tables, number, kept, tell)
                run(f"DELETE FROM {UNDO} WHERE run_id = ?", (record.run_id,))
            else:
                changes = merge.empty(self._connection, tables, tell)
            run("UPDATE migration_run SET state_cd = 'ROLLED_BACK' WHERE run_id = ?", (record.run_id,))
            if delta:
                merge.restore_record(self._connection, record.run_id, number, RUN_COLUMNS)
                if not self.rows(UNDO):
                    run(f"DROP TABLE {UNDO}")
        if alone:
            self._shrink()
        return changes

    def _has_only(self, schema: Schema) -> bool:
        """Returns whether the file has no other tables: shrinking could renumber their rows."""
        there = {
            row[0]
            for row in self._connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        }
        return there <= schema.tables.keys()

    def _shrink(self) -> None:
        """Shrinks the file: removed rows would stay readable in its free pages."""
        with suppress(sqlite3.Error):  # a full disk: the rollback is committed, and the next load overwrites the free pages
            self._connection.execute("VACUUM main")
        self._connection.execute("PRAGMA main.locking_mode = normal")
        self._connection.execute("SELECT count(*) FROM main.sqlite_master").fetchone()  # releases the lock

    def would_roll_back(self, schema: Schema, record: RunRecord, images: Mapping[str, str] | None = None) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
        if not self._is_delta(record):
            return [Change(table.name, 0, 0, self.rows(table.name)) for table in tables]
        _, kept = merge.kept(self._connection, record.run_id, tables, images)
        return [Change(image.table, 0, image.before, image.new) for image in kept]

    def _is_delta(self, record: RunRecord) -> bool:
        """Returns whether the publish was a delta: by its record, or because an earlier run is still published."""
        return not record.fresh or any(run.state == "PUBLISHED" and run.run_id != record.run_id for run in self.runs())

    def unchanged_since(self, schema: Schema, store_state: dict[str, str]) -> bool:
        return bool(store_state) and store_state == {
            "file": self._digest()
        }  # a SQLite file does not record who wrote a row: either the bytes are the same, or they are not

    def unknown_objects(self, digests: list[str]) -> list[str]:
        known = {row[0] for row in self._connection.execute("SELECT sha256 FROM stored_object")}
        return [sha256 for sha256 in digests if sha256 not in known]

    def identity(self, objects: str) -> str:
        path, root = self.path.resolve(), None if bucket_of(objects) else folder_of(objects, "--objects").resolve()
        return f"sqlite {platform.node()} {path if root is None else os.path.relpath(path, root)}"

    def close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if not self._was_there and self.path.is_file() and self.path.stat().st_size == 0:
            self.path.unlink()  # nothing was published: no file existed before, none remains
        # Last, because closing a descriptor of the file releases SQLite's locks on it, and a waiting process must not lock a removed file.
        os.close(self._lock)


_INSERT_RUN = (
    f"INSERT INTO migration_run ({', '.join(RUN_COLUMNS)}) VALUES ({', '.join('?' * len(RUN_COLUMNS))})"
    f" ON CONFLICT (run_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in RUN_COLUMNS[1:])}"
)


def _run_values(record: RunRecord) -> list[object]:
    return [
        value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else value
        for value in run_values(record)
    ]


def _typed(column: str, value: Any) -> Any:
    """Returns the value of a column of `migration_run`, from SQLite's text."""
    if value is None:
        return None
    if column.endswith("_at"):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if column.startswith("freeze_") else value


_TYPES = {"UUID": "TEXT", "BYTEA": "BLOB"}  # the contract's types in SQLite; BOOLEAN stays (0 or 1)


def _statements(schema: Schema, existing: set[str]) -> list[str]:
    """Returns the contract's statements for tables that do not exist yet; its views and indexes only where no table existed."""
    made = [create_table(table, _TYPES) for name, table in schema.ddl.tables.items() if name not in existing]
    return made if existing else [*made, *schema.views.values(), *schema.ddl.indexes]


def _declared(kind: str) -> str:
    return _TYPES.get(kind, kind)


def _described(shape: tuple[str, bool, int]) -> str:
    return f"{shape[0]}{' NOT NULL' if shape[1] else ''}{' PRIMARY KEY' if shape[2] else ''}"


def looked_at(url: str, schema: Schema) -> list[str]:
    """Returns `differences_from` of the file behind the URL, without a lock and without creating it. Raises MigrationError for a file of another kind."""
    path = Path(sqlalchemy.make_url(url).database or "").absolute()
    if os.path.lexists(path) and not path.is_file():
        raise MigrationError(
            f"--target: {redacted_url(url)} is not a file.", "Give a new or an empty file: sqlite:////folder/portal3.sqlite."
        )
    if not path.is_file():
        return []
    connection = sqlite3.connect(f"file:{urllib.parse.quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=30)
    try:
        return _differences(connection, schema)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            message = f"--target: {redacted_url(url)} is not a SQLite database."
            raise MigrationError(message, "Give a new or an empty file; that one is not changed.") from None
        return []  # the load names what keeps it from reading
    finally:
        connection.close()


def _shape_of(connection: sqlite3.Connection, name: str) -> Shape:
    info = connection.execute("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?, 'main')", (name,)).fetchall()
    return {column: (kind.upper(), bool(not_null or pk), pk) for column, kind, not_null, pk in info}


_A = {"table": "a table", "view": "a view", "index": "an index"}


def _differences(connection: sqlite3.Connection, schema: Schema) -> list[str]:
    existing = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not existing & schema.tables.keys():  # an empty store, unless an object has a name that its tables and its view will have
        objects = connection.execute("SELECT name, type FROM sqlite_master ORDER BY name, type").fetchall()
        names = schema.tables.keys() | schema.views.keys()
        return [f"{name}: is {_A[kind]} of another origin" for name, kind in objects if name.lower() in names and kind != "trigger"]
    found = [f"{name}: no such table" for name in schema.tables if name not in existing]
    for table in schema.tables.values():
        shape = _shape_of(connection, table.name) if table.name in existing else {}
        for column in table.columns if shape else ():
            expected = (_declared(column.sql_type), column.not_null, table.key.index(column.name) + 1 if column.name in table.key else 0)
            there = shape.get(column.name)
            if there is None:
                found.append(f"{table.name}.{column.name}: no such column")
            elif (_declared(there[0]), *there[1:]) != expected:
                found.append(f"{table.name}.{column.name}: found {_described(there)}, expected {_described(expected)}")
        found += [f"{table.name}.{name}: not in the contract" for name in shape if name not in table.by_name]
    views = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())
    return found + [f"{name}: {VIEW_DIFFERS}" for name, sql in schema.views.items() if words_of(views.get(name) or "") != words_of(sql)]
