"""Row versions in PostgreSQL, and the table to which they belong.

PostgreSQL never changes a row in place: each write makes a new version with the number of its transaction (xmin) and a new position (ctid). The same
pair in the same file of the same table, on a server that was not restarted, is the same row with the same bytes. The evidence therefore includes the
file (relfilenode: TRUNCATE, VACUUM FULL, CLUSTER and rewriting ALTER TABLE change it), the table and the database (oid: a restored dump has others),
the server (system identifier, timeline, start: restoring a backup's files needs a stopped server) and the columns' numbers (a column that is dropped
and added again with a default changes no row). Freezing keeps xmin since PostgreSQL 9.4; a version without a transaction (xmin below 3, of an
upgraded server) is not evidence.
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
# Only an ordinary heap table without children: (xmin, ctid) identifies no row of a view, a foreign or a partitioned table.
_EVIDENCE = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), (SELECT timeline_id FROM pg_control_checkpoint()),
       pg_postmaster_start_time()::text, pg_is_in_recovery(), (SELECT oid::text FROM pg_database WHERE datname = current_database()), c.oid::text,
       pg_relation_filenode(c.oid)::text, c.reltoastrelid::text, pg_relation_filenode(c.reltoastrelid)::text,
       ARRAY(SELECT attname || ' ' || attnum || ' ' || atttypid || ' ' || attgenerated::text FROM pg_attribute
             WHERE attrelid = c.oid AND attname = ANY(%(columns)s) AND attgenerated <> 'v' ORDER BY attnum),
       pg_snapshot_xmax(pg_current_snapshot())::text
FROM pg_class c
WHERE c.oid = to_regclass(%(table)s) AND c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relrowsecurity
  AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid)  -- relhassubclass may say so of children that are gone
  AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
"""


def relation(session: psycopg.Connection[Any], table: str, mapping: TableMapping, column: str) -> Relation | None:
    """Returns the table to which row versions belong; None where the role may not query a part, or versions have no meaning. `table`: quoted SQL."""
    if len(mapping.key) != 1 or mapping.shape.by_name[mapping.key[0]].family != "integer":
        return None
    allowed = session.execute(_MAY_ASK).fetchone()
    if allowed is None or not allowed[0]:  # checked first: an error would end the snapshot
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
    """Returns the statement for key and version, as text, of the rows whose value is not null; a null version proves nothing."""
    key = quoted(mapping.key[0])
    return (
        f"SELECT {key}::text AS key, CASE WHEN xmin::text::bigint > 2 THEN xmin::text || ' ' || ctid::text END AS version"
        f" FROM {table}"
        f" WHERE {within} AND {key} IS NOT NULL AND {quoted(column)} IS NOT NULL"
    )
