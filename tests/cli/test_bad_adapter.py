"""Bad files of an old portal, and adapters that do not fit them: each named by the real command in one answer, and nothing begun."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import xlsxwriter

from tests.support.school import School, portal_rows, school

Change = Callable[[Path], object]
GUARDIAN, CONTACT, SOURCE = "portal/guardian.csv", "adapter/portal2/company_contact.toml", "adapter/portal2/source.toml"


def _of(file: str, before: str, after: str | bytes) -> Change:
    def change(folder: Path) -> None:
        content = (folder / file).read_bytes()
        assert before.encode() in content, (file, before)
        (folder / file).write_bytes(content.replace(before.encode(), after if isinstance(after, bytes) else after.encode(), 1))

    return change


def _block(more: str) -> Change:
    return _of(CONTACT, 'table = "guardian"\n', f'table = "guardian"\n{more}\n')


def _twice(first: str, second: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / CONTACT).read_text(encoding="utf-8")
        table = 'table = "guardian"\n'
        (folder / CONTACT).write_text(text.replace(table, table + first) + text.replace(table, table + second), encoding="utf-8")

    return change


def _workbook(folder: Path) -> None:
    head, rows = portal_rows()["guardian"]
    (folder / GUARDIAN).unlink()
    with xlsxwriter.Workbook(folder / "portal" / "book.xlsx") as book:
        sheet = book.add_worksheet("guardian")
        for number, row in enumerate([head, *rows]):
            sheet.write_row(number, 0, row)
        sheet.write_formula(1, 3, "=1/0", None, "#DIV/0!")
        sheet.merge_range(2, 5, 3, 5, "parent")
        sheet.write_number(4, 3, 59, book.add_format({"num_format": "yyyy-mm-dd"}))
        hidden = book.add_worksheet("secret")
        hidden.write_column(0, 0, ["A", "x"])
        hidden.very_hidden()


def _all_of(*changes: Change) -> Change:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


_LOOK = '{{ table = "{}", key = "{}", by = "{}" }}'
# What is done to the copy, and for each line that the answer must have its pieces.
BAD: dict[str, tuple[Change, tuple[tuple[str, ...], ...]]] = {
    "ragged lines in two files": (
        _all_of(_of(GUARDIAN, ";yes;", ";"), _of("portal/paper.csv", "91;", "91;;")),
        (("guardian.csv: line 2: found 7 fields, expected 8",), ("paper.csv: line 2: found 9 fields, expected 8",)),
    ),
    "another encoding": (
        _of(GUARDIAN, "Berta", b"B\xe9rta"),
        (("guardian.csv: line 4: found bytes that are not utf-8", "[csv] encoding"),),
    ),
    "a quote in the middle, and a wrong line of the adapter": (
        _all_of(_of(GUARDIAN, "Otto", 'O"tt"o'), _of(CONTACT, "role", "rolle"), _of(SOURCE, "null =", "nul =")),
        (
            ("guardian.csv: line 3: found a quote inside a field without quotes",),
            ("source.toml: nul: found an unknown word", "nearest: null"),
        ),
    ),
    "a blank and a double name": (
        _of(GUARDIAN, "first;last;role", "first;First;"),
        (("guardian.csv: line 1, column 6: found a blank name",), ("guardian.csv: line 1: found 'First', 'first' more than once",)),
    ),
    "another delimiter": (
        _of(SOURCE, 'delimiter = ";"', 'delimiter = "|"'),
        (("source.toml: csv.delimiter: found '|'", "has one column, 'no;", "expected the delimiter of the files, perhaps ';'"),),
    ),
    "a delimiter that is none": (
        _of(SOURCE, 'delimiter = ";"', r'delimiter = "\u0000"'),
        (("source.toml: csv.delimiter", "one character"),),
    ),
    "an encoding that is none": (
        _of(SOURCE, "[csv]", '[csv]\nencoding = "undefined"'),
        (("source.toml: csv.encoding: found 'undefined'", "the name of an encoding"),),
    ),
    "an encoding with U+0000": (
        _of(SOURCE, "[csv]", '[csv]\nencoding = "u\\u0000"'),
        (("source.toml: csv.encoding", "the name of an encoding"),),
    ),
    "two files of one table": (
        lambda folder: (folder / "portal" / "Guardian.tsv").write_text("A\n1\n"),
        (("guardian.csv: found the table of Guardian.tsv a second time, expected one file for each table",),),
    ),
    "a workbook": (
        _workbook,
        (
            ("book.xlsx: cell D2 of sheet guardian: found #DIV/0!", "expected text that can be carried"),
            ("book.xlsx: cell D5 of sheet guardian: found a number in the form yyyy-mm-dd that is not a day of its calendar",),
            ("book.xlsx: cells F3:F4 of sheet guardian: found merged cells",),
        ),
    ),
    "a sheet that no file reads": (
        lambda folder: _sheet(folder / "portal" / "more.xlsx"),
        (("source.toml: ignored.hid: found the physical table hid, which no file reads", '[ignored] hid = "why"'),),
    ),
    "names that no database could have": (
        _all_of(
            lambda folder: (folder / "portal" / "Sqlite_x.csv").write_text("a\n"),
            lambda folder: (folder / "portal" / os.fsdecode(b"\xff.csv")).write_text("a\n"),
        ),
        (
            ("Sqlite_x.csv: found a table's name that begins with sqlite_, expected another name",),
            (r"\udcff.csv: found a name that is not UTF-8",),
        ),
    ),
    "more columns than a database could have": (
        lambda folder: (folder / "portal" / "wide.csv").write_text(";".join(f"c{number}" for number in range(2_001)) + "\n"),
        (("wide.csv: line 1: found 2,001 columns, expected at most 1,990",),),
    ),
    "a file of the adapter whose name is not UTF-8": (
        lambda folder: (folder / "adapter" / "portal2" / os.fsdecode(b"\xff.toml")).write_text(""),
        ((r"portal2/\udcff.toml: found a file not named after a contract table",),),
    ),
    "words with U+0000": (
        _all_of(
            _of(CONTACT, 'ctpat_mail_ind = { constant = "Y" }', r'ctpat_mail_ind = { constant = "\u0000" }'),
            _of("adapter/portal2/security_model.toml", '["first", "last"]', r'["first", "last"], with = "\u0000"'),
            _of("adapter/codes/role.csv", "parent,OFFICER", "parent,OFF\0ICER"),
        ),
        (
            ("company_contact.toml: from[0].columns.ctpat_mail_ind.constant: found a text with U+0000",),
            ("security_model.toml: from[0].columns.model_name.with: found a text with U+0000",),
            ("codes/role.csv: line 2: found a word with U+0000 for 'parent'",),
        ),
    ),
    "hostile names in the header": (
        _of(GUARDIAN, "first;last", '"fi""[r]s\nt";' + "x" * 200),
        (
            ("company_contact.toml: from[0].columns.first_name: found no column first", r'nearest: fi"[r]s\nt'),
            (r'[from.retired] "fi\"[r]s\u000At" = "why"',),
            (f'[from.retired] {"x" * 200} = "why"',),
        ),
    ),
    "look-ups in a circle": (
        _block(f"lookup = {{ a = {_LOOK.format('family', 'fam_no', 'b.fam_no')}, b = {_LOOK.format('family', 'fam_no', 'a.fam_no')} }}"),
        (
            ("company_contact.toml: from[0].lookup.a.by: found b.fam_no", "look-ups cannot be chained"),
            ("company_contact.toml: from[0].lookup.b.by: found a.fam_no", "look-ups cannot be chained"),
        ),
    ),
    "a look-up with several rows": (
        _block(f"lookup = {{ a = {_LOOK.format('guardian', 'fam_no', 'fam_no')} }}"),
        (
            (
                "company_contact.toml: from[0].lookup.a.key: found 2 keys of guardian.fam_no that occur more than once, expected a unique column",
            ),
        ),
    ),
    "a look-up without words": (
        _block('lookup = { a = { table = "family", kye = "fam_no" } }'),
        (("company_contact.toml: from[0].lookup.a: found no word key, by", "{ table = ..., key = ..., by = ... }"),),
    ),
    "a word without a code": (
        _of("adapter/codes/role.csv", "parent,", "parents,"),
        (("company_contact.toml: from[0].columns.contact_type_cd: found words without a line: 'parent' (5)", "codes/role.csv"),),
    ),
    "the same rows twice": (
        _twice("", ""),
        (("company_contact.toml: from[1].where: found 6 rows of guardian that from[0] presents too, under the same key", "a `mark`"),),
    ),
    "some rows twice": (
        _twice('where = { main = ["yes"] }\n', 'where = { role = ["parent"] }\n'),
        (("company_contact.toml: from[1].where: found 4 rows of guardian that from[0] presents too",),),
    ),
    "both a file and a line in absent": (
        _of(SOURCE, "[absent]", '[absent]\ncompany_contact = "x"'),
        (("source.toml: absent.company_contact: found the file portal2/company_contact.toml as well, expected one of the two",),),
    ),
}


def _sheet(file: Path) -> None:
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet("hid").write_column(0, 0, ["A", "x"])


@pytest.mark.parametrize("name", BAD)
def test_an_error_of_an_adapter_is_reported_with_file_location_found_and_expected_before_any_write(name: str, tmp_path: Path) -> None:
    change, lines = BAD[name]
    world = school(tmp_path)
    change(tmp_path)
    for done in (world.plan(), world.run()):
        assert done.code == 1, done.err
        assert "Internal error" not in done.err
        assert done.next.startswith("next: ")
        for parts in lines:
            assert any(all(part in line for part in parts) for line in done.err.splitlines()), (parts, done.err)
    assert world.untouched


def test_one_physical_row_can_be_two_rows_under_two_keys_and_blocks_can_share_a_table(tmp_path: Path) -> None:
    world = school(tmp_path)
    _twice('where = { main = ["yes"] }\n', 'where = { main = ["no"] }\n')(tmp_path)
    assert world.plan().code == 0
    text = (tmp_path / CONTACT).read_text(encoding="utf-8").replace('where = { main = ["no"] }', 'where = { role = ["parent"] }')
    key = 'contact_id = { integer = "no" }'
    first, second, *_ = text.split("[[from]]")[1:]
    marked = first + "[[from]]" + second.replace(key, 'contact_id = { number = "no", mark = "B" }')
    (tmp_path / CONTACT).write_text("[[from]]" + marked, encoding="utf-8")
    assert world.plan().code == 0


def test_a_header_without_a_line_end_a_byte_order_mark_and_a_name_of_any_bytes_beside_the_files_are_read(tmp_path: Path) -> None:
    world = school(tmp_path)
    for file in (tmp_path / "portal").glob("*.csv"):
        text = file.read_text(encoding="utf-8")
        text = text.splitlines()[0] if file.stem == "answer" else text
        file.write_bytes(f"\ufeff{text}".encode("utf-16-le"))
    _of(SOURCE, "[csv]", '[csv]\nencoding = "utf-16-le"')(tmp_path)
    (tmp_path / "portal" / os.fsdecode(b"\xff.txt")).write_text("x")
    for done in (world.plan(), world.run()):
        assert done.code == 0, done.err
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        assert store.execute("SELECT count(*) FROM login").fetchone() == (5,)


def test_fp63_two_users_whose_keys_become_equal_by_a_form_are_told_apart_before_their_contacts_join_them(tmp_path: Path) -> None:
    world = school(tmp_path)
    _of(GUARDIAN, "22;1;", "021;1;")(tmp_path)
    for done in (world.plan(), world.run()):
        assert done.code == 0, done.err
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
        held = store.execute("SELECT legacy_table, legacy_key FROM migration_holding WHERE legacy_key LIKE '%#2' ORDER BY 1").fetchall()
    assert held == [("company_contact", "21#2"), ("portal_user", "21#2")]


def test_what_scaffold_wrote_beside_its_draft_does_not_stop_a_plan(tmp_path: Path) -> None:
    world: School = school(tmp_path)
    for name in ("scan.json", "worklist.md"):
        (tmp_path / "adapter" / name).write_text("{}", encoding="utf-8")
    assert world.plan().code == 0


def test_two_keys_that_are_one_number_stop_plan_and_run_before_anything_is_published(tmp_path: Path) -> None:
    """The parts of a key are joined by a bar, which the parts may contain."""
    world = school(tmp_path)
    _all_of(
        _of(GUARDIAN, ";Eva;Adler;", ";A|B;C;"),
        _of(GUARDIAN, ";Otto;Adler;", ";A;B|C;"),
        _of(CONTACT, 'contact_id = { integer = "no" }', 'contact_id = { number = ["first", "last"] }'),
    )(tmp_path)
    for done in (world.plan(), world.run()):
        assert done.code == 1
        assert "portal2/company_contact.toml: from[0].columns.contact_id: two different texts of guardian.first, guardian.last" in done.err
        assert "another `mark`" in done.next
    assert not (tmp_path / "store.sqlite").exists()
    assert not list((tmp_path / "objects").glob("*"))
