"""The actual side: the new store's rows, every foreign id resolved into what it leads to, so that both sides can be compared."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.compare.hashing import ACCOUNT, Hashes, account_path, fingerprint, identity, own_id
from etl.reconcile.compare.own_ids import wrong_ids
from etl.reconcile.engine.cells import UNREADABLE, Extreme, Id, extreme, readable, shown
from etl.reconcile.engine.frames import DTYPES, LOCATOR, Database, rows_framed
from etl.reconcile.engine.spec import Column, Spec

CANONICAL = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z"
ALIEN = "#alien"  # the columns with a value that this store could not contain, joined by blanks; null: none
OWN_ID = "#id"
_ID_BYTES = 16  # of a database that has a type for ids
LINK_TARGET = ("document_link", "target_id")  # refers to the table that target_cd names (C2)
# The loader chooses it and no source determines it: the objects themselves are verified instead (objects/store.py).
NOT_COMPARED = {"stored_object": {"object_key"}}

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowIndex:
    """The rows of one table by the hash of their id: the row's fingerprint, and its account as an index into `entities`."""

    id: Hashes  # sorted
    row: Hashes
    account: npt.NDArray[np.int32]  # -1: of no account
    entities: Ints

    def find(self, ids: pl.Series) -> tuple[Ints, Mask]:
        """Returns (index of the row with each id, whether there is such a row); a null id has none."""
        if not len(self.id):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.bool_)
        wanted = ids.hash(0).to_numpy()
        position = np.minimum(np.searchsorted(self.id, wanted), len(self.id) - 1)
        return position, (self.id[position] == wanted) & ids.is_not_null().to_numpy()

    def rows(self, position: Ints, there: Mask) -> pl.Series:
        """Returns the fingerprints (UInt64) of the rows at these indexes; null where `there` is false."""
        return _where(there, self.row[position]) if len(self.id) else _nothing(len(position), pl.UInt64)

    def accounts(self, position: Ints, there: Mask) -> pl.Series:
        """Returns the entity ids of the accounts of the rows at these indexes; null where `there` is false or the row has no account."""
        if not len(self.id) or not len(self.entities):
            return _nothing(len(position), pl.Int64)
        at = self.account[position]
        return _where(there & (at >= 0), self.entities[np.maximum(at, 0)])


class Gathering:
    """Collects the ids of a table batch by batch."""

    def __init__(self, names: tuple[str, ...], entities: Ints) -> None:
        self._names, self._entities = names, entities
        self._id: list[Hashes] = []
        self._row: list[Hashes] = []
        self._account: list[npt.NDArray[np.int32]] = []

    def add(self, ids: pl.Series, frame: pl.DataFrame) -> None:
        """Adds a batch: the ids of its rows, and the columns that identify them."""
        self._id.append(ids.hash(0).to_numpy())
        self._row.append(fingerprint((frame[name] for name in self._names), len(frame)))
        account = np.full(len(frame), -1, np.int32)
        if ACCOUNT in frame.columns and len(self._entities):
            entity, given = frame[ACCOUNT].fill_null(0).to_numpy(), frame[ACCOUNT].is_not_null().to_numpy()
            at = np.minimum(np.searchsorted(self._entities, entity), len(self._entities) - 1)
            account = np.where((self._entities[at] == entity) & given, at, -1).astype(np.int32)
        self._account.append(account)

    def index_of(self) -> RowIndex:
        """Returns the collected rows and releases them: memory does not hold a large table twice."""
        every = _taken(self._id, np.zeros(0, np.uint64))
        order = np.argsort(every)
        every = every[order]
        row = _taken(self._row, np.zeros(0, np.uint64))[order]
        return RowIndex(every, row, _taken(self._account, np.zeros(0, np.int32))[order], self._entities)


class Store:
    """The new store as the verifier reads it: rows with their ids resolved to the rows that they refer to."""

    def __init__(self, spec: Spec, database: Database, padded: bool = False) -> None:
        self.spec, self.database, self._padded = spec, database, padded
        self.hiding = database.hiding()  # such a table counts as absent: what is not seen whole is not read
        self._found = database.tables()
        self._indexes: dict[str, RowIndex] = {}
        self._entity_ids: Ints | None = None
        self.doubled: dict[str, bool] = {}  # tables in which an id occurs twice
        self._wanted = {parent for table in spec.target.values() for parent in table.refers.values() if own_id(spec.target[parent])}
        self._wanted |= {table for _, table in spec.link_targets.values()}
        self._referring = {table: self._tables_referring(table) for table in spec.target}  # needed for every table after each table
        waiting = [table for table in self.hiding if table in spec.target]
        while waiting:
            hidden = waiting.pop()
            for table in sorted(self._referring[hidden] - self.hiding.keys()):
                self.hiding[table] = f"it refers to rows of {hidden}, some of which are not visible (K9)"
                waiting.append(table)
        for table in self.hiding:
            self._found.pop(table, None)

    def absent(self, table: str) -> list[str]:
        """Returns the columns that the store lacks; the table's name if it lacks the table."""
        found = self._found.get(table)
        return [table] if found is None else [name for name in self.spec.target[table].columns if name not in found]

    def columns_of(self, name: str) -> list[str] | None:
        """Returns the columns of a table or view; None if the store has none of that name."""
        return self._found.get(name)

    def blank(self, values: pl.Series, column: str, table: str) -> pl.Series:
        """Returns the values without the trailing blanks that a database adds to CHAR(n)."""
        padded = self._padded and self.spec.target[table].columns[column].padded
        return values.str.strip_chars_end(" ") if padded else values

    def unknown(self) -> list[tuple[str, str]]:
        """Returns the (table, column) pairs that the store has in the contract's tables and the contract does not declare."""
        return [
            (t, c)
            for t, columns in sorted(self._found.items())
            if t in self.spec.target
            for c in columns
            if c not in self.spec.target[t].columns
        ]

    def order(self) -> list[str]:
        """Returns the tables in an order in which each follows those that it refers to."""
        links = {target for _, target in self.spec.link_targets.values()}
        parents = {
            name: sorted(({*table.refers.values()} | (links if name == LINK_TARGET[0] else set())) - {name})
            for name, table in self.spec.target.items()
        }
        return list(TopologicalSorter(parents).static_order())

    def frames(self, table: str) -> Iterator[pl.DataFrame]:
        """Yields the rows in batches: every column but the row's id, #account if the row has one, #id, and #alien (columns that cannot be compared)."""
        declared = self.spec.target[table]
        if table in declared.refers.values():
            self.index_of(table)  # a table that refers to itself needs its ids first
        gathering = Gathering(identity(self.spec, table), self._entities())
        needed = table not in self._indexes and own_id(declared) is not None
        needed &= table in self._wanted or not self.database.has_key(table, declared.key)
        for raw in self._read(table, list(declared.columns.values())):
            frame = self._resolved(table, raw, ids=True)
            if needed:
                gathering.add(frame[OWN_ID], frame)
            yield frame
        if needed:
            self._keep(table, gathering.index_of())

    def index_of(self, table: str) -> RowIndex:
        """Returns the index of the table's rows by id; reads the table if it is not in memory."""
        if table not in self._indexes:
            self._keep(table, self._places_of(table))
        return self._indexes[table]

    def forget(self, tables: Iterable[str]) -> None:
        """Releases the index of these tables' ids; it is read again when needed."""
        for table in tables:
            self._indexes.pop(table, None)

    def referring(self, table: str) -> set[str]:
        """Returns the tables whose rows refer to rows of this table by id."""
        return self._referring[table]

    def _tables_referring(self, table: str) -> set[str]:
        found = {name for name, declared in self.spec.target.items() if table in declared.refers.values()}
        return found | ({LINK_TARGET[0]} if table in {target for _, target in self.spec.link_targets.values()} else set())

    def _keep(self, table: str, index_of: RowIndex) -> None:
        self.doubled[table] = bool((index_of.id[1:] == index_of.id[:-1]).any())
        if table in self._wanted:
            self._indexes[table] = index_of

    def _places_of(self, table: str) -> RowIndex:
        declared, names = self.spec.target[table], identity(self.spec, table)
        gathering = Gathering(names, self._entities())
        if self.absent(table):
            return gathering.index_of()
        key, path = own_id(declared), account_path(self.spec, table)
        wanted = {name for name in (key, path, *names) if name and name in declared.columns}
        for raw in self._read(table, [declared.columns[name] for name in declared.columns if name in wanted]):
            gathering.add(raw[str(key)], self._resolved(table, raw))
        return gathering.index_of()

    def _entities(self) -> Ints:
        """Returns the sorted entity ids of all accounts."""
        if self._entity_ids is None:
            column = self.spec.target["entity_account"].columns["legacy_entity_id"]
            parts = [] if self.absent("entity_account") else self.database.parts("entity_account", [column], exact=True)
            self._entity_ids = np.unique(
                np.concatenate([np.zeros(0, np.int64), *(part.frame[column.name].drop_nulls().to_numpy() for part in parts)])
            )
        return self._entity_ids

    def _read(self, table: str, columns: Sequence[Column]) -> Iterator[pl.DataFrame]:
        """Yields the raw batches; values that the loader never stores become null and are listed in #alien."""
        for part in self.database.parts(table, columns, exact=True):
            frame = part.frame.with_columns(pl.lit(None, dtype=pl.String).alias(ALIEN))
            if part.odd:
                rows = []
                for _, raws in self.database.rows(table, [column.name for column in columns], part.odd):
                    values, alien = [], []
                    for raw, column in zip(raws, columns, strict=True):
                        value = canonical(raw, column)
                        alien += [column.name] if value is UNREADABLE else []
                        values.append(None if value is UNREADABLE else value)
                    far = any(isinstance(value, Extreme) for value in values)  # the reason for reading the row by itself
                    rows.append((0, *values, " ".join(alien) or (None if far else "?")))
                schema = {LOCATOR: pl.Int64, **{c.name: DTYPES[c.kind] for c in columns}, ALIEN: pl.String}
                schema |= {c.name: frame.schema[c.name] for c in columns if c.kind == "uuid"}  # as text, or as bytes
                frame = pl.concat([frame, rows_framed(rows, schema)])
            blank = [column.name for column in columns if column.padded and self._padded]
            yield frame.drop(LOCATOR).with_columns(pl.col(name).str.strip_chars_end(" ") for name in blank)

    def _resolved(self, table: str, raw: pl.DataFrame, ids: bool = False) -> pl.DataFrame:
        """Returns the rows with ids replaced by the rows that they refer to; #alien lists columns with unresolved ids and row ids that are not canonical.

        `ids`: #alien also lists row ids that differ from the recipe.
        """
        declared = self.spec.target[table]
        key, path = own_id(declared), account_path(self.spec, table)
        found: dict[str, pl.Series] = {}
        aliens: list[pl.Series] = [raw[ALIEN]]
        for name in raw.columns:
            if name == ALIEN or name in NOT_COMPARED.get(table, set()):
                continue
            parent = declared.refers.get(name)
            if name == key:
                found[OWN_ID] = raw[name]
                text = raw[name].dtype == pl.String
                good = raw[name].str.contains(CANONICAL) if text else raw[name].bin.size() == _ID_BYTES
                aliens.append(_named(name, ~good.fill_null(False)))
            elif (table, name) == LINK_TARGET:
                value, lost = self._link_target(raw)
                found[name] = value
                aliens.append(_named(name, lost))
            elif parent is not None and own_id(self.spec.target[parent]):
                index_of = self.index_of(parent)
                at, there = index_of.find(raw[name])
                aliens.append(_named(name, pl.Series(~there) & raw[name].is_not_null()))
                account = index_of.accounts(at, there)
                found[name] = account if parent == "entity_account" else index_of.rows(at, there)
                if name == path:
                    found[ACCOUNT] = account
            else:
                found[name] = raw[name]
        if table == "entity_account" and "legacy_entity_id" in found:
            found[ACCOUNT] = found["legacy_entity_id"]
        wrong = wrong_ids(self.spec, table, raw[key], found) if ids and key else None
        if key and wrong is not None and wrong.any():
            aliens.append(_named(key, pl.Series(wrong)))
        frame = pl.DataFrame([values.alias(name) for name, values in found.items()])
        several = [alias for alias in aliens if alias.null_count() < len(alias)]
        joined = (
            pl.select(pl.concat_str(several, separator=" ", ignore_nulls=True)).to_series() if several else _nothing(len(raw), pl.String)
        )
        return frame.with_columns(pl.when(joined.str.len_bytes() > 0).then(joined).alias(ALIEN))

    def _link_target(self, raw: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        value = np.zeros(len(raw), np.uint64)
        good = np.zeros(len(raw), np.bool_)
        for code, (_, table) in self.spec.link_targets.items():
            index_of = self.index_of(table)
            at, there = index_of.find(raw["target_id"])
            there &= (raw["target_cd"] == code).fill_null(False).to_numpy()
            value[there] = index_of.row[at[there]] if len(index_of.id) else 0
            good |= there
        return _where(good, value), pl.Series(~good)


def canonical(raw: object, column: Column) -> object:
    """Returns the value of a cell of the new store; UNREADABLE if it is stored in a form that the loader never writes."""
    if column.kind == "boolean":
        return bool(raw) if raw in (0, 1) and isinstance(raw, int) else None if raw is None else UNREADABLE
    if isinstance(raw, Id):
        return bytes(raw)
    if isinstance(raw, bytes) and type(raw) is bytes and column.kind != "binary":
        return UNREADABLE
    if isinstance(raw, (int, float)) and column.kind != "integer":
        return UNREADABLE
    if column.kind == "binary" and type(raw) is not bytes and raw is not None:
        return UNREADABLE
    value = readable(raw, column)  # type: ignore[arg-type]
    if isinstance(raw, bytes) and isinstance(value, str) and value.encode() != raw:
        return UNREADABLE
    if column.kind in ("date", "timestamp") and isinstance(raw, bytes):
        if value is UNREADABLE:  # a store without such days keeps PostgreSQL's words for them
            return extreme(shown(raw), column)
        return (
            value
            if len(raw) in ((10,) if column.kind == "date" else (19, 26)) and b"T" not in raw and b"Z" not in raw and b"+" not in raw
            else UNREADABLE
        )
    return value


def _taken(parts: list[npt.NDArray[Any]], none: npt.NDArray[Any]) -> npt.NDArray[Any]:
    whole = np.concatenate([none, *parts])
    parts.clear()
    return whole


def _named(name: str, where: pl.Series) -> pl.Series:
    return pl.select(pl.when(where).then(pl.lit(name))).to_series()


def _where(good: npt.NDArray[np.bool_], values: npt.NDArray[np.generic]) -> pl.Series:
    return pl.select(pl.when(pl.Series(good)).then(pl.Series(values))).to_series()


def _nothing(rows: int, dtype: type[pl.DataType]) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, rows)
