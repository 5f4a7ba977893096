"""The content of the mapping files as frozen types; `mappings/README.md` describes them for readers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from mappings.schema import Column, Schema, Table

Portal = Literal["P2", "TC"]
Per = Literal["account", "once", "part", "missing"]
FormKind = Literal["plain", "self_id", "account_id", "legacy_key", "copy", "once", "soft", "constant", "null", "rule"]

Reference = Literal["hard", "soft", "none"]

NEVER_READ = "B17"  # a column that this rule retires is not selected, not staged, not logged
_REFERRING: dict[str, Reference] = {"copy": "hard", "once": "hard", "soft": "soft"}  # forms whose name says the kind of reference


@dataclass(frozen=True)
class Form:
    """The origin of a target column's value. `columns`: the source columns that it takes; `of`: the target table that it refers to."""

    kind: FormKind
    columns: tuple[str, ...] = ()
    of: str = ""
    rule: str = ""
    constant: str | int | bool | None = None


@dataclass(frozen=True)
class Route:
    """A hard reference: this source column names a row of that source table."""

    column: str
    table: str


@dataclass(frozen=True)
class Into:
    """The rows that one source table gives to one target table."""

    table: str
    per: Per
    columns: dict[str, Form]


@dataclass(frozen=True)
class TableMapping:
    """The mapping of one source table; `shape`: its declaration in the old database's schema."""

    portal: Portal
    table: str
    file: str
    shape: Table
    rules: tuple[str, ...]
    owner: tuple[Route, ...]
    owner_rule: str | None
    needs: tuple[Route, ...]
    into: tuple[Into, ...]
    used: dict[str, str]
    retired: dict[str, str]
    guarded: dict[str, str] = field(default_factory=dict)  # a value that cannot be read holds the row: column, reason
    declared: dict[str, Reference] = field(default_factory=dict)
    mandatory: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Returns the columns of the primary key."""
        return self.shape.key

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Returns the columns that are read: all except those of B17. Other retired ones are read, because a held row is stored whole."""
        return tuple(column for column in self.shape.columns if not self.retired.get(column.name, "").startswith(NEVER_READ))

    @cached_property
    def references(self) -> frozenset[str]:
        """Returns the columns with a hard or soft reference: an unreadable value in one holds the row (fine print 23)."""
        return frozenset({column for column, kind in self.reference_kinds.items() if kind != "none"} - set(self.key))

    @cached_property
    def reference_kinds(self) -> dict[str, Reference]:
        """Returns the kind of reference of each column that names, or seems to name, another row: from its route, its form, or [references]."""
        by_form = {
            column: _REFERRING[form.kind]
            for into in self.into
            for form in into.columns.values()
            if form.kind in _REFERRING
            for column in form.columns
        }
        return {**self.declared, **by_form, **{route.column: "hard" for route in (*self.owner, *self.needs)}}

    @cached_property
    def decisive(self) -> frozenset[str]:
        """Returns the columns whose unreadable value holds the whole row: key, references, sources of NOT NULL target columns (X2), guarded ones."""
        return frozenset(self.key) | self.references | self.mandatory | frozenset(self.guarded)

    @cached_property
    def never_null(self) -> frozenset[str]:
        """Returns the columns whose NULL, where an old table allows it against the contract, holds the row as an unreadable value (fine print 23).

        They are NOT NULL in the contract and the source of a NOT NULL target column. A missing flag is false (36), a missing owner NO_OWNER.
        """
        routed = {route.column for route in self.owner}
        needed = self.mandatory - set(self.key) - routed
        return frozenset(
            column.name for column in self.columns if column.not_null and column.name in needed and not column.name.endswith("_ind")
        )

    @cached_property
    def content_columns(self) -> frozenset[str]:
        """Returns the binary columns whose bytes go to the object store (C9)."""
        return frozenset(
            column for into in self.into if into.table == "stored_object" for form in into.columns.values() for column in form.columns
        )

    def is_number(self, column: str) -> bool:
        """Returns whether the source column has whole numbers."""
        return self.shape.by_name[column].family == "integer"

    def block(self, target: str) -> Into:
        """Returns the block for that target table; raises KeyError where there is none."""
        for into in self.into:
            if into.table == target:
                return into
        raise KeyError(f"{self.file} has no [[into]] block for {target}")


@dataclass(frozen=True)
class Rule:
    """A rule of the migration; `flags`: whether it flags rows."""

    number: str
    chapter: str
    situation: str
    decision: str
    severity: str
    flags: bool


@dataclass(frozen=True)
class Reason:
    """Why a row is held; `rank`: of several reasons the one with the lowest rank is recorded (fine print 2, 23)."""

    code: str
    rank: int
    meaning: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class FinePrint:
    """A numbered reading of the rules that decides an open question; `rules`: the rules that it belongs to."""

    number: int
    rules: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Mappings:
    """The content of the mapping folder, with all names resolved; `digest`: SHA-256 over all its files."""

    tables: dict[tuple[Portal, str], TableMapping]
    sources: dict[Portal, Schema]
    target: Schema
    rules: dict[str, Rule]
    reasons: dict[str, Reason]
    fine_print: dict[int, FinePrint]
    codes: dict[str, tuple[dict[str, str], ...]] = field(repr=False)
    digest: str = ""
    home: Path = Path()  # the folder
    files: dict[str, bytes] = field(default_factory=dict, repr=False)  # by path in it: the bytes of every file that was read

    def of(self, portal: Portal) -> tuple[TableMapping, ...]:
        """Returns the mappings of one portal, in the order of the tables in its schema."""
        return tuple(self.tables[portal, name] for name in self.sources[portal].tables)

    def makers(self, target: str) -> tuple[TableMapping, ...]:
        """Returns the source tables that give rows (not only parts of rows) to that target table."""
        return tuple(m for m in self.tables.values() if any(into.table == target and into.per in ("account", "once") for into in m.into))
