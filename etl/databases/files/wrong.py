"""A table in a file, its column names, and what makes a file of a folder unusable: all of it in one answer, each with file, location, found and expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etl.errors import MigrationError
from etl.system.visible import listed, visible

_COLUMNS = 1_990  # the private copy has room for 2,000, with those that a query adds
_LONGEST = 1_000  # characters of a column's name: no database has longer ones, and a line without separators is not a header


@dataclass(frozen=True)
class FileTable:
    """A table in a file; `sheet`: its name in a workbook, None otherwise."""

    name: str
    file: Path
    sheet: str = ""

    def __str__(self) -> str:
        return f"{self.file.name}, sheet {self.sheet}" if self.sheet else self.file.name

    @property
    def head(self) -> str:
        """Returns where the column names are."""
        return "row 1" if self.sheet else "header" if self.file.suffix.lower() == ".parquet" else "line 1"


@dataclass(frozen=True)
class FileProblem:
    """One error: the file, the location in it (may be empty), what was found and what was expected."""

    file: str
    location: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.location}" if self.location else self.file
        return f"{where}: found {self.found}, expected {self.expected}"


class FilesWrong(MigrationError):
    """Files of a folder that are not tables; `problems` has every reason."""

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        self.problems = list(problems)
        said = [str(problem) for problem in problems]
        super().__init__(
            f"{visible(said[0])}." if len(said) == 1 else listed(f"The files of the old portal have {len(said):,} errors:", said),
            "Correct the files, or export them again; CSV files have their delimiter and encoding under [csv] in source.toml. No data was migrated.",
        )


def refused(table: FileTable, location: str, found: str, expected: str) -> FilesWrong:
    """Returns the error of that table's file."""
    return FilesWrong([FileProblem(str(table), location, found, expected)])


def columns_of(table: FileTable, head: Sequence[str]) -> dict[str, str]:
    """Returns the columns that a header names, as texts; raises FilesWrong where a name is missing, doubled, or cannot be a column's."""
    if not head:
        raise refused(table, table.head, "nothing", "a header with the column names")
    by_fold: dict[str, list[str]] = {}
    for name in head:
        by_fold.setdefault(name.casefold(), []).append(name)
    doubled = sorted({name for names in by_fold.values() if len(names) > 1 and names[0].strip() for name in names})
    blank = [f"{number:,}" for number, name in enumerate(head, start=1) if not name.strip()]
    long = max(head, key=len)
    wrong = []
    if blank:
        wrong.append((f"{table.head}, column {', '.join(blank)}", "a blank name", "a name for every column"))
    if doubled:
        wrong.append((table.head, f"{', '.join(map(repr, doubled))} more than once", "a unique name for every column"))
    if len(head) > _COLUMNS:
        wrong.append((table.head, f"{len(head):,} columns", f"at most {_COLUMNS:,}: the file may have another delimiter"))
    if any("\0" in name for name in head):
        wrong.append((table.head, "the character U+0000", "names without it: the file may be in another encoding, such as utf-16"))
    if len(long) > _LONGEST:
        wrong.append((table.head, f"a name of {len(long):,} characters", f"at most {_LONGEST:,}"))
    if wrong:
        raise FilesWrong([FileProblem(str(table), *one) for one in wrong])
    return dict.fromkeys(head, "TEXT")
