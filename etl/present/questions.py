"""Checks that need the rows: words without a code, rows that no block reads, look-ups that are not unique, and values that will not fit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations

import polars as pl

from etl.databases import Batch, Source
from etl.domain.masking import masked
from etl.present.bind import BoundBlock, BoundCell, BoundTable
from etl.present.foreign_values import unfit
from etl.present.model import Form
from etl.present.problem import Problem, nearest, printable
from etl.present.source import PresentedSource

_ROWS = 50_000
_SHOWN = 20  # words of one code list in a sentence


@dataclass
class Answers:
    """The answers for one portal.

    `problems`: they stop a run. `left_out`: rows that a `rest` explains. `will_be_held`: (table, column, rows) where values do not fit.
    """

    problems: list[Problem] = field(default_factory=list)
    left_out: int = 0
    will_be_held: list[tuple[str, str, int]] = field(default_factory=list)
    unlisted: list[str] = field(
        default_factory=list
    )  # sentences about code lines whose contract word is in no catalogue (A12: loads, flagged)


def asked(source: Source, whole: bool) -> Answers:
    """Returns the answers for one portal; empty for one without an adapter. `whole`: presents every column once, to count what will not fit.

    For an invalid adapter, its valid parts are checked all the same.
    """
    answers = Answers()
    if not isinstance(source, PresentedSource):
        return answers
    _ask_look_ups(source, answers)
    if answers.problems:
        return answers  # a look-up that is not unique cannot present a row
    if whole:
        answers.unlisted = sorted(set(_unlisted(source)))
    words: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    cells: dict[tuple[str, str, str], BoundCell] = {}
    for table in source.bound.tables.values():
        for block in filter(_sound, table.blocks):
            _ask_block(source, table, block, whole, answers, words, cells)
    for (table_name, column, by), counts in sorted(words.items()):
        cell = cells[table_name, column, by]
        shown = ", ".join(f"{masked(printable(word))!r} ({count:,})" for word, count in counts.most_common(_SHOWN))
        rest = f" and {len(counts) - _SHOWN:,} more words" if len(counts) > _SHOWN else ""
        answers.problems.append(
            Problem(
                cell.file,
                cell.location,
                f"words without a line: {shown}{rest}",
                f"a line for each in codes/{by}.csv, or *,=",
                f"codes/{by}.csv: WORD,CONTRACT",
                2,
            )
        )
    _ask_rests(source, answers)
    _ask_doubles(source, answers)
    return answers


def _unlisted(source: PresentedSource) -> Iterator[str]:
    catalogues: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in source.mappings.codes["code_list"]:
        catalogues[row["table"], row["column"]].append(row["code"])
    keyed = {table.mapping.key: name for name, table in source.bound.tables.items()}
    for name, table in source.bound.tables.items():
        for cell in (cell for block in table.blocks for cell in block.cells if cell.form.kind == "code"):
            column = cell.column.name
            known = catalogues.get((name, column)) or catalogues.get((keyed.get((column,), ""), column), [])
            for legacy, word in source.adapter.codes[cell.form.by].items():
                if known and word not in known and legacy != "*":
                    line = f"codes/{cell.form.by}.csv: {masked(printable(legacy))},{masked(printable(word))}"
                    yield f"{line}: the catalogue of {name}.{column} has no such word{nearest(word, known)}; rule A12 says what becomes of such rows"


def _sound(block: BoundBlock) -> bool:
    return block.sound


def _ask_look_ups(source: PresentedSource, answers: Answers) -> None:
    for table in source.bound.tables.values():
        for block in filter(_sound, table.blocks):
            for alias, look in block.lookups.items():
                if doubled := source.duplicated(block, alias):
                    found = f"{doubled:,} keys of {printable(look.relation.name)}.{printable(look.key)} that occur more than once"
                    answers.problems.append(Problem(block.file, f"{block.location}.lookup.{alias}.key", found, "a unique column", rank=2))


def _ask_block(
    source: PresentedSource,
    table: BoundTable,
    block: BoundBlock,
    whole: bool,
    answers: Answers,
    words: dict[tuple[str, str, str], Counter[str]],
    cells: dict[tuple[str, str, str], BoundCell],
) -> None:
    codes = tuple(cell for cell in block.cells if cell.form.kind == "code" and "*" not in source.adapter.codes.get(cell.form.by, "*"))
    name = table.mapping.table
    columns = tuple(block.columns(codes))
    # Databases count frequencies by sorting all rows; distinct words are found in a third of the time, and nearly always all have a line.
    if codes and any(
        True for batch in source.distinct(block.relation, columns, _ROWS) for _ in _missing(source, block, batch, None, codes)
    ):
        for batch, counts in source.combinations(block.relation, columns, _ROWS):
            for cell, missing in _missing(source, block, batch, counts, codes):
                key = (name, cell.column.name, cell.form.by)
                cells[key] = cell
                for word, count in missing.iter_rows():
                    words[key][word] += count
    if not whole:
        return
    held: Counter[str] = Counter()
    without = frozenset(cell.column.name for cell in block.cells if cell.column.family == "binary")
    for batch in source.batches(block, tuple(cell for cell in block.cells if cell.column.name not in without), _ROWS):
        typed = source.presented(table, block, batch, without)
        held += unfit(table.mapping, typed)
    answers.will_be_held += [(name, column, count) for column, count in sorted(held.items()) if count]


def _missing(
    source: PresentedSource, block: BoundBlock, batch: Batch, counts: pl.Series | None, codes: tuple[BoundCell, ...]
) -> Iterator[tuple[BoundCell, pl.DataFrame]]:
    """Yields (cell, words `t` without a line and number of rows `n` with each), where there are any. `counts` None: one row each."""
    if counts is None:
        counts = pl.Series([1], dtype=pl.Int64).new_from_index(0, len(batch.typed.mark))
    for cell, found in source.words(block, batch, counts, codes):
        missing = found.filter(~pl.col("t").is_in(list(source.adapter.codes[cell.form.by])))
        if missing.height:
            yield cell, missing


def _ask_rests(source: PresentedSource, answers: Answers) -> None:
    """Reports rows of a physical table that no block selects, unless exactly one `rest` in the files that read it explains them."""
    blocks: dict[str, list[BoundBlock]] = defaultdict(list)
    for table in source.bound.tables.values():
        for block in table.blocks:
            blocks[block.relation.name].append(block)
    for name, readers in sorted(blocks.items()):
        if any(not block.where or not block.sound for block in readers):
            continue
        left = _left_out(source, readers)
        answers.left_out += left
        if left and name not in source.bound.rests:
            found = f"{left:,} rows of {printable(name)} that no [[from]] selects"
            answers.problems.append(
                Problem(readers[0].file, f"{readers[0].location}.rest", found, "why they are not migrated", '[[from]] rest = "why"', 2)
            )


def _ask_doubles(source: PresentedSource, answers: Answers) -> None:
    """Reports physical rows that two blocks of one file present under one key: each would be a contract row twice."""
    for table in source.bound.tables.values():
        for one, other in combinations(filter(_sound, table.blocks), 2):
            keys = [_key(block, table) for block in (one, other)]
            if one.relation.name != other.relation.name or keys[0] != keys[1]:
                continue
            columns = tuple(dict.fromkeys((*one.where, *other.where))) or tuple(one.relation.columns)[:1]
            both = sum(
                int(counts.filter(source.kept(one, batch) & source.kept(other, batch)).sum())
                for batch, counts in source.combinations(one.relation, columns, _ROWS)
            )
            if both:
                found = f"{both:,} rows of {printable(one.relation.name)} that {one.location} presents too, under the same key"
                expected = "conditions that select other rows, or another key (`number` with a `mark`)"
                answers.problems.append(Problem(other.file, f"{other.location}.where", found, expected, rank=2))


def _key(block: BoundBlock, table: BoundTable) -> list[tuple[Form, tuple[tuple[str, str, str], ...]]]:
    """Returns the forms of the key's columns with what they read."""
    return [
        (
            replace(cell.form, columns=()),
            tuple(
                (ref.column, *((look.relation.name, look.by) if (look := block.lookups.get(ref.alias)) else ("", ""))) for ref in cell.refs
            ),
        )
        for cell in block.cells
        if cell.column.name in table.mapping.key
    ]


def _left_out(source: PresentedSource, readers: Iterable[BoundBlock]) -> int:
    some = list(readers)
    columns = tuple(dict.fromkeys(column for block in some for column in block.where))
    left = 0
    for batch, counts in source.combinations(some[0].relation, columns, _ROWS):
        taken = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(batch.typed.mark))
        for block in some:
            taken |= source.kept(block, batch)
        left += int(counts.filter(~taken).sum())
    return left
