"""A row's version in PostgreSQL, and what it is a version of.

PostgreSQL never changes a row in place: who writes it makes a new version, with the number of his transaction (xmin) and a place of its own
(ctid). The same pair in the same file of the same table on a server that ran on is the same row, with the same bytes. So the file
(relfilenode: TRUNCATE, VACUUM FULL, CLUSTER and ALTER TABLE that rewrite make another), the table and the database (oid: a dump that is
restored makes others), the server (system identifier, timeline, start: files put back from a backup need a stopped server) and the columns'
own numbers (one that is dropped and added again with a default changes no row) are part of the evidence. Freezing leaves xmin as it is, since
PostgreSQL 9.4; a version without a transaction (xmin below 3, of an upgraded server) is not evidence.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import psycopg

from etl.databases import Relation
from etl.databases.postgresql.connection import quoted
from mappings.model import TableMapping

_MAY_ASK = (
    "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"
)
# A plain table of the heap without children: of a view, a foreign or a partitioned table the pair (xmin, ctid) tells nothing.
_EVIDENCE = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()),
       pg_postmaster_start_time()::text, pg_is_in_recovery(), (SELECT oid::text FROM pg_database WHERE datname = current_database()), c.oid::text,
       pg_relation_filenode(c.oid)::text, c.reltoastrelid::text, pg_relation_filenode(c.reltoastrelid)::text,
       ARRAY(SELECT attname || ' ' || attnum || ' ' || atttypid || ' ' || attgenerated::text FROM pg_attribute
             WHERE attrelid = c.oid AND attname = ANY(%(columns)s) AND attgenerated <> 'v' ORDER BY attnum),
       pg_snapshot_xmax(pg_current_snapshot())::text
FROM pg_class c
WHERE c.oid = to_regclass(%(table)s) AND c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relhassubclass AND NOT c.relrowsecurity
  AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
"""


def relation(session: psycopg.Connection[Any], table: str, mapping: TableMapping, column: str) -> Relation | None:
    """What the versions of the table's rows are versions of; None where some of it may not be asked, or means nothing of such a table. `table`: quoted, as SQL."""
    if len(mapping.key) != 1 or mapping.shape.by_name[mapping.key[0]].family != "integer":
        return None
    allowed = session.execute(_MAY_ASK).fetchone()
    if allowed is None or not allowed[0]:  # asked first: an error would end the snapshot
        return None
    columns = [mapping.key[0], column]
    row = session.execute(_EVIDENCE, {"table": table, "columns": columns}).fetchone()
    if row is None:
        return None
    *evidence, attributes, transactions = row
    if len(attributes) != len(columns) or any(one is None for one in evidence[:7]):
        return None
    text = json.dumps([*evidence, attributes])
    return Relation(hashlib.sha256(text.encode()).hexdigest()[:32], int(transactions))


def versions_query(table: str, mapping: TableMapping, column: str, within: str) -> str:
    """The statement that gives key and version, as text, of the rows that have bytes; the version is null where it tells nothing."""
    key = quoted(mapping.key[0])
    return (
        f"SELECT {key}::text AS key, CASE WHEN xmin::text::bigint > 2 THEN xmin::text || ' ' || ctid::text END AS version"
        f" FROM {table}"
        f" WHERE {within} AND {key} IS NOT NULL AND {quoted(column)} IS NOT NULL"
    )
