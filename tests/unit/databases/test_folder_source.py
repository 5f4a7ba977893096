"""Old portals that are folders of files: what is a table, what is refused, and that both readers see the same cells."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from etl.databases.files.source import FolderSource
from etl.databases.files.tables import columns_and_rows, tables_in
from etl.errors import MigrationError
from etl.reconcile.databases.folder import FolderDatabase
from etl.reconcile.errors import ReconcileError

BAD = {
    "ragged": (b"A,B\n1,2\n3\n", "line 3 has 1 fields, the header 2"),
    "encoding": (b"A\n\xff\n", "it is not utf-8"),
    "quotes": (b'A,B\n"x"y,2\n', "is not valid CSV"),
    "blank": (b"A,\n1,2\n", "the header is blank in column 2"),
    "double": (b"A,a\n1,2\n", "more than once"),
    "empty": (b"", "it has no header"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_a_table_is_refused_by_name(name: str, tmp_path: Path) -> None:
    content, sentence = BAD[name]
    (tmp_path / f"{name}.csv").write_bytes(content)
    (table,) = tables_in(tmp_path, "Portal 2.0")
    with pytest.raises(MigrationError) as refused:
        list(columns_and_rows(table, ",", "utf-8")[1])
    assert sentence in refused.value.message
    assert f"{name}.csv" in refused.value.message


def test_two_files_of_one_name_and_a_folder_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="has no files"):
        tables_in(tmp_path, "Portal 2.0")
    (tmp_path / "t.csv").write_text("A\n1\n")
    (tmp_path / "T.tsv").write_text("A\n1\n")
    with pytest.raises(MigrationError, match=r"T\.tsv and t\.csv are one table"):
        tables_in(tmp_path, "Portal 2.0")


def test_both_readers_see_the_same_cells_in_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "semi.csv").write_bytes('﻿A;B\r\n1;"x;""y"""\r\n;"line\r\nbreak"\r\n'.encode())
    (tmp_path / "old.csv").write_bytes("A;B\r1;caf\u00e9\r".encode())
    (tmp_path / "tab.tsv").write_text("A\tB\n1\tb\n", encoding="utf-8")
    pq.write_table(
        pa.table(
            {
                "N": pa.array([1, None]),
                "T": pa.array(["x", ""]),
                "B": pa.array([True, False]),
                "F": pa.array([2.0, 2.5]),
                "X": pa.array([b"\0", None]),
            }
        ),
        tmp_path / "kept.parquet",
    )
    _workbook(tmp_path / "book.xlsx")
    source = FolderSource(f"folder:{tmp_path}", "Portal 2.0")
    source.delimiter = ";"
    database = FolderDatabase(tmp_path, ";")
    try:
        expected = {
            "semi": [("1", 'x;"y"'), ("", "line\r\nbreak")],
            "old": [("1", "caf\u00e9")],
            "tab": [("1", "b")],
            "kept": [(1, "x", "true", 2.0, b"\0"), (None, "", "false", 2.5, None)],
            "People": [("7", "Ann", "2020-02-29")],
        }
        assert set(source.shapes()) == set(expected)
        for table, rows in expected.items():
            names = ", ".join(f'"{name}"' for name in source.shapes()[table])
            assert source.query(f"SELECT {names} FROM {table}") == [tuple(_decoded(cell, table) for cell in row) for row in rows], table  # type: ignore[attr-defined]  # rows of any shape
            raw = database._rows.execute(f"SELECT {names} FROM {table}").fetchall()
            assert [
                tuple(str(cell, "utf-8") if type(cell) is not bytes and isinstance(cell, bytes) else cell for cell in row) for row in raw
            ] == rows, table
    finally:
        source.close()
        database.close()


def _decoded(cell: object, table: str) -> object:
    return "\0" if cell == b"\0" and table == "kept" else cell


def _workbook(file: Path) -> None:
    """A workbook with one sheet, by hand: a number, a text, a day."""
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1" t="inlineStr"><is><t>ID</t></is></c><c r="B1" t="inlineStr"><is><t>NAME</t></is></c>'
        '<c r="C1" t="inlineStr"><is><t>BORN</t></is></c></row>'
        '<row r="2"><c r="A2"><v>7</v></c><c r="B2" t="inlineStr"><is><t>Ann</t></is></c><c r="C2" s="1"><v>43890</v></c></row>'
        "</sheetData></worksheet>"
    )
    main, rel = (
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{rel}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{rel}"><sheets><sheet name="People" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{rel}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{rel}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)


def test_cells_whose_text_the_library_does_not_give_are_refused_on_both_sides(tmp_path: Path) -> None:
    """#N/A came as an empty text, a row of nothing else not at all, and 00042 as 42: all of it in silence, on both sides."""
    for cells, found, both in (((1, "=NA()"), "cell B2 shows #N/A", True), ((42, "x"), "cell A2 shows a number in the form 00000", False)):
        with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
            sheet = book.add_worksheet("T")
            sheet.write_row(0, 0, ["A", "B"])
            sheet.write_number(1, 0, cells[0], None if both else book.add_format({"num_format": "00000"}))
            sheet.write_number(2, 0, 12345, book.add_format({"num_format": "00000"}))  # shows what it is
            if both:
                sheet.write_formula(1, 1, cells[1], value="#N/A")
            else:
                sheet.write_string(1, 1, cells[1])
        with pytest.raises(MigrationError) as refused:
            tables_in(tmp_path, "Portal 2.0")
        assert found in refused.value.message
        if both:
            with pytest.raises(ReconcileError, match="a cell holds an error"):
                FolderDatabase(tmp_path)
