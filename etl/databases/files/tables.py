"""Files as tables: CSV and TSV (RFC 4180), Parquet, sheets of workbooks. Text files give text values; a file that is not a table is refused by name."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.databases.files.workbook_cells import unreadable_cells, written_numbers
from etl.errors import MigrationError

ENDINGS = (".csv", ".tsv", ".parquet", ".xlsx")
_FIELD = 1 << 30  # characters: the most that a database would hold in a cell
_ROWS = 5_000
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # a character that XML does not allow


@dataclass(frozen=True)
class FileTable:
    """A table in a file; `sheet`: its name in a workbook, None otherwise."""

    name: str
    file: Path
    sheet: str = ""

    def __str__(self) -> str:
        return f"{self.file.name}, sheet {self.sheet}" if self.sheet else self.file.name


def tables_in(folder: Path, option: str) -> list[FileTable]:
    """Returns the tables of a folder; raises MigrationError where it has none, or two of one name."""
    if not folder.is_dir():
        raise MigrationError(f"{option}: there is no folder {folder}.", "Give the folder with the exported files: folder:DIR.")
    found: list[FileTable] = []
    for file in sorted(folder.iterdir()):
        if not _is_table(file):
            continue
        if file.is_symlink() or not file.is_file():
            raise MigrationError(f"{option}: {file.name} is a link, or not a file at all.", "Put the file itself into the folder.")
        found += (
            [FileTable(sheet, file, sheet) for sheet in _sheets(file)] if file.suffix.lower() == ".xlsx" else [FileTable(file.stem, file)]
        )
    seen: dict[str, FileTable] = {}
    for table in found:
        if table.name.casefold() in seen:
            raise MigrationError(f"{option}: {seen[table.name.casefold()]} and {table} are one table.", "Leave one of them in the folder.")
        seen[table.name.casefold()] = table
    if not found:
        raise MigrationError(
            f"{option}: {folder} has no files of the kinds {', '.join(ENDINGS)}.", "Give the folder with the exported files."
        )
    return found


def not_read(folder: Path) -> list[str]:
    """Returns the names of all other entries of the folder, sorted: hidden files, folders, files of other kinds."""
    return sorted(f"{file.name}/" if file.is_dir() else file.name for file in folder.iterdir() if not _is_table(file))


def _is_table(file: Path) -> bool:
    """Returns whether the file's name is a table's: by its suffix."""
    hidden = file.name.startswith((".", "~$"))  # ~$: the lock file of a workbook that is open in another program
    return not hidden and file.suffix.lower() in ENDINGS and (file.is_symlink() or not file.is_dir())


def columns_and_rows(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    """Returns the columns with their types in the contract's words, and an iterator of the rows."""
    match table.file.suffix.lower():
        case ".parquet":
            return _parquet(table)
        case ".xlsx":
            return _sheet(table)
    return _text(table, "\t" if table.file.suffix.lower() == ".tsv" else delimiter, encoding)


def _refused(table: FileTable, found: str, next_step: str) -> MigrationError:
    return MigrationError(f"{table}: {found}.", next_step)


def _named(table: FileTable, head: Sequence[str]) -> dict[str, str]:
    if not head:
        raise _refused(table, "it has no header", "Write the column names into the first line.")
    blank = [str(position) for position, name in enumerate(head, start=1) if not name.strip()]
    if blank:
        raise _refused(table, f"the header is blank in column {', '.join(blank)}", "Give every column a name.")
    doubled = sorted({name for name in head if [other.casefold() for other in head].count(name.casefold()) > 1})
    if doubled:
        raise _refused(table, f"the header has {', '.join(map(repr, doubled))} more than once", "Give every column a unique name.")
    return dict.fromkeys(head, "TEXT")


def _text(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    lines = enumerate(_lines(table, delimiter, encoding), start=1)
    columns = _named(table, next(lines, (1, []))[1])

    def rows() -> Iterator[Sequence[Any]]:
        empty = 0  # an empty line before the end of the file
        for number, line in lines:
            if not line and len(columns) > 1:
                empty = empty or number
                continue
            if empty:
                raise _refused(table, f"line {empty:,} is empty", "Export the file again.")
            if (len(columns) > 1 and len(line) != len(columns)) or len(line) > 1 == len(columns):
                raise _refused(table, f"line {number:,} has {len(line)} fields, the header {len(columns)}", "Export the file again.")
            yield line or [""]  # in a table with one column, an empty line is an empty cell

    return columns, rows()


def _lines(table: FileTable, delimiter: str, encoding: str) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD)
    known = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    with table.file.open(encoding=known, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            yield from reader
        except UnicodeDecodeError:
            raise _refused(
                table, f"it is not {encoding} behind line {reader.line_num:,}", "Name its encoding: [csv] encoding in source.toml."
            ) from None
        except csv.Error as error:
            raise _refused(
                table, f"line {reader.line_num:,} is not valid CSV ({error})", "Export the file again, as RFC 4180 has it."
            ) from None


def _parquet(table: FileTable) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(table.file)
        schema = file.schema_arrow
    except (OSError, pa.ArrowException):
        raise _refused(table, "it cannot be read as Parquet", "Export the file again.") from None
    _named(table, schema.names)

    def rows() -> Iterator[Sequence[Any]]:
        try:
            for batch in file.iter_batches(_ROWS):
                yield from zip(*([_cell(value) for value in column.to_pylist()] for column in batch.columns), strict=True)
        except (OSError, pa.ArrowException):
            raise _refused(table, "it cannot be read to its end", "Export the file again.") from None

    return {field.name: _word(field.type) for field in schema}, rows()


def _word(kind: Any) -> str:
    """Returns the contract's word for an Arrow type; Arrow's word where the contract has none."""
    import pyarrow as pa

    types = pa.types
    for test, word in (
        (types.is_boolean, "BOOLEAN"),
        (types.is_integer, "BIGINT"),
        (types.is_string, "TEXT"),
        (types.is_large_string, "TEXT"),
        (types.is_date, "DATE"),
        (types.is_timestamp, "TIMESTAMP"),
        (types.is_binary, "BYTEA"),
        (types.is_large_binary, "BYTEA"),
        (types.is_floating, "DOUBLE"),
    ):
        if test(kind):
            return word
    if types.is_decimal(kind):
        return f"NUMERIC({kind.precision},{kind.scale})"
    return str(kind).upper().partition("<")[0]


def _cell(value: Any) -> Any:
    """Returns the value as a SQLite file would store it."""
    match value:
        case None | str() | bytes():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else str(value)
        case float():
            return value
        case datetime():
            from datetime import UTC

            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return moment.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return str(int(value)) if value == value.to_integral_value() else str(value)
    return str(value)


def _calamine() -> Any:
    """Returns the library that reads workbooks; imported late, because most sources have none."""
    import python_calamine

    return python_calamine


def _sheets(file: Path) -> list[str]:
    library = _calamine()
    try:
        names = list(library.CalamineWorkbook.from_path(str(file)).sheet_names)
        lost = next(unreadable_cells(file), None)
    except Exception as error:  # the library raises exceptions of many classes for a damaged workbook
        raise MigrationError(f"{file.name}: it cannot be read as a workbook ({type(error).__name__}).", "Save it again as .xlsx.") from None
    if lost is not None:
        cell, shown = lost
        raise MigrationError(
            f"{file.name}: cell {cell} shows {shown}, which cannot be carried as it is shown.",
            "Put its text into the cell (format Text; numbers: General), or export the sheets as CSV; then run again. No row of it was read.",
        )
    return names


def _sheet(table: FileTable) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    workbook = _calamine().CalamineWorkbook.from_path(str(table.file))
    written = written_numbers(table.file, table.sheet)
    lines = [
        [written.get((row, column)) or _shown(table, cell) for column, cell in enumerate(line, start=1)]
        for row, line in enumerate(workbook.get_sheet_by_name(table.sheet).to_python(skip_empty_area=False), start=1)
    ]
    while lines and not any(lines[-1]):
        lines.pop()
    columns = _named(table, lines[0] if lines else [])
    empty = next((number for number, line in enumerate(lines, start=1) if not any(line)), None)
    if empty is not None:
        raise _refused(table, f"row {empty:,} is empty, and rows follow it", "Take the empty rows out of the sheet.")
    return columns, iter(lines[1:])


def _shown(table: FileTable, cell: Any) -> str:
    """Returns the displayed text of a cell that is not a plain number; dates and moments in ISO 8601."""
    if isinstance(cell, float):  # this module and the library interpret its number format differently
        raise _refused(table, "a number has a format of days that is not known", "Give its column another format.")
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date | time) else _ESCAPED.sub(lambda found: chr(int(found[1], 16)), str(cell))
