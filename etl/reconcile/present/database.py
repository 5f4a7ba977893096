"""An old portal of another schema, as the contract's tables: a database like any other for the rest of the verifier."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from etl.reconcile.engine.cells import UNREADABLE, Raw, Text, readable, spoilt
from etl.reconcile.engine.frames import DTYPES, LOCATOR, Content, Database, Part
from etl.reconcile.engine.spec import Column, Spec
from etl.reconcile.errors import ReconcileError
from etl.reconcile.present.forms import made, text_form
from etl.reconcile.present.physical import Physical, physical
from etl.reconcile.present.words import Block, Presentation, Recipe, presentations

_MEMORY = 100_000  # different cells of a column that are remembered
_ODD = object()
_EPOCH = date(1970, 1, 1).toordinal()


def presented(adapter: Mapping[str, bytes], spec: Spec, portal: str, database: Database) -> "PresentedDatabase":
    """Returns the database as the adapter with these files presents it; raises ReconcileError if the adapter names a table or column that is missing."""
    said = presentations(adapter, spec.sources)[portal]
    tables = [
        name
        for blocks in said.blocks.values()
        for block in blocks
        for name in (block.table, *(look["table"] for look in block.lookups.values()))
    ]
    schemas = sorted({name.partition(".")[0] for name in tables if "." in name})
    return PresentedDatabase(said, spec.sources[portal], database, physical(database, schemas))


def written(adapter: Mapping[str, bytes], spec: Spec, portal: str) -> tuple[str, str]:
    """Returns (delimiter, encoding) of the portal's CSV files, as the adapter declares them."""
    said = presentations(adapter, spec.sources)[portal]
    return said.delimiter, said.encoding


class _Names(frozenset[str]):
    """Names without regard to case."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.casefold() if isinstance(name, str) else name)


class _Tables(dict[str, frozenset[str]]):
    """The same by table."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.casefold() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.casefold(), default)


def left_out(adapter: Mapping[str, bytes], spec: Spec, portal: str) -> dict[str, frozenset[str]]:
    """Returns by physical table the columns that are never read: those behind a column that B17 retires, and those that the adapter retires."""
    found: dict[str, set[str]] = {}
    for name, blocks in presentations(adapter, spec.sources)[portal].blocks.items():
        never = spec.never_read(portal, name)
        for block in blocks:
            own = found.setdefault(block.table.casefold(), set())
            tables = {alias: look["table"].casefold() for alias, look in block.lookups.items()}
            for table in tables.values():
                found.setdefault(table, set())
            own |= {column.casefold() for contract in never for column in block.recipes[contract].columns}
            for column in block.retired:
                alias, dot, of = column.partition(".")
                found[tables[alias] if dot and alias in tables else block.table.casefold()].add(
                    (of if dot and alias in tables else column).casefold()
                )
    return _Tables({table: _Names(columns) for table, columns in found.items()})


class PresentedDatabase:
    """Implements `Database`."""

    pads = False  # the padding of a CHAR(n) is not part of its cell

    def __init__(self, said: Presentation, declared: Any, database: Database, source: Physical) -> None:
        self._said, self._declared, self._database, self._source = said, declared, database, source
        self._locators: dict[str, list[dict[int, int]]] = {}
        self._looked: dict[tuple[str, str], dict[str, dict[str, Raw]]] = {}
        self._memory: dict[tuple[str, int, str], dict[Any, Any]] = {}

    def close(self) -> None:
        self._database.close()

    def view(self, name: str, columns: Sequence[Column]) -> Iterator[Part]:
        yield from ()  # an old portal's views are never read (fine print 60)

    def conditions(self, tables: Sequence[str], views: Mapping[str, str]) -> list[tuple[str, str]]:
        return []  # what acts on an old portal is not what acts on the new store

    def _name(self, name: str, among: Sequence[str] | dict[str, list[str]], what: str) -> str:
        found = [one for one in among if one == name] or (
            [] if self._said.exact else [one for one in among if one.casefold() == name.casefold()]
        )
        if len(found) != 1:
            raise ReconcileError(f"The adapter names {what} {name!r}, which the old portal does not have.", "Give the adapter of the run.")
        return found[0]

    def tables(self) -> dict[str, list[str]]:
        """Returns the columns of the contract's tables, and of the physical tables that no block of the adapter reads."""
        found = {name: list(table.columns) for name, table in self._declared.items()}
        read = {self._name(block.table, self._source.relations, "a table") for blocks in self._said.blocks.values() for block in blocks}
        read |= {
            self._name(look["table"], self._source.relations, "a table")
            for blocks in self._said.blocks.values()
            for block in blocks
            for look in block.lookups.values()
        }
        ignored = {name.casefold() for name in self._said.ignored}
        left = [name for name in self._source.tables if name not in read and name.casefold() not in ignored]
        return {**found, **{name: self._source.relations[name] for name in left if name not in found}}

    def relation_kinds(self) -> dict[str, str]:
        return {name: kind for name, kind in self._database.relation_kinds().items() if name not in self._declared}

    def hiding(self) -> dict[str, str]:
        """Returns under the empty name why rows of any physical table are hidden (K9)."""
        found = [f"{table}: {why}" if table else why for table, why in sorted(self._database.hiding().items())]
        return {"": "; ".join(found)} if found else {}

    def doubts(self) -> list[str]:
        return self._database.doubts()

    def in_stored_order(self, table: str) -> bool:
        return True  # of the presented rows: their locators

    def only_integers(self, table: str, column: str) -> bool:
        return False

    def has_key(self, table: str, key: Sequence[str]) -> bool:
        return False

    def parts(self, table: str, columns: Sequence[Column], exact: bool = False) -> Iterator[Part]:
        for n, block in enumerate(self._blocks(table)):
            recipes = [block.recipes[column.name] for column in columns]
            for ats, made_of in self._selected(block, recipes):
                series: list[pl.Series] = []
                odd: set[int] = set()
                for column, recipe, raws in zip(columns, recipes, made_of, strict=True):
                    memory = self._memory.setdefault((table, n, column.name), {})
                    if len(memory) > _MEMORY:
                        memory.clear()
                    values = [_value(recipe, cell, column, memory) for cell in raws]
                    odd.update(row for row, value in enumerate(values) if value is _ODD)
                    series.append(_series([None if value is _ODD else value for value in values], column))
                locators_by_row = self._numbered(table, n, ats)
                frame = pl.DataFrame([pl.Series(LOCATOR, locators_by_row, dtype=pl.Int64), *series])
                keep = pl.Series([row not in odd for row in range(len(locators_by_row))], dtype=pl.Boolean)
                yield Part(frame.filter(keep), [locators_by_row[row] for row in sorted(odd)]) if odd else Part(frame, [])

    def _blocks(self, table: str) -> tuple[Block, ...]:
        return self._said.blocks[table]

    def _numbered(self, table: str, n: int, ats: list[int]) -> list[int]:
        """Returns the rows' locators: their physical locators, or with several blocks their number among all rows of the table."""
        if len(self._blocks(table)) == 1:
            return ats
        known = self._indexed(table)[n]
        return [known[at] for at in ats]

    def _indexed(self, table: str) -> list[dict[int, int]]:
        """Returns by block the locator of each physical row."""
        if table not in self._locators:
            found: list[dict[int, int]] = []
            for block in self._blocks(table):
                start = sum(map(len, found))
                ats = [at for some, _ in self._selected(block, []) for at in some]
                found.append({at: start + row for row, at in enumerate(ats)})
            self._locators[table] = found
        return self._locators[table]

    def _where(self, table: str, locators: Sequence[int]) -> dict[int, dict[int, int]]:
        """Returns by block the locator of each physical row."""
        if len(self._blocks(table)) == 1:
            return {0: {at: at for at in locators}}
        wanted = set(locators)
        found = {n: {at: locator for at, locator in known.items() if locator in wanted} for n, known in enumerate(self._indexed(table))}
        return {n: locators_by_row for n, locators_by_row in found.items() if locators_by_row}

    def _cells(
        self, block: Block, names: Sequence[str], at: Sequence[int] | None = None
    ) -> Iterator[tuple[list[int], dict[str, list[Raw]]]]:
        """Yields the physical columns of these names in the adapter's spelling; NULL for a text that denotes it."""
        table = self._name(block.table, self._source.relations, "a table")
        spelled = [self._name(name, self._source.relations[table], f"a column of {table},") for name in names]
        listed = list(dict.fromkeys(spelled)) or self._source.relations[table][:1]
        for ats, columns in self._source.cells(table, listed, at):
            by_name = {name: [self._null(raw) for raw in column] for name, column in zip(listed, columns, strict=True)}
            yield ats, {name: by_name[own] for name, own in zip(names, spelled, strict=True)}

    def _null(self, raw: Raw) -> Raw:
        return None if self._said.null and isinstance(raw, bytes | str) and text_form(raw) in self._said.null else raw

    def _of_lookup(self, block: Block, name: str) -> tuple[dict[str, str], str] | None:
        alias, dot, column = name.partition(".")
        table = self._source.relations[self._name(block.table, self._source.relations, "a table")]
        if not dot or alias not in block.lookups or name.casefold() in map(str.casefold, table):
            return None
        return dict(block.lookups[alias]), column

    def _selected(
        self, block: Block, recipes: Sequence[Recipe], at: Sequence[int] | None = None
    ) -> Iterator[tuple[list[int], list[list[tuple[Raw, ...]]]]]:
        """Yields the physical numbers of the rows that the block selects, and for each recipe its raw cells."""
        own = list(block.where)
        for recipe in recipes:
            for name in recipe.columns:
                looked = self._of_lookup(block, name)
                own.append(looked[0]["by"] if looked else name)
        for ats, cells in self._cells(block, list(dict.fromkeys(own)), at):
            keep = [row for row in range(len(ats)) if all(_holds(cells[name][row], condition) for name, condition in block.where.items())]
            columns: list[list[tuple[Raw, ...]]] = []
            for recipe in recipes:
                inputs = [self._input(block, cells, name) for name in recipe.columns]
                columns.append([tuple(of[row] for of in inputs) for row in keep])
            yield [ats[row] for row in keep], columns

    def _input(self, block: Block, cells: dict[str, list[Raw]], name: str) -> list[Raw]:
        looked = self._of_lookup(block, name)
        if looked is None:
            return cells[name]
        look, column = looked
        rows = self._look_up(look, column)
        return [None if raw is None else rows.get(str(text_form(raw)), {}).get(column) for raw in cells[look["by"]]]

    def _look_up(self, look: dict[str, str], column: str) -> dict[str, dict[str, Raw]]:
        known = self._looked.setdefault((look["table"], look["key"]), {})
        if not any(column in row for row in known.values()):
            of = Block(look["table"], {}, {}, {})
            for _, cells in self._cells(of, [look["key"], column]):
                for key, value in zip(cells[look["key"]], cells[column], strict=True):
                    if key is not None:
                        known.setdefault(str(text_form(key)), {})[column] = value
        return known

    def rows(self, table: str, names: Sequence[str], locators: Sequence[int]) -> Iterator[tuple[int, tuple[Raw, ...]]]:
        for n, locators_by_row in sorted(self._where(table, locators).items()):
            block = self._blocks(table)[n]
            recipes = [block.recipes[name] for name in names]
            # Of these a BLOB is not the text of its bytes: it is content, or no day and no moment at all.
            apart = {name for name in names if self._declared[table].columns[name].kind in ("binary", "date", "timestamp")}
            for ats, columns in self._selected(block, recipes, sorted(locators_by_row)):
                for row, at in enumerate(ats):
                    cells = [made(recipe, column[row]) for recipe, column in zip(recipes, columns, strict=True)]
                    # A BLOB in a text column is the text of its bytes, and no other key than the text.
                    yield (
                        locators_by_row[at],
                        tuple(
                            Text(cell) if type(cell) is bytes and name not in apart else cell
                            for cell, name in zip(cells, names, strict=True)
                        ),
                    )

    def behind(self, table: str, names: Sequence[str], locators: Sequence[int]) -> dict[int, dict[str, str]]:
        """Returns by locator the member `_physical`: the text forms of the raw cells that these columns' forms changed, without NULLs."""
        found: dict[int, dict[str, str]] = {}
        for n, locators_by_row in self._where(table, locators).items():
            block = self._blocks(table)[n]
            recipes = [recipe for name in names if (recipe := block.recipes[name]).form != "same" and recipe.columns]
            called = [[self._called(block, name) for name in recipe.columns] for recipe in recipes]
            for ats, columns in self._selected(block, recipes, sorted(locators_by_row)):
                for row, at in enumerate(ats):
                    raws = found.setdefault(locators_by_row[at], {})
                    for of, column in zip(called, columns, strict=True):
                        for name, raw in zip(of, column[row], strict=True):
                            if (text := text_form(raw)) is not None:
                                raws[name] = text
        return found

    def _called(self, block: Block, name: str) -> str:
        looked = self._of_lookup(block, name)
        table = self._name(looked[0]["table"] if looked else block.table, self._source.relations, "a table")
        return f"{table}.{self._name(looked[1] if looked else name, self._source.relations[table], 'a column,')}"

    def contents(self, table: str, key: str, column: str) -> Iterator[Content]:
        for n, block in enumerate(self._blocks(table)):
            recipe = block.recipes[column]
            keys: dict[int, tuple[int, Raw]] = {}
            for ats, (cells,) in self._selected(block, [block.recipes[key]]):
                for at, locator, raws in zip(ats, self._numbered(table, n, ats), cells, strict=True):
                    keys[at] = locator, made(block.recipes[key], raws)
            if not recipe.columns:
                yield from (Content(locator, found, None, 0) for locator, found in keys.values())
            elif recipe.form == "bytes":
                for ats, (cells,) in self._selected(block, [recipe]):
                    for at, raws in zip(ats, cells, strict=True):
                        content = made(recipe, raws)
                        good = isinstance(content, bytes)
                        yield Content(*keys[at], hashlib.sha256(content).hexdigest() if good else None, len(content) if good else 0)  # type: ignore[arg-type]  # bytes, then
            else:
                name = self._name(block.table, self._source.relations, "a table")
                for at, digest, size in self._source.digests(
                    name, self._name(recipe.columns[0], self._source.relations[name], "a column,")
                ):
                    if at in keys:
                        yield Content(*keys[at], digest, size)


def _holds(raw: Raw, condition: Any) -> bool:
    if isinstance(condition, str):
        return (raw is None) is (condition == "null")
    return raw is not None and text_form(raw) in condition


def _value(recipe: Recipe, raws: tuple[Raw, ...], column: Column, memory: dict[Any, Any]) -> Any:
    """Returns the value as its series holds it (days and moments as numbers), or _ODD if the row must be read by itself."""
    seen = (*raws, *map(type, raws))
    if seen not in memory:
        raw = made(recipe, raws)
        value: Any = readable(raw, column)
        odd = value is UNREADABLE or (column.kind != "binary" and spoilt(raw) is not None)
        memory[seen] = _ODD if odd else _number(value, column)
    return memory[seen]


def _number(value: Any, column: Column) -> Any:
    if value is None or isinstance(value, int) or column.kind not in ("date", "timestamp"):
        return value
    if column.kind == "date":
        return value.toordinal() - _EPOCH
    seconds = (value.toordinal() - _EPOCH) * 86_400 + (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _series(values: list[Any], column: Column) -> pl.Series:
    if column.kind == "date":
        return pl.Series(column.name, values, dtype=pl.Int32).cast(pl.Date)
    if column.kind == "timestamp":
        return pl.Series(column.name, values, dtype=pl.Int64).cast(pl.Datetime("us"))
    return pl.Series(column.name, values, dtype=DTYPES[column.kind])
