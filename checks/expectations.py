"""Checks of one table's rows with Great Expectations over pandas, for only the values that they need.

Only this module imports either of the two, and only when a check is asked: the import takes seconds. The results are used as yes or no and as row
numbers; messages of Great Expectations contain values and are never shown.

Each column's dtype is chosen for the comparison: keys are numbered and compared as int64, whole numbers are int64 and never float (null checks use a
masked boolean; other checks omit nulls), codes and texts are categories, moments are microseconds since 1970.
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from checks.frames import UNIQUE, Part, Question, about, columns_of, each_once, hash_parts, key_columns, key_hashes, key_parts, parts_of
from checks.model import Check, Found
from checks.staged import Staged, shards
from etl.errors import MigrationError

ROWS_TOGETHER = 50_000  # rows of a table that are read at once: memory stays bounded
VALUES_TOGETHER = 1_000_000  # values that wait before they are checked
_SMALL = 20_000  # values of a question that is asked together with others

_IMPORTING = Lock()  # a cluster's worker may have threads


@lru_cache(maxsize=1)
def tools() -> SimpleNamespace:
    """Returns Great Expectations and pandas, imported once, without analytics, progress bars and logs; `seconds`: the time of the import."""
    began = time.monotonic()
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import, which reads it
    try:
        Path.home()
    except RuntimeError:  # a container's user may have no home folder; an imported package asks for it
        os.environ["HOME"] = "/"
    with _IMPORTING, warnings.catch_warnings(), _quick_imports():
        warnings.simplefilter("ignore")
        import great_expectations
        import pandas
        from great_expectations import expectations

        logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
        context = great_expectations.get_context(mode="ephemeral")
        context.variables.analytics_enabled = False
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        stage = context.data_sources.add_pandas("stage").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    seconds = time.monotonic() - began
    return SimpleNamespace(gx=great_expectations, pandas=pandas, expectations=expectations, stage=stage, seconds=seconds)


class _Late(MetaPathFinder):
    """Finds modules as other finders do, and executes one only when an attribute of it is used."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


class _Missing(MetaPathFinder):
    """Reports these packages as not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Speeds up the import, more than half of which goes to packages for unused expectations and to garbage collection.

    Great Expectations runs without boto3, which is installed for the object store. Imported objects are excluded from later garbage collections, each
    of which would cost as much again.
    """
    others = [_Missing("boto3", "botocore"), _Late("scipy", "scipy.stats", "altair")]
    sys.meta_path[:0] = others
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for other in others:
            sys.meta_path.remove(other)
        gc.freeze()
        if collecting:
            gc.enable()


def loaded() -> bool:
    """Returns whether the import is done."""
    return tools.cache_info().currsize > 0


def ask_rows(checks: Iterable[Check], staged: Staged, tell: Callable[[str], None], together: int = ROWS_TOGETHER) -> dict[str, Found]:
    """Returns the results of these checks, by id; reads the tables one after the other, about `together` rows at a time.

    A check first sees each distinct value once, which is much cheaper; only a check that fails sees every row.
    """
    asked = list(checks)
    first = _asked(asked, staged, tell, together, Stack(once=True))
    failing = [check for check in asked if first.failed[check.id]]
    again = _asked(failing, staged, lambda table: None, together, Stack())
    for check in failing:
        if not again.failed[check.id] and check.kind != "unique":  # two keys may have the same hash: failures are checked again
            raise MigrationError(
                f"{check.id} failed, but no row of {check.table} fails.", f"Correct {check.location}; nothing was published."
            )
    return {
        check.id: Found(
            first.asked[check.id],
            _called(staged, check, again.failed[check.id]),
            first.seconds[check.id] + again.seconds[check.id],
        )
        for check in asked
    }


def _asked(checks: list[Check], staged: Staged, tell: Callable[[str], None], together: int, stack: Stack) -> Stack:
    by_table: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        by_table[check.table].append(check)
    for table, some in by_table.items():
        tell(table)
        _ask_table(stack, staged, table, some, together)
    stack.ask()
    return stack


def _ask_table(stack: Stack, staged: Staged, table: str, checks: list[Check], together: int) -> None:
    shape = staged.shapes[table]
    keys: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for first, rows in shards(staged, table, columns_of(checks), together):
        for check in checks:
            mine = about(check, rows)
            stack.asked[check.id] += mine.height
            if check.kind == "unique":
                keys[check.id].append(key_hashes(check, mine) if stack.once else key_columns(check, mine, first))
            else:
                for question, part in parts_of(check, mine, first, shape, staged.mappings):
                    stack.add(question, each_once(part) if stack.once else part)
    for check in checks:
        if keys[check.id]:
            whole = pl.concat(keys.pop(check.id))
            for question, part in hash_parts(check, whole) if stack.once else key_parts(check, whole, stack.keys):
                stack.keys += len(part.values[0])
                stack.add(question, part)


def _called(staged: Staged, check: Check, failed: list[tuple[int, str]]) -> tuple[str, ...]:
    """Returns the keys of these rows; for a check of several single columns with the column's name."""
    named = any(column for _, column in failed)
    return staged.keys(check.table, [row for row, _ in failed], [column for _, column in failed] if named else None)


Waiting = list[tuple[Question, list[Part]]]


class Stack:
    """Questions that wait until there are enough values. `once`: about each distinct value; `keys`: numbers given to keys so far.

    By check: `asked` (rows checked), `failed` (row and column of every failure), `seconds`.
    """

    def __init__(self, once: bool = False, most: int = VALUES_TOGETHER) -> None:
        self.once = once
        self.asked: dict[str, int] = defaultdict(int)
        self.failed: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)
        self.keys = 0
        self._most, self._count = most, 0
        self._waiting: dict[Question, list[Part]] = defaultdict(list)

    def add(self, question: Question, part: Part) -> None:
        """Adds a question's values; asks all waiting questions where they are enough."""
        size = len(part.values[0])
        if size:
            self._waiting[question].append(part)
            self._count += size
        if self._count > self._most:
            self.ask()

    def ask(self) -> None:
        """Asks every waiting question."""
        began = time.monotonic()
        for part, position in _failures(list(self._waiting.items())):
            self.failed[part.check.id].append((part.row(position), part.column))
        parts = [part for some in self._waiting.values() for part in some]
        for part in parts:
            self.seconds[part.check.id] += (time.monotonic() - began) / len(parts)
        self._waiting.clear()
        self._count = 0


def _failures(waiting: Waiting) -> Iterator[tuple[Part, int]]:
    """Yields every failing position of each part: first yes or no, together for small questions; the complete list only after a no."""
    small = [(question, parts) for question, parts in waiting if question.expectation != UNIQUE and _size(parts) <= _SMALL]
    others = [[(question, parts)] for question, parts in waiting if question.expectation == UNIQUE or _size(parts) > _SMALL]
    for group in ([small] if small else []) + others:
        for one, result in zip(group, _results(group, "BOOLEAN_ONLY"), strict=True):
            if not result.success:
                yield from _positions(*one)


def _positions(question: Question, parts: list[Part]) -> Iterator[tuple[Part, int]]:
    begins = np.cumsum([0, *(len(part.values[0]) for part in parts)])
    (result,) = _results([(question, parts)], "COMPLETE")
    for position in result.result["unexpected_index_list"]:
        number = int(np.searchsorted(begins, int(position), side="right")) - 1
        yield parts[number], int(position) - int(begins[number])


def _size(parts: list[Part]) -> int:
    return sum(len(part.values[0]) for part in parts)


def _results(group: Waiting, result_format: str) -> list[Any]:
    """Returns Great Expectations' result for each question, all asked in one call: most of the cost is per call, not per question."""
    known = tools()
    longest = max(_size(parts) for _, parts in group)
    columns: dict[str, Any] = {}
    suite = known.gx.ExpectationSuite(name="stage")
    for number, (question, parts) in enumerate(group):
        sides = [pl.concat(values) for values in zip(*(part.values for part in parts), strict=True)]
        names = [f"{number}{letter}" for letter, _ in zip("AB", sides, strict=False)]
        columns |= {name: _values(_as_long(side, longest)) for name, side in zip(names, sides, strict=True)}
        domain = {"column": names[0]} if len(names) == 1 else {"column_A": names[0], "column_B": names[1]}
        words = {name: list(value) if isinstance(value, tuple) else value for name, value in question.words}
        suite.expectations.append(getattr(known.expectations, question.expectation)(**domain, **words))
    frame = known.pandas.DataFrame(columns, copy=False)
    with warnings.catch_warnings():  # warnings of pandas and Great Expectations may contain values
        warnings.simplefilter("ignore")
        results = known.stage.get_batch({"dataframe": frame}).validate(suite, result_format={"result_format": result_format}).results
    by_name = {
        result.expectation_config.kwargs.get("column", result.expectation_config.kwargs.get("column_A")): result for result in results
    }
    found = [by_name[f"{number}A"] for number in range(len(group))]
    for result, (_, parts) in zip(found, group, strict=True):
        info = result.exception_info or {}
        if any(entry.get("raised_exception") for entry in (info, *info.values()) if isinstance(entry, dict)):
            ids = ", ".join(sorted({part.check.id for part in parts}))
            raise MigrationError(f"These checks could not be run: {ids}.", f"Correct {parts[0].check.location}; nothing was published.")
    return found


def _as_long(values: pl.Series, length: int) -> pl.Series:
    """Returns the values, repeated from the first up to that length: repetitions change only an answer about uniqueness."""
    return values if len(values) == length else values[np.arange(length) % len(values)]


def _values(values: pl.Series) -> Any:
    """Returns a column for pandas with a dtype for its values; only the question about missing values keeps nulls."""
    pandas = tools().pandas
    if values.dtype == pl.String:
        coded = values.rechunk().to_arrow().dictionary_encode()
        return pandas.Categorical.from_codes(coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist())
    if values.dtype == pl.Boolean and values.null_count():
        return pandas.arrays.BooleanArray(np.ones(len(values), bool), values.is_null().to_numpy(writable=True))
    return values.to_numpy()
