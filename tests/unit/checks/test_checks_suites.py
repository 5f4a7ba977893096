"""The suites are data, read strictly: what cannot be is an error that names file, place, what was found and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

import checks
from checks.kinds import KINDS
from mappings.errors import MappingError
from tests.support.legacy import MAPPINGS

GOOD = """
[[check]]
id       = "documents.version"
question = "Is every document's version 1 or more?"
why      = "Versions are counted from 1."
severity = "warning"
table    = "document"
kind     = "between"
columns  = ["version_no"]
args     = { min = 1 }
"""


def _suite(folder: Path, text: str, name: str = "mine.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_new_suite_file_needs_no_python(tmp_path: Path) -> None:
    (check,) = checks.bind(checks.read_suites(_suite(tmp_path, GOOD)), MAPPINGS)
    assert (check.id, check.table, check.columns, check.args) == ("documents.version", "document", ("version_no",), {"min": 1})


def test_the_suites_check_every_table_and_use_every_kind() -> None:
    suites = checks.read_suites()
    bound = checks.bind(suites, MAPPINGS)
    assert {check.table for check in bound} >= MAPPINGS.target.tables.keys() - {"migration_run"}
    assert {check.table for check in bound} >= {f"{portal}.{table}" for portal, table in MAPPINGS.tables}
    assert {entry.kind for entry in suites.entries} == KINDS.keys()
    assert len({check.id for check in bound}) == len(bound)


def test_every_check_is_a_question_with_a_reason() -> None:
    for check in checks.bind(checks.read_suites(), MAPPINGS):
        assert check.question.endswith("?"), check.id
        assert check.why.endswith("."), check.id
        assert "{" not in check.question + check.why, check.id


def test_every_foreign_key_of_the_contract_has_a_check() -> None:
    asked = {(check.table, check.columns[0]) for check in checks.bind(checks.read_suites(), MAPPINGS) if check.id.startswith("refers.")}
    keys = {(table.name, column.name) for table in MAPPINGS.target.tables.values() for column in table.columns if column.refers_to}
    assert asked == keys - {("migration_holding", "run_id"), ("migration_exception", "run_id")}


def test_the_digest_changes_with_every_file(tmp_path: Path) -> None:
    one = checks.read_suites(_suite(tmp_path, GOOD)).digest
    other = checks.read_suites(_suite(tmp_path, GOOD.replace("min = 1", "min = 2"))).digest
    assert one != other


WRONG = [
    ("[[chek]]", "[[check]]", "chek", "an unknown word"),
    ('tabel = "x"\nid', "id", "check[0].tabel", "an unknown word"),
    ("id       = 7", 'id       = "documents.version"', "check[0].id", "7"),
    ('id       = "Documents!"', 'id       = "documents.version"', "check[0].id", "'Documents!'"),
    ("", "why      =", "check[0].why", "None"),
    ('question = "No question."', 'question = "Is every document\'s version 1 or more?"', "check[0].question", "'No question.'"),
    ('severity = "grave"', 'severity = "warning"', "check[0].severity", "'grave'"),
    ('kind     = "guess"', 'kind     = "between"', "check[0].kind", "'guess'"),
    ('kind     = "conserved"', 'kind     = "between"', "check[0].kind", "'conserved'"),
    ('table    = "documents"', 'table    = "document"', "check[0].table", "documents"),
    ('table    = "migration_run"', 'table    = "document"', "check[0].table", "migration_run"),
    ('columns  = ["version"]', 'columns  = ["version_no"]', "check[0].columns", "version"),
    ('columns  = "version_no"', 'columns  = ["version_no"]', "check[0].columns", "'version_no'"),
    ("columns  = []", 'columns  = ["version_no"]', "check[0].columns", "0 columns"),
    ('columns  = ["file_name"]', 'columns  = ["version_no"]', "check[0].columns", "file_name VARCHAR(400)"),
    ('columns  = ["version_no", "uploaded_at"]', 'columns  = ["version_no"]', "check[0].columns", "version_no, uploaded_at"),
    ("args     = { least = 1 }", "args     = { min = 1 }", "check[0].args.least", "an unknown word"),
    ("args     = 1", "args     = { min = 1 }", "check[0].args", "1"),
    ("args     = {}", "args     = { min = 1 }", "check[0].args", "neither min nor max"),
    ("args     = { min = 2020-01-01 }", "args     = { min = 1 }", "check[0].args.min", "datetime.date(2020, 1, 1)"),
    ('args     = { min = "1" }', "args     = { min = 1 }", "check[0].args.min", "'1'"),
    ("args     = { min = 1, when = { color = [1] } }", "args     = { min = 1 }", "check[0].args.when", "color"),
    ("args     = { min = 1, when = { deleted = 3 } }", "args     = { min = 1 }", "check[0].args.when", "{'deleted': 3}"),
    ('args     = { min = 1, when = { deleted = ["Y"] } }', "args     = { min = 1 }", "check[0].args.when.deleted", "'Y'"),
]


@pytest.mark.parametrize(("new", "old", "location", "found"), WRONG)
def test_an_invalid_entry_is_reported_with_its_location(new: str, old: str, location: str, found: str, tmp_path: Path) -> None:
    line = next((line for line in GOOD.splitlines() if line.startswith(old)), old)
    text = GOOD.replace(line, new, 1) if old.endswith("=") else GOOD.replace(old, new, 1)
    with pytest.raises(MappingError) as caught:
        checks.bind(checks.read_suites(_suite(tmp_path, text)), MAPPINGS)
    assert (caught.value.file, caught.value.location, caught.value.found) == ("suites/mine.toml", location, found)
    assert caught.value.expected


KIND_WRONG = [
    ("matches", '["file_name"]', "", "check[0].args", "no pattern"),
    ("matches", '["file_name"]', "pattern = '['", "check[0].args.pattern", "'['"),
    ("one_of", '["library_cd"]', "", "check[0].args", ""),
    ("one_of", '["library_cd"]', "values = [1]", "check[0].args.values", "1"),
    ("one_of", '["library_cd"]', 'codes = "document.colour"', "check[0].args.codes", "document.colour"),
    ("refers", '["version_no"]', "", "check[0].args.to", "None"),
    ("refers", '["version_no"]', 'to = "nowhere"', "check[0].args.to", "nowhere"),
    ("parent_is", '["account_id"]', 'column = "colour", values = ["x"]', "check[0].args.column", "colour"),
    ("reached", '["document_id"]', 'by = ["document_link.nothing"]', "check[0].args.by", "nothing"),
    ("reached", '["document_id"]', 'by = ["nowhere.document_id"]', "check[0].args.by", "nowhere.document_id"),
    ("found_in", '["account_id"]', 'in = "nowhere", as = ["account_id"]', "check[0].args.in", "nowhere"),
    ("found_in", '["account_id"]', 'in = "tc_program", as = []', "check[0].args.as", "0 columns"),
    ("found_in", '["account_id"]', 'in = "tc_program", as = ["colour"]', "check[0].args.as", "colour"),
    ("has_current", '["account_id"]', 'flag = "colour"', "check[0].args.flag", "colour"),
    ("coverage", "[]", "", "check[0].table", "document"),
]


@pytest.mark.parametrize(("kind", "columns", "args", "location", "found"), KIND_WRONG)
def test_every_kind_refuses_unknown_words(kind: str, columns: str, args: str, location: str, found: str, tmp_path: Path) -> None:
    text = GOOD.replace('"between"', f'"{kind}"').replace('["version_no"]', columns).replace("{ min = 1 }", f"{{ {args} }}")
    with pytest.raises(MappingError) as caught:
        checks.bind(checks.read_suites(_suite(tmp_path, text)), MAPPINGS)
    assert (caught.value.file, caught.value.location, caught.value.found) == ("suites/mine.toml", location, found)


def test_a_duplicate_id_is_an_error_in_one_file_in_two_and_by_expansion(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"suites/mine.toml: check\[1\].id: found documents.version"):
        checks.read_suites(_suite(tmp_path, GOOD + GOOD))
    _suite(tmp_path, GOOD)
    with pytest.raises(MappingError, match=r"suites/other.toml: check\[0\].id: found documents.version"):
        checks.read_suites(_suite(tmp_path, GOOD, "other.toml"))
    every = '[[every_table]]\nid = "filled"\nquestion = "All?"\nwhy = "So."\nseverity = "critical"\nkind = "filled"\n'
    _suite(tmp_path, GOOD.replace("documents.version", "filled.document"))
    with pytest.raises(MappingError, match=r"found filled.document, expected an id that no other check has"):
        checks.bind(checks.read_suites(_suite(tmp_path, every, "other.toml")), MAPPINGS)


def test_a_kind_that_needs_columns_is_refused_for_all_tables(tmp_path: Path) -> None:
    text = '[[every_table]]\nid = "x"\nquestion = "All?"\nwhy = "So."\nseverity = "critical"\nkind = "in_order"\n'
    with pytest.raises(MappingError, match=r"every_table\[0\].kind: found 'in_order'"):
        checks.read_suites(_suite(tmp_path, text))


def test_a_missing_file_invalid_toml_and_invalid_utf8_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no check"):
        checks.read_suites(tmp_path)
    with pytest.raises(MappingError, match=r"mine\.toml: file"):
        checks.read_suites(_suite(tmp_path, "[[check"))
    (tmp_path / "mine.toml").write_bytes(b"\xff")
    with pytest.raises(MappingError, match=r"mine\.toml: file"):
        checks.read_suites(tmp_path)
