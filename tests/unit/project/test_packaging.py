"""Installation: exactly the locked packages, all data files, package names that no other distribution owns; and the README's first command."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.docs.handbook import ROOT, blocks

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = PROJECT["project"]["name"]
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
RUNTIME = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = PROJECT["dependency-groups"]["build"]
DIRECT = {
    "requirements.lock": [*RUNTIME, *BUILD],
    "requirements-dev.lock": [*RUNTIME, *EXTRAS["dev"], *EXTRAS["cluster"], *EXTRAS["explore"], *BUILD],
}
both_locks = pytest.mark.parametrize("lock", DIRECT)


def plain_copy(folder: Path) -> Path:
    """A copy of this project without ignored files, because builds write into the source tree."""
    ignored = shutil.ignore_patterns(".git", ".venv", "*cache*", "*.egg-info", "build", "dist", "demo", ".hypothesis")
    return Path(shutil.copytree(ROOT, folder / "project", ignore=ignored))


def pins(text: str) -> dict[str, set[tuple[str, str]]]:
    """By name: (version, marker) of everything that a lock file names."""
    found: dict[str, set[tuple[str, str]]] = {}
    for name, version, marker in re.findall(r"^([A-Za-z0-9._-]+)==(\S+?)(?: ; (.*?))? \\$", text, re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add((version, marker))
    return found


# -- locks ------------------------------------------------------------------------------------------------------------------------------


@both_locks
def test_every_locked_package_has_hashes(lock: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text(encoding="utf-8"))[1:]
    assert len(entries) > 20
    assert [entry.splitlines()[0] for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []


@both_locks
def test_a_lock_file_names_no_host_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:index|extra|find|trusted)\S*|(?<![\w.])/[a-z]\S*", text) == []


@both_locks
def test_lock_files_match_pyproject(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    locked = pins(text)
    for requirement in map(Requirement, DIRECT[lock]):
        versions = {version for version, _ in locked.get(canonicalize_name(requirement.name), set())}
        assert versions, f"{requirement} is not locked"
        assert [version for version in versions if version not in requirement.specifier] == [], requirement
    direct = {
        canonicalize_name(re.split(r"==", entry)[0])
        for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]
        if re.search(rf"#(?: via|  ) +{NAME} \(pyproject\.toml(?::build)?\)", entry)
    }
    assert direct == {canonicalize_name(Requirement(line).name) for line in DIRECT[lock]}


def test_development_has_the_versions_that_a_run_has() -> None:
    runtime, development = (pins((ROOT / lock).read_text(encoding="utf-8")) for lock in DIRECT)
    assert {name: found for name, found in runtime.items() if development.get(name) != found} == {}


def test_the_readmes_lock_commands_make_these_locks(tmp_path: Path) -> None:
    copy = plain_copy(tmp_path)
    commands = "\n".join(code for mark, code in blocks(ROOT / "README.md", "sh") if mark == "lock")
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        ["bash", "-euc", commands.replace(".venv/bin/uv", str(uv))], cwd=copy, capture_output=True, text=True, check=False
    )
    if done.returncode and "error sending request" in done.stderr.lower():
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    for lock in DIRECT:
        assert pins((copy / lock).read_text(encoding="utf-8")) == pins((ROOT / lock).read_text(encoding="utf-8"))
        assert (copy / lock).read_text(encoding="utf-8").splitlines()[:2] == (ROOT / lock).read_text(encoding="utf-8").splitlines()[:2]


# -- names and dependencies ---------------------------------------------------------------------------------------------------------------


def imported(files: Iterator[Path]) -> dict[str, str]:
    """Top-level names that these files import, each with one file that does."""
    found: dict[str, str] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            found.update(dict.fromkeys((name.split(".")[0] for name in names), file.relative_to(ROOT).as_posix()))
    tests = {"tests", *(path.stem for path in (ROOT / "tests").rglob("*"))}
    own = {"cli", *(package.split(".")[0] for package in PACKAGES), *tests}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names and name not in own}


def undeclared(names: dict[str, str], declared: list[str]) -> dict[str, str]:
    owners = packages_distributions()
    known = {canonicalize_name(Requirement(line).name) for line in declared}
    return {name: file for name, file in names.items() if not {canonicalize_name(owner) for owner in owners.get(name, [name])} & known}


def shipped_modules() -> Iterator[Path]:
    yield ROOT / "cli.py"
    for package in PACKAGES:
        yield from (ROOT / package.replace(".", "/")).glob("*.py")


def test_what_is_shipped_imports_only_what_it_requires() -> None:
    assert undeclared(imported(shipped_modules()), [*RUNTIME, *EXTRAS["cluster"], *EXTRAS["explore"]]) == {}


def test_tests_import_only_what_development_requires() -> None:
    elsewhere = "dlt_way.py"  # a contender of the benchmark, started by another environment's Python
    names = imported(path for path in (ROOT / "tests").rglob("*.py") if path.name != elsewhere)
    assert undeclared(names, [*RUNTIME, *EXTRAS["dev"], *EXTRAS["cluster"], *EXTRAS["explore"]]) == {}


def test_every_runtime_requirement_is_used() -> None:
    used = {canonicalize_name(owner) for name in imported(shipped_modules()) for owner in packages_distributions().get(name, [name])}
    indirect = {"tzdata"}  # zoneinfo reads it where the system has no time zones
    assert {canonicalize_name(Requirement(line).name) for line in RUNTIME} - used - indirect == set()


def test_no_other_distribution_owns_our_package_names() -> None:
    owners = packages_distributions()
    for name in ("cli", *(package for package in PACKAGES if "." not in package)):
        assert {canonicalize_name(owner) for owner in owners.get(name, [])} <= {NAME}, name


def test_every_action_of_a_workflow_is_pinned_by_its_commit() -> None:
    """A tag can be moved to other code; the version is a comment next to the commit, for people and update tools."""
    found = [
        (file.name, line.strip())
        for path in (ROOT / ".github", ROOT / "runbooks", ROOT / ".ci")
        for file in sorted(path.rglob("*"))
        if file.is_file()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if re.match(r"\s*(- )?[\"']?uses[\"']?\s*:", line)
    ]
    assert len(found) >= 5
    pinned = re.compile(r"(- )?uses: [\w-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [at for at in found if not pinned.fullmatch(at[1])] == []


def test_it_can_not_be_uploaded_by_mistake() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_every_package_of_the_tree_is_listed() -> None:
    there = {
        folder.relative_to(ROOT).as_posix().replace("/", ".")
        for top in ("etl", "checks", "mappings", "sample_data")
        for folder in [ROOT / top, *(ROOT / top).rglob("*")]
        if folder.is_dir() and any(folder.glob("*.py"))
    }
    assert there == set(PACKAGES)


# -- the wheel ----------------------------------------------------------------------------------------------------------------------------


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(tmp_path: Path) -> None:
    copy = plain_copy(tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"portal_migration-{Version(PROJECT['project']['version'])}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    tops = ("etl", "checks", "mappings", "sample_data")
    expected = {path.relative_to(copy).as_posix() for top in tops for path in (copy / top).rglob("*") if path.is_file()}
    assert held == expected | {"cli.py"}


def test_the_readmes_first_command_works_and_the_wheel_needs_no_sources(tmp_path: Path) -> None:
    """A separate environment, installed from the lock with its hashes, then used from another folder without the sources."""
    copy = plain_copy(tmp_path)
    (command,) = [code for mark, code in blocks(ROOT / "README.md", "sh") if mark == "demo"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PORTAL_MIGRATE", "VIRTUAL_ENV"))}
    python = Path(sys.executable).resolve().parent  # not the test run's own environment
    environment["PATH"] = f"{python}:{environment['PATH']}"
    first = subprocess.run(["bash", "-euc", command], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout[-2000:] + first.stderr[-2000:]
    assert re.search(
        r"^Published and equal\. Full report: \S*demo/run/report/report\.html$", first.stdout.replace("\n/", " /"), re.MULTILINE
    )
    for path in copy.iterdir():
        if path.name != ".venv":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = copy / ".venv" / "bin" / "portal-migrate"
    again = subprocess.run([program, "demo", "world"], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    assert "Published and equal" in again.stdout
    version = subprocess.run([program, "--version"], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True)
    assert version.stdout == f"portal-migrate, version {PROJECT['project']['version']}\n"


# -- start-up -----------------------------------------------------------------------------------------------------------------------------

HEAVY = {
    "adbc_driver_manager",
    "boto3",
    "botocore",
    "cryptography",
    "great_expectations",
    "jinja2",
    "numpy",
    "pandas",
    "polars",
    "psycopg",
    "pyarrow",
    "rich",
    "sqlalchemy",
}


def test_help_is_printed_within_half_a_second() -> None:
    """Under 0.3 seconds where nothing else runs: measured as processor time, the best of five."""
    times = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, str(ROOT / "cli.py"), "--help"], check=True, capture_output=True)
        after = os.times()
        times.append(after.children_user - before.children_user + after.children_system - before.children_system)
        time.sleep(0.05)
    assert min(times) < 0.3, times


def test_help_imports_nothing_heavy() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import cli\n"
        "try: cli.commands.main(['run', '--help'], prog_name='x')\nexcept SystemExit: pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert {name.split(".")[0] for name in done.stderr.split()} & HEAVY == set()
