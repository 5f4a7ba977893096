"""The values that each question about one table's rows needs, with their row numbers.

A question is an expectation with its arguments. The same question about several columns or tables is one question about all their values: each
expectation costs Great Expectations milliseconds, for any number of values.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from checks.model import Check
from mappings.model import Mappings
from mappings.schema import Table

GIVEN, UNIQUE = "ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeUnique"
BETWEEN, ONE_OF = "ExpectColumnValuesToBeBetween", "ExpectColumnValuesToBeInSet"
MATCHES, LACKS = "ExpectColumnValuesToMatchRegex", "ExpectColumnValuesToNotMatchRegex"
IN_ORDER = "ExpectColumnPairValuesAToBeGreaterThanB"
KEYS_TOGETHER = 2_000_000  # keys that are compared with each other at once


@dataclass(frozen=True)
class Question:
    """An expectation and its arguments, as pairs of name and value; `dtype`: of the values."""

    expectation: str
    words: tuple[tuple[str, Any], ...]
    dtype: str


@dataclass(frozen=True)
class Part:
    """The values of one column (of a pair: two) for a check; `rows`: their positions in the table, consecutive from `first` if None."""

    check: Check
    column: str
    values: tuple[pl.Series, ...]
    first: int = 0
    rows: pl.Series | None = None

    def row(self, position: int) -> int:
        """Returns the row of the table for this position."""
        return self.first + position if self.rows is None else int(self.rows[position])


def each_once(part: Part) -> Part:
    """Returns the part with each distinct value once, enough to know whether all are valid, not which rows are not; pairs unchanged."""
    return part if len(part.values) > 1 else Part(part.check, part.column, (part.values[0].unique(),))


def about(check: Check, rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows that the check is about (`when`), with `_place`: each one's position among the given rows."""
    numbered = rows.with_row_index("_position")
    applies = when(check, rows)
    return numbered if applies is None else numbered.filter(applies)


def when(check: Check, rows: pl.DataFrame) -> pl.Series | None:
    """Returns a mask of the rows that the check is about; None where it is about all."""
    conditions = check.args.get("when")
    if not conditions:
        return None
    tests = []
    for column, wanted in conditions.items():
        match wanted:
            case "missing":
                tests.append(pl.col(column).is_null())
            case "given":
                tests.append(pl.col(column).is_not_null())
            case _:
                tests.append(pl.col(column).is_in(wanted).fill_null(False))
    return rows.select(pl.all_horizontal(tests)).to_series()


def parts_of(check: Check, rows: pl.DataFrame, first: int, shape: Table, mappings: Mappings) -> Iterator[tuple[Question, Part]]:
    """Yields the check's questions about these rows, for any kind but `unique`; `rows`: from `about`; `first`: the first row's position in the table."""
    if check.kind == "in_order":
        yield _pair(check, rows, first)
        return
    for column in check.columns:
        if check.kind == "filled":
            # Only whether a value is missing: null or true.
            there = rows.select(pl.when(pl.col(column).is_not_null()).then(True)).to_series()
            yield Question(GIVEN, (), "boolean"), _part(check, column, (there,), rows["_position"], first)
            continue
        given = rows.select("_position", column).drop_nulls()
        values = given[column]
        if check.kind == "fits":
            yield (
                Question(BETWEEN, (("max_value", 0),), "integer"),
                _part(check, column, (_excess(values, shape, column),), given["_position"], first),
            )
        else:
            yield _question(check, values, mappings), _part(check, column, (_comparable(values),), given["_position"], first)


def _part(check: Check, column: str, values: tuple[pl.Series, ...], positions: pl.Series, first: int) -> Part:
    named = column if len(check.columns) > 1 and check.kind != "in_order" else ""
    unbroken = not len(positions) or int(positions[-1]) - int(positions[0]) + 1 == len(positions)
    if unbroken:
        return Part(check, named, values, first + (int(positions[0]) if len(positions) else 0))
    return Part(check, named, values, rows=positions.cast(pl.Int64) + first)


def _pair(check: Check, rows: pl.DataFrame, first: int) -> tuple[Question, Part]:
    earlier, later = check.columns
    given = rows.select("_position", earlier, later).drop_nulls()
    values = (_comparable(given[later]), _comparable(given[earlier]))
    return Question(IN_ORDER, (("or_equal", True),), str(values[0].dtype)), _part(check, "", values, given["_position"], first)


def _question(check: Check, values: pl.Series, mappings: Mappings) -> Question:
    args = check.args
    match check.kind:
        case "between":
            words = (("max_value", _bound(args.get("max"))), ("min_value", _bound(args.get("min"))))
            return Question(BETWEEN, words, str(_comparable(values).dtype))
        case "matches":
            return Question(MATCHES, (("regex", args["pattern"]),), "text")
        case "lacks":
            return Question(LACKS, (("regex", args["pattern"]),), "text")
    return Question(ONE_OF, (("value_set", tuple(allowed(check, mappings))),), str(values.dtype))


def _bound(value: Any) -> Any:
    """Returns a bound as a number of the form that `_comparable` gives."""
    return int(_comparable(pl.Series([value]))[0]) if isinstance(value, date) else value


_LAST_DAY = 2**63 // 86_400_000_000


def _comparable(values: pl.Series) -> pl.Series:
    """Returns dates and moments as microseconds since 1970, everything else unchanged.

    pandas' nanoseconds end in 2262 and the old portals have years 0001 and 9999; Great Expectations compares datetime64[us] value by value.
    """
    if values.dtype == pl.Date:
        # Days outside the range of microseconds, such as infinity, count as its last ones.
        return values.to_physical().cast(pl.Int64).clip(-_LAST_DAY, _LAST_DAY) * 86_400_000_000
    return values.cast(pl.Datetime("us")).to_physical() if values.dtype == pl.Datetime else values


def allowed(check: Check, mappings: Mappings) -> list[Any]:
    """Returns the values of a `one_of` check: from the suite, or a code list of the mappings."""
    codes = check.args.get("codes")
    if codes is None:
        return list(check.args["values"])
    if codes == "rules":
        return [rule.number for rule in mappings.rules.values() if rule.flags]
    if codes == "reasons":
        return list(mappings.reasons)
    return [row["code"] for row in mappings.codes["code_list"] if f"{row['table']}.{row['column']}" == codes]


def _excess(texts: pl.Series, shape: Table, column: str) -> pl.Series:
    """Returns by how many characters each text is too long; 0 where it fits."""
    length = shape.by_name[column].length
    # Text has at most as many characters as bytes: most columns need one comparison.
    if length is None or (texts.str.len_bytes().max() or 0) <= length:  # type: ignore[operator]  # an int, or None
        return pl.zeros(len(texts), pl.Int64, eager=True)
    return (texts.str.len_chars().cast(pl.Int64) - length).clip(0)


# -- keys: asked of the whole table --------------------------------------------------------------------------------------------------


def columns_of(checks: list[Check]) -> list[str]:
    """Returns the columns that these checks read, including conditions."""
    return list(dict.fromkeys(name for check in checks for name in (*check.columns, *check.args.get("when", {}))))


def key_hashes(check: Check, rows: pl.DataFrame) -> pl.DataFrame:
    """Returns a hash for each row's key; equal keys have equal ones. Two keys share one with probability 2^-64, so a duplicate is checked again."""
    key = pl.struct(check.columns).hash(zlib.crc32(check.id.encode()))  # checks that are asked together have different hashes
    return rows.select(check.columns).drop_nulls().select(key.reinterpret(signed=True).alias("number"))


def hash_parts(check: Check, hashes: pl.DataFrame, most: int = KEYS_TOGETHER) -> Iterator[tuple[Question, Part]]:
    """Yields the hashes of a whole table's keys, equal ones in the same part."""
    numbers, count = hashes["number"], -(-hashes.height // most)
    for number in range(count):
        yield Question(UNIQUE, (), "integer"), Part(check, "", (numbers if count == 1 else numbers.filter(numbers % count == number),))


def key_columns(check: Check, rows: pl.DataFrame, first: int) -> pl.DataFrame:
    """Returns the key of a `unique` check, and `_row`; without rows with a null in it, because nulls are never equal."""
    return rows.select((pl.col("_position").cast(pl.Int64) + first).alias("_row"), *check.columns).drop_nulls()


def key_parts(check: Check, keys: pl.DataFrame, taken: int, most: int = KEYS_TOGETHER) -> Iterator[tuple[Question, Part]]:
    """Yields the keys of a whole table as numbers from `taken`: equal keys have equal numbers, all of them in one part."""
    count = -(-keys.height // most)
    mixed = keys.select(pl.struct(check.columns).hash(1) % count).to_series() if count > 1 else None
    for number in range(count):
        part = keys if mixed is None else keys.filter(mixed == number)
        yield Question(UNIQUE, (), "integer"), Part(check, "", (_numbered(part.select(check.columns)) + taken,), rows=part["_row"])
        taken += part.height  # parts may be asked together


def _numbered(keys: pl.DataFrame) -> pl.Series:
    """Returns a whole number for each key, the same for equal ones and below the number of rows."""
    first, *others = (keys[column].rank("dense").cast(pl.Int64) - 1 for column in keys.columns)
    for position in others:
        first = (first * keys.height + position).rank("dense").cast(pl.Int64) - 1
    return first
