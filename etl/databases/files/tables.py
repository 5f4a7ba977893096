"""Files as tables: CSV and TSV (RFC 4180), Parquet, the sheets of workbooks. A file of text gives texts; what is not a table is refused by name."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.databases.files.workbook_cells import unreadable_cells
from etl.errors import MigrationError

ENDINGS = (".csv", ".tsv", ".parquet", ".xlsx")
_FIELD = 1 << 30  # characters: what a database would hold in a cell
_ROWS = 5_000


@dataclass(frozen=True)
class FileTable:
    """A table in a file. `sheet`: of a workbook."""

    name: str
    file: Path
    sheet: str = ""

    def __str__(self) -> str:
        return f"{self.file.name}, sheet {self.sheet}" if self.sheet else self.file.name


def tables_in(folder: Path, place: str) -> list[FileTable]:
    """The tables of a folder; MigrationError where it holds none, or two of one name."""
    if not folder.is_dir():
        raise MigrationError(f"{place}: there is no folder {folder}.", "Give the folder with the exported files: folder:DIR.")
    found: list[FileTable] = []
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or not file.is_file() or file.suffix.lower() not in ENDINGS:
            continue
        found += (
            [FileTable(sheet, file, sheet) for sheet in _sheets(file)] if file.suffix.lower() == ".xlsx" else [FileTable(file.stem, file)]
        )
    seen: dict[str, FileTable] = {}
    for table in found:
        if table.name.casefold() in seen:
            raise MigrationError(f"{place}: {seen[table.name.casefold()]} and {table} are one table.", "Leave one of them in the folder.")
        seen[table.name.casefold()] = table
    if not found:
        raise MigrationError(
            f"{place}: {folder} has no files of the kinds {', '.join(ENDINGS)}.", "Give the folder with the exported files."
        )
    return found


def columns_and_rows(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    """The columns with the contract's words for their types, and the rows."""
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
    blank = [str(place) for place, name in enumerate(head, start=1) if not name.strip()]
    if blank:
        raise _refused(table, f"the header is blank in column {', '.join(blank)}", "Give every column a name.")
    doubled = sorted({name for name in head if [other.casefold() for other in head].count(name.casefold()) > 1})
    if doubled:
        raise _refused(table, f"the header has {', '.join(map(repr, doubled))} more than once", "Give every column a unique name.")
    return dict.fromkeys(head, "TEXT")


def _text(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    lines = _lines(table, delimiter, encoding)
    columns = _named(table, next(lines, []))

    def rows() -> Iterator[Sequence[Any]]:
        for line in lines:
            if len(line) != len(columns):
                raise _refused(table, f"line {lines_read[0]:,} has {len(line)} fields, the header {len(columns)}", "Export the file again.")
            yield line

    lines_read = [1]

    def counted(of: Iterator[list[str]]) -> Iterator[list[str]]:
        for line in of:
            lines_read[0] += 1
            yield line

    lines = counted(lines)
    return columns, rows()


def _lines(table: FileTable, delimiter: str, encoding: str) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD)
    known = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    with table.file.open(encoding=known, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            yield from (line for line in reader if line)
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
    """The contract's word for an Arrow type; its own where there is none."""
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
    """The value as a SQLite file would hold it."""
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
    """The reader of workbooks; imported late, for most sources have none."""
    import python_calamine

    return python_calamine


def _sheets(file: Path) -> list[str]:
    library = _calamine()
    try:
        names = list(library.CalamineWorkbook.from_path(str(file)).sheet_names)
        lost = next(unreadable_cells(file), None)
    except Exception as error:  # the library has no class of its own for all that a damaged workbook does to it
        raise MigrationError(f"{file.name}: it cannot be read as a workbook ({type(error).__name__}).", "Save it again as .xlsx.") from None
    if lost is not None:
        cell, shown = lost
        raise MigrationError(
            f"{file.name}: cell {cell} shows {shown}, which workbook readers do not return.",
            "Put its text into the cell (format Text), or export the sheets as CSV; then run again. No row of it was read.",
        )
    return names


def _sheet(table: FileTable) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    workbook = _calamine().CalamineWorkbook.from_path(str(table.file))
    lines = workbook.get_sheet_by_name(table.sheet).to_python(skip_empty_area=False)
    texts = [[_shown(cell) for cell in line] for line in lines]
    columns = _named(table, texts[0] if texts else [])
    return columns, iter(line for line in texts[1:] if any(line))


def _shown(cell: Any) -> str:
    """The text that a cell shows; dates and moments in ISO form."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
