"""A new store that is PostgreSQL: everything in one transaction, so that readers see nothing of a run until they see all of it.

Rows travel as binary COPY. Where the store has no tables yet, they are made and filled without constraints, which are added, and thereby
checked, behind the data. Where it has tables, rows go to temporary tables first and are merged from there. A run that ends early has left
nothing: there is no half load to find, to clean or to go on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pgpq
import psycopg
import pyarrow as pa

from etl.ahead import ahead
from etl.databases import shown
from etl.databases.postgresql import connect, quoted, safe_errors, shapes
from etl.databases.postgresql_contract import advance, differences
from etl.databases.target import Change, RunRecord, id_tags, in_reference_order
from etl.errors import MigrationError, Refused
from etl.values import INFINITE_DAY, INFINITE_MOMENT
from mappings.model import Mappings
from mappings.schema import Schema, Table

UNDO = "migration_undo__"
_STAGED = "migration_stage__"
_LOCK = 0x706F7274  # "port": one run at a time in a schema
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000  # from 1970 to 2000


class PostgresTarget:
    """Implements `Target`; holds an advisory lock as long as it is open: the server drops it with the session."""

    def __init__(self, url: str) -> None:
        self._shown = shown(url)
        self._session: psycopg.Connection[Any] = connect(url, "--target")
        (encoding, schema) = self._one("SELECT getdatabaseencoding(), current_schema()")
        if encoding != "UTF8":
            self._session.close()
            message = f"--target: the database's encoding is {encoding}; it cannot hold every text, or not as text."
            raise MigrationError(message, "Create its database with ENCODING 'UTF8' TEMPLATE template0.")
        if schema is None:
            self._session.close()
            raise MigrationError(
                f"--target: no schema of the role's search path exists in {self._shown}, or the role may not use it.",
                "Create the schema: the SQL is in runbooks/roles.md.",
            )
        (locked,) = self._one("SELECT pg_try_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (_LOCK,))
        if not locked:
            self._session.close()
            raise Refused(f"Another run is at work on {self._shown}.", "Wait for it to end, then run the same command again.")
        self._fresh: bool | None = None

    def _one(self, statement: str, values: Any = None) -> tuple[Any, ...]:
        with safe_errors("--target", "reading"):
            return self._session.execute(statement, values).fetchone() or (None,)

    def _run(self, statement: str, values: Any = None) -> int:
        with safe_errors("--target", "writing"):
            return int(self._session.execute(statement, values).rowcount)

    def _existing(self) -> dict[str, dict[str, str]]:
        with safe_errors("--target", "reading the catalogue"):
            return shapes(self._session)

    def differences_from(self, schema: Schema) -> list[str]:
        with safe_errors("--target", "reading the catalogue"):
            return differences(self._session, schema)

    def runs(self) -> list[RunRecord]:
        if "migration_run" not in self._existing():
            return []
        with safe_errors("--target", "reading its runs"):
            rows = self._session.execute(
                "SELECT run_id, state_cd, started_at, finished_at, freeze_from, freeze_to, manifest_sha256 FROM migration_run"
                " ORDER BY started_at, run_id"
            ).fetchall()
        return [RunRecord(r[0], r[1], r[2], r[3], (r[4], r[5]) if r[4] and r[5] else None, r[6]) for r in rows]

    def rows(self, table: str) -> int:
        return int(self._one(f"SELECT count(*) FROM {quoted(table)}")[0]) if self._one("SELECT to_regclass(%s)", (quoted(table),))[0] else 0

    def foreign_rows(self, mappings: Mappings) -> list[str]:
        existing = self._existing()
        found = []
        for table, tags in id_tags(mappings).items():
            key = quoted(mappings.target.tables[table].key[0])
            if table in existing:
                statement = f"SELECT EXISTS (SELECT 1 FROM {quoted(table)} WHERE substr({key}::text, 15, 4) <> ALL (%s))"
                if self._one(statement, ([f"8{tag}" for tag in sorted(tags)],))[0]:
                    found.append(table)
        return found

    # -- staging: in the transaction that publishes ----------------------------------------------------------------------------------

    def begin(self, schema: Schema) -> None:
        """Opens the transaction; where the store has no tables yet they are made here, without constraints."""
        if self._fresh is not None:
            return
        existing = self._existing()
        self._run("BEGIN")
        self._run("SET LOCAL synchronous_commit = on")
        self._fresh = not existing.keys() & schema.tables.keys()
        for table in schema.tables.values():
            columns = ", ".join(f"{quoted(c.name)} {c.sql_type}{' NOT NULL' if c.not_null else ''}" for c in table.columns)
            if self._fresh:
                self._run(f"CREATE TABLE {quoted(table.name)} ({columns})")
            elif table.name != "migration_run":
                self._run(f"CREATE TEMP TABLE {quoted(_STAGED + table.name)} ({columns}) ON COMMIT DROP")

    def stage(self, table: Table, batches: Iterator[pa.Table]) -> int:
        place = table.name if self._fresh else _STAGED + table.name
        names = ", ".join(quoted(column.name) for column in table.columns)
        count = 0
        # Frozen where the table was made in this very transaction: who reads it first need not write to every page of it.
        statement = f"COPY {quoted(place)} ({names}) FROM STDIN (FORMAT binary{', FREEZE' if self._fresh else ''})"
        with safe_errors("--target", f"loading {table.name}"), self._session.cursor() as cursor, cursor.copy(statement) as copy:
            for content, rows in ahead(_encoded(table, batches)):
                copy.write(content)
                count += rows
        return count

    def publish(self, schema: Schema, record: RunRecord) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
        if self._fresh:
            self._record(record)
            for statement in _constraints(schema):
                self._run(statement)
            for view in schema.views.values():
                self._run(view)
            changes = [Change(table.name, self.rows(table.name), 0, 0) for table in tables]
        else:
            self._record(record)
            for table in tables:
                self._run(f"CREATE INDEX ON {quoted(_STAGED + table.name)} ({', '.join(map(quoted, table.key))})")
                self._run(f"ANALYZE {quoted(_STAGED + table.name)}")
            removed = {table.name: self._remove(table) for table in reversed(tables)}
            changes = [Change(table.name, *self._merge(table), removed[table.name]) for table in tables]
            with safe_errors("--target", "advancing sequences"):
                advance(self._session, schema)
        self._run("COMMIT")
        self._fresh = None
        with suppress(MigrationError):  # what is published is published
            self._run("ANALYZE")  # the new portal's first queries need statistics; later autovacuum sees to them
        return changes

    def _record(self, record: RunRecord) -> None:
        first, last = record.freeze or (None, None)
        values = (record.state, record.started_at, record.finished_at, first, last, record.manifest_sha256, record.run_id)
        setting = "state_cd = %s, started_at = %s, finished_at = %s, freeze_from = %s, freeze_to = %s, manifest_sha256 = %s"
        if not self._run(f"UPDATE migration_run SET {setting} WHERE run_id = %s", values):  # a run that was taken back publishes again
            names = "state_cd, started_at, finished_at, freeze_from, freeze_to, manifest_sha256, run_id"
            self._run(f"INSERT INTO migration_run ({names}) VALUES (%s, %s, %s, %s, %s, %s, %s)", values)

    def _remove(self, table: Table) -> int:
        """Takes out rows that are staged no more, their before-images kept; and frees unique values that move to other rows."""
        real, staged, undo, new = (
            quoted(table.name),
            quoted(_STAGED + table.name),
            quoted(UNDO + table.name),
            quoted(UNDO + "new_" + table.name),
        )
        same = " AND ".join(f"s.{quoted(c)} = r.{quoted(c)}" for c in table.key)
        differs = _differs(table, "s", "r")
        self._run(f"DROP TABLE IF EXISTS {undo}")
        self._run(f"DROP TABLE IF EXISTS {new}")
        self._run(
            f"CREATE TABLE {undo} AS SELECT r.* FROM {real} r LEFT JOIN {staged} s ON {same} WHERE s.{quoted(table.key[0])} IS NULL OR {differs}"
        )
        keys = ", ".join(f"s.{quoted(c)}" for c in table.key)
        self._run(
            f"CREATE TABLE {new} AS SELECT {keys} FROM {staged} s LEFT JOIN {real} r ON {same} WHERE r.{quoted(table.key[0])} IS NULL"
        )
        gone = self._run(f"DELETE FROM {real} r WHERE NOT EXISTS (SELECT 1 FROM {staged} s WHERE {same})")
        if table.name == "entity_account":
            self._run(
                f"UPDATE {real} r SET account_number = '~' || r.legacy_entity_id FROM {staged} s WHERE {same} AND s.account_number <> r.account_number"
            )
        return gone

    def _merge(self, table: Table) -> tuple[int, int]:
        real, staged, names = quoted(table.name), quoted(_STAGED + table.name), ", ".join(quoted(c.name) for c in table.columns)
        same = " AND ".join(f"s.{quoted(c)} = r.{quoted(c)}" for c in table.key)
        others = [c.name for c in table.columns if c.name not in table.key]
        updated = 0
        if others:
            setting = ", ".join(f"{quoted(c)} = s.{quoted(c)}" for c in others)
            updated = self._run(f"UPDATE {real} r SET {setting} FROM {staged} s WHERE {same} AND ({_differs(table, 's', 'r')})")
        inserted = self._run(
            f"INSERT INTO {real} ({names}) SELECT {names} FROM {staged} s WHERE NOT EXISTS (SELECT 1 FROM {real} r WHERE {same})"
        )
        return inserted, updated

    def differs_from_staged(self, schema: Schema) -> list[str]:
        found = []
        for table in in_reference_order(schema):
            if table.name == "migration_run":
                continue
            names = ", ".join(quoted(c.name) for c in table.columns if c.name not in _volatile(table))
            real, staged = quoted(table.name), quoted(_STAGED + table.name)
            gone, new = (f"(SELECT {names} FROM {a} EXCEPT SELECT {names} FROM {b})" for a, b in ((real, staged), (staged, real)))
            if self._one(f"SELECT EXISTS ({gone} UNION ALL {new})")[0]:
                found.append(table.name)
        return found

    def take_back(self, schema: Schema, record: RunRecord) -> list[Change]:
        changes = []
        existing = self._existing()
        tables = [table for table in in_reference_order(schema) if table.name != "migration_run"]
        delta = any(UNDO + "new_" + table.name in existing for table in tables)
        for table in reversed(tables):
            real, new = quoted(table.name), quoted(UNDO + "new_" + table.name)
            same = " AND ".join(f"n.{quoted(c)} = r.{quoted(c)}" for c in table.key)
            gone = self._run(f"DELETE FROM {real} r USING {new} n WHERE {same}" if delta else f"DELETE FROM {real}")
            changes.append(Change(table.name, 0, 0, gone))
        for table in tables if delta else ():
            real, undo = quoted(table.name), quoted(UNDO + table.name)
            same = " AND ".join(f"u.{quoted(c)} = r.{quoted(c)}" for c in table.key)
            names = ", ".join(quoted(c.name) for c in table.columns)
            others = [c.name for c in table.columns if c.name not in table.key]
            back = 0
            if others:
                setting = ", ".join(f"{quoted(c)} = u.{quoted(c)}" for c in others)
                back = self._run(f"UPDATE {real} r SET {setting} FROM {undo} u WHERE {same}")
            back += self._run(
                f"INSERT INTO {real} ({names}) SELECT {names} FROM {undo} u WHERE NOT EXISTS (SELECT 1 FROM {real} r WHERE {same})"
            )
            changes.append(Change(table.name, 0, back, 0))
            self._run(f"DROP TABLE {undo}")
            self._run(f"DROP TABLE {quoted(UNDO + 'new_' + table.name)}")
        self._run("UPDATE migration_run SET state_cd = 'ROLLED_BACK' WHERE run_id = %s", (record.run_id,))
        self._run("COMMIT")
        self._fresh = None
        return changes

    def has_object(self, sha256: str) -> bool:
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM stored_object WHERE sha256 = %s)", (sha256,))[0])

    def close(self) -> None:
        self._session.close()  # an open transaction goes with it: the store is as it was


def _volatile(table: Table) -> tuple[str, ...]:
    """Columns that may differ between runs of the same rows: which run it was that held or flagged the row."""
    return ("run_id",) if table.name in ("migration_holding", "migration_exception") else ()


def _differs(table: Table, one: str, other: str) -> str:
    others = [quoted(c.name) for c in table.columns if c.name not in table.key and c.name not in _volatile(table)]
    return " OR ".join(f"{one}.{c} IS DISTINCT FROM {other}.{c}" for c in others) or "false"


def _constraints(schema: Schema) -> list[str]:
    """Keys, unique columns, then references: each checks all rows at once."""
    made = []
    for table in schema.tables.values():
        made.append(f"ALTER TABLE {quoted(table.name)} ADD PRIMARY KEY ({', '.join(map(quoted, table.key))})")
        made += [f"ALTER TABLE {quoted(table.name)} ADD UNIQUE ({', '.join(map(quoted, columns))})" for columns in table.unique]
    for table in schema.tables.values():
        for column in table.columns:
            if column.refers_to:
                made.append(
                    f"ALTER TABLE {quoted(table.name)} ADD FOREIGN KEY ({quoted(column.name)}) REFERENCES {quoted(column.refers_to)}"
                )
    return made


def _encoded(table: Table, batches: Iterator[pa.Table]) -> Iterator[tuple[bytes, int]]:
    """The rows as binary COPY, batch by batch, with the number of rows in each."""
    encoder: Any = None
    for rows in batches:
        for batch in _fitting(table, rows).to_batches(max_chunksize=20_000):
            if encoder is None:
                encoder = pgpq.ArrowToPostgresBinaryEncoder(batch.schema)
                yield encoder.write_header(), 0
            yield encoder.write_batch(batch), batch.num_rows
    if encoder is not None:
        yield encoder.finish(), 0


def _fitting(table: Table, rows: pa.Table) -> pa.Table:
    """Days and moments as PostgreSQL's own bytes, counted from 2000: the only form that holds infinity and every year."""
    columns = []
    for column in table.columns:
        values = rows[column.name].combine_chunks() if rows.num_rows else rows[column.name]
        if column.family == "date":
            columns.append(_as_bytes(values, pa.int32(), ">i4", _DAYS, INFINITE_DAY))
        elif column.family == "timestamp":
            columns.append(_as_bytes(values, pa.int64(), ">i8", _MICROSECONDS, INFINITE_MOMENT))
        else:
            columns.append(values)
    return pa.table(columns, names=[column.name for column in table.columns])


def _as_bytes(values: Any, number: pa.DataType, wire: str, distance: int, infinite: tuple[int, int]) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    counted = values.cast(number)
    plain = np.asarray(counted.fill_null(0))
    with np.errstate(over="ignore"):  # a moment beyond 1970's range wrapped when it was read, and wraps back here
        since_2000 = plain - plain.dtype.type(distance)
    since_2000[plain == infinite[0]] = infinite[0]
    since_2000[plain == infinite[1]] = infinite[1]
    valid = pa.py_buffer(np.packbits(np.asarray(counted.is_valid()), bitorder="little").tobytes()) if counted.null_count else None
    width = since_2000.dtype.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(counted), [valid, pa.py_buffer(since_2000.astype(wire))])
