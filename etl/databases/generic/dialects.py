"""SQL that differs between databases of the portable reader; built without a connection, so that a test can inspect each."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

# The first level that the database supports. SQL Server has both of the first two; its REPEATABLE READ locks rows, and shows new ones.
LEVELS = ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE")
# A session waits at most a minute for a lock: the defaults are a day or a year (MariaDB, MySQL) and unlimited (SQL Server).
WAITS = {
    **dict.fromkeys(("mysql", "mariadb"), "SET SESSION lock_wait_timeout = LEAST(@@SESSION.lock_wait_timeout, 60)"),
    "mssql": "SET LOCK_TIMEOUT 60000",
}
LOCKED = (1205, 1222)  # the error messages of MariaDB and MySQL, and of SQL Server


def by_bytes(column: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    """Returns the expression that orders a text column by code points, independent of its collation."""
    if kind == "oracle":
        return sa.func.nlssort(column, sa.literal_column("'NLS_SORT=BINARY'"))  # text cannot be cast to BLOB, and a BLOB cannot be sorted
    if kind == "mssql":
        return column.collate("Latin1_General_BIN2")  # the bytes of NVARCHAR are UTF-16, low byte first
    return sa.cast(column, sa.LargeBinary)
