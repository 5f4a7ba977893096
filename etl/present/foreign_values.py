"""Values of a portal without an adapter that the contract does not have: counted by `plan`, with the adapter's line that would present them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from etl.databases import Source
from etl.domain.masking import masked
from etl.domain.typed_values import Typed
from etl.present.problem import printable, toml_text
from mappings.limits import INDICATOR
from mappings.model import Mappings, Portal, TableMapping
from mappings.read import FOLDERS

_ROWS = 50_000
_SHARE = 20  # one value in so many, and as many values as that or most of them: fewer are anomalies of rows, not another way of writing
_SHOWN = 5  # words of one column in a sentence
_YES = ("1", "true", "t", "yes", "y", "Y", "on", "x")
_NO = ("0", "false", "f", "no", "n", "N", "off")


@dataclass
class Foreign:
    """`held`: (table, column, rows) where values do not fit; `sentences`: columns whose values are written in another way, with the adapter's line."""

    held: list[tuple[str, str, int]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


@dataclass
class _Words:
    """Of one column: its values that are not NULL, and the words among them that the contract does not have."""

    values: int = 0
    strange: Counter[str] = field(default_factory=Counter)

    def add(self, words: pl.Series, known: Iterable[str], raw: Iterable[object]) -> None:
        filled = words.drop_nulls()
        others = filled.filter(~filled.is_in(list(known)))
        found = Counter(dict(others.value_counts().iter_rows())) + Counter(map(str, raw))
        self.values += len(filled) + sum(1 for _ in raw)
        self.strange.update(found)


def unfit(mapping: TableMapping, typed: Typed) -> Counter[str]:
    """Returns, by column, the rows of a batch that are held for it: a value that cannot be read, or NULL where none may be."""
    held = Counter(odd.column for odd in typed.oddities if odd.unreadable)
    unreadable = Counter(held)
    for declared in mapping.shape.columns:
        series = typed.columns.get(declared.name)
        if series is not None and (declared.name in mapping.never_null or declared.name in mapping.key):
            held[declared.name] += series.null_count() - unreadable[declared.name]
    return held


def foreign_values(source: Source, portal: Portal, mappings: Mappings) -> Foreign:
    """Returns what the portal's rows have; reads every row once, without documents."""
    found = Foreign()
    catalogues = {(row["table"], row["column"]) for row in mappings.codes["code_list"]}
    codes = {
        column_name: {row["code"] for row in mappings.codes["code_list"] if (row["table"], row["column"]) == column_name}
        for column_name in catalogues
    }
    empty: list[str] = []
    blanks = {""}
    for mapping in mappings.of(portal):
        asked = {c.name: _known(mapping.table, c.name, codes) for c in mapping.columns if c.family == "text"}
        words = {name: _Words() for name, known in asked.items() if known}
        held: Counter[str] = Counter()
        blank: Counter[str] = Counter()
        total = 0
        for batch in source.read(mapping, _ROWS, frozenset(mapping.content_columns)):
            total += len(batch.typed.mark)
            held += unfit(mapping, batch.typed)
            raw: dict[str, list[object]] = {}
            for odd in batch.typed.oddities:
                raw.setdefault(odd.column, []).append(odd.raw)
            blank.update({name: sum(one in ("", b"") for one in cells) for name, cells in raw.items()})
            for name, of in words.items():
                of.add(batch.typed.columns[name], asked[name], raw.get(name, ()))
        found.held += [(mapping.table, column, rows) for column, rows in sorted(held.items()) if rows]
        for name, of in words.items():
            for word in [word for word in of.strange if not word.strip(" ")]:  # a server pads the empty text of a CHAR column
                blank[name] += of.strange.pop(word)
                blanks.add(word)
            if _another_way(of.strange.total(), of.values):
                found.sentences.append(_sentence(portal, mapping.table, name, of))
        empty += [f"{portal}.{mapping.table}.{name} ({rows:,})" for name, rows in sorted(blank.items()) if _another_way(rows, total)]
    if empty:
        shown = ", ".join(empty[:_SHOWN]) + (f" and {len(empty) - _SHOWN:,} more columns" if len(empty) > _SHOWN else "")
        null = ", ".join(map(toml_text, sorted(blanks)))
        found.sentences.append(
            f"{shown}: empty texts where NULL is expected; suggested line: {FOLDERS[portal]}/source.toml: null = [{null}]"
        )
    return found


def _another_way(some: int, of: int) -> bool:
    return some > 0 and _SHARE * some >= of and (of >= _SHARE or 2 * some > of)


def _known(table: str, column: str, codes: Mapping[tuple[str, str], set[str]]) -> set[str]:
    return {"Y", "N"} if column.endswith(INDICATOR) else codes.get((table, column), set())


def _sentence(portal: Portal, table: str, column: str, of: _Words) -> str:
    strange, column_name = of.strange.total(), f"{portal}.{table}.{column}"
    line = f"{FOLDERS[portal]}/{table}.toml: [[from]] [from.columns] {column} ="
    if column.endswith(INDICATOR):
        used = {
            word: count for word, count in of.strange.items() if word in (*_YES, *_NO)
        }  # other words may be anything, and are not shown
        shown = [f"{word!r} ({count:,})" for word, count in sorted(used.items())]
        shown += [f"others ({strange - sum(used.values()):,})"] if strange > sum(used.values()) else []
        yes, no = ([toml_text(word) for word in words if word in used or word in ("Y", "N")] or ['"..."'] for words in (_YES, _NO))
        form = f'{{ flag = "{column}", yes = [{", ".join(yes)}], no = [{", ".join(no)}] }}'
        return f"{column_name}: {strange:,} of {of.values:,} values are neither Y nor N: {', '.join(shown)}; suggested line: {line} {form}"
    shown = [f"{masked(printable(word))!r} ({count:,})" for word, count in of.strange.most_common(_SHOWN)]
    shown += [f"{len(of.strange) - _SHOWN:,} more words"] if len(of.strange) > _SHOWN else []
    form = f'{{ code = "{column}", by = "{table}_{column}" }}, and a line for each word in codes/{table}_{column}.csv'
    return f"{column_name}: {strange:,} of {of.values:,} values are not in its code list: {', '.join(shown)}; suggested line: {line} {form}"
