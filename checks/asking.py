"""All questions asked, all answers collected: a failing check stops no other, and every key that fails is in the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
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
from etl.run import RunFolder
from mappings.model import Mappings

Tell = Callable[[str, int, int], None]

_ASKED_BY = {**RELATIONS, **ACCOUNTS, **CONSERVED, **CARRIED, **IDS}
_SHOWN = 20  # keys in answers.json; failures.parquet has them all


def ask(folder: RunFolder, mappings: Mappings, tell: Tell, suites: Suites | Path = HOME) -> Answers:
    """Every check of the suites, answered from the run's stage files. Changes nothing; raises only where a question cannot be asked at all.

    The questions across tables come first: what they keep in memory is gone before Great Expectations is imported. Side by side in threads
    the two take longer than one after the other (measured: both are many short calls, and each waits for the other's turn to end).
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

    found = _across(across, staged, lambda share: tell("check across tables", int(share * rows), 2 * rows))
    staged = Staged(folder, mappings)  # anew: what the first one keeps is let go
    importing = 0.0 if expectations.loaded() or not of_rows else expectations.tools().seconds
    if of_rows:
        found.update(expectations.ask_rows(of_rows, staged, told))
    tell("check", 2 * rows, 2 * rows)
    return Answers(tuple(_answer(check, found[check.id]) for check in checks), time.monotonic() - began, importing)


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
