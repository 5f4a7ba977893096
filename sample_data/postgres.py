"""The PostgreSQL side of `write`: binary COPY, constraints as the contract's DDL makes them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql
from sqlalchemy.engine import make_url

from sample_data import contract
from sample_data.empty import refuse_if_filled


@dataclass(frozen=True)
class PostgresWriter:
    """Writes through one connection, within one transaction."""

    connection: "psycopg.Connection[tuple[Any, ...]]"

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends the rows to `table`."""
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
        command = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT BINARY)").format(sql.Identifier(table), columns)
        encoder = ArrowToPostgresBinaryEncoder(rows.schema)
        with self.connection.cursor() as cursor, cursor.copy(command) as copy:
            copy.write(encoder.write_header())
            for batch in rows.to_batches(max_chunksize=8192):
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())

    def append_unreadable(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Returns 0 and appends nothing: PostgreSQL holds only values that the column's type allows."""
        return 0


@contextmanager
def postgres_writer(url: str, schema: str) -> Iterator[PostgresWriter]:
    """Yields a writer into the empty database at this URL, as `write.writer` describes it."""
    # Imported here: `write` imports this module when it needs it.
    parsed = make_url(url)
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:  # commits at the end, rolls back on error
        existing = {
            name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
        }
        here = [table for table in contract.tables(schema) if table in existing]
        refuse_if_filled(schema, [(table, _has_rows(connection, table)) for table in here])
        for statement in contract.statements(contract.ddl(schema)):
            if not any(f"CREATE TABLE {table} (" in statement for table in here):
                connection.execute(statement.encode())
        yield PostgresWriter(connection)


def _has_rows(connection: "psycopg.Connection[tuple[Any, ...]]", table: str) -> bool:
    return connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone() is not None
