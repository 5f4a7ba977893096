"""What imports what: one direction, and the verifier a stranger."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADING = {
    "extract", "split", "reattach", "load", "piece", "outcome", "render", "routes", "placed", "rules", "documents", "accounts", "people",
    "agreements", "identifiers", "svi", "trade_compliance", "responses", "spine", "where", "contents", "values", "holding", "stage",
}  # fmt: skip
MODULES = sorted(place for folder in ("etl", "mappings", "checks", "sample_data") for place in (ROOT / folder).rglob("*.py"))


def _imported(place: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, also inside of functions."""
    for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _shown(places: list[Path]) -> list[str]:
    return [place.relative_to(ROOT).as_posix() for place in places]


def test_nothing_imports_the_command_line() -> None:
    assert _shown([place for place in MODULES if "cli" in _imported(place)]) == []


def test_mappings_import_nothing_of_the_project() -> None:
    inside = [place for place in MODULES if place.is_relative_to(ROOT / "mappings")]
    assert _shown([p for p in inside if any(name.split(".")[0] in ("etl", "checks", "sample_data") for name in _imported(p))]) == []


def test_checks_know_nothing_of_steps_and_stores() -> None:
    inside = [place for place in MODULES if place.is_relative_to(ROOT / "checks")]
    forbidden = {f"etl.{name}" for name in ("pipeline", "load", "extract", "split", "reattach", "databases", "reconcile", "report")}
    assert _shown([p for p in inside if forbidden & set(_imported(p))]) == []


def test_the_verifier_imports_nothing_of_the_loading_steps() -> None:
    inside = [place for place in MODULES if place.is_relative_to(ROOT / "etl/reconcile")]
    forbidden = {f"etl.{name}" for name in LOADING} | {"etl.databases", "mappings", "checks"}
    assert _shown([p for p in inside if forbidden & set(_imported(p))]) == []


@pytest.mark.parametrize("library", ["great_expectations", "pandas"])
def test_only_the_checks_import(library: str) -> None:
    users = [place for place in MODULES if any(name.split(".")[0] == library for name in _imported(place))]
    assert {place.parent.name for place in users} == {"checks"}


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [place for place in MODULES if place.stem in ("utils", "util", "helpers", "common", "misc", "manager")] == []


def test_nothing_evaluates_or_unpickles() -> None:
    found = []
    for place in MODULES:
        for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.append(place)
        if {"pickle", "marshal", "shelve", "yaml"} & set(_imported(place)):
            found.append(place)
    assert _shown(found) == []
