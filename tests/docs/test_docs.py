"""What exists is documented, and what is documented exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from checks import bind
from checks.kinds import EXPECTATIONS
from checks.suites import read_suites
from etl.errors import MigrationError
from mappings.limits import read_limits
from mappings.read import HOME
from tests.docs.handbook import MADE, ROOT, RUNBOOKS, blocks, every_command, in_step, modules
from tests.docs.page_blocks import MAPPINGS, PAGES, name_of, text_of

COMMANDS = dict(every_command())


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_generated_parts_of_pages_are_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == in_step(page), "python tests/docs/handbook.py updates it"


def test_every_generated_part_is_used_by_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in MADE if f"<!-- made: {name} -->" not in text] == []


def test_every_command_and_option_is_documented() -> None:
    text = text_of("runbooks/commands.md")
    for name, command in COMMANDS.items():
        part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        spelt = {word for option in command.params for word in option.opts if word.startswith("-")}
        assert {word for word in spelt if f"`{word}" not in part} == set()


@every_page
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for after in re.findall(r"(?<!/)\bportal-migrate (?=[a-z])([^`\n]*)", text):
        first, _, rest = after.partition(" ")
        name = first if first in COMMANDS else f"{first} {rest.partition(' ')[0]}"
        assert name in COMMANDS, after
        known = {word for option in COMMANDS[name].params for word in option.opts} | {"--help"}
        assert set(re.findall(r"(?<!\S)(--[a-z-]+)", after)) - known == set(), after


def failures() -> set[tuple[str, str]]:
    """(exit code, code) of every way in which a command can end without success, read from the code."""
    import etl.domain.acceptance  # both define an ending of their own
    import etl.domain.decisions

    assert etl.domain.decisions.DecisionError.code == "DECISION"
    assert etl.domain.acceptance.AcceptanceError.code == "ACCEPTANCE"
    waiting, found = [MigrationError], set()
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        found.add((str(kind.exit_code), kind.code))
    for node in ast.walk(ast.parse(text_of("etl/commands/command_result.py"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_Failure":
            number, code = node.args[:2]
            if isinstance(code, ast.Constant):
                found.add((str(number.value) if isinstance(number, ast.Constant) else "130", str(code.value)))
    return found


def test_exit_codes_are_those_of_the_code() -> None:
    documented = set()
    for numbers, code in re.findall(r"^\| ([0-9, ]+) \| `?([A-Z_]*)`? \|", text_of("runbooks/exit-codes.md"), re.MULTILINE):
        documented |= {(number.strip(), code) for number in numbers.split(",")}
    assert documented - {("0", ""), ("143", "INTERRUPTED")} == failures()


def test_rules_and_reasons_that_pages_name_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"\brule ([A-KX]\d{1,2})\b", text)) - MAPPINGS.rules.keys() == set(), page
    assert [r for r in MAPPINGS.rules if f"\n| {r} |" not in text_of("runbooks/rules.md")] == []
    assert [r for r in MAPPINGS.reasons if f"| `{r}` |" not in text_of("runbooks/rules.md")] == []
    assert [n for n in MAPPINGS.fine_print if f'<a id="fine-print-{n}"></a>' not in text_of("runbooks/rules.md")] == []


def test_every_kind_of_check_is_explained() -> None:
    text = text_of("runbooks/checks.md")
    by_hand = text.split("<!-- made: kinds -->")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", by_hand, re.MULTILINE)) == EXPECTATIONS.keys()
    assert [entry.id for entry in read_suites().entries if f"\n| `{entry.id}` |" not in text] == []


def test_every_mapping_file_is_documented() -> None:
    text = text_of("runbooks/tables.md")
    files = [path.relative_to(HOME).as_posix() for path in HOME.rglob("*") if path.suffix in (".toml", ".csv") and path.parent != HOME]
    letters = {name for name in files if name.startswith("letters/")}
    assert letters == {f"letters/{name}" for name in re.findall(r"`mappings/letters/([a-z]+\.toml)`", text_of("runbooks/letters.md"))}
    files = sorted(set(files) - letters)
    assert sorted(files) == sorted(re.findall(r"\(\.\./mappings/((?:portal2|tc|codes)/[^)]+)\)", text))


def test_every_module_has_a_docstring_line() -> None:
    text = text_of("runbooks/design.md")
    listed = dict(modules())
    assert [path for path, line in listed.items() if not line] == []
    assert [path for path in listed if f"| `{path}` |" not in text] == []
    assert set(re.findall(r"`((?:etl|checks|mappings|sample_data)/[a-z0-9_/]+\.py)`", text)) <= listed.keys()


def test_the_example_of_a_check_is_valid(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(
        "".join(code for what, code in blocks(RUNBOOKS / "checks.md", "toml") if not what), encoding="utf-8"
    )
    (check,) = bind(read_suites(tmp_path), MAPPINGS)
    assert check.table == "entity_account"


def test_the_example_of_limits_is_valid(tmp_path: Path) -> None:
    ((_, code),) = [block for block in blocks(RUNBOOKS / "checks.md", "toml") if block[0] == "limits"]
    (tmp_path / "limits.toml").write_text(code, encoding="utf-8")
    limits = read_limits(tmp_path, MAPPINGS)
    assert (len(limits.held), len(limits.indicator)) == (1, 1)


def test_the_newest_change_is_this_version() -> None:
    newest = re.findall(r"^## ([0-9.]+)$", text_of("runbooks/changes.md"), re.MULTILINE)[0]
    assert f'\nversion = "{newest}"\n' in text_of("pyproject.toml")


def test_decisions_are_numbered_without_a_gap() -> None:
    files = sorted((RUNBOOKS / "decisions").glob("*.md"))
    assert [file.name[:4] for file in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [file.name for file in files if not file.read_text(encoding="utf-8").startswith(f"# {file.name[:4]}. ")] == []


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page: its headings as GitHub makes them, and those that are set."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings} | set(
        re.findall(r'id="([^"]+)"', text)
    )


@every_page
def test_anchors_of_links_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s:]*\.md|)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [(file, anchor) for file, anchor in links if anchor not in anchors((page.parent / file) if file else page)] == []


@every_page
def test_no_page_names_a_path_of_one_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|tmp|root|home|opt)/\S*", page.read_text(encoding="utf-8")) == []


def test_the_readme_leads_to_every_runbook() -> None:
    text = text_of("README.md")
    assert [page.name for page in RUNBOOKS.glob("*.md") if f"(runbooks/{page.name})" not in text] == []


def test_the_track_record_names_tests_that_exist() -> None:
    """Each row of the table names what would find the defect again."""
    named = re.findall(r"(test_\w+\.py)?::(test_\w+)", text_of("runbooks/track-record.md"))
    assert len(named) > 20
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {name for _, name in named} - there == set()


def test_every_row_of_the_faults_page_names_existing_tests_or_says_not_tested() -> None:
    rows = [line for line in text_of("runbooks/faults.md").splitlines() if line.startswith("| ")]
    numbers = [int(found.group(1)) for row in rows if (found := re.match(r"\| (\d+) \|", row))]
    assert numbers == list(range(1, 53))
    named = {pair for row in rows for pair in re.findall(r"`([\w/]+\.py)::(\w+)`", row)}
    there = {
        (file, name)
        for file in {file for file, _ in named}
        for name in re.findall(r"^def (test_\w+)", next((ROOT / "tests").rglob(Path(file).name)).read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert sorted(named - there) == []
    told = re.compile(r"Not (tested|covered|promised)")
    assert [
        row for row in rows if "::" not in row and not told.search(row) and not row.startswith(("| | what", "| | fault", "| control"))
    ] == []
