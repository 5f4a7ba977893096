"""Detects a connection through a pooler, which may use another session for every transaction."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg

from etl.databases import redacted_url
from etl.databases.postgresql.connection import connect, safe_errors
from etl.errors import Refused


def refuse_pooler(session: psycopg.Connection[Any], url: str) -> None:
    """Raises Refused behind a pooler in transaction mode, where the lock of a session would not hold."""
    number = b"SELECT pg_backend_pid()"
    with safe_errors("--target", "reading"), closing(connect(url, "--target")) as other:
        ours = session.execute(number).fetchone()
        other.execute("BEGIN")
        pooled = other.execute(number).fetchone() == ours or session.execute(number).fetchone() != ours
    if pooled:
        raise void_lock(f"The connection to {redacted_url(url)} goes through a pooler that gives each transaction another server process")


def void_lock(message: str) -> Refused:
    """Returns the refusal of a connection on which the lock of a run does not hold."""
    return Refused(
        f"{message}. Two runs could write at once. Nothing was changed.",
        "Connect directly to the server's host and port; a pooler that pools whole sessions is supported.",
    )
