"""A store's records of its runs, and the list of each delta's before-images, which a rollback restores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from psycopg.pq import TransactionStatus

from etl.databases.postgresql import merge
from etl.databases.postgresql.connection import quoted, safe_errors
from etl.databases.postgresql.staging import OF_THE_RUN
from etl.databases.postgresql.target_session import TargetSession
from etl.databases.target import (
    KEPT,
    RUN_COLUMNS,
    UNDO,
    Images,
    RunRecord,
    kept_tables,
    nothing_to_restore,
    record_tables,
    refuse_other_images,
    run_record,
    run_values,
)
from mappings.schema import Table

# Independent of the order of the rows and of every setting that changes how a value is written. In 256 parts: an aggregate holds 1 GB at most.
_DIGEST = (
    "SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(part, ''::bytea ORDER BY first), ''::bytea)), 'hex') FROM"
    " (SELECT first, pg_catalog.sha256(pg_catalog.string_agg(digest, ''::bytea ORDER BY digest)) AS part FROM"
    " (SELECT pg_catalog.get_byte(digest, 0) AS first, digest FROM (SELECT pg_catalog.sha256(pg_catalog.record_send(r)) AS digest FROM {} r) a) b"
    " GROUP BY first) c"
)
_UNDO_TABLE = re.compile(rf"{UNDO}__\d+_")


def runs(session: TargetSession) -> list[RunRecord]:
    """Returns the records of all runs in the store, the earliest first."""
    if OF_THE_RUN not in session.existing():
        return []
    with safe_errors("--target", "reading its runs"):
        rows = session.connection.execute(
            f"SELECT {', '.join(RUN_COLUMNS)} FROM migration_run ORDER BY coalesce(finished_at, started_at), run_id".encode()
        ).fetchall()
    return [run_record(row) for row in rows]


def next_number(session: TargetSession) -> int:
    """Returns the number of the next delta: unused by every table of before-images, also where its record is lost."""
    session.execute(KEPT)
    (known,) = session.one(f"SELECT coalesce(max(number), 0) FROM {UNDO}")
    return 1 + max([int(known), *(int(name[len(UNDO) + 2 :].split("_")[0]) for name in session.existing() if _UNDO_TABLE.match(name))])


def keep_images(session: TargetSession, run_id: str, number: int, images: list[Images]) -> dict[str, str]:
    """Lists a delta's before-images by table, in place of an earlier list of the same run; returns the digests of all tables that it keeps."""
    session.execute(f"DELETE FROM {UNDO} WHERE run_id = %s", (run_id,))
    for image in images:
        values = (run_id, number, image.table, image.before, image.new)
        session.execute(f"INSERT INTO {UNDO} (run_id, number, table_name, before_rows, new_rows) VALUES (%s, %s, %s, %s, %s)", values)
    return _digests(session, _all_kept(session, number, images))


def _all_kept(session: TargetSession, number: int, images: Iterable[Images]) -> list[str]:
    return [*kept_tables(number, images), *(name for name in record_tables(number) if name in session.existing())]


def _digests(session: TargetSession, names: Iterable[str]) -> dict[str, str]:
    """Returns the SHA-256 of all rows of each table, computed in the server; a type of a column is part of it, a column's name is not."""
    return {name: str(session.one(_DIGEST.format(quoted(name)))[0]) for name in names}


def kept_images(session: TargetSession, run_id: str, tables: list[Table], digests: Mapping[str, str] | None) -> tuple[int, list[Images]]:
    """Returns that delta's number and its kept rows by table; raises Refused where they are incomplete, or not those with these digests."""
    existing = session.existing()
    if UNDO not in existing:
        raise nothing_to_restore(run_id, f"the table {UNDO}, which lists its before-images, is missing")
    with safe_errors("--target", "reading"):
        rows = session.connection.execute(
            f"SELECT number, table_name, before_rows, new_rows FROM {UNDO} WHERE run_id = %s".encode(), (run_id,)
        ).fetchall()
    images = {row[1]: Images(row[1], row[2], row[3]) for row in rows}
    number = int(rows[0][0]) if rows else 0
    wanted = kept_tables(number, images.values())
    if session.connection.info.transaction_status == TransactionStatus.INTRANS:  # what is compared now is what is restored
        for name in wanted.keys() & existing.keys():
            session.execute(f"LOCK TABLE {quoted(name)} IN ACCESS EXCLUSIVE MODE")
    lost = [table.name for table in tables if table.name not in images]
    lost += [name for name, count in wanted.items() if name not in existing or session.rows(name) != count]
    if lost:
        raise nothing_to_restore(run_id, f"its before-images are incomplete ({', '.join(sorted(lost))})")
    refuse_other_images(run_id, digests, lambda: _digests(session, _all_kept(session, number, images.values())))
    return number, [images[table.name] for table in tables]


def write_record(session: TargetSession, record: RunRecord, number: int = 0) -> None:
    """Writes a run's record. `number`: of the delta, which keeps the record of a run that is published already."""
    run_id, *values = run_values(record)
    if number and any(run.state == "PUBLISHED" and run.run_id == run_id for run in runs(session)):
        merge.keep_record(session.connection, record.run_id, number)
    setting = ", ".join(f"{name} = %s" for name in RUN_COLUMNS[1:])
    if not session.execute(f"UPDATE migration_run SET {setting} WHERE run_id = %s", [*values, run_id]):  # rolled back, and published again
        placeholders = ", ".join(["%s"] * len(RUN_COLUMNS))
        session.execute(f"INSERT INTO migration_run ({', '.join(RUN_COLUMNS)}) VALUES ({placeholders})", [run_id, *values])


def is_delta(session: TargetSession, record: RunRecord) -> bool:
    """Returns whether the publish was a delta: by its record, or because an earlier run is still published."""
    return not record.fresh or any(run.state == "PUBLISHED" and run.run_id != record.run_id for run in runs(session))
