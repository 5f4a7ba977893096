"""What a source table becomes by its mapping file alone: routes, references, columns (rules.md, How rows find their accounts)."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from etl.reconcile.compare.hashing import account_path, own_id
from etl.reconcile.engine.frames import DTYPES
from etl.reconcile.engine.ledger import BROKEN_REFERENCE, LOADED, NO_OWNER, PARENT_HELD, UNREADABLE_VALUE, lowest
from etl.reconcile.engine.scopes import MISSING, UNSET, Index, Indexing
from etl.reconcile.engine.source import BAD, KEY, mask
from etl.reconcile.engine.spec import Into, Value
from etl.reconcile.engine.spec import Mapping as TableMapping
from etl.reconcile.engine.world import ExpectedRows, ExpectedState, Ints

NONE = Indexing().index()


@dataclass(frozen=True)
class Copies:
    """The loaded rows of a batch and their copies. `take`: row index, `account`: index into `world.accounts`, both one per copy."""

    rows: pl.DataFrame
    take: Ints
    account: Ints

    def of(self, column: str) -> pl.Series:
        """Returns the source column's value for each copy."""
        return self.rows[column][self.take]

    def of_account(self, world: ExpectedState, column: str) -> pl.Series:
        """Returns the account column's value for each copy."""
        return world.accounts[column][self.account]


OwnerRule = Callable[[ExpectedState, pl.DataFrame], tuple[Ints, Ints]]  # scope and reason of each row
RowRule = Callable[[ExpectedState, pl.DataFrame, Value], pl.Series]
CopyRule = Callable[[ExpectedState, Copies], pl.Series]
Note = Callable[[ExpectedState, pl.DataFrame, Ints], None]  # flags; is given the loaded rows and their scopes


@dataclass(frozen=True)
class Rulebook:
    """The rules that need an algorithm, by (source table, target column) or rule number as mapping files refer to them."""

    owner: Mapping[str, OwnerRule] = field(default_factory=dict)
    row: Mapping[tuple[str, str] | str, RowRule] = field(default_factory=dict)
    copy: Mapping[tuple[str, str], CopyRule] = field(default_factory=dict)
    note: Mapping[str, Note] = field(default_factory=dict)
    soft: frozenset[tuple[str, str]] = frozenset()  # (source table, column): a reference that its note flags itself
    made: frozenset[tuple[str, str]] = frozenset()  # (source table, target column): made by the table's own module

    def knows(self, table: str, column: str, value: Value) -> bool:
        """Returns whether the verifier implements the rule that fills this column; true for columns without a rule."""
        return value.form != "rule" or value.of in self.row or any((table, column) in part for part in (self.row, self.copy, self.made))


def expected_rows(world: ExpectedState, rulebook: Rulebook, portal: str, table: str) -> Iterator[ExpectedRows]:
    """Yields the expected target rows of one source table; fills `world.index` if other tables refer to it, and the ledger."""
    mapping = world.spec.mappings[portal, table]
    key = world.sources[portal].table(table).key
    wanted = len(key) == 1 and is_referred_to(world, portal, table)
    indexing = Indexing()
    for frame in world.rows(portal, table):
        scope, reason = recorded(world, rulebook, mapping, frame)
        loaded = reason == LOADED
        if wanted:
            indexing.add(frame[key[0]], loaded, scope)
        yield from of_rows(world, rulebook, mapping, frame.filter(pl.Series(loaded)), scope[loaded])
    if wanted:
        world.index[portal, table] = indexing.index()


def held_bytes(world: ExpectedState, portal: str, table: str, frame: pl.DataFrame, reason: Ints) -> pl.Series | None:
    """Returns the SHA-256 of the binary contents of held rows, and records them as objects; null for loaded rows (fine print 9)."""
    names = [c.name for c in world.sources[portal].columns(table) if c.kind == "binary"]
    if not names or (reason == LOADED).all():
        return None
    contents = pl.select(pl.when(pl.Series(reason != LOADED)).then(frame[names[0]])).to_series().to_list()
    digests = [None if content is None else hashlib.sha256(content).hexdigest() for content in contents]
    found = pl.Series(digests, dtype=pl.String)
    world.ledger.store(found, pl.Series([0 if content is None else len(content) for content in contents], dtype=pl.Int64))
    return found


def is_referred_to(world: ExpectedState, portal: str, table: str) -> bool:
    """Returns whether rows of this table are referred to: as owner, as a need, by a soft reference, or by a document link (C2)."""
    if table in {source for source, _ in world.spec.link_targets.values()}:
        return True
    for (owner, _), mapping in world.spec.mappings.items():
        named = {*mapping.owner.values(), *mapping.needs.values()}
        named |= {
            world.spec.source_of(portal, v.of) for i in mapping.into for v in i.columns.values() if v.form == "soft" and owner == portal
        }
        if owner == portal and table in named:
            return True
    return False


def of_rows(
    world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, rows: pl.DataFrame, scope: Ints, copies: Copies | None = None
) -> Iterator[ExpectedRows]:
    """Yields the expected target rows of loaded rows with these scopes (or of these copies), table by table; flags what the rules flag."""
    if note := rulebook.note.get(mapping.table):
        note(world, rows, scope)
    note_soft(world, rulebook, mapping, rows)
    for into in mapping.into:
        if into.per == "once":
            yield ExpectedRows(into.table, mapping.portal, mapping.table, row_columns(world, rulebook, mapping, into, rows))
        elif into.per == "account":
            copies = copies or Copies(rows, *world.scopes.expand(scope))
            yield _copied(world, rulebook, mapping, into, copies)


def recorded(world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns what `owners` does, rows with an unreadable value (X2) held as such; records every row, and the bytes of held ones, in the ledger."""
    scope, reason = owners(world, rulebook, mapping, frame)
    reason = np.where(mask(frame, BAD), UNREADABLE_VALUE, reason)
    digests = held_bytes(world, mapping.portal, mapping.table, frame, reason)
    world.ledger.account_for(mapping.portal, mapping.table, frame, reason, digests)
    return scope, reason


def owners(world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope, hold reason) of each row; the scope is the number of a list of accounts, the reason 0 for loaded rows."""
    if rule := rulebook.owner.get(mapping.owner_rule):
        scope, reason = rule(world, frame)
    else:
        scope, reason = route(world, mapping.portal, mapping.owner, frame)
    for column, parent in mapping.needs.items():
        index = world.index.get((mapping.portal, parent), NONE)
        position = index.find(frame[column])
        missing = np.where(
            position == MISSING, BROKEN_REFERENCE, np.where((position != UNSET) & ~index.is_loaded(position), PARENT_HELD, LOADED)
        )
        reason = lowest(reason, missing)
    return scope, reason


def route(world: ExpectedState, portal: str, owner: Mapping[str, str], frame: pl.DataFrame) -> tuple[Ints, Ints]:
    """Returns (scope, hold reason) of each row by its first reference that is not null."""
    scope = np.full(len(frame), -1, np.int64)
    reason = np.full(len(frame), NO_OWNER if owner else LOADED, np.int64)
    open_ = np.ones(len(frame), np.bool_)
    for column, parent in owner.items():
        index = world.index.get((portal, parent), NONE)
        position = index.find(frame[column])
        decided = open_ & (position != UNSET)
        scope = np.where(decided, index.scope_of(position), scope)
        reason = np.where(
            decided, np.where(position == MISSING, BROKEN_REFERENCE, np.where(index.is_loaded(position), LOADED, PARENT_HELD)), reason
        )
        open_ &= ~decided
    return scope, reason


def soft_position(world: ExpectedState, portal: str, of: str, reference: pl.Series) -> tuple[str, Index, Ints]:
    """Returns the source table behind target table `of`, its index, and the place of each referenced row (MISSING, UNSET)."""
    name = world.spec.source_of(portal, of)
    index = world.index.get((portal, name), NONE)
    return name, index, index.find(reference)


def soft(world: ExpectedState, portal: str, of: str, reference: pl.Series) -> pl.Series:
    """Returns the target key (or fingerprint) of each softly referenced row; null if it does not exist or is held (X1)."""
    _, index, position = soft_position(world, portal, of, reference)
    good = pl.Series(index.is_loaded(position))
    if of == "login":
        value = pl.Series(index.of("login", position, 0).view(np.uint64), dtype=pl.UInt64)
    elif own_id(world.spec.target[of]):
        value = world.reference(of, portal, reference)
    else:
        value = reference
    return pl.select(pl.when(good).then(value)).to_series()


def note_soft(world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, rows: pl.DataFrame) -> None:
    """Flags each row with a soft reference to a missing or held row under X1, once per row."""
    lost = np.zeros(len(rows), np.bool_)
    for into in mapping.into:
        for value in into.columns.values():
            if value.form == "soft" and (mapping.table, value.source[0]) not in rulebook.soft:
                _, index, position = soft_position(world, mapping.portal, value.of, rows[value.source[0]])
                lost |= (position != UNSET) & ~index.is_loaded(position)
    world.flag("X1", mapping.portal, mapping.table, rows, lost)


def row_columns(world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, into: Into, rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the columns that are equal on every copy, with their target names, and #key."""
    target = world.spec.target[into.table]
    found = [rows[KEY]]
    for name, value in into.columns.items():
        column = target.columns[name]
        made: pl.Series | None = None
        if value.form == "column":
            made = rows[value.source[0]]
            if column.kind == "boolean":
                made = made.eq_missing(pl.Series(["Y"]))  # fine print 36
        elif value.form == "constant":
            made = pl.Series([value.constant], dtype=DTYPES[column.kind]).new_from_index(0, len(rows))
            if name in target.refers and own_id(world.spec.target[target.refers[name]]):
                made = pl.Series([None], dtype=pl.UInt64).new_from_index(0, len(rows))
        elif value.form == "legacy_key":
            made = rows[KEY]
        elif value.form == "soft":
            made = soft(world, mapping.portal, value.of, rows[value.source[0]])
        elif value.form == "once":
            made = world.reference(
                value.of, mapping.portal, key_named(world, mapping, rows, value.source[0]), kind=_kind(mapping, value.of)
            )
        elif value.form == "rule" and (rule := rulebook.row.get((mapping.table, name)) or rulebook.row.get(value.of)):
            made = rule(world, rows, value)
        if made is not None and column.padded and world.padded:
            made = made.str.strip_chars_end(" ")
        if made is not None:
            found.append(made.alias(name))
    return pl.DataFrame(found)


def key_named(world: ExpectedState, mapping: TableMapping, rows: pl.DataFrame, column: str) -> pl.Series:
    """Returns as text the key of the row that the column refers to; of the row itself for its primary key."""
    own = world.sources[mapping.portal].table(mapping.table).key == (column,)
    return rows[KEY] if own else rows[column].cast(pl.String)


def _copied(world: ExpectedState, rulebook: Rulebook, mapping: TableMapping, into: Into, copies: Copies) -> ExpectedRows:
    target = world.spec.target[into.table]
    rows = row_columns(world, rulebook, mapping, into, copies.rows)
    entity = world.entity_ids(copies.account)
    of_copy = [entity] if account_path(world.spec, into.table) else []
    for name, value in into.columns.items():
        if value.form == "account" and target.refers.get(name) == "entity_account":
            of_copy.append(entity.alias(name))
        elif value.form == "copy":
            key = key_named(world, mapping, copies.rows, value.source[0])[copies.take]
            of_copy.append(world.reference(value.of, mapping.portal, key, entity).alias(name))
        elif value.form == "rule" and (rule := rulebook.copy.get((mapping.table, name))):
            of_copy.append(rule(world, copies).alias(name))
    return ExpectedRows(into.table, mapping.portal, mapping.table, rows, copies.take, pl.DataFrame(of_copy))


def _kind(mapping: TableMapping, table: str) -> str:
    for into in mapping.into:
        if into.table == table and "group_kind_cd" in into.columns:
            return str(into.columns["group_kind_cd"].constant)
    return ""
