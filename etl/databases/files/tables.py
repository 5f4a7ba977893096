"""Files as tables: CSV and TSV, Parquet, sheets of workbooks. A file that is not a table is refused by name, with the location, what was found and expected."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from etl.databases.files.parquet import parquet_table
from etl.databases.files.text import text_table
from etl.databases.files.workbook_cells import merged_cells, unreadable_cells, written_numbers
from etl.databases.files.wrong import FileProblem, FilesWrong, FileTable, columns_of, refused
from etl.errors import MigrationError

ENDINGS = (".csv", ".tsv", ".parquet", ".xlsx")
_SHOWN = 10  # cells of one workbook in a message
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # a character that XML does not allow


def tables_in(folder: Path, option: str) -> list[FileTable]:
    """Returns the tables of a folder; raises FilesWrong with every file that is not one, and where two have one name."""
    if not folder.is_dir():
        raise MigrationError(f"{option}: {folder} is not an existing folder.", "Give the folder with the exported files: folder:DIR.")
    found: list[FileTable] = []
    wrong: list[FileProblem] = []
    for file in sorted(folder.iterdir()):
        if not _is_table(file):
            continue
        if file.is_symlink() or not file.is_file():
            wrong.append(FileProblem(file.name, "", "a link, or not a file at all", "the file itself in the folder"))
        elif file.suffix.lower() == ".xlsx":
            sheets, problems = _sheets(file)
            found += [FileTable(sheet, file, sheet) for sheet in sheets]
            wrong += problems
        else:
            found.append(FileTable(file.stem, file))
    wrong += [FileProblem(str(table), "", *reason) for table in found if (reason := _unusable(table.name))]
    seen: dict[str, FileTable] = {}
    for table in found:
        first = seen.setdefault(table.name.casefold(), table)
        if first is not table:
            wrong.append(FileProblem(str(table), "", f"the table of {first} a second time", "one file for each table"))
    if wrong:
        raise FilesWrong(wrong)
    if not found:
        raise MigrationError(
            f"{option}: {folder} has no files of the kinds {', '.join(ENDINGS)}.", "Give the folder with the exported files."
        )
    return found


def _unusable(name: str) -> tuple[str, str] | None:
    """Returns (found, expected) where no database could have a table of that name; else None."""
    if name.casefold().startswith("sqlite_"):  # reserved in the private copy
        return "a table's name that begins with sqlite_", "another name"
    if any("\ud800" <= one <= "\udfff" for one in name):
        return "a name that is not UTF-8", "a name in UTF-8"
    return None


def not_read(folder: Path) -> list[str]:
    """Returns the names of all other entries of the folder, sorted: hidden files, folders, files of other kinds; bytes that are not UTF-8 as escapes."""
    found = sorted(f"{file.name}/" if file.is_dir() else file.name for file in folder.iterdir() if not _is_table(file))
    return [os.fsencode(name).decode("utf-8", "backslashreplace") for name in found]


def _is_table(file: Path) -> bool:
    """Returns whether the file's name is a table's: by its suffix."""
    hidden = file.name.startswith((".", "~$"))  # ~$: the lock file of a workbook that is open in another program
    return not hidden and file.suffix.lower() in ENDINGS and (file.is_symlink() or not file.is_dir())


def columns_and_rows(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    """Returns the columns with their types in the contract's words, and an iterator of the rows."""
    match table.file.suffix.lower():
        case ".parquet":
            return parquet_table(table)
        case ".xlsx":
            return _sheet(table)
    return text_table(table, "\t" if table.file.suffix.lower() == ".tsv" else delimiter, encoding)


def _calamine() -> Any:
    """Returns the library that reads workbooks; imported late, because most sources have none."""
    import python_calamine

    return python_calamine


def _sheets(file: Path) -> tuple[list[str], list[FileProblem]]:
    """Returns the names of the sheets, hidden ones among them, and what of the workbook's cells cannot be carried."""
    library = _calamine()
    try:
        names = list(library.CalamineWorkbook.from_path(str(file)).sheet_names)
        lost = list(islice(unreadable_cells(file), _SHOWN + 1))
        merged = list(islice(merged_cells(file), _SHOWN))
    except Exception as error:  # the library raises exceptions of many classes for a damaged workbook
        return [], [
            FileProblem(file.name, "", f"a file that cannot be read as a workbook ({type(error).__name__})", "a workbook saved as .xlsx")
        ]
    expected = "text that can be carried as it is shown: format Text, for numbers General, or the sheets exported as CSV"
    wrong = [FileProblem(file.name, f"cell {cell}", shown, expected) for cell, shown in lost[:_SHOWN]]
    if len(lost) > _SHOWN:
        wrong.append(FileProblem(file.name, "", "more such cells", expected))
    wrong += [
        FileProblem(
            file.name, f"cells {cells}", "merged cells, of which only the first has a value", "unmerged cells, each with its own value"
        )
        for cells in merged
    ]
    return names, wrong


def _sheet(table: FileTable) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    workbook = _calamine().CalamineWorkbook.from_path(str(table.file))
    written = written_numbers(table.file, table.sheet)
    lines = [
        [written.get((row, column)) or _shown(table, cell) for column, cell in enumerate(line, start=1)]
        for row, line in enumerate(workbook.get_sheet_by_name(table.sheet).to_python(skip_empty_area=False), start=1)
    ]
    while lines and not any(lines[-1]):
        lines.pop()
    columns = columns_of(table, lines[0] if lines else [])
    empty = next((number for number, line in enumerate(lines, start=1) if not any(line)), None)
    if empty is not None:
        raise refused(table, f"row {empty:,}", "an empty row, and rows follow it", "a sheet without empty rows")
    return columns, iter(lines[1:])


def _shown(table: FileTable, cell: Any) -> str:
    """Returns the displayed text of a cell that is not a plain number; dates and moments in ISO 8601."""
    if isinstance(cell, float):  # this module and the library interpret its number format differently
        raise refused(table, "", "a number in a format of days that is not known", "another format of its column")
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date | time) else _ESCAPED.sub(lambda found: chr(int(found[1], 16)), str(cell))
