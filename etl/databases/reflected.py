"""The new store, and an old portal, as SQLAlchemy tables made from the contract, for the company pages, in every database."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etl.databases import redacted_url
from etl.databases.postgresql.transport import sslmode
from etl.errors import MigrationError
from mappings.schema import Schema

_TYPES: dict[str, Any] = {
    "integer": sa.BigInteger,
    "text": sa.String,
    "date": sa.String,
    "timestamp": sa.String,
    "binary": sa.LargeBinary,
    "boolean": sa.Boolean,
    "uuid": sa.String,
}


def tables_of(schema: Schema) -> dict[str, sa.Table]:
    """Returns the contract's tables; ids, dates and moments are read as text, without a conversion to Python types."""
    metadata = sa.MetaData()
    return {
        table.name: sa.Table(table.name, metadata, *(sa.Column(column.name, _TYPES[column.family]()) for column in table.columns))
        for table in schema.tables.values()
    }


@contextmanager
def reading(url: str) -> Iterator[sa.Connection]:
    """Yields a read-only connection."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not Path(parsed.database or "").is_file():
            raise MigrationError(f"The file of {redacted_url(url)} does not exist.", "Give --target the new store that was published.")
        parsed = parsed.set(
            database=f"file:{urllib.parse.quote(str(Path(parsed.database or '').absolute()))}", query={"mode": "ro", "uri": "true"}
        )
    elif parsed.get_backend_name() == "postgresql":
        mode = sslmode(parsed)
        parsed = parsed.set(drivername="postgresql+psycopg").update_query_dict({"sslmode": mode} if mode else {})
    engine = sa.create_engine(parsed, hide_parameters=True)
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise MigrationError(
            f"{redacted_url(url)} cannot be read ({type(error.orig).__name__}).", "Check the URL and the rights."
        ) from None
    finally:
        engine.dispose()


def as_id(column: sa.Column[Any]) -> sa.ColumnElement[str]:
    """Returns the id as text, also where the database has a UUID type."""
    return sa.cast(column, sa.String)
