"""Delimited text files as tables, read strictly as RFC 4180 defines them: every cell is a text."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TextIO

from etl.databases.files.wrong import FileProblem, FilesWrong, FileTable, columns_of, refused

_FIELD = 1 << 30  # characters: the most that a database would hold in a cell
_LINES = 2  # lines of one file in a message
_EXPORT_AGAIN = "a file exported again"


def text_table(table: FileTable, delimiter: str, encoding: str) -> tuple[dict[str, str], Iterator[Sequence[Any]]]:
    """Returns the columns and an iterator of the rows, which raises FilesWrong with the lines that are not rows."""
    lines = _lines(table, delimiter, encoding)
    columns = columns_of(table, next(lines, (1, []))[1])

    def rows() -> Iterator[Sequence[Any]]:
        empty = 0  # an empty line before the end of the file
        ragged: list[tuple[int, int]] = []
        for number, line in lines:
            if not line and len(columns) > 1:
                empty = empty or number
                continue
            if empty:
                raise refused(table, f"line {empty:,}", "an empty line, and rows follow it", _EXPORT_AGAIN)
            if (len(columns) > 1 and len(line) != len(columns)) or len(line) > 1 == len(columns):
                ragged.append((number, len(line)))
            elif not ragged:
                yield line or [""]  # in a table with one column, an empty line is an empty cell
        if ragged:
            raise FilesWrong(_ragged(table, ragged, len(columns)))

    return columns, rows()


def _ragged(table: FileTable, lines: list[tuple[int, int]], columns: int) -> list[FileProblem]:
    expected = f"{columns:,}, as in the header"
    wrong = [FileProblem(str(table), f"line {number:,}", f"{fields:,} fields", expected) for number, fields in lines[:_LINES]]
    if len(lines) > _LINES:
        wrong.append(FileProblem(str(table), "", f"other numbers of fields in {len(lines) - _LINES:,} more lines", expected))
    return wrong


def _lines(table: FileTable, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (number of its first line, fields) of each record."""
    csv.field_size_limit(_FIELD)
    known = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    cell = f'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{re.escape(delimiter)}]*+)'
    record = re.compile(rf"{cell}(?:{re.escape(delimiter)}{cell})*+")
    with table.file.open(encoding=known, newline="") as file:
        kept: list[str] = []  # the physical lines of the record
        reader = csv.reader(_keeping(file, kept), delimiter=delimiter, strict=True)
        number = 1
        try:
            for fields in reader:
                if any('"' in field for field in fields) and not record.fullmatch("".join(kept).rstrip("\r\n")):
                    raise refused(
                        table,
                        f"line {number:,}",
                        "a quote inside a field without quotes",
                        'quotes around the field, each in it doubled ("")',
                    )
                kept.clear()
                yield number, fields
                number = reader.line_num + 1
        except UnicodeError:
            location = f"line {_undecodable(table, encoding):,}"
            raise refused(table, location, f"bytes that are not {encoding}", "that encoding, or the file's under [csv] encoding") from None
        except csv.Error as error:
            raise refused(table, f"line {number:,}", f"text that is not valid CSV ({error})", "CSV as defined by RFC 4180") from None


def _keeping(file: TextIO, kept: list[str]) -> Iterator[str]:
    """Yields the physical lines; without a byte order mark, which most encodings take for a character."""
    first = next(file, "").removeprefix("\ufeff")
    for line in chain([first] if first else [], file):
        kept.append(line)
        yield line


def _undecodable(table: FileTable, encoding: str) -> int:
    """Returns the number of the line with the first bytes that are not of that encoding."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with table.file.open("rb") as file:
        for chunk in file:
            try:
                text = decoder.decode(chunk)
            except UnicodeError:
                return line
            line += text.count("\n") or text.count("\r")
    return line
