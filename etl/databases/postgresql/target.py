"""A new store that is PostgreSQL: published in one transaction, so that readers see all rows of a run or none.

Rows are sent as binary COPY into staging tables beside the real ones, several tables in parallel (staging.py). Where the store has no tables yet, the
staging tables become the real ones: they are renamed after a check of their foreign keys. Where it has tables, rows are merged from staging. No load
reuses an earlier one's staging tables: they are dropped.
"""

from __future__ import annotations

import platform
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from etl.databases.conditions import Conditions, refuse_altered, refuse_conditions
from etl.databases.postgresql import difference, merge, replacement, run_records
from etl.databases.postgresql.conditions import conditions
from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.contract import advance, differences
from etl.databases.postgresql.restore import restore
from etl.databases.postgresql.staging import OF_THE_RUN, STAGED, create, references, stage, touched
from etl.databases.postgresql.target_session import TargetSession
from etl.databases.postgresql.transport import is_here
from etl.databases.target import (
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
    volatile,
)
from mappings.ddl import alterations
from mappings.model import Mappings
from mappings.schema import Schema, Table


class PostgresTarget(TargetSession):
    """Implements `Target` and `TakesDifferences`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._fresh = False
        self.store_state: dict[str, str] = {}
        self.images: dict[str, str] | None = None
        self._counted: dict[str, int] = {}  # by table, the number of rows of a store that is known to hold what was published
        self._wrote: dict[str, str] = {}  # by table: the transaction that staged its rows, and their number
        self._schema: Schema | None = None  # the contract that the existing tables agree with
        self._replacing = False  # whether they are empty and the staged ones may replace them

    def runs(self) -> list[RunRecord]:
        return run_records.runs(self)

    def differences_from(self, schema: Schema) -> list[str]:
        self._schema = schema
        with safe_errors("--target", "reading the catalogue"):
            return differences(self.connection, schema)

    def conditions(self, schema: Schema) -> Conditions:
        with safe_errors("--target", "reading the catalogue"):
            return conditions(self.connection, schema)

    def foreign_rows(self, mappings: Mappings) -> list[str]:
        existing = self.existing()
        found = []
        for table, tags in id_tags(mappings).items():
            key = quoted(mappings.target.tables[table].key[0])
            if table in existing:
                statement = f"SELECT EXISTS (SELECT 1 FROM {quoted(table)} WHERE substr({key}::text, 15, 4) <> ALL (%s))"
                if self.one(statement, ([f"8{tag}" for tag in sorted(tags)],))[0]:
                    found.append(table)
        return found

    def stage(self, tables: Sequence[Table], rows: Rows) -> Generator[int, None, None]:
        existing = self.existing().keys()
        self._fresh, self.staged = not existing & {table.name for table in tables}, True
        self.drop_staging_tables()
        self._replacing = not self._fresh and self._schema is not None and self._replaceable_properties(self._schema, tables) is not None
        self._wrote = {}
        yield from stage(self.url, tables, rows, self._taken(), self._wrote)

    def _taken(self) -> frozenset[str] | None:
        """Returns the names of other relations, which keys of tables that will become the real ones may not have; None where they only carry rows."""
        if not (self._fresh or self._replacing):
            return None
        with safe_errors("--target", "reading the catalogue"):
            found = self.connection.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace").fetchall()
        return frozenset(name for (name,) in found if not name.startswith(STAGED))

    def publish(self, schema: Schema, record: RunRecord, tell: Tell, agree: Agree = agreed) -> list[Change]:
        self.begin()
        self.require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        replaced: list[Change] | None = None
        if self._fresh:
            for table in tables:
                self.execute(f"ALTER TABLE {quoted(STAGED + table.name)} RENAME TO {quoted(table.name)}")
            for statement in create(schema.tables[OF_THE_RUN], OF_THE_RUN, self._taken()):
                self.execute(statement)
            run_records.write_record(self, replace(record, fresh=True))
            for table in tables:
                for statement in references(table, lambda parent: parent == OF_THE_RUN).values():
                    self.execute(statement)
            for statement in (*alterations(schema.ddl), *schema.views.values(), *schema.ddl.indexes, *schema.ddl.comments):
                self.execute_alone(statement)
            changes = [Change(table.name, self.rows(table.name), 0, 0) for table in tables]
        else:
            replaced = self._replaced(schema, tables, record) if self._replacing else None
            changes = replaced if replaced is not None else self._fill_or_merge(schema, tables, record, tell)
            with safe_errors("--target", "advancing sequences"):
                advance(self.connection, schema)
            self.drop_staging_tables()
        self.execute(f"ANALYZE {OF_THE_RUN}")  # all other tables have statistics already
        agree(changes)
        tell("load: recording what was published", 0, 0)
        self.store_state = merge.store_state_of(self.connection, schema)
        if self._fresh or replaced:
            # Nothing was copied: the rows must be the staged ones, of that transaction alone, without writes by other sessions meanwhile.
            refuse_altered(touched(self.store_state, self._wrote))
            refuse_conditions(self.conditions(schema))
        self.commit()
        self.staged = False
        return changes

    def publish_difference(self, schema: Schema, record: RunRecord, known: Known, tell: Tell, agree: Agree = agreed) -> list[Change] | None:
        if not self.unchanged_since(schema, known.store_state):
            return None
        self.require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        self.drop_staging_tables()  # left by a killed load
        number = run_records.next_number(self)
        run_records.write_record(self, replace(record, fresh=False), number)
        changes, kept = difference.change(self.connection, tables, number, known, self._counted, tell)
        self.images = run_records.keep_images(self, record.run_id, number, kept)
        with safe_errors("--target", "advancing sequences"):
            advance(self.connection, schema)
        self.drop_staging_tables()
        self.execute(f"ANALYZE {OF_THE_RUN}")
        agree(changes)
        tell("load: recording what was published", 0, 0)
        self.store_state = merge.store_state_of(self.connection, schema)
        refuse_altered(self._others_rows(known, changes))
        self.commit()
        self.staged = False
        return changes

    def _others_rows(self, known: Known, changes: list[Change]) -> list[str]:
        """Returns the tables whose rows are not those that this transaction wrote and kept."""
        (by,) = self.one("SELECT txid_current() % 4294967296")
        found = []
        for change in changes:
            state, came = self.store_state[change.table], change.inserted + change.updated
            rows = self._counted[change.table] + change.inserted - change.removed
            ours = merge.rows_by({"": " ".join(word for word in state.split() if word == state.split()[0] or word.startswith(f"{by}:"))})[
                ""
            ]
            untouched = change.table not in known.differences and state != known.store_state[change.table]
            found += [change.table] if untouched or ours != came or merge.rows_by({"": state})[""] != rows else []
        return found

    def _replaceable_properties(self, schema: Schema, tables: Sequence[Table]) -> replacement.TableProperties | None:
        """Returns the properties of the existing tables, where they may be replaced; None where they may not."""
        if any(run.state == "PUBLISHED" for run in run_records.runs(self)):
            return None
        return replacement.table_properties(self.connection, schema, tables)

    def _replaced(self, schema: Schema, tables: list[Table], record: RunRecord) -> list[Change] | None:
        """Replaces the empty tables by the staged ones; returns None, with nothing changed, where they may not be replaced any more."""
        self.execute(f"LOCK TABLE {', '.join(quoted(table.name) for table in tables)} IN ACCESS EXCLUSIVE MODE")
        old = self._replaceable_properties(schema, tables)
        if old is None:
            return None
        self.execute("SAVEPOINT before_replacing")
        replacement.swap_tables(self.connection, schema, tables)
        run_records.write_record(self, replace(record, fresh=True))
        for table in tables:
            for statement in references(table, lambda parent: parent == OF_THE_RUN).values():
                self.execute(statement)
        for statement in (*alterations(schema.ddl), *schema.views.values()):
            self.execute_alone(statement)
        if not replacement.restore_properties(self.connection, tables, old):
            self.execute("ROLLBACK TO SAVEPOINT before_replacing")
            return None
        return [Change(table.name, self.rows(table.name), 0, 0) for table in tables]

    def _fill_or_merge(self, schema: Schema, tables: list[Table], record: RunRecord, tell: Tell) -> list[Change]:
        """Fills empty tables with all staged rows, or merges what differs into filled ones."""
        # Also a table without references: its rows at the end are taken for this run's.
        self.lock_tables(schema, "SHARE ROW EXCLUSIVE")
        earlier = [run for run in run_records.runs(self) if run.state == "PUBLISHED"]
        fresh = not earlier and not any(self.rows(table.name) for table in tables)
        number = 0 if fresh else run_records.next_number(self)
        run_records.write_record(self, replace(record, fresh=fresh), number)
        references = merge.without_references(self.connection, [table.name for table in tables])
        if fresh:
            changes = merge.fill(self.connection, tables, tell)
            merge.analyze(self.connection, [table.name for table in tables])
        else:
            changes, kept = merge.merge(self.connection, tables, number, tell)
            self.images = run_records.keep_images(self, record.run_id, number, kept)
        refuse_altered(merge.unlike(self.connection, tables) + touched(merge.store_state_of(self.connection, schema, STAGED), self._wrote))
        tell("load: checking references", 0, 0)
        merge.with_references(self.connection, references)
        return changes

    def differs_from_staged(self, schema: Schema) -> list[str]:
        self.begin()
        self.lock_tables(schema, "SHARE ROW EXCLUSIVE")  # other readers continue: it may take minutes
        found = []
        for table in in_reference_order(schema):
            if table.name == OF_THE_RUN:
                continue
            names = ", ".join(quoted(c.name) for c in table.columns if c.name not in volatile(table))
            real, staged = quoted(table.name), quoted(STAGED + table.name)
            gone, new = (f"(SELECT {names} FROM {a} EXCEPT SELECT {names} FROM {b})" for a, b in ((real, staged), (staged, real)))
            if self.one(f"SELECT EXISTS ({gone} UNION ALL {new})")[0]:
                found.append(table.name)
        return found

    def roll_back(self, schema: Schema, record: RunRecord, tell: Tell, images: Mapping[str, str] | None = None) -> list[Change]:
        self.begin()
        self.require_lock()
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        delta = run_records.is_delta(self, record)
        if delta:
            number, kept = run_records.kept_images(self, record.run_id, tables, images)
            touched = [image for image in kept if image.before or image.new]
            rows = {image.table: self._counted.get(image.table, 0) or self.rows(image.table) for image in touched}
            coming, going = {image.table: image.before for image in touched}, {image.table: image.new for image in touched}
            again, deferred = difference.hold_back(self.connection, [table.name for table in tables], coming, going, rows)
            changes = restore(self.connection, tables, number, kept, rows, tell)
            self.execute(f"DELETE FROM {UNDO} WHERE run_id = %s", (record.run_id,))
            difference.judge(self.connection, again, deferred)
        else:
            # All rows of these tables are removed at once: only foreign keys of other tables can be broken then.
            references = merge.without_references(self.connection, [table.name for table in tables], of_others=True)
            changes = merge.empty(self.connection, tables, self._counted, tell)
            merge.with_references(self.connection, references)
        self.execute("UPDATE migration_run SET state_cd = 'ROLLED_BACK' WHERE run_id = %s", (record.run_id,))
        if delta:
            merge.restore_record(self.connection, record.run_id, number, record_tables(number)[0] in self.existing())
            if not self.rows(UNDO):
                self.execute(f"DROP TABLE {UNDO}")
        self.drop_staging_tables()
        self.commit()
        self.staged = False
        return changes

    def would_roll_back(self, schema: Schema, record: RunRecord, images: Mapping[str, str] | None = None) -> list[Change]:
        tables = [table for table in in_reference_order(schema) if table.name != OF_THE_RUN]
        if not run_records.is_delta(self, record):
            return [Change(table.name, 0, 0, self.rows(table.name)) for table in tables]
        _, kept = run_records.kept_images(self, record.run_id, tables, images)
        return [Change(image.table, 0, image.before, image.new) for image in kept]

    def unchanged_since(self, schema: Schema, store_state: dict[str, str]) -> bool:
        if not store_state:
            return False
        self.begin()
        self.lock_tables(schema, "ACCESS EXCLUSIVE")
        found = merge.store_state_of(self.connection, schema)
        if found == store_state:
            self._counted = merge.rows_by(found)
            return True
        self.execute("ROLLBACK")
        return False

    def unknown_objects(self, digests: list[str]) -> list[str]:
        with safe_errors("--target", "reading"):
            known = "SELECT sha256 FROM unnest(%s::text[]) WITH ORDINALITY d (sha256, place) WHERE NOT EXISTS"
            rows = self.connection.execute(
                f"{known} (SELECT 1 FROM stored_object s WHERE s.sha256 = d.sha256) ORDER BY place".encode(), (digests,)
            ).fetchall()
        return [row[0] for row in rows]

    def identity(self, objects: str) -> str:
        (schema,) = self.one("SELECT current_schema()")
        at = self.connection.info  # no server number that every role may read distinguishes the server from a copy
        machine = platform.node() if is_here(at.host) else ""
        return f"postgresql {machine} {at.host} {at.port} {at.dbname} {schema}"
