"""The before-images that a delta keeps in a PostgreSQL store for its rollback: their list, their digests, and the check that both are unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from etl.databases.postgresql.connection import quoted, safe_errors, shapes
from etl.databases.postgresql.merge import run
from etl.databases.target import KEPT, UNDO, Images, kept_tables, nothing_to_restore, record_tables, refuse_other_images
from mappings.schema import Table

Session = psycopg.Connection[Any]
# Independent of the order of the rows and of every setting that changes how a value is written. In 256 parts: an aggregate holds 1 GB at most.
_DIGEST = (
    "SELECT pg_catalog.encode(pg_catalog.sha256(coalesce(pg_catalog.string_agg(part, ''::bytea ORDER BY first), ''::bytea)), 'hex') FROM"
    " (SELECT first, pg_catalog.sha256(pg_catalog.string_agg(digest, ''::bytea ORDER BY digest)) AS part FROM"
    " (SELECT pg_catalog.get_byte(digest, 0) AS first, digest FROM (SELECT pg_catalog.sha256(pg_catalog.record_send(r)) AS digest FROM {} r) a) b"
    " GROUP BY first) c"
)


def number_of_next(session: Session) -> int:
    """Returns the number of the next delta: unused by every table of before-images, also where its record is lost."""
    run(session, KEPT)
    with safe_errors("--target", "reading"):
        (known,) = session.execute(f"SELECT coalesce(max(number), 0) FROM {UNDO}".encode()).fetchone() or (0,)
        names = [name[len(UNDO) + 2 :].split("_")[0] for name in shapes(session) if name.startswith(f"{UNDO}__")]
    return 1 + max([int(known), *(int(number) for number in names if number.isascii() and number.isdigit())])


def keep(session: Session, run_id: str, number: int, images: Sequence[Images]) -> dict[str, str]:
    """Records the numbers of before-images and new keys that the delta keeps, by table; returns the digests of all tables that it keeps."""
    run(session, f"DELETE FROM {UNDO} WHERE run_id = %s", (run_id,))
    for image in images:
        values = (run_id, number, image.table, image.before, image.new)
        run(session, f"INSERT INTO {UNDO} (run_id, number, table_name, before_rows, new_rows) VALUES (%s, %s, %s, %s, %s)", values)
    return _digests(session, _all_kept(shapes(session), number, images))


def kept(session: Session, run_id: str, tables: Sequence[Table], digests: Mapping[str, str] | None) -> tuple[int, list[Images]]:
    """Returns that delta's number and its kept rows by table; raises Refused where they are incomplete, or not those with these digests."""
    with safe_errors("--target", "reading"):
        existing = shapes(session)
        if UNDO not in existing:
            raise nothing_to_restore(run_id, f"the table {UNDO}, which lists its before-images, is missing")
        rows = session.execute(
            f"SELECT number, table_name, before_rows, new_rows FROM {UNDO} WHERE run_id = %s".encode(), (run_id,)
        ).fetchall()
    images = {row[1]: Images(*row[1:]) for row in rows}
    number = int(rows[0][0]) if rows else 0
    wanted = kept_tables(number, images.values())
    if session.info.transaction_status == TransactionStatus.INTRANS:  # what is compared now is what is restored
        for name in wanted.keys() & existing.keys():
            run(session, f"LOCK TABLE {quoted(name)} IN ACCESS EXCLUSIVE MODE")
    lost = [table.name for table in tables if table.name not in images]
    lost += [name for name, count in wanted.items() if name not in existing or _rows(session, name) != count]
    if lost:
        raise nothing_to_restore(run_id, f"its before-images are incomplete ({', '.join(sorted(lost))})")
    refuse_other_images(run_id, digests, lambda: _digests(session, _all_kept(existing, number, images.values())))
    return number, [images[table.name] for table in tables]


def _all_kept(existing: Iterable[str], number: int, images: Iterable[Images]) -> list[str]:
    return [*kept_tables(number, images), *(name for name in record_tables(number) if name in set(existing))]


def _rows(session: Session, name: str) -> int:
    with safe_errors("--target", "reading"):
        (rows,) = session.execute(f"SELECT count(*) FROM {quoted(name)}".encode()).fetchone() or (0,)
    return int(rows)


def _digests(session: Session, names: Iterable[str]) -> dict[str, str]:
    """Returns the SHA-256 of all rows of each table, computed in the server; a type of a column is part of it, a column's name is not."""
    with safe_errors("--target", "reading before-images"):
        return {name: str((session.execute(_DIGEST.format(quoted(name)).encode()).fetchone() or ("",))[0]) for name in names}
