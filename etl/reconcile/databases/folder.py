"""A folder of files as the verifier reads it: each file is copied, as texts or values, into a private SQLite file, which is then read."""

import codecs
import importlib
import io
import math
import re
import sqlite3
import tempfile
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
from etl.reconcile.databases.workbook import Doubtful, numbers
from etl.reconcile.errors import ReconcileError

PREFIX = "folder:"
_BLOCKS = (1 << 20, 1 << 24, 1 << 28, (1 << 31) - 1)  # bytes


class FolderDatabase(SqliteDatabase):
    """The private copy, which `close` removes."""

    def __init__(self, folder: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="portal-migrate-")
        file = Path(self._folder.name) / "copy.sqlite"
        self._others: list[str] = []
        try:
            others = sorted(path.name for path in folder.iterdir() if not _holds_a_table(path)) if folder.is_dir() else []
            self._others = [name.encode("utf-8", "backslashreplace").decode() for name in others]  # a name may be bytes of any kind
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

    def doubts(self) -> list[str]:
        return [*super().doubts(), *(f"{name}, which is in the folder and is not a table's file" for name in self._others)]

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


def _copied(folder: Path, file: Path, delimiter: str, encoding: str) -> None:
    if not folder.is_dir():
        raise ReconcileError(f"{folder} is not an existing folder.", "Give the folder that was migrated: folder:DIR.")
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = off")
        for path in sorted(folder.iterdir()):
            kind = path.suffix.lower()
            if not _holds_a_table(path):
                continue
            if path.is_symlink() or not path.is_file():
                raise ReconcileError(f"{path.name}: it is a link, or not a file at all.", "Give the folder that was migrated.")
            if kind in (".csv", ".tsv"):
                _copied_text(copy, path, "\t" if kind == ".tsv" else delimiter, encoding)
            elif kind == ".parquet":
                _filled(copy, path.stem, *_of_parquet(path))
            elif kind == ".xlsx":
                for sheet, lines in _of_workbook(path):
                    if not lines:
                        raise ReconcileError(f"{path.name}: sheet {sheet} is empty.", "Give the workbook that was migrated.")
                    _filled(copy, sheet, lines[0], iter(line for line in lines[1:] if any(line)))


def _holds_a_table(path: Path) -> bool:
    return (
        path.suffix.lower() in (".csv", ".tsv", ".parquet", ".xlsx")
        and path.name[:1] != "."
        and path.name[:2] != "~$"
        and not path.is_dir()
    )


def _filled(copy: sqlite3.Connection, name: str, columns: list[str], rows: Iterator[Any]) -> None:
    # No types: every value stays what it is.
    copy.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(map(_quoted, columns))})")
    copy.execute("BEGIN")
    copy.executemany(f"INSERT INTO {_quoted(name)} VALUES ({', '.join('?' * len(columns))})", rows)
    copy.execute("COMMIT")


def _copied_text(copy: sqlite3.Connection, path: Path, delimiter: str, encoding: str) -> None:
    """Copies a text file; the parser takes no record that is longer than one of its blocks, so these grow until all fit."""
    for size in _BLOCKS:
        try:
            _filled(copy, path.stem, *_of_text(path, delimiter, encoding, size))
            return
        except pa.ArrowInvalid as error:
            if "cannot infer number of columns" in str(error):  # a header whose line has no end
                ended = io.BytesIO(f"{path.read_bytes().decode(_named(encoding))}\n".encode())
                _filled(copy, path.stem, *_of_text(ended, delimiter, "utf-8", size))
                return
            if "straddl" not in str(error) or size == _BLOCKS[-1]:
                raise
            if copy.in_transaction:
                copy.execute("ROLLBACK")
            copy.execute(f"DROP TABLE IF EXISTS {_quoted(path.stem)}")


def _named(encoding: str) -> str:
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _of_text(file: Path | io.BytesIO, delimiter: str, encoding: str, size: int) -> tuple[list[str], Iterator[Any]]:
    csv = pyarrow.csv
    reading = csv.ReadOptions(encoding=_named(encoding), block_size=size)
    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    start = file.getvalue() if isinstance(file, io.BytesIO) else None  # a reader closes what it is given
    with csv.open_csv(file, reading, parsing, csv.ConvertOptions(strings_can_be_null=False)) as first:
        names = first.schema.names
    if len(names) == 1:  # an empty line is a row with an empty cell
        parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)

    def rows() -> Iterator[Any]:
        with csv.open_csv(file if start is None else io.BytesIO(start), reading, parsing, texts) as reader:
            for batch in reader:
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    return names, rows()


def _of_parquet(path: Path) -> tuple[list[str], Iterator[Any]]:
    file = pyarrow.parquet.ParquetFile(path)

    def rows() -> Iterator[Any]:
        for batch in file.iter_batches(4_096):
            yield from zip(*(_values(column) for column in batch.columns), strict=True)

    return file.schema_arrow.names, rows()


def _values(column: Any) -> list[Any]:
    try:
        return [_value(cell) for cell in column.to_pylist()]
    except (OverflowError, ValueError):  # Arrow has days and moments that Python does not have: their texts
        return [_value(cell.as_py()) if _has_value(cell) else _text_of(cell) for cell in column]


def _text_of(cell: Any) -> Any:
    try:
        return cell.cast(pa.string()).as_py()
    except UnicodeDecodeError:  # E8: the bytes of an invalid text
        return cell.cast(pa.binary()).as_py()


def _has_value(cell: Any) -> bool:
    try:
        _value(cell.as_py())
    except (OverflowError, ValueError):
        return False
    return True


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if (isinstance(value, int) and not -(1 << 63) <= value < 1 << 63) or (isinstance(value, float) and math.isnan(value)):
        return str(value).replace("nan", "NaN")  # as a number, SQLite refuses the one and makes NULL of the other
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(" ")
    if isinstance(value, Decimal):
        return _value(int(value)) if value == int(value) else f"{value:f}"
    if isinstance(value, date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | str | bytes) else str(value)


def _of_workbook(path: Path) -> Iterator[tuple[str, list[list[str]]]]:
    try:
        known = numbers(path)
    except Doubtful as error:
        raise ReconcileError(f"{path.name}: {error}.", "Give the workbook that was migrated.") from None
    workbook = importlib.import_module("python_calamine").CalamineWorkbook.from_path(str(path))
    for sheet in workbook.sheet_names:
        lines = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        texts = known.get(sheet, {})
        yield (
            sheet,
            [[texts.get((row, column_number)) or _said(cell) for column_number, cell in enumerate(line)] for row, line in enumerate(lines)],
        )


def _said(cell: Any) -> str:
    """Returns the displayed text of a cell that is not a number; `_x000D_` denotes a character that XML cannot hold."""
    if isinstance(cell, float):
        raise ReconcileError("A cell of a workbook is a number under a format of days.", "Give the workbook that was migrated.")
    text = str(_value(cell))
    return text if not isinstance(cell, str) else re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
