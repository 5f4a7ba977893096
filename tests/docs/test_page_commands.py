"""Every command that a page shows works unchanged, on the sample portals."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from etl.domain.acceptance import known_names, read_goals
from mappings.acceptance import read_goal_kinds
from sample_data.world import write_cast
from tests.docs.handbook import ROOT, blocks
from tests.docs.page_blocks import MAPPINGS, PAGES, run, shell, text_of


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


def test_a_foreign_portal_is_rehearsed_from_its_scan(tmp_path: Path) -> None:
    printed = run(f"({shell('runbooks/your-portal-is-not-ours.md', 'foreign')}) 2>&1", tmp_path)
    for part in ("refused with 1", "still open: ", "adapter: P2: physical columns", "Published and equal"):
        assert part in printed, part


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


def test_the_commands_of_rehearse_work(world: Path) -> None:
    assert "Published and equal" in run(shell("runbooks/rehearse.md"), world)
    assert not (world / "rehearsal-1").exists()


def test_the_commands_of_cutover_work(world: Path) -> None:
    printed = run(shell("runbooks/cutover.md"), world)
    assert "old and new are equal" in printed.splitlines()[-1]
    assert [(world / "legacy" / name).stat().st_mode & 0o222 for name in ("portal2.sqlite", "tc.sqlite")] == [0, 0]


def test_the_commands_of_resume_work(world: Path) -> None:
    printed = run(f"({shell('runbooks/resume.md')}) 2>&1", world)
    assert "next: split" in printed
    assert "extract: done before, unchanged" in printed
    assert "is already published: nothing changed" in printed


def test_the_commands_of_rollback_work(world: Path) -> None:
    printed = run(shell("runbooks/rollback.md"), world)
    assert "rolled back" in printed
    assert printed.count("Published and equal") >= 2


def test_the_commands_of_exit_codes_work(world: Path) -> None:
    assert run(shell("runbooks/exit-codes.md"), world).splitlines() == ["ended with 1", "ended with 2", "ended with 2"]


def test_the_commands_of_extend_work(world: Path) -> None:
    printed = run(shell("runbooks/extend.md"), world)
    first, last = printed.split("coverage 100%")[0], printed.split("coverage 100%")[1]
    assert "ended with 1" in first
    assert "Published and equal" in last
    assert last.count("account_fleet") >= 3


def test_the_commands_of_read_a_report_work(demo: Path) -> None:
    printed = run(shell("runbooks/read-a-report.md"), demo / "demo")
    files = set(re.findall(r"`([a-z_]+\.[a-z]+)`", text_of("runbooks/read-a-report.md"))) - {"schema.json", "reconcile.json"}
    assert files == {path.name for path in (demo / "demo" / "run" / "report").iterdir()}
    assert (demo / "demo" / "reconcile.json").read_text().startswith('{"version": 1, "command": "reconcile", "status": "ok"')
    assert "10000301" in printed


def test_the_commands_of_audit_work(demo: Path) -> None:
    printed = run(shell("runbooks/audit.md"), demo / "demo")
    assert "20 of 20 faults found, 0 false alarms" in printed
    assert {path.name for path in (demo / "demo" / "letters").iterdir()} == {"company-3.html", "company-3.md", "letters.json"}
    assert (demo / "demo" / "ticks.csv").read_text(encoding="utf-8-sig").startswith("number,portal,table,key,")


def test_the_commands_of_prepare_work(demo: Path) -> None:
    printed = run(shell("runbooks/prepare.md"), demo / "demo")
    assert "the cut-over may begin" in printed
    assert (demo / "demo" / "checklist" / "runbook.html").is_file()


def test_the_commands_of_readiness_work(demo: Path) -> None:
    run(shell("runbooks/readiness.md"), demo / "demo")
    listed = {path.name for path in (demo / "demo" / "lists").iterdir()}
    assert listed == set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", text_of("runbooks/readiness.md"), re.MULTILINE))
    points = (demo / "demo" / "lists" / "points.csv").read_bytes().decode("utf-8-sig")
    (statement,) = [code for mark, code in blocks(ROOT / "runbooks/readiness.md", "sql") if mark == "nobody"]
    with closing(sqlite3.connect(demo / "demo" / "portal3.sqlite")) as store:
        assert store.execute(statement).fetchone()[0] == points.count("\r\nNOBODY_CAN_OPEN,")
    assert {path.name for path in (demo / "demo" / "comparison").iterdir()} == {"compare.html", "compare.csv", "compare.json"}


def test_the_commands_of_acceptance_work(demo: Path) -> None:
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


def test_the_commands_of_explore_work(demo: Path) -> None:
    run(shell("runbooks/explore.md").replace("INT 20", "INT 8"), demo / "demo")
    assert re.match(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", (demo / "demo" / "address.txt").read_text())


def test_the_commands_of_letters_work(demo: Path) -> None:
    shutil.rmtree(demo / "demo" / "letters", ignore_errors=True)
    run(shell("runbooks/letters.md"), demo / "demo")
    assert "replaces ours of 2023-10-02" in (demo / "demo" / "letters-2" / "company-3.md").read_text(encoding="utf-8")


def test_the_commands_of_evidence_work(demo: Path) -> None:
    shutil.copytree(demo / "demo" / "run", demo / "copy" / "run")
    printed = run(shell("runbooks/evidence.md"), demo / "copy")
    assert printed.count("ended with 6") == 1
    assert not (demo / "copy" / "run" / "extract").exists() or not any((demo / "copy" / "run" / "extract").rglob("*"))


def test_the_commands_of_precopy_work(demo: Path) -> None:
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
