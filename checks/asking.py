"""Asks all checks and collects all answers: a failing check stops no other, and every key that fails is in the answer."""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
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
from checks.plausible import PLAUSIBLE
from checks.relations import RELATIONS
from checks.staged import Staged
from checks.suites import HOME, read_suites
from etl.runfolder.folder import RunFolder, open_readonly
from etl.system.memory import give_memory_back
from etl.system.worker_pool import wrong_answer
from mappings.limits import Limits
from mappings.model import Mappings
from mappings.read import read_mappings

Tell = Callable[[str, int, int], None]

_ASKED_BY = {**RELATIONS, **ACCOUNTS, **CONSERVED, **CARRIED, **IDS, **PLAUSIBLE}
_ROWS_IN_A_PART = 1_500_000
_SHOWN = 20  # keys in answers.json; failures.parquet has all of them


def ask(
    folder: RunFolder,
    mappings: Mappings,
    tell: Tell,
    suites: Suites | Path = HOME,
    pool: Executor | None = None,
    limits: Limits | None = None,
    processes: int | None = None,
) -> Answers:
    """Returns the answer of every check of the suites for the run's stage files; changes nothing, raises only where a check cannot be asked at all.

    `limits`: accepted limits of the plausibility gate. With worker processes (`pool`) they ask all checks, those of the largest tables first:
    their memory is released with the process. `processes`: how many they are, None where that is unknown. Without, the checks across tables come first, for the same reason. In two
    threads both take longer than in sequence (measured: both are many short calls that wait for each other).
    """
    began = time.monotonic()
    checks = bind(read_suites(suites) if isinstance(suites, Path) else suites, mappings)
    across = [check for check in checks if check.kind not in EXPECTATIONS]
    of_rows = [check for check in checks if check.kind in EXPECTATIONS]
    limits = limits or Limits()
    staged = Staged(folder, mappings, limits)
    rows = sum(map(staged.rows, staged.files))
    done = rows  # every row is read twice, for checks across tables and of its table; each counts half

    def told(table: str) -> None:
        nonlocal done
        tell(f"check the rows of {table}", done // 2, rows)
        done += staged.rows(table)

    if pool is not None:
        found, importing = _elsewhere(pool, processes, folder, mappings, limits, (of_rows, across), staged, tell), 0.0
    else:
        found = _across(across, staged, lambda share: tell("check relations between tables", int(share * rows / 2), rows))
        staged = Staged(folder, mappings, limits)  # a new one: the memory of the first is released
        importing = 0.0 if expectations.loaded() or not of_rows else expectations.tools().seconds
        if of_rows:
            found.update(expectations.ask_rows(of_rows, staged, told))
        tell("check", rows, rows)
    return Answers(tuple(_answer(check, found[check.id]) for check in checks), time.monotonic() - began, importing)


def _elsewhere(
    pool: Executor,
    processes: int | None,
    folder: RunFolder,
    mappings: Mappings,
    limits: Limits,
    halves: tuple[list[Check], list[Check]],
    staged: Staged,
    tell: Tell,
) -> dict[str, Found]:
    """Returns the results of the checks of rows and across tables, by id: each half in parts, asked by worker processes.

    A process that asked a part of one half gets the next of the same half, and at the end the smallest of the other: only half of the processes
    import Great Expectations, which takes 170 MB in each.
    """
    waiting = tuple(deque(_parts(checks, staged)) for checks in halves)
    rows, done = sum(part.rows for half in waiting for part in half), 0
    asked_by = (_rows_elsewhere, _across_elsewhere)
    asking: dict[Future[dict[str, Found]], tuple[int, Part]] = {}

    def give(preferred: int) -> None:
        half = preferred if waiting[preferred] else 1 - preferred
        if waiting[half]:
            part = waiting[half].popleft() if half == preferred else waiting[half].pop()
            asking[pool.submit(asked_by[half], folder.path, mappings.home, mappings.digest, limits, part.checks)] = preferred, part

    for number in range(processes or sum(map(len, waiting))):
        give(number % 2)
    found: dict[str, Found] = {}
    while asking:
        for future in wait(asking, return_when=FIRST_COMPLETED).done:
            preferred, part = asking.pop(future)
            answered = future.result()
            if not isinstance(answered, dict) or answered.keys() != {check.id for check in part.checks}:
                raise wrong_answer(f"checks of {part.checks[0].table}")  # one more would take the place of another part's answer
            found.update(answered)
            done += part.rows
            tell("check", done, rows)
            give(preferred)
    return found


@dataclass(frozen=True)
class Part:
    """Checks that are asked together, and the number of rows of their tables."""

    checks: list[Check]
    rows: int


def _parts(checks: list[Check], staged: Staged) -> list[Part]:
    """Returns the checks in parts of about equal rows, the largest first; a table's checks stay together.

    Each row and each part has a cost.
    """
    by_table: dict[str, list[Check]] = defaultdict(list)
    for check in checks:
        by_table[check.table].append(check)
    parts: list[Part] = []
    for table, some in sorted(by_table.items(), key=lambda item: _rows(item[0], staged), reverse=True):
        rows = _rows(table, staged)
        if parts and parts[-1].rows + rows <= _ROWS_IN_A_PART:
            parts[-1] = Part([*parts[-1].checks, *some], parts[-1].rows + rows)
        else:
            parts.append(Part(some, rows))
    return parts


def _rows(table: str, staged: Staged) -> int:
    """Returns the number of a new table's staged rows, or of an old one's (`PORTAL.table`) extracted rows."""
    if table in staged.files:
        return staged.rows(table)
    return sum(file.rows for (portal, name), files in staged.extracted.items() if f"{portal}.{name}" == table for file in files)


def _rows_elsewhere(run: Path, mapping_folder: Path, digest: str, limits: Limits, checks: list[Check]) -> dict[str, Found]:
    """Returns, in a worker process, the results of these checks of rows, by id."""
    found = expectations.ask_rows(checks, Staged(open_readonly(run), read_mappings(mapping_folder, digest), limits), lambda table: None)
    give_memory_back()  # the same process may ask a part of another kind next
    return found


def _across_elsewhere(run: Path, mapping_folder: Path, digest: str, limits: Limits, checks: list[Check]) -> dict[str, Found]:
    """Returns, in a worker process, the results of these checks across tables, by id."""
    found = _across(checks, Staged(open_readonly(run), read_mappings(mapping_folder, digest), limits), lambda share: None)
    give_memory_back()
    return found


def _across(checks: list[Check], staged: Staged, told: Callable[[float], None]) -> dict[str, Found]:
    found = {}
    for number, check in enumerate(checks):
        told(number / len(checks))
        began = time.monotonic()
        answer = _ASKED_BY[check.kind](check, staged)
        found[check.id] = replace(answer, seconds=time.monotonic() - began)
    return found


def _answer(check: Check, found: Found) -> Answer:
    keys = tuple(sorted(found.keys))
    failed = len(keys) if found.failed is None else found.failed
    return Answer(
        check.id, check.question, check.why, check.severity, check.table, found.asked, failed, keys, found.seconds, found.sentence
    )


def answers_json(answers: Answers) -> str:
    """Returns the answers as JSON: counts and the first keys, without times: the same rows give the same bytes."""
    entries = [
        {
            "id": answer.id,
            "severity": answer.severity,
            "table": answer.table,
            "question": answer.question,
            "why": answer.why,
            "asked": answer.asked,
            "failed": answer.failed,
            "first_keys": list(answer.keys[:_SHOWN]),
            **({"sentence": answer.sentence} if answer.sentence else {}),
        }
        for answer in answers
    ]
    counts = {
        "asked": len(answers.answers),
        "passed": len(answers.passed),
        "warnings": len(answers.warnings),
        "critical": len(answers.critical_failures),
    }
    return json.dumps({**counts, "answers": entries}, indent=1, ensure_ascii=False) + "\n"


def failures_table(answers: Answers) -> pa.Table:
    """Returns every failing key: check_id, severity, table, key (text)."""
    rows = [(answer.id, answer.severity, answer.table, key) for answer in answers for key in answer.keys]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    names = ("check_id", "severity", "table", "key")
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in zip(names, columns, strict=True)})
