"""The SQL of the portable reader for databases that no test can start, Oracle and SQL Server, and for MySQL and MariaDB."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, oracle

from etl.databases.generic.dialects import LEVELS, WAITS, by_bytes

DIALECTS: dict[str, Any] = {"mysql": mysql.dialect(), "oracle": oracle.dialect(), "mssql": mssql.dialect()}
HOSTILE = 'a"b`c]d'
QUOTED = {"mysql": '`a"b``c]d`', "oracle": '"a""b`c]d"', "mssql": '[a"b`c]]d]'}


def said(statement: sa.ClauseElement, kind: str) -> str:
    return " ".join(str(statement.compile(dialect=DIALECTS[kind], compile_kwargs={"literal_binds": True})).split())


@pytest.mark.parametrize("kind", DIALECTS)
def test_names_are_quoted_as_the_database_quotes_them(kind: str) -> None:
    assert QUOTED[kind] in said(sa.select(sa.column(HOSTILE)).select_from(sa.table("t")), kind)
    assert QUOTED[kind] in said(sa.select(sa.func.count()).select_from(sa.table(HOSTILE)), kind)


def test_texts_are_ordered_by_code_points_and_the_last_row_is_one_row() -> None:
    column: sa.ColumnClause[Any] = sa.column("k")
    found = {}
    for kind in DIALECTS:
        statement = sa.select(column).select_from(sa.table("t")).order_by(by_bytes(column, kind).desc()).limit(1)
        found[kind] = said(statement, kind)
    assert found["mysql"] == "SELECT k FROM t ORDER BY CAST(k AS BINARY) DESC LIMIT 1"
    assert found["mssql"] == "SELECT TOP 1 k FROM t ORDER BY k COLLATE Latin1_General_BIN2 DESC"
    assert "ORDER BY nlssort(k, 'NLS_SORT=BINARY') DESC" in found["oracle"]
    assert "FETCH FIRST 1 ROWS ONLY" in found["oracle"] or "ROWNUM <= 1" in found["oracle"]


def test_duplicate_keys_and_nulls_are_queried_in_each_dialect() -> None:
    keys: list[sa.ColumnClause[Any]] = [sa.column("a"), sa.column("b")]
    doubled = sa.select(sa.literal(1)).select_from(sa.table("t")).group_by(*keys).having(sa.func.count() > 1).limit(1)
    for kind in DIALECTS:
        assert "GROUP BY a, b HAVING count(*) > 1" in said(doubled, kind)
        assert "FROM t WHERE" in said(sa.select(sa.text("*")).select_from(sa.table("t")).where(sa.false()), kind)


def test_the_snapshot_is_the_strongest_that_blocks_no_writers() -> None:
    known = {kind: dialect.get_isolation_level_values(None) for kind, dialect in DIALECTS.items()}
    chosen = {kind: next(level for level in LEVELS if level in levels) for kind, levels in known.items()}
    assert chosen == {"mysql": "REPEATABLE READ", "oracle": "SERIALIZABLE", "mssql": "SNAPSHOT"}
    assert WAITS["mssql"] == "SET LOCK_TIMEOUT 60000"
