"""Imports have one direction, the verifier is independent of the loader, and heavy libraries are imported late by one module."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from etl.runfolder import layout
from tests.support.command import Workspace

ROOT = Path(__file__).resolve().parents[3]
OURS = ("cli", "etl", "mappings", "checks", "sample_data")
MODULES = [ROOT / "cli.py", *sorted(path for folder in OURS[1:] for path in (ROOT / folder).rglob("*.py"))]
# Which package may import which, from the command line down. A new import that this table does not allow belongs elsewhere, or is a decision.
# `mappings` and `sample_data` are data with their readers; etl.errors is everybody's.
MAY_IMPORT: dict[str, set[str]] = {
    "cli": {"etl.commands", "etl.pipeline", "etl.evidence"},
    "etl.commands": {
        "etl.pipeline",
        "etl.explore",
        "etl.readiness",
        "etl.reconcile",
        "etl.report",
        "etl.holding",
        "etl.evidence",
        "etl.placement",
        "etl.databases",
        "etl.present",
        "etl.path_overlap",
        "etl.options",
        "etl.objects",
        "etl.runfolder",
        "etl.domain",
        "etl.system",
        "mappings",
        "sample_data",
    },
    "etl.pipeline": {
        "etl.acceptance",
        "checks",
        "etl.reconcile",
        "etl.extract",
        "etl.transform",
        "etl.load",
        "etl.report",
        "etl.evidence",
        "etl.rules",
        "etl.placement",
        "etl.databases",
        "etl.present",
        "etl.path_overlap",
        "etl.options",
        "etl.objects",
        "etl.runfolder",
        "etl.domain",
        "etl.system",
        "mappings",
    },
    "etl.explore": {"etl.report", "etl.holding", "etl.databases", "etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "etl.acceptance": {"etl.readiness", "etl.report", "etl.databases", "etl.runfolder", "etl.domain", "mappings"},
    "etl.readiness": {"etl.report", "etl.holding", "etl.databases", "etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "etl.extract": {"etl.databases", "etl.present", "etl.objects", "etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "etl.transform": {"etl.rules", "etl.placement", "etl.objects", "etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "checks": {"etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "etl.load": {"etl.placement", "etl.databases", "etl.objects", "etl.runfolder", "etl.domain", "etl.system", "mappings"},
    "etl.report": {
        "etl.holding",
        "etl.evidence",
        "etl.placement",
        "etl.databases",
        "etl.runfolder",
        "etl.domain",
        "etl.system",
        "mappings",
    },
    "etl.holding": {"etl.runfolder", "mappings"},
    "etl.evidence": {
        "etl.databases",
        "etl.path_overlap",
        "etl.options",
        "etl.objects",
        "etl.runfolder",
        "etl.domain",
        "etl.system",
        "mappings",
    },
    "etl.path_overlap": {"etl.databases", "etl.options", "etl.objects", "etl.runfolder"},  # it compares where all of them lie
    "etl.rules": {"etl.placement", "etl.domain", "mappings"},
    "etl.placement": {"etl.runfolder", "etl.domain", "mappings"},
    "etl.present": {"etl.databases", "etl.objects", "etl.domain", "etl.system", "mappings"},
    "etl.databases": {"etl.objects", "etl.domain", "etl.system", "mappings"},
    "etl.options": {"etl.objects", "etl.domain", "mappings"},
    "etl.objects": {"etl.runfolder", "etl.system"},
    "etl.runfolder": {"etl.domain", "etl.system", "mappings"},
    "etl.domain": {"mappings"},
    "etl.system": set(),
    "etl.reconcile": set(),  # the verifier shares nothing with the loader
    "mappings": set(),
    "sample_data": set(),
}
DRIVERS = {"sqlite3", "psycopg", "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "pgpq"}
HEAVY = {
    "polars",
    "pandas",
    "pyarrow",
    "numpy",
    "great_expectations",
    "sqlalchemy",
    "psycopg",
    "cryptography",
    "rich",
    "jinja2",
    "boto3",
    "botocore",
}


@cache
def imported(path: Path) -> frozenset[str]:
    """The names of the modules that a file imports, also inside of functions, and of what it takes from them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def who_imports(*names: str, among: str = "") -> set[str]:
    """The files below that folder that import one of these modules, or something below them."""
    starts = tuple(f"{name}." for name in names)
    return {shown(p) for p in MODULES if shown(p).startswith(among) and any(m in names or m.startswith(starts) for m in imported(p))}


def package(module: str) -> str:
    """The package of a module as MAY_IMPORT names it."""
    top, _, below = module.partition(".")
    return f"etl.{below.split('.')[0]}" if top == "etl" and below else top


def arrows() -> dict[str, set[str]]:
    """By module, our modules that it imports."""
    names = {shown(p).removesuffix(".py").removesuffix("/__init__").replace("/", "."): p for p in MODULES}
    found = {}
    for name, path in names.items():
        given = {one for one in imported(path) if one in names}
        # `from package import module` names the package as well: it is an import of the package where something of it is taken.
        taken = {one for one in given if not any(other.startswith(f"{one}.") for other in given) or _takes_own(path, one)}
        found[name] = taken - {name}
    return found


def _takes_own(path: Path, package: str) -> bool:
    """Whether the file takes something of the package's own __init__, not only modules below it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            below = ROOT / package.replace(".", "/")
            if any(not (below / f"{alias.name}.py").exists() and not (below / alias.name).is_dir() for alias in node.names):
                return True
        if isinstance(node, ast.Import) and any(alias.name == package for alias in node.names):
            return True
    return False


def test_a_package_imports_only_what_the_table_allows() -> None:
    wrong = {
        f"{name} imports {other}"
        for name, others in arrows().items()
        for other in others
        if package(other) not in {package(name), "etl.errors", *MAY_IMPORT.get(package(name), set())}
    }
    assert wrong == set(), "put the code where the table allows it, or change MAY_IMPORT and say why"
    assert {package(name) for name in arrows()} - MAY_IMPORT.keys() <= {"etl", "etl.errors"}, "a package without a line in MAY_IMPORT"


def test_the_import_table_has_no_cycle_and_no_module_imports_itself_indirectly() -> None:
    order = list(MAY_IMPORT)
    upward = {(name, other) for name, others in MAY_IMPORT.items() for other in others if order.index(other) < order.index(name)}
    assert upward == set(), "MAY_IMPORT goes from the top down"
    assert tuple(graphlib.TopologicalSorter(arrows()).static_order())  # CycleError names the modules of a circle


def test_the_direction_is_command_line_steps_mappings_and_checks() -> None:
    assert who_imports("cli") == set()
    assert {name.split(".")[0] for name in imported(ROOT / "cli.py")} & set(OURS) == {"etl"}
    assert who_imports("etl", "checks", "sample_data", among="mappings/") == set()
    assert who_imports("checks", among="etl/") == {
        "etl/pipeline/binding.py",
        "etl/pipeline/staged_comparison.py",
        "etl/pipeline/step_actions.py",
    }
    assert who_imports("sample_data", among="etl/") == {"etl/commands/demo.py", "etl/commands/selftest.py"}
    assert who_imports("checks", "etl.pipeline", among="sample_data/") == set()


def test_checks_do_not_import_steps_or_stores() -> None:
    steps = [f"etl.{name}" for name in ("pipeline", "load", "extract", "transform", "databases", "objects", "reconcile", "report")]
    assert who_imports(*steps, "sample_data", among="checks/") == set()


def test_no_check_calls_what_it_checks() -> None:
    """Ids, e-mail keys, normal forms, routes: a check that uses the loader's function would always pass."""
    assert (
        who_imports(
            "etl.rules",
            "etl.placement",
            "etl.transform",
            "etl.domain.ids",
            "etl.domain.id_recipe",
            "etl.domain.emails",
            "etl.domain.identifier_values",
            among="checks/",
        )
        == set()
    )


def test_the_verifier_shares_with_the_loader_only_the_errors() -> None:
    """A shared function could be wrong on both sides."""
    for path in MODULES:
        if shown(path).startswith("etl/reconcile/"):
            ours = {name for name in imported(path) if name.split(".")[0] in OURS and not name.startswith("etl.reconcile")}
            assert ours <= {"etl", "etl.errors", "etl.errors.MigrationError"}, shown(path)


def test_importing_the_verifier_imports_no_loading_module() -> None:
    script = "import sys, etl.reconcile, etl.reconcile.selftest; print(*sorted(name for name in sys.modules if name.split('.')[0] in %r))"
    done = subprocess.run([sys.executable, "-c", script % (OURS,)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if not name.startswith("etl.reconcile")} == {"etl", "etl.errors"}


def test_the_report_imports_no_step() -> None:
    steps = [f"etl.{name}" for name in ("pipeline", "extract", "transform", "load", "objects")]
    assert who_imports(*steps, "checks", among="etl/report/") == set()


@pytest.mark.parametrize("library", ["great_expectations", "pandas"])
def test_only_the_checks_import(library: str) -> None:
    users = who_imports(library)
    assert users
    assert {name.split("/")[0] for name in users} == {"checks"}


def test_steps_use_databases_only_through_their_package() -> None:
    outside = {name for name in who_imports(*DRIVERS, among="etl/") if not name.startswith(("etl/databases/", "etl/reconcile/"))}
    # SQLite's version, what its result codes mean, and the explorer's own index.
    assert outside == {"etl/report/facts.py", "etl/commands/command_result.py", "etl/explore/index.py"}
    assert "sqlite3.sqlite_version" in (ROOT / "etl/report/facts.py").read_text(encoding="utf-8")


def test_a_database_module_imports_no_other_kind() -> None:
    for kind, others in (("sqlite", ("psycopg", "pgpq", "adbc_driver_postgresql")), ("postgresql", ("sqlite3", "adbc_driver_sqlite"))):
        assert who_imports(*others, among=f"etl/databases/{kind}") == set()


def test_boto3_is_imported_by_one_module_of_each_side(cast: Workspace) -> None:
    assert who_imports("boto3", "botocore") == {"etl/objects/s3.py", "etl/objects/s3_failures.py", "etl/reconcile/objects/bucket.py"}
    assert who_imports("etl.objects.s3") == {"etl/objects/registry.py"}
    assert who_imports("etl.reconcile.objects.bucket") == {"etl/reconcile/objects/store.py"}
    words = list(cast.words("reconcile"))
    script = f"import sys; sys.argv[1:] = {words!r}; sys.path.insert(0, {str(ROOT)!r})\nimport atexit, cli\natexit.register(lambda: print(*sys.modules))\ncli.main()"
    done = subprocess.run([sys.executable, "-c", script], cwd=cast.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name.split(".")[0] for name in done.stdout.split()} & {"boto3", "botocore"} == set()


def _names_in_a_run_folder(path: Path) -> list[str]:
    """Returns the texts of a module that are paths in a run's folder, or parts of one; docstrings excluded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    sentences = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in sentences:
            if node.value in _TOP_FILES or _BELOW_A_STEP.match(node.value):
                found.append(node.value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            if node.right.value in _TOP_FOLDERS:
                found.append(f"/ {node.right.value}")
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.FormattedValue) and len(node.values) > 1:
            first, then = ast.unparse(node.values[0].value), node.values[1]
            if first.endswith(("step", "STEP")) and isinstance(then, ast.Constant) and str(then.value).startswith("/"):
                found.append(ast.unparse(node))
    return found


_TOP_FILES = {layout.MANIFEST, layout.EVENTS, layout.DECISIONS, layout.JOURNAL, layout.LOCK, layout.WORKERS, layout.PROGRESS}
_TOP_FOLDERS = {*layout.STEPS, layout.PRECOPY, layout.EXPLORE, layout.REHEARSAL}
_BELOW_A_STEP = re.compile(rf"({'|'.join(sorted(_TOP_FOLDERS - {layout.EXPLORE}))})/[\w.]*$")


def test_every_path_of_a_runs_folder_is_in_one_module() -> None:
    """The verifier reads no run's folder; the explorer takes the report's style sheet from its package."""
    outside = {shown(p): names for p in MODULES if not shown(p).startswith("etl/reconcile/") and (names := _names_in_a_run_folder(p))}
    assert len(outside.pop("etl/runfolder/layout.py")) > 20
    assert outside == {"etl/explore/app.py": ["report/report.css"]}, "name it in etl/runfolder/layout.py"


def test_no_module_is_called_utils_or_manager() -> None:
    assert [shown(p) for p in MODULES if p.stem in ("utils", "util", "helpers", "helper", "common", "misc", "manager", "base")] == []


def test_nothing_evaluates_or_unpickles_and_no_shell_is_started() -> None:
    called = {
        (shown(path), node.func.id)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert {(path, name) for path, name in called if name in ("eval", "exec", "__import__")} == set()
    assert who_imports("pickle", "marshal", "shelve", "yaml") == set()
    assert who_imports("subprocess") == {"etl/system/notices.py"}  # the words of --notify, which the operator gave
    assert "shell" not in (ROOT / "etl/system/notices.py").read_text(encoding="utf-8").replace("never a shell", "")


def test_the_command_line_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "cli", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in names
    assert {name.split(".")[0] for name in names} & HEAVY == set()
    small = {
        "cli",
        "etl",
        "etl.commands",
        "etl.commands.config_file",
        "etl.commands.given_options",
        "etl.commands.option_table",
        "etl.commands.strict_options",
        "etl.commands.sql_commands",
        "etl.errors",
    }  # what a command's words are read by
    assert {name for name in names if name.split(".")[0] in OURS} <= small


@pytest.mark.parametrize("words", [("status", "--run", "nowhere"), ("evidence", "verify", "--bundle", "x", "--public-key", "y"), ("plan",)])
def test_only_the_checks_import_great_expectations(words: tuple[str, ...], tmp_path: Path) -> None:
    script = f"import sys; sys.argv[1:] = {list(words)!r}; sys.path.insert(0, {str(ROOT)!r})\nimport atexit, cli\natexit.register(lambda: print(*sys.modules))\ncli.main()"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert {name.split(".")[0] for name in done.stdout.split()} & {"great_expectations", "pandas", "distributed", "boto3"} == set()


@pytest.mark.parametrize(
    "words", [("status",), ("trace", "P2", "document", "301"), ("trace", "--account", "10000301"), ("picker", "ines@meridian.example")]
)
def test_a_look_up_imports_nothing_heavy(words: tuple[str, ...], cast: Workspace) -> None:
    """Their imports alone would take longer than the 0.2 seconds of a look-up."""
    script = f"import sys; sys.argv[1:] = {[*words, '--run', 'run']!r}; sys.path.insert(0, {str(ROOT)!r})\nimport atexit, cli\natexit.register(lambda: print(*sys.modules))\ncli.main()"
    done = subprocess.run([sys.executable, "-c", script], cwd=cast.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name.split(".")[0] for name in done.stdout.split()} & HEAVY == {"rich"}


def test_letters_bring_neither_the_report_nor_the_libraries_of_its_tables(cast: Workspace, tmp_path: Path) -> None:
    """A letter takes a millisecond; these imports take as long as hundreds of letters."""
    words = ["company", "1", "--run", "run", "--folder", str(tmp_path / "letters")]
    script = f"import sys; sys.argv[1:] = {words!r}; sys.path.insert(0, {str(ROOT)!r})\nimport atexit, cli\natexit.register(lambda: print(*sys.modules))\ncli.main()"
    done = subprocess.run([sys.executable, "-c", script], cwd=cast.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {name.split(".")[0] for name in done.stdout.split()} & {"polars", "pyarrow", "numpy", "pandas", "xlsxwriter"} == set()
