"""The data dictionary: the meaning of every column of every CSV file that a command writes (csv_columns.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

COLUMNS = dict.fromkeys(("file", "command", "line", "column", "meaning"), pl.String)


@dataclass(frozen=True)
class CsvFile:
    """`command`: portal-migrate COMMAND writes it; `line`: what a line represents; `columns`: name and meaning, in order. RUN denotes a run's name."""

    file: str
    command: str
    line: str
    columns: dict[str, str]


@lru_cache
def csv_files() -> tuple[CsvFile, ...]:
    """Returns the CSV files with their columns, in the order of csv_columns.toml."""
    given = tomllib.loads((Path(__file__).parent / "csv_columns.toml").read_text(encoding="utf-8"))["file"]
    return tuple(CsvFile(**entry) for entry in given)


def dictionary() -> pl.DataFrame:
    """Returns COLUMNS: one line for each column of each CSV file."""
    rows = [(one.file, one.command, one.line, name, meaning) for one in csv_files() for name, meaning in one.columns.items()]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
