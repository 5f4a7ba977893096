"""A schema that exists for one command."""

from __future__ import annotations

import psycopg

from etl.databases.postgresql.connection import connect, safe_errors
from etl.errors import Refused


def make_schema(url: str, name: str) -> None:
    """Creates the schema where it does not exist; raises Refused where the role may not."""
    with connect(url, "--target") as session, safe_errors("--target", "making the rehearsal's schema"):
        try:
            session.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}"'.encode())
        except psycopg.errors.InsufficientPrivilege:
            raise Refused(
                "The role of --target may not create a schema in that database.",
                "Rehearse under the role that `portal-migrate sql roles` creates for it (migration_rehearser), or leave out --target.",
            ) from None


def drop_schema(url: str, name: str) -> None:
    """Drops the schema with all its objects, where it exists."""
    with connect(url, "--target") as session, safe_errors("--target", "dropping the rehearsal's schema"):
        session.execute(b"SET client_min_messages = warning")
        session.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'.encode())
