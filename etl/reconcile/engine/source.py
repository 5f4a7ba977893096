"""The rows of the old portals as the rules see them: typed, named by their key, with what is wrong with a row beside it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.reconcile.engine.cells import UNREADABLE, Cell, Raw, Spoilt, key_order, key_text, readable, shown, spoilt
from etl.reconcile.engine.frames import DTYPES, LOCATOR, Database, compact, rows_framed
from etl.reconcile.engine.ledger import Ledger
from etl.reconcile.engine.spec import Column, Spec, Table

KEY, BAD, ALSO_HELD = "#key", "#bad", "#also_held"


@dataclass(frozen=True)
class Special:
    """Rows whose key text is not simply their key (fine print 43, 47): by locator the text, and those whose target key is taken."""

    names: dict[int, str] = field(default_factory=dict)
    taken: frozenset[int] = frozenset()


class Source:
    """One old portal."""

    def __init__(self, spec: Spec, portal: str, database: Database) -> None:
        self.spec, self.portal, self.database = spec, portal, database
        self._special: dict[str, Special] = {}
        self._found = database.tables()

    def table(self, name: str) -> Table:
        """Returns the declaration of a table."""
        return self.spec.sources[self.portal][name]

    def columns(self, name: str) -> list[Column]:
        """Returns the columns that are read: all but binary contents that rules hash separately, and the password hash (B17)."""
        taken = self.spec.mappings[self.portal, name]
        never = self.spec.never_read(self.portal, name)
        return [
            c for c in self.table(name).columns.values() if c.name not in never and not (c.kind == "binary" and taken.owner_rule == "C7")
        ]

    def absent(self, name: str) -> list[str]:
        """Returns the columns that must be read and that the database lacks; the table's name if it lacks the table."""
        found, never = self._found.get(name), self.spec.never_read(self.portal, name)
        return [name] if found is None else [c for c in self.table(name).columns if c not in never and c not in found]

    def unknown(self) -> list[tuple[str, str]]:
        """Returns the tables and (table, column) pairs that no mapping file names (K5)."""
        kinds = self.database.relation_kinds()  # views and partitions are not tables (fine print 60)
        unknown = [(table, "") for table in self._found if (self.portal, table) not in self.spec.mappings and table not in kinds]
        for table, columns in self._found.items():
            if declared := self.spec.sources[self.portal].get(table):
                unknown += [(table, column) for column in columns if column not in declared.columns]
        return sorted(unknown)

    def whole(self, name: str, ledger: Ledger, columns: Sequence[str] = ()) -> pl.DataFrame:
        """Returns all rows of a small table as one frame, with all or only these of the columns that `rows` gives."""
        empty = pl.DataFrame(schema={LOCATOR: pl.Int64, **{c.name: DTYPES[c.kind] for c in self.columns(name)}, **_MARKS})
        return pl.concat(compact(frame.select(columns)) if columns else frame for frame in chain([empty], self.rows(name, ledger)))

    def rows(self, name: str, ledger: Ledger) -> Iterator[pl.DataFrame]:
        """Yields the rows in batches: locator, columns (null if unreadable), #key, #bad (X2: held), #also_held (X2: loaded and held)."""
        if self.absent(name):
            return
        columns, special = self.columns(name), self.special(name)
        key = self.table(name).key
        for part in self.database.parts(name, columns):
            frame, odd = part.frame, list(part.odd)
            apart = pl.any_horizontal(pl.col(column).is_null() for column in key)
            if special.names or special.taken:
                apart = apart | pl.col(LOCATOR).is_in([*special.names, *special.taken])
            aside = frame.filter(apart)[LOCATOR].to_list()
            if aside:
                frame, odd = frame.filter(~apart), sorted([*odd, *aside])
            blank = [c.name for c in columns if self.must_not_be_null(name, c.name)]
            text = (
                pl.concat_str([pl.col(column).cast(pl.String) for column in key], separator="|")
                if len(key) > 1
                else pl.col(key[0]).cast(pl.String)
            )
            bad = pl.any_horizontal(pl.col(column).is_null() for column in blank) if blank else pl.lit(False)
            marked = frame.with_columns(text.alias(KEY), bad.alias(BAD), pl.lit(False).alias(ALSO_HELD))
            yield pl.concat([marked, self._odd(name, columns, odd, special, ledger)]) if odd else marked

    def _odd(self, name: str, columns: Sequence[Column], odd: Sequence[int], special: Special, ledger: Ledger) -> pl.DataFrame:
        """Returns the rows at these locators, read value by value."""
        positions = {column.name: position for position, column in enumerate(columns)}
        key = [positions[column] for column in self.table(name).key]
        rows: list[tuple[object, ...]] = []
        spoils: list[tuple[str, Spoilt]] = []
        for at, raws in self.database.rows(name, list(positions), odd):
            text = special.names.get(at) or key_text([raws[position] for position in key])
            values: list[Cell] = []
            bad, also = at in special.taken or any(raws[position] is None for position in key), False
            for raw, column in zip(raws, columns, strict=True):
                spoils += [(text, found)] if column.kind != "binary" and (found := spoilt(raw)) else []
                value = readable(raw, column)
                if value is UNREADABLE:
                    fatal = self.is_fatal(name, column.name)
                    bad, also, value = bad or fatal, also or not fatal, None
                elif value is None and self.must_not_be_null(name, column.name):
                    bad = True
                values.append(value)
            rows.append((at, *values, text, bad, also and not bad))
        ledger.spoilt(self.portal, name, spoils)
        schema = {LOCATOR: pl.Int64, **{c.name: DTYPES[c.kind] for c in columns}, **_MARKS}
        return rows_framed(rows, schema)

    def is_fatal(self, name: str, column: str) -> bool:
        """Returns whether an unreadable value holds the row: in a key, a reference, a value of a mandatory target column, a guarded column (fine print 23)."""
        if column in self.table(name).key or self._is_reference(name, column) or column in self.spec.mappings[self.portal, name].guarded:
            return True
        return _takes_mandatory(self.spec, self.portal, name, column)

    def must_not_be_null(self, name: str, column: str) -> bool:
        """Returns whether null is not allowed: declared NOT NULL by the source or by the target column that takes the value (fine print 23).

        Exceptions: flags, whose null is false (36), and owners, whose null is NO_OWNER.
        """
        declared, mapping = self.table(name).columns[column], self.spec.mappings[self.portal, name]
        if not declared.mandatory or column in self.table(name).key or column in mapping.owner or column.endswith("_ind"):
            return False
        copied = [(i.table, c) for i in mapping.into for c, v in i.columns.items() if v.form in ("copy", "once") and column in v.source]
        return _takes_mandatory(self.spec, self.portal, name, column) or any(
            self.spec.target[into].columns[c].mandatory for into, c in copied
        )

    def _is_reference(self, name: str, column: str) -> bool:
        return column in self.spec.mappings[self.portal, name].references

    def special(self, name: str) -> Special:
        """Returns the rows of the table whose key text is not simply their key (fine print 43, 47); found once per table."""
        if name not in self._special:
            self._special[name] = self._find_special(name)
        return self._special[name]

    def _find_special(self, name: str) -> Special:
        table = self.table(name)
        columns = [table.columns[column] for column in table.key]
        if self.absent(name):
            return Special()
        unique = self.database.has_key(name, table.key)
        if unique and len(columns) == 1 and columns[0].kind == "integer" and self.database.only_integers(name, table.key[0]):
            return Special()
        nulls: list[int] = []
        texts: list[pl.DataFrame] = []
        absent = pl.any_horizontal(pl.col(column).is_null() for column in table.key)
        text = pl.concat_str([pl.col(column).cast(pl.String) for column in table.key], separator="|")
        for part in self.database.parts(name, columns):
            nulls += part.frame.filter(absent)[LOCATOR].to_list()
            texts.append(part.frame.filter(~absent).select(LOCATOR, text.hash(0).alias("text")))
            odd = [(at, raws) for at, raws in self.database.rows(name, table.key, part.odd)]
            nulls += [at for at, raws in odd if None in raws]
            texts.append(_hashed_texts([(at, key_text(raws)) for at, raws in odd if None not in raws]))
        row_orders = self._row_orders(name, nulls)
        names = {at: f"NULL#{n}" for n, at in enumerate(sorted(nulls, key=lambda at: row_orders.get(at, (at,))), start=1)}
        texts.append(_hashed_texts(list(names.items())))
        doubled = pl.concat(texts).filter(pl.col("text").is_duplicated())[LOCATOR].to_list()
        by_text: dict[str, list[tuple[tuple[tuple[int, object], ...], int, tuple[Raw, ...]]]] = defaultdict(list)
        row_orders |= self._row_orders(name, [at for at in doubled if at not in row_orders])
        for at, raws in self.database.rows(name, table.key, sorted(doubled)):
            by_text[names.get(at) or key_text(raws)].append((key_order(raws), at, raws))
        taken: set[int] = set()
        for named, same in by_text.items():
            seen: set[tuple[str, ...]] = set()
            for n, (_, at, raws) in enumerate(sorted(same, key=lambda row: (row[0], row_orders.get(row[1], (row[1],)))), start=1):
                parts = tuple(shown(raw) for raw in raws)
                names |= {at: f"{named}#{n}"} if n > 1 else {}
                taken |= {at} if parts in seen else set()
                seen.add(parts)
        return Special(names, frozenset(taken))

    def _row_orders(self, name: str, locators: Sequence[int]) -> dict[int, tuple[object, ...]]:
        """Returns by locator a sort key: the row's columns if the database has no stored order, else nothing, because locators give it (fine print 61)."""
        if self.database.in_stored_order(name):
            return {}
        columns = [column.name for column in self.columns(name) if column.kind != "binary"]
        return {at: (*key_order(raws), at) for at, raws in self.database.rows(name, columns, sorted(locators))}


_MARKS = {KEY: pl.String, BAD: pl.Boolean, ALSO_HELD: pl.Boolean}


def _hashed_texts(rows: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={LOCATOR: pl.Int64, "text": pl.String}, orient="row").with_columns(pl.col("text").hash(0))


def _takes_mandatory(spec: Spec, portal: str, table: str, column: str) -> bool:
    return any(spec.target[into].columns[taker].mandatory for into, taker in spec.mappings[portal, table].taken_by(column))


def mask(frame: pl.DataFrame, column: str) -> npt.NDArray[np.bool_]:
    """Returns a boolean column as a NumPy array."""
    return frame[column].to_numpy()
