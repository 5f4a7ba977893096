"""What kinds of database that share the portable reader do in words of their own; built without a connection, so that each can be looked at."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

# The first one that the database knows. SQL Server has both of the first two; its REPEATABLE READ locks what it reads, and sees rows that come.
LEVELS = ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE")
# Nothing waits for another session's lock for longer than a minute: by default MariaDB and MySQL do for a day or a year, SQL Server for ever.
WAITS = {
    **dict.fromkeys(("mysql", "mariadb"), "SET SESSION lock_wait_timeout = LEAST(@@SESSION.lock_wait_timeout, 60)"),
    "mssql": "SET LOCK_TIMEOUT 60000",
}
LOCKED = (1205, 1222)  # what MariaDB and MySQL, and what SQL Server says then


def by_bytes(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    """A text column in the order of its code points, whatever its collation."""
    if kind == "oracle":
        return sa.func.nlssort(column, sa.literal_column("'NLS_SORT=BINARY'"))  # a text cannot be cast to a BLOB, nor a BLOB be sorted
    if kind == "mssql":
        return column.collate("Latin1_General_BIN2")  # bytes of NVARCHAR are UTF-16, low byte first
    return sa.cast(column, sa.LargeBinary)
