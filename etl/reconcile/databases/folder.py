"""A folder of files as the verifier reads it: each file copied, as the texts or values that it holds, to a SQLite file of its own, read there."""

import importlib
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from etl.reconcile.databases.sqlite import SqliteDatabase
from etl.reconcile.errors import ReconcileError

PREFIX = "folder:"


class FolderDatabase(SqliteDatabase):
    """The copy; it is private and goes with `close`."""

    def __init__(self, folder: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._folder.name) / "copy.sqlite"
        try:
            _copied(folder, file, delimiter, encoding)
        except (pa.ArrowException, OSError, ValueError, sqlite3.Error) as error:
            self._folder.cleanup()
            raise ReconcileError(
                f"{folder}: its files cannot be read ({type(error).__name__}).", "Give the folder that was migrated."
            ) from None
        except BaseException:
            self._folder.cleanup()
            raise
        super().__init__(file)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copied(folder: Path, file: Path, delimiter: str, encoding: str) -> None:
    if not folder.is_dir():
        raise ReconcileError(f"There is no folder {folder}.", "Give the folder that was migrated: folder:DIR.")
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = off")
        for path in sorted(folder.iterdir()):
            kind = path.suffix.lower()
            if path.name.startswith(".") or not path.is_file():
                continue
            if kind in (".csv", ".tsv"):
                _filled(copy, path.stem, *_of_text(path, "\t" if kind == ".tsv" else delimiter, encoding))
            elif kind == ".parquet":
                _filled(copy, path.stem, *_of_parquet(path))
            elif kind == ".xlsx":
                for sheet, lines in _of_workbook(path):
                    _filled(copy, sheet, lines[0], iter(line for line in lines[1:] if any(line)))


def _filled(copy: sqlite3.Connection, name: str, columns: list[str], rows: Iterator[Any]) -> None:
    # No types: every value stays what it is.
    copy.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(map(_quoted, columns))})")
    copy.execute("BEGIN")
    copy.executemany(f"INSERT INTO {_quoted(name)} VALUES ({', '.join('?' * len(columns))})", rows)
    copy.execute("COMMIT")


def _of_text(path: Path, delimiter: str, encoding: str) -> tuple[list[str], Iterator[Any]]:
    csv = pyarrow.csv
    reading = csv.ReadOptions(encoding="utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding)
    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with csv.open_csv(path, reading, parsing, csv.ConvertOptions(strings_can_be_null=False)) as first:
        names = first.schema.names
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)

    def rows() -> Iterator[Any]:
        with csv.open_csv(path, reading, parsing, texts) as reader:
            for batch in reader:
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return names, rows()


def _of_parquet(path: Path) -> tuple[list[str], Iterator[Any]]:
    file = pyarrow.parquet.ParquetFile(path)

    def rows() -> Iterator[Any]:
        for batch in file.iter_batches(4_096):
            yield from zip(*(map(_value, column.to_pylist()) for column in batch.columns), strict=True)

    return file.schema_arrow.names, rows()


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, Decimal):
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)


def _of_workbook(path: Path) -> Iterator[tuple[str, list[list[str]]]]:
    with zipfile.ZipFile(path) as parts:  # a cell such as #N/A would come as nothing
        for name in (name for name in parts.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")):
            if re.search(rb'<c\b[^>]*\bt="e"', parts.read(name)):
                raise ReconcileError(f"{path.name}: a cell holds an error such as #N/A.", "Give the workbook that was migrated.")
    workbook = importlib.import_module("python_calamine").CalamineWorkbook.from_path(str(path))
    for sheet in workbook.sheet_names:
        lines = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        yield sheet, [[_said(cell) for cell in line] for line in lines]


def _said(cell: Any) -> str:
    """What the cell shows."""
    if isinstance(cell, float) and cell.is_integer():
        return f"{cell:.0f}"
    return str(_value(cell))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
