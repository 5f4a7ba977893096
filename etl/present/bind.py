"""Binds the adapter to an old portal: every physical and every contract column is accounted for, with all errors in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etl.present.catalog import Catalog, Relation
from etl.present.fitting import misfits
from etl.present.model import Adapter, Form, From, PortalFiles
from etl.present.problem import Problem, nearest, nearest_name, printable, toml_key, toml_text
from mappings.model import Mappings, Portal, TableMapping
from mappings.schema import Column

_OPENED = "a table, or a view that can be opened"


@dataclass(frozen=True)
class Ref:
    """A physical column in the database's spelling; `alias`: the look-up that has the column, empty for the table."""

    column: str
    alias: str = ""


@dataclass(frozen=True)
class BoundCell:
    """A contract column and its physical columns; `file`, `location`: the adapter's line."""

    column: Column
    form: Form
    refs: tuple[Ref, ...]
    file: str
    location: str


@dataclass(frozen=True)
class BoundLookup:
    """A look-up table; its row is the one whose `key` equals the cell of `by` in the presented row."""

    relation: Relation
    key: str
    by: str


@dataclass(frozen=True)
class BoundBlock:
    """One physical table presented as rows of a contract table; `never`: contract columns that are retired under B17 and not read."""

    relation: Relation
    where: Mapping[str, Any]
    lookups: Mapping[str, BoundLookup]
    cells: tuple[BoundCell, ...]
    file: str
    location: str
    sound: bool = True  # valid

    def columns(self, cells: Iterable[BoundCell], where: bool = True) -> list[str]:
        """Returns the table's columns that these cells need, with those of conditions and of look-ups' `by`, each once."""
        found: dict[str, None] = dict.fromkeys(self.where) if where else {}
        for cell in cells:
            for ref in cell.refs:
                found[self.lookups[ref.alias].by if ref.alias else ref.column] = None
        return list(found)


@dataclass(frozen=True)
class BoundTable:
    """A contract table and the blocks that give its rows; no blocks where the old portal does not have it."""

    mapping: TableMapping
    blocks: tuple[BoundBlock, ...]

    @property
    def filtered(self) -> bool:
        """Returns whether a condition selects among the physical rows."""
        return any(block.where for block in self.blocks)


@dataclass
class Bound:
    """One bound portal; the counts are those of `plan`."""

    portal: Portal
    tables: dict[str, BoundTable] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    read: dict[str, Relation] = field(default_factory=dict)  # the physical tables that are read, including look-ups
    selected: dict[str, set[str]] = field(default_factory=dict)  # by physical table: the columns that are read
    rests: dict[str, str] = field(default_factory=dict)  # by physical table, why its other rows are left out


class Binder:
    """Binds one portal; `problems` has every mismatch."""

    def __init__(self, adapter: Adapter, portal: Portal, mappings: Mappings, catalog: Catalog) -> None:
        self.adapter, self.portal, self.mappings, self.catalog = adapter, portal, mappings, catalog
        self.files: PortalFiles = adapter.portals[portal]
        self.problems: list[Problem] = []
        self.bound = Bound(portal)
        self._used: dict[str, set[str]] = {}
        self._retired: dict[str, set[str]] = {}
        self._source = f"{self.files.folder}/source.toml"
        self._doubtful: set[tuple[str, ...]] = set()

    def bind(self) -> Bound:
        """Returns the bound portal; check `problems` before using it."""
        for mapping in self.mappings.of(self.portal):
            if mapping.table in self.files.absent and mapping.table not in self.files.tables:
                self.bound.tables[mapping.table] = BoundTable(mapping, ())
                continue
            if mapping.table in self.files.unreadable:
                self.bound.tables[mapping.table] = BoundTable(mapping, ())
                continue
            file = self.files.tables.get(mapping.table)
            blocks = file.blocks if file else (From(mapping.table, {}, "", {}, {}, {}),)
            shown = file.file if file else f"{self.files.folder}/{mapping.table}.toml"
            bound = [self._block(mapping, block, shown, f"from[{n}]", file is not None) for n, block in enumerate(blocks)]
            self.bound.tables[mapping.table] = BoundTable(mapping, tuple(block for block in bound if block is not None))
        self._closed()
        self._count()
        return self.bound

    def _wrong(self, file: str, location: str, found: str, expected: str, line: str = "") -> None:
        self.problems.append(Problem(file, printable(location), found, expected, line))

    def _found(self, name: str, among: Iterable[str]) -> str | None:
        """Returns the physical name; None where none exists, or where several differ only in case (a problem)."""
        names = list(among)
        if self.files.exact:
            return name if name in names else None
        same = [other for other in names if other.casefold() == name.casefold()]
        if len(same) > 1 and (name, *sorted(same)) not in self._doubtful:
            self._doubtful.add((name, *sorted(same)))
            listed = " and ".join(map(printable, same))
            self._wrong(
                self._source, "case", f"{listed}, which differ only in case", 'case = "exact" here, and names as the database spells them'
            )
        return same[0] if same else None

    def _block(self, mapping: TableMapping, block: From, file: str, location: str, given: bool) -> BoundBlock | None:
        relations, before = self.catalog.relations, len(self.problems)
        name = self._found(block.table, relations)
        if name is None:
            near = nearest_name(block.table, (other for other in relations if other not in self.adapter.portals[self.portal].ignored))
            line = f"{file}: [[from]] table = {toml_text(near or '...')}"
            if given:
                self._wrong(
                    file,
                    f"{location}.table",
                    f"no table or view {printable(block.table)}",
                    f"one that the old portal has{nearest(block.table, relations)}",
                    line if near else "",
                )
            else:
                expected = f"a physical table for it{nearest(block.table, relations)}, or a line in [absent] of {self._source}"
                self._wrong(file, "", f"no table for the contract's {mapping.table}", expected, line)
            return None
        relation = relations[name]
        self.bound.read[name] = relation
        if relation.unopened:
            self._wrong(file, f"{location}.table", f"{printable(name)}, a {printable(relation.unopened)}", _OPENED)
            return None
        used = self._used.setdefault(name, set())
        self._retired.setdefault(name, set())
        lookups = {
            alias: look
            for alias, value in block.lookup.items()
            if (look := self._lookup(value, relation, file, f"{location}.lookup.{alias}"))
        }
        self._mentioned(block, relation)
        where = {}
        for column, condition in block.where.items():
            if (actual := self._column(column, relation, file, f"{location}.where.{column}")) is not None:
                where[actual] = condition
                used.add(actual)
        cells = [self._cell(mapping, column, block, relation, lookups, file, location) for column in mapping.shape.columns]
        for column in block.retired:
            alias, _, of = column.partition(".")
            if alias in block.broken_lookups or (alias in block.lookup and alias not in lookups and of):
                continue  # the look-up is invalid, and reported
            target = lookups[alias].relation if of and alias in lookups and column not in relation.columns else relation
            actual = self._column(of if target is not relation else column, target, file, f"{location}.retired.{column}")
            if actual is not None:
                self._retired.setdefault(target.name, set()).add(actual)
                if target.name not in self._used:
                    self._used[target.name] = set()
        for alias, value in block.lookup.items():
            if alias in lookups:
                used.add(lookups[alias].by)
                self._used.setdefault(lookups[alias].relation.name, set()).add(lookups[alias].key)
                self.bound.read[lookups[alias].relation.name] = lookups[alias].relation
            elif (actual := self._silent(value.by, relation)) is not None:
                used.add(actual)
        if block.rest:
            self.bound.rests[name] = block.rest
        never = {column.name for column in mapping.shape.columns} - {column.name for column in mapping.columns}
        read = tuple(cell for cell in cells if cell is not None and cell.column.name not in never)
        selected = self.bound.selected.setdefault(name, set())
        sound = len(self.problems) == before and not (block.broken or block.broken_lookups)
        bound = BoundBlock(relation, where, lookups, read, file, location, sound)
        selected.update(bound.columns(read))
        for cell in read:
            for ref in cell.refs:
                if ref.alias:
                    look = lookups[ref.alias]
                    self.bound.selected.setdefault(look.relation.name, set()).update((look.key, ref.column))
        return bound

    def _mentioned(self, block: From, relation: Relation) -> None:
        """Counts the names in invalid lines as used, so that they are not reported as unused too."""
        for names in block.broken.values():
            for name in names:
                if (actual := self._silent(name, relation)) is not None:
                    self._used[relation.name].add(actual)
                elif (look := block.lookup.get(name.partition(".")[0])) is not None:
                    other = self._silent_table(look.table)
                    column = self._silent(name.partition(".")[2], self.catalog.relations[other]) if other is not None else None
                    if other is not None and column is not None:
                        self._used.setdefault(other, set()).add(column)
        for table in block.broken_lookups.values():
            if (other := self._silent_table(table)) is not None:
                self.bound.read.setdefault(other, self.catalog.relations[other])
                self._used.setdefault(other, set()).update(self.catalog.relations[other].columns)

    def _silent_table(self, name: str) -> str | None:
        return next(
            (other for other in self.catalog.relations if other == name or (not self.files.exact and other.casefold() == name.casefold())),
            None,
        )

    def _lookup(self, value: Any, relation: Relation, file: str, location: str) -> BoundLookup | None:
        name = self._found(value.table, self.catalog.relations)
        if name is None:
            self._wrong(
                file,
                f"{location}.table",
                f"no table or view {printable(value.table)}",
                f"one that the old portal has{nearest(value.table, self.catalog.relations)}",
            )
            return None
        other = self.catalog.relations[name]
        if other.unopened:
            self._wrong(file, f"{location}.table", f"{printable(name)}, a {printable(other.unopened)}", _OPENED)
            return None
        key = self._column(value.key, other, file, f"{location}.key")
        by = self._column(value.by, relation, file, f"{location}.by")
        return BoundLookup(other, key, by) if key is not None and by is not None else None

    def _column(self, name: str, relation: Relation, file: str, location: str, others: Iterable[str] = ()) -> str | None:
        found = self._found(name, relation.columns)
        if found is None:
            self._wrong(
                file,
                location,
                f"no column {printable(name)} in {printable(relation.name)}",
                f"one that it has{nearest(name, [*relation.columns, *others])}",
            )
        return found

    def _cell(
        self,
        mapping: TableMapping,
        column: Column,
        block: From,
        relation: Relation,
        lookups: Mapping[str, BoundLookup],
        file: str,
        location: str,
    ) -> BoundCell | None:
        form = block.columns.get(column.name)
        never = mapping.retired.get(column.name, "").startswith("B17")
        dotted = f"{location}.columns.{column.name}"
        if column.name in block.broken:
            return None  # the line is invalid, and reported
        if form is None:
            actual = self._found(column.name, relation.columns)
            if actual is None:
                near = nearest(column.name, relation.columns)
                line = f"{file}: [from.columns] {column.name} = {toml_text(nearest_name(column.name, relation.columns) or '...')}"
                self._wrong(file, dotted, f"no column for it in {printable(relation.name)}", f"a physical column{near}, or a form", line)
                return None
            form, refs = Form("plain", (actual,)), (Ref(actual),)
            self._used.setdefault(relation.name, set()).add(actual)
            self._fits(column, form, [(relation, actual)], file, dotted, never)
            return BoundCell(column, form, refs, file, dotted)
        refs_found: list[Ref] = []
        columns_used: list[tuple[Relation, str]] = []
        for name in form.columns:
            alias, dot, rest = name.partition(".")
            if dot and alias in block.broken_lookups:
                return None
            if dot and alias in block.lookup and self._silent(name, relation) is None:
                if alias not in lookups:
                    return None  # the look-up is invalid, and reported
                actual = self._column(rest, lookups[alias].relation, file, dotted)
                target = lookups[alias].relation
            else:
                alias, target = "", relation
                others = [f"{one}.{of}" for one, look in lookups.items() for of in look.relation.columns] if dot else []
                actual = self._column(name, relation, file, dotted, others)
            if actual is None:
                return None
            self._used.setdefault(target.name, set()).add(actual)
            refs_found.append(Ref(actual, alias))
            columns_used.append((target, actual))
        self._fits(column, form, columns_used, file, dotted, never)
        return BoundCell(column, form, tuple(refs_found), file, dotted)

    def _silent(self, name: str, relation: Relation) -> str | None:
        return next(
            (other for other in relation.columns if other == name or (not self.files.exact and other.casefold() == name.casefold())), None
        )

    def _fits(self, column: Column, form: Form, columns_used: list[tuple[Relation, str]], file: str, dotted: str, never: bool) -> None:
        """Reports mismatches; columns of B17 are not checked, because they are not read."""
        for inner, found, expected in () if never else misfits(column, form, columns_used):
            self._wrong(file, f"{dotted}.{inner}" if inner else dotted, found, expected)

    def _closed(self) -> None:
        """Reports the physical names that no file uses, and the file's names that do not exist."""
        ignored = set()
        for name in self.files.ignored:
            actual = self._found(name, self.catalog.relations)
            if actual is None:
                self._wrong(
                    self._source,
                    f"ignored.{name}",
                    f"no table {printable(name)}",
                    f"one that the old portal has{nearest(name, self.catalog.relations)}",
                )
            elif actual in self.bound.read:
                self._wrong(self._source, f"ignored.{name}", "a table that is read", "a table that no file reads")
            else:
                ignored.add(actual)
        tables = [mapping.table for mapping in self.mappings.of(self.portal)]
        for name, relation in self.catalog.relations.items():
            if self.files.unreadable:
                break  # the tables of an unreadable file are unknown; the file was reported
            if name not in self.bound.read and name not in ignored and not relation.view and not relation.part_of:
                free = [t for t in tables if not self.bound.tables[t].blocks and t not in self.files.absent]
                near = nearest_name(name, free)
                line = (
                    f"{self.files.folder}/{near}.toml: [[from]] table = {toml_text(name)}"
                    if near
                    else f'[ignored] {toml_key(name)} = "why"'
                )
                self._wrong(
                    self._source,
                    f"ignored.{name}",
                    f"the physical table {printable(name)}, which no file reads",
                    "a file that reads it, or a line in [ignored]",
                    line,
                )
        for name, relation in sorted(self.bound.read.items()):
            used, retired = self._used.get(name, set()), self._retired.get(name, set())
            blocks = [block for table in self.bound.tables.values() for block in table.blocks]
            readers = [(block.file, "") for block in blocks if block.relation.name == name]
            readers += [(b.file, f"{alias}.") for b in blocks for alias, look in b.lookups.items() if look.relation.name == name]
            file, alias = readers[0] if readers else (self._source, "")
            for column in relation.columns:
                if column not in used and column not in retired and not self.files.unreadable:
                    line = f'{file}: [from.retired] {toml_key(f"{alias}{column}")} = "why"'
                    self._wrong(
                        file,
                        f"retired.{alias}{column}",
                        f"the physical column {printable(name)}.{printable(column)}, neither used nor retired",
                        "a contract column that it gives, or a line in [from.retired]",
                        line,
                    )
            for column in sorted(used & retired):
                self._wrong(file, f"retired.{column}", f"{printable(name)}.{printable(column)}, which is used as well", "one of the two")
        self._ignored = ignored

    def _count(self) -> None:
        relations = self.catalog.relations
        absent = sum(cell.form.kind == "absent" for t in self.bound.tables.values() for b in t.blocks for cell in b.cells)
        gone = sum(len(t.mapping.shape.columns) for name, t in self.bound.tables.items() if name in self.files.absent)
        every = sum(len(t.mapping.shape.columns) for t in self.bound.tables.values())
        self.bound.counts = {
            "physical_used": sum(len(self._used.get(name, ())) for name in self.bound.read),
            "physical_retired": sum(len(self._retired.get(name, ())) for name in self.bound.read),
            "physical_ignored": sum(len(relations[name].columns) for name in self._ignored),
            "contract_presented": every - gone - absent,
            "contract_absent": gone + absent,
        }
