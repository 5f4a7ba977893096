"""The content of the adapter's files as frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from mappings.model import Portal

FormKind = Literal[
    "plain", "text", "integer", "flag", "code", "date", "moment", "number", "join", "part", "trim", "path", "bytes", "constant", "absent"
]
Constant = str | int | date | datetime


@dataclass(frozen=True)
class Form:
    """How a contract column is made. `columns`: the physical columns that it reads, `lookup.COLUMN` among them."""

    kind: FormKind
    columns: tuple[str, ...] = ()
    by: str = ""  # code: the file in codes/
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    form: str = ""  # date, moment, bytes
    pivot: int | None = None
    zone: str = "UTC"
    mark: str | None = None
    sep: str = " "  # join: between the parts; part: the separator
    take: int = 1
    trim: bool = False
    prefix: str = ""
    slash: str = "\\"
    constant: Constant | None = None
    reason: str = ""


@dataclass(frozen=True)
class Lookup:
    """Another physical table's columns by a unique key: the row whose `key` equals this row's cell of `by`."""

    table: str
    key: str
    by: str


@dataclass(frozen=True)
class From:
    """One `[[from]]` block; `where`: by column the accepted texts, or `"null"`, or `"not null"`."""

    table: str
    where: Mapping[str, tuple[str, ...] | Literal["null", "not null"]]
    rest: str
    lookup: Mapping[str, Lookup]
    columns: Mapping[str, Form]
    retired: Mapping[str, str]
    broken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # invalid lines: the names in them
    broken_lookups: Mapping[str, str] = field(default_factory=dict)  # by alias, the table of the look-up


@dataclass(frozen=True)
class TableFile:
    """The file of one contract table."""

    table: str
    file: str
    blocks: tuple[From, ...]


@dataclass(frozen=True)
class PortalFiles:
    """The adapter's files for one old portal."""

    folder: str  # portal2, tc
    tables: Mapping[str, TableFile] = field(default_factory=dict)
    null: frozenset[str] = frozenset()
    exact: bool = False
    ignored: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    encoding: str = "utf-8"
    unreadable: frozenset[str] = frozenset()  # contract tables whose file is unreadable, or named like no table

    @property
    def says_nothing(self) -> bool:
        """Returns whether the adapter has no line for this portal, which is then read directly."""
        return not (self.tables or self.null or self.exact or self.ignored or self.absent)


@dataclass(frozen=True)
class Adapter:
    """A whole adapter folder; `codes`: by file name, legacy word -> contract word (`*` -> `=`: other words stay)."""

    root: Path
    portals: Mapping[Portal, PortalFiles]
    codes: Mapping[str, Mapping[str, str]]
