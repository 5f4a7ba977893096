"""The catalogue of an old database: its tables and views with their columns' declared types, in the database's spelling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from etl.databases import Source
from etl.present.kinds import ColumnKind, kind_of


@dataclass(frozen=True)
class Relation:
    """A physical table or view. `name`: in messages and `_physical`; `columns`: name -> declared type, upper case."""

    name: str
    columns: dict[str, str]
    view: bool = False
    schema: str = ""  # PostgreSQL: its schema
    part_of: str = ""  # SQLite: the virtual table whose content it keeps; that one is read, ignored or reported
    unopened: str = ""  # SQLite: what it is and why it has no columns here
    key: tuple[str, ...] = ()  # the declared primary key's columns, in its order

    def kind(self, column: str) -> ColumnKind:
        """Returns the kind of that column's declared type."""
        return kind_of(self.columns[column])


@dataclass(frozen=True)
class Catalog:
    """The relations of a database.

    `relations`: by the name in the files (`schema.table` for schemas other than the session's). `server`: whether PostgreSQL's SQL is used.
    """

    relations: dict[str, Relation] = field(default_factory=dict)
    server: bool = False
    portable: bool = False


def catalog_of(source: Source, schemas: frozenset[str]) -> Catalog:
    """Returns all tables and views of the source; of PostgreSQL those of the named schemas, or of the session's search_path without any."""
    from etl.databases.files.source import FolderSource
    from etl.databases.sqlite.source import SqliteSource

    if isinstance(source, FolderSource):
        return Catalog({name: Relation(name, _upper(columns)) for name, columns in source.shapes().items()})
    if isinstance(source, SqliteSource):
        return Catalog(_sqlite(source))
    try:
        from etl.databases.postgresql.source import PostgresSource
    except ImportError:
        PostgresSource = None  # type: ignore[assignment,misc]  # without its driver no source is of that kind
    if PostgresSource is not None and isinstance(source, PostgresSource):
        return Catalog(_postgresql(source, schemas), server=True)
    views = source.relation_kinds()
    keys: dict[str, tuple[str, ...]] = getattr(source, "primary_keys", dict)()  # of the portable reader
    found = {name: Relation(name, _upper(columns), name in views, key=keys.get(name, ())) for name, columns in source.shapes().items()}
    return Catalog(found, portable=True)


def _upper(columns: dict[str, str]) -> dict[str, str]:
    return {name: declared.upper() for name, declared in columns.items()}


def _sqlite(source: Any) -> dict[str, Relation]:
    found = {}
    for name, of in source.relations().items():
        key = tuple(column for column, _, place in sorted(of.columns, key=lambda row: row[2]) if place)
        columns = {column: str(declared).upper() for column, declared, _ in of.columns}
        found[name] = Relation(
            name, columns, view="view" in of.kind.split(), key=key, part_of=of.part_of, unopened="" if columns else of.kind
        )
    return found


_COLUMNS = """
SELECT n.nspname::text, c.relname::text, a.attname::text,
       CASE WHEN base.typtype = 'e' THEN 'ENUM' ELSE base.typname::text END, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
       c.relkind IN ('v', 'm'),
       (SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type base ON base.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid AND p.relnamespace = c.relnamespace)
  AND (n.nspname = ANY (%s) OR (cardinality(%s::text[]) = 0 AND n.nspname = %s))
ORDER BY n.nspname, c.relname, a.attnum
"""


def _postgresql(source: object, schemas: frozenset[str]) -> dict[str, Relation]:
    from etl.databases.postgresql.connection import WORDS
    from etl.databases.postgresql.source import PostgresSource

    assert isinstance(source, PostgresSource)  # noqa: S101  # tells the type checker what `catalog_of` has asked
    # A name may contain a point; the part before it is then not a schema.
    wanted = sorted(name for (name,) in source.query("SELECT nspname::text FROM pg_namespace") if name in schemas)
    found: dict[str, Relation] = {}
    keys: dict[str, dict[int, str]] = {}
    for schema, table, column, kind, modifier, view, place in source.query(_COLUMNS, wanted, wanted, source.schema):
        word = WORDS.get(kind, str(kind).upper())
        if word in ("VARCHAR", "CHAR") and modifier > 4:
            word += f"({modifier - 4})"
        if word == "NUMERIC" and modifier > 4:
            word += f"({(modifier - 4) >> 16},{(modifier - 4) & 0x7FF})"
        name = f"{schema}.{table}" if wanted else table
        relation = found.setdefault(name, Relation(name, {}, bool(view), schema))
        relation.columns[column] = word
        if place is not None:
            keys.setdefault(name, {})[place] = column
    return {name: replace(one, key=tuple(of for _, of in sorted(keys.get(name, {}).items()))) for name, one in found.items()}
