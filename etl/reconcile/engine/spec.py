"""The content of mapping files, schemas and code tables, read independently of the loader."""

import csv
import io
import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import sqlglot
from sqlglot import exp

from etl.reconcile.engine.given_folder import digest_of, files_of, toml
from etl.reconcile.errors import SpecError

PORTALS = {"P2": ("portal2", "portal2.sql"), "TC": ("tc", "tc.sql")}
KINDS = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "SMALLINT": "integer",
    "VARCHAR": "text",
    "CHAR": "text",
    "TEXT": "text",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BYTEA": "binary",
    "BOOLEAN": "boolean",
    "UUID": "uuid",
}
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MOST_BYTES = 1 << 20  # of a schema file
ALSO_CALLED = {"INT": "INTEGER"}  # as the parser writes them
BITS = {"BIGINT": 64, "INTEGER": 32, "SMALLINT": 16}


@dataclass(frozen=True)
class Column:
    """A declared column. `kind`: integer, text, date, timestamp, binary, boolean, uuid; `length` in characters, 0 = unbounded."""

    name: str
    kind: str
    length: int = 0
    bits: int = 64
    mandatory: bool = False
    padded: bool = False  # CHAR(n): PostgreSQL pads it with blanks


@dataclass(frozen=True)
class Table:
    """A declared table of an old database or of the new store."""

    name: str
    columns: Map[str, Column]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    refers: Map[str, str] = field(default_factory=dict)  # column -> table, of the declared foreign keys


@dataclass(frozen=True)
class Value:
    """Where a target column's value comes from. `form`: column, self, account, legacy_key, copy, once, soft, constant, rule."""

    form: str
    source: tuple[str, ...] = ()  # the source columns it is made of
    of: str = ""  # the target table that a reference leads to, or the rule's number
    constant: object = None


@dataclass(frozen=True)
class Into:
    """The rows of one target table that one source table becomes. `per`: `once`, or `account` for a copy on each account."""

    table: str
    per: str
    columns: Map[str, Value]


@dataclass(frozen=True)
class Mapping:
    """The mapping file of one source table. `owner`, `needs`: by column, the table it refers to; `retired`: by column, the reason."""

    portal: str
    table: str
    owner: Map[str, str]
    owner_rule: str
    needs: Map[str, str]
    into: tuple[Into, ...]
    retired: Map[str, str]
    guarded: frozenset[str] = frozenset()  # an unreadable value there holds the row, even if no mandatory column takes it
    named: frozenset[str] = frozenset()  # columns that [references] declares as naming another row
    unnamed: frozenset[str] = frozenset()  # columns that it declares as naming none

    @property
    def references(self) -> frozenset[str]:
        """The columns that refer to another row, by route, by form or by [references]."""
        forms = {c for i in self.into for v in i.columns.values() if v.form in ("copy", "once", "soft") for c in v.source}
        return frozenset({*self.named, *forms, *self.owner, *self.needs} - self.unnamed)

    def taken_by(self, column: str) -> list[tuple[str, str]]:
        """Returns the (table, column) pairs of the target that take this column's value: unchanged if there are any, else by a rule."""
        direct = [(i.table, c) for i in self.into for c, v in i.columns.items() if v.form in ("column", "soft") and column in v.source]
        return direct or [(i.table, c) for i in self.into for c, v in i.columns.items() if v.form == "rule" and column in v.source]


@dataclass(frozen=True)
class Spec:
    """The contract as the verifier reads it from the mapping folder: schemas, mappings by (portal, table), code lists by file name."""

    sources: Map[str, Map[str, Table]]  # portal -> table name -> table
    target: Map[str, Table]
    mappings: Map[tuple[str, str], Mapping]
    codes: Map[str, tuple[Map[str, str], ...]]
    views: Map[str, str] = field(default_factory=dict)  # the target's, as the schema file declares them
    sha256: str = ""  # over all files of the folder: their paths, sizes and bytes, in the order of the paths

    @property
    def link_targets(self) -> dict[str, tuple[str, str]]:
        """By code, the source and the target table that a document link may lead to (C2)."""
        return {row["target_cd"]: (row["source_table"], row["target_table"]) for row in self.codes["link_target"]}

    def never_read(self, portal: str, table: str) -> frozenset[str]:
        """Returns the columns that are never read: those that a mapping retires by B17."""
        mapping = self.mappings.get((portal, table))
        return frozenset(c for c, why in mapping.retired.items() if why.startswith("B17")) if mapping else frozenset()

    def source_of(self, portal: str, target_table: str) -> str:
        """Returns the source table of this portal whose rows become `target_table` one to one (login: portal_user)."""
        for (owner, name), mapping in self.mappings.items():
            if owner == portal and any(i.table == target_table and i.per == "once" for i in mapping.into):
                return name
        raise SpecError(f"No table of {portal} is mapped once into {target_table}, but a mapping refers to such a table.")


def read_spec(folder: Path | None = None) -> Spec:
    """Returns the specification in `folder` (default: the installed `mappings`); raises SpecError if a file cannot be understood."""
    files = files_of(folder or Path(str(resources.files("mappings"))), lambda name: PurePosixPath(name).suffix in (".toml", ".csv", ".sql"))
    mappings = {}
    for portal, (folder_name, _) in PORTALS.items():
        for name in _within(files, folder_name, ".toml"):
            mappings[portal, PurePosixPath(name).stem] = _mapping(portal, name, files[name])
    codes = {PurePosixPath(name).stem: _codes(files[name]) for name in _within(files, "codes", ".csv")}
    sources = {portal: tables(schema, _schema(files, schema)) for portal, (_, schema) in PORTALS.items()}
    target = _schema(files, "portal3.sql")
    return Spec(sources, tables("portal3.sql", target), mappings, codes, views(target), digest_of(files))


def _within(files: Map[str, bytes], folder: str, suffix: str) -> list[str]:
    return sorted(name for name in files if str(PurePosixPath(name).parent) == folder and name.endswith(suffix))


def _schema(files: Map[str, bytes], name: str) -> bytes:
    if f"schemas/{name}" not in files:
        raise SpecError(f"schemas/{name} is missing")
    return files[f"schemas/{name}"]


def tables(file: str, content: bytes) -> dict[str, Table]:
    """Returns by name the tables that the DDL in these bytes declares, in its order; the DDL is parsed and never executed."""
    if len(content) > MOST_BYTES:
        raise SpecError(f"schemas/{file}: {len(content):,} bytes, at most {MOST_BYTES:,} are read")
    try:
        statements = sqlglot.parse(content.decode("utf-8-sig"), dialect="postgres")
    except (sqlglot.errors.SqlglotError, UnicodeDecodeError, RecursionError):
        raise SpecError(f"schemas/{file}: the SQL cannot be parsed") from None  # the parser's own text repeats the file
    found = {}
    for statement in statements:
        if (
            isinstance(statement, exp.Create)
            and statement.kind == "TABLE"
            and isinstance(statement.this, exp.Schema)
            and not statement.expression
        ):
            table = _table(statement.this)
            found[table.name] = table
        elif statement is not None and not _harmless(statement):
            raise SpecError(f"schemas/{file}: {type(statement).__name__} is not allowed in a schema")
    return found


_PARTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|.", re.DOTALL)


def views(content: bytes) -> dict[str, str]:
    """Returns by name the view statements in the DDL in these bytes, as written but without comments."""
    found, parts = {}, list[str]()
    for part in [*_PARTS.findall(content.decode("utf-8-sig").replace("\r\n", "\n")), ";"]:
        if part == ";":
            statement = "".join(parts).strip()
            if match := re.match(r"CREATE\s+VIEW\s+(\w+)\s", statement, re.IGNORECASE):
                found[match[1].lower()] = statement
            parts.clear()
        else:
            parts.append(" " if part.startswith(("--", "/*")) else part)
    return found


def _harmless(statement: exp.Expr) -> bool:
    """Returns whether the declaration has no effect on the comparison of rows."""
    return isinstance(statement, exp.Comment | exp.Semicolon) or (isinstance(statement, exp.Create) and statement.kind in ("VIEW", "INDEX"))


def _table(declared: exp.Schema) -> Table:
    name = declared.this.name
    for named in (name, *(item.name for item in declared.expressions if isinstance(item, exp.ColumnDef))):
        if not PLAIN.fullmatch(named):
            raise SpecError(f"schema, {name!a}: {named!a} is not a name of letters, digits and underscores")
    columns: dict[str, Column] = {}
    key: tuple[str, ...] = ()
    unique, refers = [], {}
    for item in declared.expressions:
        constraints = [item]
        if isinstance(item, exp.ColumnDef):
            constraints = [constraint.kind for constraint in item.constraints]
            columns[item.name] = _column(name, item, constraints)
        elif isinstance(item, exp.Constraint):
            constraints = list(item.expressions)
        for constraint in constraints:
            if isinstance(constraint, exp.PrimaryKeyColumnConstraint):
                key = (item.name,)
            elif isinstance(constraint, exp.PrimaryKey):
                key = _names(constraint.expressions)
            elif isinstance(constraint, exp.UniqueColumnConstraint):
                unique.append(_names(constraint.this.expressions) if constraint.this else (item.name,))
            elif isinstance(constraint, exp.Reference):
                refers[item.name] = _referred(constraint)
            elif isinstance(constraint, exp.ForeignKey) and len(constraint.expressions) == 1:
                refers[constraint.expressions[0].name] = _referred(constraint.args["reference"])
    if not key:
        raise SpecError(f"schema, {name}: no primary key")
    columns |= {column: replace(columns[column], mandatory=True) for column in key}
    return Table(name, columns, key, tuple(sorted({names for names in unique if names != key})), refers)


def _column(table: str, item: exp.ColumnDef, constraints: list[exp.Expr]) -> Column:
    declared = item.kind.sql(dialect="postgres") if item.kind is not None else ""
    match = re.fullmatch(r"([A-Z]+)(?:\((\d+)\))?", ALSO_CALLED.get(declared.upper(), declared.upper()))
    if match is None or match[1] not in KINDS:
        raise SpecError(f"schema, {table}.{item.name}: the type {declared} is not one of {', '.join(sorted(KINDS))}")
    not_null = any(isinstance(c, exp.NotNullColumnConstraint) and not c.args.get("allow_null") for c in constraints)
    return Column(item.name, KINDS[match[1]], int(match[2] or 0), BITS.get(match[1], 64), not_null, match[1] == "CHAR")


def _names(expressions: list[exp.Expr]) -> tuple[str, ...]:
    return tuple(one.name if not isinstance(one, exp.Ordered) else one.this.name for one in expressions)


def _referred(reference: exp.Expr) -> str:
    to = reference.this
    return str(to.this.name if isinstance(to, exp.Schema) else to.name)


def _mapping(portal: str, where: str, content: bytes) -> Mapping:
    try:
        raw = toml(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where}: cannot be read as TOML ({type(error).__name__})") from None
    into = tuple(
        Into(
            block["table"], block["per"], {c: _value(v, f"{where}: into.{block['table']}.{c}") for c, v in block.get("columns", {}).items()}
        )
        for block in raw.get("into", [])
    )
    declared = raw.get("references", {})
    return Mapping(
        portal,
        PurePosixPath(where).stem,
        raw.get("owner", {}),
        raw.get("owner_rule", ""),
        raw.get("needs", {}),
        into,
        raw.get("retired", {}),
        frozenset(raw.get("held_if_unreadable", {})),
        frozenset([*declared.get("hard", []), *declared.get("soft", [])]),
        frozenset(declared.get("none", [])),
    )


def _value(raw: Any, where: str) -> Value:
    if isinstance(raw, str):
        return Value("column", (raw,))
    if isinstance(raw, dict):
        if "id" in raw:
            return Value(str(raw["id"]))
        if raw.get("legacy_key") is True:
            return Value("legacy_key")
        if "constant" in raw:
            return Value("constant", constant=raw["constant"])
        if "null" in raw:
            return Value("constant")
        if "rule" in raw:
            return Value("rule", tuple(raw.get("from", [])), str(raw["rule"]))
        for form in ("copy", "once", "soft"):
            if form in raw:
                return Value(form, (raw[form],), str(raw["of"]))
    raise SpecError(f"{where}: {raw!r} is not a form listed in mappings/README.md")


def _codes(content: bytes) -> tuple[dict[str, str], ...]:
    return tuple(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
