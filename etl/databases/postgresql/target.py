"""A new store that is PostgreSQL: published in one transaction, so that readers see all rows of a run or none.

Rows are sent as binary COPY into staging tables beside the real ones, several tables in parallel (staging.py). Where the store has no tables yet, the
staging tables become the real ones: they are renamed after a check of their foreign keys. Where it has tables, rows are merged from staging. No load
reuses an earlier one's staging tables: they are dropped.
"""

from __future__ import annotations

import platform
import select
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from etl.databases import redacted_url
from etl.databases.conditions import Conditions, refuse_altered, refuse_conditions
from etl.databases.postgresql import difference, merge, replacement
from etl.databases.postgresql import images as before_images
from etl.databases.postgresql.conditions import conditions
from etl.databases.postgresql.connection import connect, quoted, safe_errors, shapes
from etl.databases.postgresql.contract import advance, differences
from etl.databases.postgresql.obstacles import RUN_LOCK, holder
from etl.databases.postgresql.pooler import refuse_pooler, void_lock
from etl.databases.postgresql.staging import OF_THE_RUN, STAGED, create, hang_up, references, stage, touched
from etl.databases.postgresql.transport import is_here
from etl.databases.target import (
    RUN_COLUMNS,
    UNDO,
    Agree,
    Change,
    Known,
    Rows,
    RunRecord,
    Tell,
    agreed,
    id_tags,
    in_reference_order,
    record_tables,
    run_record,
    run_values,
    volatile,
)
from etl.errors import MigrationError, Refused
from mappings.ddl import alterations
from mappings.model import Mappings
from mappings.schema import Schema, Table

_HOLDS = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND classid = %s AND objsubid = 2"
    " AND objid = current_schema()::regnamespace::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
)
_CLEARING = 5  # seconds at most: a signal must not wait for readers of a staging table, nor for a server that does not answer


class PostgresTarget:
    """Implements `Target` and `TakesDifferences`; holds an advisory lock until it is closed: the server releases it with the session."""

    def __init__(self, url: str) -> None:
        self._url, self._shown = url, redacted_url(url)
        self._session: psycopg.Connection[Any] = connect(url, "--target")
        (encoding, schema) = self._one("SELECT getdatabaseencoding(), current_schema()")
        if encoding != "UTF8":
            self._session.close()
            message = f"--target: the database's encoding is {encoding}; it cannot store every text."
            raise Refused(message, "Create the database with ENCODING 'UTF8' TEMPLATE template0.")
        if schema is None:
            self._session.close()
            raise MigrationError(
                f"--target: no schema of the role's search path exists in {self._shown} or is accessible to the role.",
                "Create the schema: the SQL is in runbooks/roles.md.",
            )
        try:
            refuse_pooler(self._session, url)
        except MigrationError:
            self._session.close()
            raise
        (locked,) = self._one("SELECT pg_try_advisory_lock(%s, current_schema()::regnamespace::oid::int)", (RUN_LOCK,))
        if not locked:
            who = self._holder()
            self._session.close()
            message = f"Another run is active on {self._shown}{who}."
            raise Refused(
                message,
                "Wait for it to end; a session that does not belong to a run can be ended (pg_terminate_backend). Then run the same command again.",
            )
        # After a run is killed the server must end its statement (14 and later, where the system can detect it).
        with suppress(MigrationError):
            self._one(
                "SELECT set_config('client_connection_check_interval', '5s', false) WHERE current_setting('client_connection_check_interval', true) IS NOT NULL"
            )
        self._fresh = False
        self._marks: dict[str, str] = {}
        self._images: dict[str, str] | None = None
        self._counted: dict[str, int] = {}  # by table, the number of rows of a store that is known to hold what was published
        self._wrote: dict[str, str] = {}  # by table: the transaction that staged its rows, and their number
        self._schema: Schema | None = None  # the contract that the existing tables agree with
        self._replacing = False  # whether they are empty and the staged ones may replace them
        self._staged = any(
            name.startswith(STAGED) for name in self._existing()
        )  # a leftover of a killed load: the holder of the lock removes it

    def _holder(self) -> str:
        with suppress(MigrationError), safe_errors("--target", "reading"):
            return holder(self._session)
        return ""

    def _require_lock(self) -> None:
        """Raises Refused where this transaction's server process does not hold the lock: a pooler has changed the process."""
        if not self._one(_HOLDS, (RUN_LOCK,))[0]:
            self._staged = False  # the staging tables may be another run's
            raise void_lock(f"The session that publishes into {self._shown} does not hold this run's lock: a connection pooler is in use")

    def _one(self, statement: str, values: Any = None) -> tuple[Any, ...]:
        with safe_errors("--target", "reading"):
            return self._session.execute(statement, values).fetchone() or (None,)

    def _run(self, statement: str, values: Any = None) -> int:
        with safe_errors("--target", "writing"):
            return int(self._session.execute(statement, values).rowcount)

    def _run_alone(self, statement: str) -> None:
        """Runs one statement from the mappings, prepared: the server rejects a second statement in the same text."""
        with safe_errors("--target", "writing"):
            self._session.execute(statement, prepare=True)

    def _existing(self) -> dict[str, dict[str, str]]:
        with safe_errors("--target", "reading the catalogue"):
            return shapes(self._session)

    def differences_from(self, schema: Schema) -> list[str]:
        self._schema = schema
        with safe_errors("--target", "reading the catalogue"):
            return differences(self._session, schema)

    def conditions(self, schema: Schema) -> Conditions:
        with safe_errors("--target", "reading the catalogue"):
            return conditions(self._session, schema)

    def runs(self) -> list[RunRecord]:
        if OF_THE_RUN not in self._existing():
            return []
        with safe_errors("--target", "reading its runs"):
            rows = self._session.execute(
                f"SELECT {', '.join(RUN_COLUMNS)} FROM migration_run ORDER BY coalesce(finished_at, started_at), run_id".encode()
            ).fetchall()
        return [run_record(row) for row in rows]

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

    def stage(self, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
        existing = self._existing().keys()
        self._fresh, self._staged = not existing & {table.name for table in tables}, True
        self._sweep()
        self._replacing = not self._fresh and self._schema is not None and self._worn(self._schema, tables) is not None
        self._wrote = {}
        yield from stage(self._url, tables, rows, self._taken(), self._wrote)

    def _taken(self) -> frozenset[str] | None:
        """Returns the names of other relations, which keys of tables that will become the real ones may not have; None where they only carry rows."""
        if not (self._fresh or self._replacing):
            return None
        with safe_errors("--target", "reading the catalogue"):
            found = self._session.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace").fetchall()
        return frozenset(name for (name,) in found if not name.startswith(STAGED))

    def _sweep(self) -> None:
        """Drops all staging tables, of this run or a killed one."""
        found = [quoted(name) for name in self._existing() if name.startswith(STAGED)]
        if found:
            self._run(f"DROP TABLE {', '.join(found)}")

    def _begin(self) -> None:
        if self._session.info.transaction_status == TransactionStatus.IDLE:
            self._run("BEGIN")
            self._run("SET LOCAL synchronous_commit = on")

    def publish(self, schema: Schema, record: RunRecord, tell: Tell, agree: Agree = agreed) -> list[Change]:
        self._begin()
        self._require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        replaced: list[Change] | None = None
        if self._fresh:
            for table in tables:
                self._run(f"ALTER TABLE {quoted(STAGED + table.name)} RENAME TO {quoted(table.name)}")
            for statement in create(schema.tables[OF_THE_RUN], OF_THE_RUN, self._taken()):
                self._run(statement)
            self._record(replace(record, fresh=True))
            for table in tables:
                for statement in references(table, lambda parent: parent == OF_THE_RUN).values():
                    self._run(statement)
            for statement in (*alterations(schema.ddl), *schema.views.values(), *schema.ddl.indexes, *schema.ddl.comments):
                self._run_alone(statement)
            changes = [Change(table.name, self.rows(table.name), 0, 0) for table in tables]
        else:
            replaced = self._replaced(schema, tables, record) if self._replacing else None
            changes = replaced if replaced is not None else self._fill_or_merge(schema, tables, record, tell)
            with safe_errors("--target", "advancing sequences"):
                advance(self._session, schema)
            self._sweep()
        self._run(f"ANALYZE {OF_THE_RUN}")  # all other tables have statistics already
        agree(changes)
        tell("load: recording what was published", 0, 0)
        self._marks = merge.marks_of(self._session, schema)
        if self._fresh or replaced:
            # Nothing was copied: the rows must be the staged ones, of that transaction alone, without writes by other sessions meanwhile.
            refuse_altered(touched(self._marks, self._wrote))
            refuse_conditions(self.conditions(schema))
        self._run("COMMIT")
        self._staged = False
        return changes

    def publish_difference(self, schema: Schema, record: RunRecord, known: Known, tell: Tell, agree: Agree = agreed) -> list[Change] | None:
        if not self.unchanged_since(schema, known.marks):
            return None
        self._require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        self._sweep()  # left by a killed load
        number = before_images.number_of_next(self._session)
        self._record(replace(record, fresh=False), number)
        changes, kept = difference.change(self._session, tables, number, known, self._counted, tell)
        self._images = before_images.keep(self._session, record.run_id, number, kept)
        with safe_errors("--target", "advancing sequences"):
            advance(self._session, schema)
        self._sweep()
        self._run(f"ANALYZE {OF_THE_RUN}")
        agree(changes)
        tell("load: recording what was published", 0, 0)
        self._marks = merge.marks_of(self._session, schema)
        refuse_altered(self._others_rows(known, changes))
        self._run("COMMIT")
        self._staged = False
        return changes

    def _others_rows(self, known: Known, changes: list[Change]) -> list[str]:
        """Returns the tables whose rows are not those that this transaction wrote and kept."""
        (by,) = self._one("SELECT txid_current() % 4294967296")
        found = []
        for change in changes:
            mark, came = self._marks[change.table], change.inserted + change.updated
            rows = self._counted[change.table] + change.inserted - change.removed
            ours = merge.rows_by({"": " ".join(word for word in mark.split() if word == mark.split()[0] or word.startswith(f"{by}:"))})[""]
            untouched = change.table not in known.differences and mark != known.marks[change.table]
            found += [change.table] if untouched or ours != came or merge.rows_by({"": mark})[""] != rows else []
        return found

    def _worn(self, schema: Schema, tables: Sequence[Table]) -> replacement.Worn | None:
        """Returns the properties of the existing tables, where they may be replaced; None where they may not."""
        if any(run.state == "PUBLISHED" for run in self.runs()):
            return None
        return replacement.worn(self._session, schema, tables)

    def _replaced(self, schema: Schema, tables: list[Table], record: RunRecord) -> list[Change] | None:
        """Replaces the empty tables by the staged ones; returns None, with nothing changed, where they may not be replaced any more."""
        self._run(f"LOCK TABLE {', '.join(quoted(table.name) for table in tables)} IN ACCESS EXCLUSIVE MODE")
        old = self._worn(schema, tables)
        if old is None:
            return None
        self._run("SAVEPOINT before_replacing")
        replacement.give_way(self._session, schema, tables)
        self._record(replace(record, fresh=True))
        for table in tables:
            for statement in references(table, lambda parent: parent == OF_THE_RUN).values():
                self._run(statement)
        for statement in (*alterations(schema.ddl), *schema.views.values()):
            self._run_alone(statement)
        if not replacement.wear(self._session, tables, old):
            self._run("ROLLBACK TO SAVEPOINT before_replacing")
            return None
        return [Change(table.name, self.rows(table.name), 0, 0) for table in tables]

    def _fill_or_merge(self, schema: Schema, tables: list[Table], record: RunRecord, tell: Tell) -> list[Change]:
        """Fills empty tables with all staged rows, or merges what differs into filled ones."""
        # Also a table without references: its rows at the end are taken for this run's.
        self._keep_others_out(schema, "SHARE ROW EXCLUSIVE")
        earlier = [run for run in self.runs() if run.state == "PUBLISHED"]
        fresh = not earlier and not any(self.rows(table.name) for table in tables)
        number = 0 if fresh else before_images.number_of_next(self._session)
        self._record(replace(record, fresh=fresh), number)
        references = merge.without_references(self._session, [table.name for table in tables])
        if fresh:
            changes = merge.fill(self._session, tables, tell)
            merge.analyze(self._session, [table.name for table in tables])
        else:
            changes, kept = merge.merge(self._session, tables, number, tell)
            self._images = before_images.keep(self._session, record.run_id, number, kept)
        refuse_altered(merge.unlike(self._session, tables) + touched(merge.marks_of(self._session, schema, STAGED), self._wrote))
        tell("load: checking references", 0, 0)
        merge.with_references(self._session, references)
        return changes

    def _record(self, record: RunRecord, number: int = 0) -> None:
        """`number`: of the delta, which keeps the record of a run that is published already."""
        run_id, *values = run_values(record)
        if number and any(run.state == "PUBLISHED" and run.run_id == run_id for run in self.runs()):
            merge.keep_record(self._session, record.run_id, number)
        setting = ", ".join(f"{name} = %s" for name in RUN_COLUMNS[1:])
        if not self._run(f"UPDATE migration_run SET {setting} WHERE run_id = %s", [*values, run_id]):  # rolled back, and published again
            marks = ", ".join(["%s"] * len(RUN_COLUMNS))
            self._run(f"INSERT INTO migration_run ({', '.join(RUN_COLUMNS)}) VALUES ({marks})", [run_id, *values])

    def differs_from_staged(self, schema: Schema) -> list[str]:
        self._begin()
        self._keep_others_out(schema, "SHARE ROW EXCLUSIVE")  # other readers continue: it may take minutes
        found = []
        for table in in_reference_order(schema):
            if table.name == OF_THE_RUN:
                continue
            names = ", ".join(quoted(c.name) for c in table.columns if c.name not in volatile(table))
            real, staged = quoted(table.name), quoted(STAGED + table.name)
            gone, new = (f"(SELECT {names} FROM {a} EXCEPT SELECT {names} FROM {b})" for a, b in ((real, staged), (staged, real)))
            if self._one(f"SELECT EXISTS ({gone} UNION ALL {new})")[0]:
                found.append(table.name)
        return found

    def take_back(self, schema: Schema, record: RunRecord, tell: Tell, images: Mapping[str, str] | None = None) -> list[Change]:
        self._begin()
        self._require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        delta = self._is_delta(record)
        if delta:
            number, kept = before_images.kept(self._session, record.run_id, tables, images)
            touched = [image for image in kept if image.before or image.new]
            rows = {image.table: self._counted.get(image.table, 0) or self.rows(image.table) for image in touched}
            coming, going = {image.table: image.before for image in touched}, {image.table: image.new for image in touched}
            again, deferred = difference.hold_back(self._session, [table.name for table in tables], coming, going, rows)
            changes = merge.restore(self._session, tables, number, kept, tell)
            self._run(f"DELETE FROM {UNDO} WHERE run_id = %s", (record.run_id,))
            difference.judge(self._session, again, deferred)
        else:
            # All rows of these tables are removed at once: only foreign keys of other tables can be broken then.
            references = merge.without_references(self._session, [table.name for table in tables], of_others=True)
            changes = merge.empty(self._session, tables, self._counted, tell)
            merge.with_references(self._session, references)
        self._run("UPDATE migration_run SET state_cd = 'ROLLED_BACK' WHERE run_id = %s", (record.run_id,))
        if delta:
            merge.restore_record(self._session, record.run_id, number, record_tables(number)[0] in self._existing())
            if not self.rows(UNDO):
                self._run(f"DROP TABLE {UNDO}")
        self._sweep()
        self._run("COMMIT")
        self._staged = False
        return changes

    def would_take_back(self, schema: Schema, record: RunRecord, images: Mapping[str, str] | None = None) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        if not self._is_delta(record):
            return [Change(table.name, 0, 0, self.rows(table.name)) for table in tables]
        _, kept = before_images.kept(self._session, record.run_id, tables, images)
        return [Change(image.table, 0, image.before, image.new) for image in kept]

    def _is_delta(self, record: RunRecord) -> bool:
        """Returns whether the publish was a delta: by its record, or because an earlier run is still published."""
        return not record.fresh or any(run.state == "PUBLISHED" and run.run_id != record.run_id for run in self.runs())

    @property
    def images(self) -> dict[str, str] | None:
        return self._images

    @property
    def marks(self) -> dict[str, str]:
        return self._marks

    def unchanged_since(self, schema: Schema, marks: dict[str, str]) -> bool:
        if not marks:
            return False
        self._begin()
        self._keep_others_out(schema, "ACCESS EXCLUSIVE")
        found = merge.marks_of(self._session, schema)
        if found == marks:
            self._counted = merge.rows_by(found)
            return True
        self._run("ROLLBACK")
        return False

    def _keep_others_out(self, schema: Schema, mode: str) -> None:
        """Locks the tables until this transaction ends: what was found stays true until they are changed."""
        self._run(f"LOCK TABLE {', '.join(quoted(name) for name in schema.tables if name != OF_THE_RUN)} IN {mode} MODE")

    def unknown_objects(self, digests: list[str]) -> list[str]:
        with safe_errors("--target", "reading"):
            known = "SELECT sha256 FROM unnest(%s::text[]) WITH ORDINALITY d (sha256, place) WHERE NOT EXISTS"
            rows = self._session.execute(
                f"{known} (SELECT 1 FROM stored_object s WHERE s.sha256 = d.sha256) ORDER BY place".encode(), (digests,)
            ).fetchall()
        return [row[0] for row in rows]

    def identity(self, objects: str) -> str:
        (schema,) = self._one("SELECT current_schema()")
        at = self._session.info  # no server number that every role may read distinguishes the server from a copy
        machine = platform.node() if is_here(at.host) else ""
        return f"postgresql {machine} {at.host} {at.port} {at.dbname} {schema}"

    def _cleared(self) -> bool:
        """Drops the staging tables; returns False where the session is broken: the next load drops them then."""
        timer = threading.Timer(_CLEARING, hang_up, (self._session,))
        timer.start()
        try:
            if self._session.info.transaction_status == TransactionStatus.ACTIVE:  # a signal interrupted a statement
                self._session.cancel_safe(timeout=2)
                _drain(self._session)
            if self._session.info.transaction_status != TransactionStatus.IDLE:
                self._run("ROLLBACK")
            self._run("SET lock_timeout = '2s'")
            self._sweep()
        except (MigrationError, psycopg.Error):
            return not (timer.is_alive() and self._session.broken)
        finally:
            timer.cancel()
        return True

    def close(self) -> None:
        if self._staged and not self._cleared():
            with suppress(MigrationError):  # a new session, where the server answers and no other run is active
                other = PostgresTarget(self._url)
                other._cleared()
                other._session.close()
        self._session.close()  # the server rolls back an open transaction: the store is unchanged


def _drain(session: psycopg.Connection[Any]) -> None:
    """Waits for the end of a cancelled statement; raises psycopg.Error where the session breaks."""
    while True:
        session.pgconn.consume_input()
        if session.pgconn.is_busy():
            select.select([session.pgconn.socket], [], [])
        elif session.pgconn.get_result() is None:
            return
