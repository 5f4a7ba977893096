"""Questions about the rows of one table, asked by Great Expectations over pandas, of only the values that they are about.

This is the only module that imports either of the two, and only when something is asked: the import takes seconds. What Great Expectations
says is used as yes or no and as row numbers; its messages contain values and go nowhere.

Each column's dtype is chosen on purpose: keys are numbered and compared as int64, whole numbers are int64 and never float (nulls are asked
about by themselves, as a masked boolean, and left out elsewhere), codes and texts are categories, moments are microseconds since 1970.
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

from checks.frames import Part, Question, about, columns_of, key_columns, key_parts, parts_of
from checks.model import Check, Found
from checks.staged import Staged, shards
from etl.errors import MigrationError

ROWS_TOGETHER = 50_000  # rows of a table that are read at once: memory stays bounded
VALUES_TOGETHER = 1_000_000  # values that wait before they are asked about

Frame = Any  # a pandas frame
_IMPORTING = Lock()  # a cluster's worker may have threads


@lru_cache(maxsize=1)
def tools() -> SimpleNamespace:
    """Great Expectations and pandas, imported once: no analytics, no progress bars, no talk. `seconds`: how long that took."""
    began = time.monotonic()
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: that is when it is read
    try:
        Path.home()
    except RuntimeError:  # in a container a user may have none; what is imported here asks for one
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
    """Finds as all others do; but what it finds is executed only when something of it is asked for."""

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
    """Says of these that they are not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextmanager
def _quick_imports() -> Iterator[None]:
    """More than half of the time of the import goes to packages for expectations that are never asked here, and to looking for garbage.

    Great Expectations does without boto3, which is here for the object store alone.

    What was imported stays; to look through it again at every collection would cost as much as it did.
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
    """Whether the import is behind us."""
    return tools.cache_info().currsize > 0


def ask_rows(checks: Iterable[Check], staged: Staged, tell: Callable[[str], None], together: int = ROWS_TOGETHER) -> dict[str, Found]:
    """What came of these checks, by id. The tables are read one after the other, some `together` rows at a time."""
    by_table: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        by_table[check.table].append(check)
    stack = Stack()
    for table, some in by_table.items():
        tell(table)
        _ask_table(stack, staged, table, some, together)
    stack.ask()
    return {
        check.id: Found(stack.asked[check.id], _called(staged, check, stack.failed[check.id]), stack.seconds[check.id])
        for some in by_table.values() for check in some
    }  # fmt: skip


def _ask_table(stack: Stack, staged: Staged, table: str, checks: list[Check], together: int) -> None:
    shape = staged.shapes[table]
    keys: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for first, rows in shards(staged, table, columns_of(checks), together):
        for check in checks:
            mine = about(check, rows)
            stack.asked[check.id] += mine.height
            if check.kind == "unique":
                keys[check.id].append(key_columns(check, mine, first))
            else:
                for question, part in parts_of(check, mine, first, shape, staged.mappings):
                    stack.add(question, part)
    for check in checks:
        if keys[check.id]:
            for question, part in key_parts(check, pl.concat(keys.pop(check.id)), stack.keys):
                stack.keys += len(part.values[0])
                stack.add(question, part)


def _called(staged: Staged, check: Check, failed: list[tuple[int, str]]) -> tuple[str, ...]:
    """The keys of these rows; where a question is about several columns one by one, with the column's name."""
    named = any(column for _, column in failed)
    return staged.keys(check.table, [row for row, _ in failed], [column for _, column in failed] if named else None)


class Stack:
    """Questions that wait until there are enough values to ask them about. `keys`: numbers given to keys so far.

    By check: `asked` (rows looked at), `failed` (row and column of every failure), `seconds`.
    """

    def __init__(self, most: int = VALUES_TOGETHER) -> None:
        self.asked: dict[str, int] = defaultdict(int)
        self.failed: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)
        self.keys = 0
        self._most, self._count = most, 0
        self._waiting: dict[Question, list[Part]] = defaultdict(list)

    def add(self, question: Question, part: Part) -> None:
        self._waiting[question].append(part)
        self._count += len(part.values[0])
        if self._count > self._most:
            self.ask()

    def ask(self) -> None:
        """Asks every question that waits."""
        for question, parts in self._waiting.items():
            began = time.monotonic()
            self._ask(question, [part for part in parts if len(part.values[0])])
            for part in parts:
                self.seconds[part.check.id] += (time.monotonic() - began) / len(parts)
        self._waiting.clear()
        self._count = 0

    def _ask(self, question: Question, parts: list[Part]) -> None:
        if not parts:
            return
        begins = np.cumsum([0, *(len(part.values[0]) for part in parts)])
        frame = _frame(question, parts)
        try:
            # Yes or no is cheap; the complete list of places is asked for only where something fails.
            if _answer(question, frame, "BOOLEAN_ONLY") is None:
                return
            failed = _answer(question, frame, "COMPLETE") or []
        except _CouldNotBeAsked:
            ids = ", ".join(sorted({part.check.id for part in parts}))
            raise MigrationError(
                f"These checks could not be asked: {ids}.", f"Mend {parts[0].check.place}; nothing was published."
            ) from None
        for place in failed:
            number = int(np.searchsorted(begins, place, side="right")) - 1
            part = parts[number]
            self.failed[part.check.id].append((part.row(place - int(begins[number])), part.column))


class _CouldNotBeAsked(Exception):
    """An expectation could not be evaluated: neither yes nor no."""


def _answer(question: Question, frame: Frame, result_format: str) -> list[int] | None:
    """None where the expectation holds, else the places of the values that fail (empty with BOOLEAN_ONLY)."""
    known = tools()
    domain = {"column": "A"} if len(frame.columns) == 1 else {"column_A": "A", "column_B": "B"}
    words = {name: list(value) if isinstance(value, tuple) else value for name, value in question.words}
    expectation = getattr(known.expectations, question.expectation)(**domain, **words)
    suite = known.gx.ExpectationSuite(name="stage", expectations=[expectation])
    with warnings.catch_warnings():  # what pandas and Great Expectations remark about a column may quote it
        warnings.simplefilter("ignore")
        (result,) = known.stage.get_batch({"dataframe": frame}).validate(suite, result_format={"result_format": result_format}).results
    info = result.exception_info or {}
    if any(entry.get("raised_exception") for entry in (info, *info.values()) if isinstance(entry, dict)):
        raise _CouldNotBeAsked
    return None if result.success else [int(place) for place in result.result.get("unexpected_index_list") or ()]


def _frame(question: Question, parts: list[Part]) -> Frame:
    """The values of all parts, one below the other: column A, of pairs also column B."""
    width = len(parts[0].values)
    columns = [pl.concat([part.values[number] for part in parts]) for number in range(width)]
    return tools().pandas.DataFrame(dict(zip("AB", map(_values, columns), strict=False)), copy=False)


def _values(values: pl.Series) -> Any:
    """A column for pandas, its dtype chosen by what it holds; only the question whether a value is there leaves nulls in it."""
    pandas = tools().pandas
    if values.dtype == pl.String:
        coded = values.rechunk().to_arrow().dictionary_encode()
        return pandas.Categorical.from_codes(coded.indices.to_numpy(zero_copy_only=False), coded.dictionary.to_pylist())
    if values.dtype == pl.Boolean and values.null_count():
        return pandas.arrays.BooleanArray(np.ones(len(values), bool), values.is_null().to_numpy(writable=True))
    return values.to_numpy()
