"""All questions asked, all answers collected: a failing check stops no other, and every key that fails is in the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import pyarrow as pa

from checks import expectations
from checks.accounts import ACCOUNTS
from checks.bind import bind
from checks.carried import CARRIED
from checks.conserved import CONSERVED
from checks.ids import IDS
from checks.kinds import EXPECTATIONS
from checks.model import Answer, Answers, Check, Found, Suites
from checks.relations import RELATIONS
from checks.staged import Staged
from checks.suites import HOME, read_suites
from etl.run import RunFolder, seen
from mappings.model import Mappings
from mappings.read import read_mappings

Tell = Callable[[str, int, int], None]

_ASKED_BY = {**RELATIONS, **ACCOUNTS, **CONSERVED, **CARRIED, **IDS}
_ROWS_IN_A_PART = 1_500_000
_SHOWN = 20  # keys in answers.json; failures.parquet has them all


def ask(folder: RunFolder, mappings: Mappings, tell: Tell, suites: Suites | Path = HOME, pool: Executor | None = None) -> Answers:
    """Every check of the suites, answered from the run's stage files. Changes nothing; raises only where a question cannot be asked at all.

    With worker processes (`pool`) the questions about rows are asked there, Great Expectations' import included, while those across tables
    are asked here. Without, the latter come first: what they keep in memory is gone before Great Expectations is imported. Side by side in
    threads the two take longer than one after the other (measured: both are many short calls, and each waits for the other's turn to end).
    """
    began = time.monotonic()
    checks = bind(read_suites(suites) if isinstance(suites, Path) else suites, mappings)
    across = [check for check in checks if check.kind not in EXPECTATIONS]
    of_rows = [check for check in checks if check.kind in EXPECTATIONS]
    staged = Staged(folder, mappings)
    rows = sum(map(staged.rows, staged.files))
    done = rows  # every row is looked at twice: across tables, and in its own

    def told(table: str) -> None:
        nonlocal done
        tell(f"check {table}", done, 2 * rows)
        done += staged.rows(table)

    elsewhere = [pool.submit(_rows_elsewhere, folder.path, mappings.home, part) for part in _parts(of_rows, staged)] if pool else []
    found = _across(across, staged, lambda share: tell("check across tables", int(share * rows), 2 * rows))
    staged = Staged(folder, mappings)  # anew: what the first one keeps is let go
    importing = 0.0 if pool or expectations.loaded() or not of_rows else expectations.tools().seconds
    for answers in (future.result() for future in elsewhere):
        found.update(answers)
    if of_rows and not pool:
        found.update(expectations.ask_rows(of_rows, staged, told))
    tell("check", 2 * rows, 2 * rows)
    return Answers(tuple(_answer(check, found[check.id]) for check in checks), time.monotonic() - began, importing)


def _parts(checks: list[Check], staged: Staged) -> list[list[Check]]:
    """The checks in parts of about so many rows, a table's always together: asking costs by the row, beginning by the part."""
    parts: list[list[Check]] = [[]]
    tables: set[str] = set()
    for check in sorted(checks, key=lambda check: (staged.rows(check.table), check.table)):
        if check.table not in tables and sum(map(staged.rows, tables)) >= _ROWS_IN_A_PART:
            parts.append([])
            tables = set()
        tables.add(check.table)
        parts[-1].append(check)
    return [part for part in reversed(parts) if part]  # the largest table first


def _rows_elsewhere(run: Path, mapping_folder: Path, checks: list[Check]) -> dict[str, Found]:
    """In a worker process: what came of these checks, by id."""
    return expectations.ask_rows(checks, Staged(seen(run), read_mappings(mapping_folder)), lambda table: None)


def _across(checks: list[Check], staged: Staged, told: Callable[[float], None]) -> dict[str, Found]:
    found = {}
    for number, check in enumerate(checks):
        told(number / len(checks))
        began = time.monotonic()
        answer = _ASKED_BY[check.kind](check, staged)
        found[check.id] = Found(answer.asked, answer.keys, time.monotonic() - began)
    return found


def _answer(check: Check, found: Found) -> Answer:
    keys = tuple(sorted(found.keys))
    return Answer(check.id, check.question, check.why, check.severity, check.table, found.asked, len(keys), keys, found.seconds)


def answers_json(answers: Answers) -> str:
    """The answers as JSON: counts and the first keys. Without times: the same rows give the same bytes."""
    entries = [
        {
            "id": answer.id, "severity": answer.severity, "table": answer.table, "question": answer.question, "why": answer.why,
            "asked": answer.asked, "failed": answer.failed, "first_keys": list(answer.keys[:_SHOWN]),
        }
        for answer in answers
    ]  # fmt: skip
    counts = {
        "asked": len(answers.answers), "passed": len(answers.passed), "warnings": len(answers.warnings), "critical": len(answers.critical_failures),
    }  # fmt: skip
    return json.dumps({**counts, "answers": entries}, indent=1, ensure_ascii=False) + "\n"


def failures_table(answers: Answers) -> pa.Table:
    """Every failing key: check_id, severity, table, key."""
    rows = [(answer.id, answer.severity, answer.table, key) for answer in answers for key in answer.keys]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    names = ("check_id", "severity", "table", "key")
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in zip(names, columns, strict=True)})
