"""Old portals that are folders of files: what is a table, what is refused, and that both readers see the same cells."""

from __future__ import annotations

import zipfile
from decimal import Decimal
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

BAD = {  # the file's bytes, what the sentence says; without a delimiter of its own it is a comma
    "ragged": (b"A,B\n1,2\n3\n4,5,6\n7\n8\n", ("line 3: found 1 fields, expected 2", "line 4: found 3 fields", "in 2 more lines")),
    "encoding": (b"A\nx\n\xff\n", ("line 3: found bytes that are not utf-8",)),
    "utf16": ("A,B\n1,2\n".encode("utf-16"), ("line 1: found bytes that are not utf-8",)),
    "utf16le": ("A,B\n1,2\n".encode("utf-16-le"), ("line 1: found the character U+0000", "such as utf-16")),
    "behind": (b'A,B\n"x"y,2\n', ("line 2: found text that is not valid CSV", "RFC 4180")),
    "unclosed": (b'A,B\n"x\ny",1\n"z,2\n\n', ("line 4: found text that is not valid CSV",)),
    "quotes": (b'A,B\n"x ""y""",1\nx "y",2\n', ("line 3: found a quote inside a field without quotes", "doubled")),
    "blank": (b"A,, \n1,2,3\n", ("line 1, column 2, 3: found a blank name",)),
    "double": (b"A,a\n1,2\n", ("line 1: found 'A', 'a' more than once",)),
    "nul": (b"A\0,B\n1,2\n", ("line 1: found the character U+0000",)),
    "long": (b"A" * 1001 + b",B\n1,2\n", ("line 1: found a name of 1,001 characters, expected at most 1,000",)),
    "empty": (b"", ("line 1: found nothing, expected a header",)),
    "returns": (b"A,B\r1,2\r3\r", ("line 3: found 1 fields",)),
}


def test_files_that_are_not_tables_are_refused_by_name_all_in_one_answer(tmp_path: Path) -> None:
    for name, (content, _) in BAD.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    pq.write_table(pa.table([pa.array(["1"]), pa.array(["2"])], names=["N", "n"]), tmp_path / "two.parquet")
    with pytest.raises(MigrationError) as refused, FolderSource(f"folder:{tmp_path}", "Portal 2.0") as source:
        source.shapes()
    said = refused.value.message.splitlines()
    for name, (_, sentences) in BAD.items():
        for sentence in sentences:
            assert any(line.startswith(f"  {name}.csv: ") and sentence in line and "expected " in line for line in said), (name, sentence)
    assert "  cut.parquet: found a file that cannot be read as Parquet, expected a file exported again" in said
    assert "  two.parquet: header: found 'N', 'n' more than once, expected a unique name for every column" in said


def test_two_files_of_one_name_and_a_folder_without_any_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="has no files"):
        tables_in(tmp_path, "Portal 2.0")
    (tmp_path / "t.csv").write_text("A\n1\n")
    (tmp_path / "T.tsv").write_text("A\n1\n")
    (tmp_path / "book.xlsx").write_bytes(b"PK and no more")
    with pytest.raises(MigrationError) as refused:
        tables_in(tmp_path, "Portal 2.0")
    for sentence in ("t.csv: found the table of T.tsv a second time", "book.xlsx: found a file that cannot be read as a workbook"):
        assert sentence in refused.value.message


def test_odd_types_and_values_of_parquet_come_as_they_are_on_both_sides(tmp_path: Path) -> None:
    """1.50 came as 1.5 and 20 digits as 1e+20 by SQLite's types; NaN as NULL; numbers above 64 bits and the year 10000 ended in an internal error."""
    day, moment = pa.array([10**7, -(10**6), 0], pa.date32()), pa.array([10**18, -(10**17), 1], pa.timestamp("us"))
    columns = {
        "DEC": (pa.array([Decimal("1.50"), Decimal("100.00"), Decimal("12345678901234567.25")], pa.decimal128(20, 2)), "NUMERIC(20,2)"),
        "BIG": (pa.array([Decimal(10**20 - 1), Decimal(7), None], pa.decimal128(20, 0)), "NUMERIC(20,0)"),
        "U64": (pa.array([2**64 - 1, 2**63, 1], pa.uint64()), "BIGINT"),
        "I64": (pa.array([-(2**63), 2**63 - 1, 1]), "BIGINT"),
        "NAN": (pa.array([float("nan"), 1.5, None]), "DOUBLE"),
        "DAY": (day, "DATE"),
        "MOMENT": (moment, "TIMESTAMP"),
        "NANOS": (pa.array([1234567890123456789, 1000, None], pa.timestamp("ns")), "TIMESTAMP"),
        "WORD": (pa.array(["1", "x", "1"]).dictionary_encode(), "TEXT"),
        "LIST": (pa.array([[1], [], None]), "LIST"),
        "ZERO": (pa.nulls(3), ""),
        "FIXED": (pa.array([b"ab", b"12", None], pa.binary(2)), "BYTEA"),
        "TEXT": (pa.array(["1.50", "007", "1e5"]), "TEXT"),
        "VIEW": (pa.array(["a", "b", "c"], pa.string_view()), "TEXT"),
        "BYTES": (pa.array([b"a", b"b", b"c"], pa.binary_view()), "BYTEA"),
        "SPOILT": (
            pa.Array.from_buffers(pa.string(), 3, [None, *pa.array(["a", "bb", "c"]).buffers()[1:2], pa.py_buffer(b"a\xffbc")]),
            "TEXT",
        ),
    }
    pq.write_table(pa.table({name: array for name, (array, _) in columns.items()}), tmp_path / "t.parquet")
    with FolderSource(f"folder:{tmp_path}", "Portal 2.0") as source:
        assert source.shapes() == {"t": {name: word for name, (_, word) in columns.items()}}
    first, second, third = (tuple(map(str, row)) for row in loader_and_verifier(tmp_path, "t"))
    assert first[:5] == ("1.50", "99999999999999999999", "18446744073709551615", "-9223372036854775808", "NaN")
    assert (first[7], first[8:10]) == ("2009-02-13 23:31:30.123456789", ("1", "[1]"))
    assert second[-1] == "\ufffdb"
    assert second[:5] == ("100", "7", "9223372036854775808", "9223372036854775807", "1.5")
    assert third == (
        "12345678901234567.25",
        "None",
        "1",
        "1",
        "None",
        "1970-01-01",
        "1970-01-01 00:00:00.000001",
        *("None", "1"),
        *("None",) * 3,
        *("1e5", "c", "c", "c"),
    )
    for row in (first, second):
        assert not set(row[5:7]) & {"None", ""}  # days that no calendar here has keep a text, which no form reads


def test_a_field_beyond_the_verifiers_blocks_is_read_by_both(tmp_path: Path) -> None:
    """A document of more than a megabyte in a CSV file stopped the run: the verifier's parser takes no record longer than its blocks."""
    (tmp_path / "t.csv").write_bytes(b"A,B\n1,x\n2," + b"Q" * 3_000_000 + b'\n3,"' + b"line\n" * 500_000 + b'"\n')
    assert [(a, len(str(b))) for a, b in loader_and_verifier(tmp_path, "t")] == [("1", 1), ("2", 3_000_000), ("3", 2_500_000)]


def test_both_readers_give_the_same_cells_of_every_kind_of_file(tmp_path: Path) -> None:
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
    """#N/A came as an empty text, a row of nothing else not at all: in silence, on both sides."""
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        sheet = book.add_worksheet("T")
        sheet.write_row(0, 0, ["A", "B"])
        sheet.write_number(1, 0, 1)
        sheet.write_formula(1, 1, "=NA()", value="#N/A")
    with pytest.raises(MigrationError, match="cell B2 of sheet T: found #N/A"):
        tables_in(tmp_path, "Portal 2.0")
    with pytest.raises(ReconcileError, match="cell B2 holds an error"):
        FolderDatabase(tmp_path)


SHOWN = {  # format, number: what the cell shows, None where nobody can carry that
    ("General", 42): "42",
    ("General", 0.1 + 0.2): "0.3",
    ("General", -1234.5): "-1234.5",
    ("General", 123_456_789_012_345): "123456789012345",
    ("General", 12_345_678_901_234_567): None,
    ("@", 7): "7",
    ("0", 12): "12",
    ("0.00", 12.5): "12.50",
    ("0.00", -3): "-3.00",
    ("0.00", 12.345): None,
    ("00000", 42): "00042",
    ("00000", -42): "-00042",
    ("00000", 123456): "123456",
    ("00000", 4.2): None,
    ("0%", 0.5): None,
    ("#,##0", 1234): None,
    ("# ?/?", 0.5): None,
    ("0.00E+00", 1234): None,
    ('"ID-"0', 42): None,
    ("[Red]0", 1): None,
    ("0;-0;;@", 0): None,
    ("#,##0.00 [$€-407]", 1): None,
    ("000-00-0000", 123456789): None,
    ("yyyy-mm-dd", 43890): "2020-02-29",
    ("d/m/yy;@", 43890): "2020-02-29",
    ("[$-409]mmmm d, yyyy", 43890): "2020-02-29",
    ('yyyy"y"m"m"', 43890.75): "2020-02-29 18:00:00",
    ("h:mm AM/PM", 0.5): "12:00:00",
    ("mm:ss.0", 0.5): "12:00:00",
    ("mm/dd/yyyy hh:mm:ss.000", 43890.75): "2020-02-29 18:00:00",
    ("yyyy-mm-dd", 60): None,  # 29 February 1900, which never was
    ("yyyy-mm-dd", 0.5): None,
    ("yyyy-mm-dd", -5): None,
    ("yyyy-mm-dd", 2_958_466): None,
    ("[h]:mm:ss", 1.5): None,
    ("ggge", 43890): None,
    ("bbbb", 43890): None,
    ("General", float("1e300")): None,
}


def test_a_number_of_a_workbook_is_read_as_displayed_or_refused_by_both_readers(tmp_path: Path) -> None:
    """12.5 under `0.00` came as 12.5, 42 under `00000` as 42, 0.5 under `0%` as 0.5, and -5 under a day's format as 00:00:00."""
    carried = {given: text for given, text in SHOWN.items() if text is not None}
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        sheet = book.add_worksheet("T")
        sheet.write_row(0, 0, ["FORMAT", "N"])
        for row, (code, number) in enumerate(carried, start=1):
            sheet.write_string(row, 0, code)
            sheet.write_number(row, 1, number, book.add_format({"num_format": code}))
    assert loader_and_verifier(tmp_path, "T") == [(code, text) for (code, _), text in carried.items()]
    for code, number in SHOWN.keys() - carried.keys():
        with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
            sheet = book.add_worksheet("T")
            sheet.write_row(0, 0, ["A", "B"])
            sheet.write_number(1, 1, number, book.add_format({"num_format": code}))
        with pytest.raises(MigrationError, match="cell B2 of sheet T: found a number in the form"):
            tables_in(tmp_path, "Portal 2.0")
        with pytest.raises(ReconcileError, match="cell B2 holds"):
            FolderDatabase(tmp_path)


def loader_and_verifier(folder: Path, table: str) -> list[tuple[object, ...]]:
    """The rows that both readers see, in the order of the file; they are the same."""
    source, database = FolderSource(f"folder:{folder}", "Portal 2.0"), FolderDatabase(folder)
    try:
        rows = source.query(f"SELECT * FROM {table} ORDER BY rowid")
        found = [tuple(str(cell, "utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row) for row in rows]
        raw = database._rows.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
        assert [tuple(str(cell, "utf-8", "replace") if isinstance(cell, bytes) else cell for cell in row) for row in raw] == found
        return found
    finally:
        source.close()
        database.close()


def altered(file: Path, part: str, old: str, new: str, moved: str = "") -> None:
    """A part of the workbook, changed as another program would have written it."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part], parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    if moved:
        parts["xl/odd.xml"] = parts.pop(moved)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_hidden_content_of_a_workbook_is_refused_by_both_readers(tmp_path: Path) -> None:
    """A formula without its result, another namespace, a prefix, a sheet's part in another place, the calendar of 1904."""
    file = tmp_path / "book.xlsx"

    def write(percent: bool = True, **options: bool) -> None:
        with xlsxwriter.Workbook(file, options) as book:
            sheet = book.add_worksheet("T")
            sheet.write_row(0, 0, ["A", "B"])
            sheet.write_number(1, 0, 100, book.add_format({"num_format": "0%" if percent else "yyyy-mm-dd"}))
            sheet.write_string(1, 1, "a_x0041_\nb")

    def refused(words: str) -> None:
        with pytest.raises(MigrationError, match=words):
            tables_in(tmp_path, "Portal 2.0")
        with pytest.raises(ReconcileError, match="cell A2 holds"):
            FolderDatabase(tmp_path)

    sheet, main = "xl/worksheets/sheet1.xml", "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    write()
    altered(file, sheet, main, "http://purl.oclc.org/ooxml/spreadsheetml/main")
    refused("in the form 0%")
    write()
    altered(file, "xl/_rels/workbook.xml.rels", "worksheets/sheet1.xml", "/xl/odd.xml", moved=sheet)
    refused("in the form 0%")
    write(percent=False)
    altered(file, sheet, "<v>100</v>", "<f>SUM(B1:B2)</f>")
    refused("the result of a formula that is not stored")
    write(percent=False, date_1904=True)
    assert loader_and_verifier(tmp_path, "T") == [("1904-04-10", "aA\nb")]
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet("T")
        page.write_column(0, 0, ["A", "x", "", "y"])
    source = FolderSource(f"folder:{tmp_path}", "Portal 2.0")
    with pytest.raises(MigrationError, match="row 3: found an empty row, and rows follow it"):
        source.shapes()
    source.close()


def test_a_value_far_from_all_others_is_refused_by_both_readers_before_room_is_made_for_the_cells_between(tmp_path: Path) -> None:
    """The library asked for 512 GB at once, which ended the process."""
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        sheet = book.add_worksheet("far")
        sheet.write_column(0, 0, ["A", "x"])
        sheet.write_string(1_048_575, 16_383, "forgotten")
    with pytest.raises(MigrationError, match="cell XFD1048576 of sheet far: found a value far from all others"):
        tables_in(tmp_path, "--source")
    with pytest.raises(ReconcileError, match="cell XFD1048576 lies far from all others"):
        FolderDatabase(tmp_path)


def test_merged_cells_are_refused_and_hidden_sheets_are_named(tmp_path: Path) -> None:
    """The cells of a merged range besides the first came as empty texts."""
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        sheet = book.add_worksheet("T")
        sheet.write_column(0, 0, ["A", "x"])
        hidden = book.add_worksheet("H")
        hidden.write_column(0, 0, ["B", "y"])
        hidden.very_hidden()
    assert loader_and_verifier(tmp_path, "H") == [("y",)]
    with FolderSource(f"folder:{tmp_path}", "Portal 2.0") as source:
        assert source.conditions([]).notes == ["book.xlsx: sheet H is hidden; it is read as all others"]
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        sheet = book.add_worksheet("T")
        sheet.write_column(0, 0, ["A", "x", "y", "z"])
        sheet.merge_range(1, 0, 2, 0, "x")
    with pytest.raises(MigrationError, match="cells A2:A3 of sheet T: found merged cells"):
        tables_in(tmp_path, "Portal 2.0")


def test_an_empty_line_of_a_file_with_one_column_is_a_row_and_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(b'A\r\nx\r\n\r\n""\r\ny\r\n\r\n')
    assert loader_and_verifier(tmp_path, "one") == [("x",), ("",), ("",), ("y",), ("",)]
    (tmp_path / "one.csv").write_bytes(b"A,B\n1,2\n\n")
    assert loader_and_verifier(tmp_path, "one") == [("1", "2")]
    (tmp_path / "one.csv").write_bytes(b"A,B\n1,2\n\n3,4\n")
    (table,) = tables_in(tmp_path, "Portal 2.0")
    with pytest.raises(MigrationError, match="line 3: found an empty line"):
        list(columns_and_rows(table, ",", "utf-8")[1])


def test_other_files_in_the_folder_are_named_and_links_are_refused(tmp_path: Path) -> None:
    """Hidden files, other endings and folders were passed over in silence; a link led to any file that the operator may read."""
    folder = tmp_path / "export"
    (folder / "more.csv").mkdir(parents=True)
    for name in ("t.csv", ".t2.csv", "~$book.xlsx", "message.txt", "message.csv.gz", "Thumbs.db"):
        (folder / name).write_text("A\n1\n")
    others = [".t2.csv", "Thumbs.db", "message.csv.gz", "message.txt", "more.csv", "~$book.xlsx"]
    source, database = FolderSource(f"folder:{folder}", "Portal 2.0"), FolderDatabase(folder)
    try:
        assert [sentence.partition(":")[0].rstrip("/") for sentence in source.conditions([]).beside] == others
        assert [doubt.partition(",")[0] for doubt in database.doubts() if "in the folder" in doubt] == others
        assert list(source.shapes()) == ["t"]
    finally:
        source.close()
        database.close()
    (tmp_path / "secret").write_text("A\nsecret\n")
    (folder / "s.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(MigrationError, match=r"s\.csv: found a link"):
        tables_in(folder, "Portal 2.0")
    with pytest.raises(ReconcileError, match=r"s\.csv: it is a link"):
        FolderDatabase(folder)
