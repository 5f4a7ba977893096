"""Whose names and files a session on an old portal in PostgreSQL meets: paths that begin with the server's schemas, foreign tables, small limits."""

from __future__ import annotations

import pytest

from tests.support.command import said
from tests.support.servers import READER, Portals, portals

__all__ = ["portals"]  # a fixture
FOREIGN = (
    "CREATE EXTENSION file_fdw",
    "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
    "CREATE SCHEMA kept",
    "ALTER TABLE response_comment SET SCHEMA kept",
    "CREATE FOREIGN TABLE response_comment (comment_id bigint, response_id bigint, cbp_user_id bigint, internal_ind char(1), comment_text text,"
    " created_at timestamp) SERVER files OPTIONS (filename '/nowhere/comments.csv', format 'csv')",
    f"GRANT SELECT ON response_comment TO {READER}",
)
BACK = ("DROP EXTENSION file_fdw CASCADE", "ALTER TABLE kept.response_comment SET SCHEMA public", "DROP SCHEMA kept")


@pytest.mark.parametrize("first", ["pg_catalog", "pg_temp"])
def test_a_path_that_begins_with_a_schema_of_the_server_leads_to_the_portals_tables(first: str, portals: Portals) -> None:
    path = (f"ALTER ROLE {READER} SET search_path = {first}, public", f"ALTER ROLE {READER} RESET search_path")
    with portals.changed("portal2", *path):
        done = portals.run("plan")
        assert done.code == 0, done.err
        if first == "pg_temp":
            assert portals.run("run", run="paths").code == 0
            audit = portals.run("reconcile", run="paths")
            assert audit.code == 0, audit.err


def test_a_foreign_table_whose_file_is_missing_and_a_small_limit_have_their_next_step(portals: Portals) -> None:
    with portals.changed("portal2", FOREIGN, BACK):
        done = portals.run("plan")
        said(done, 1, "response_comment", "SQLSTATE 58P01")
        assert "A foreign table is read from another server or from a file" in done.next
    limits = (f"ALTER ROLE {READER} SET work_mem = '64kB'", f"ALTER ROLE {READER} SET temp_file_limit = 1")
    with portals.changed("portal2", limits, f"ALTER ROLE {READER} RESET ALL"):
        done = portals.run("plan")
        said(done, 1, "SQLSTATE 53400")
        assert "temp_file_limit" in done.next
