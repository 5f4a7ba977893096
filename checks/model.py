"""The types of the checks: questions and answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Entry:
    """One entry of a suite file with checked words; its names are not looked up yet. `location`: dotted, for error messages."""

    file: str
    location: str
    word: str  # check, every_table, every_source
    id: str
    question: str
    why: str
    severity: Severity
    kind: str
    table: str = ""
    columns: tuple[str, ...] = ()
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suites:
    """All suite files of a folder, in the order of their names; `digest`: SHA-256 over the files."""

    folder: Path
    entries: tuple[Entry, ...]
    digest: str


@dataclass(frozen=True)
class Check:
    """One question about one table, its names looked up; `table`: a table of the new store, or `PORTAL.table` of an old one."""

    id: str
    question: str
    why: str
    severity: Severity
    kind: str
    table: str
    columns: tuple[str, ...]
    args: dict[str, Any] = field(default_factory=dict)
    location: str = ""


@dataclass(frozen=True)
class Found:
    """The result of one check. `asked`: number of rows checked; `keys`: every failing row, once for each way in which it fails.

    A check of shares has its result in `sentence`, and counts in `failed` the rows of which `keys` has only the first.
    """

    asked: int
    keys: tuple[str, ...] = ()
    seconds: float = 0.0
    failed: int | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Answer:
    """One check and its result. `keys`: all failing rows, sorted, social security numbers masked; `failed`: their number.

    `sentence`: the result of a check of shares; else empty.
    """

    id: str
    question: str
    why: str
    severity: Severity
    table: str
    asked: int
    failed: int
    keys: tuple[str, ...]
    seconds: float
    sentence: str = ""

    @property
    def passed(self) -> bool:
        """Returns whether no row failed."""
        return self.failed == 0


@dataclass(frozen=True)
class Answers:
    """All answers, in the order of the suites; `seconds`: the whole step, including the import of Great Expectations (`importing`)."""

    answers: tuple[Answer, ...]
    seconds: float = 0.0
    importing: float = 0.0

    def __iter__(self) -> Iterator[Answer]:
        return iter(self.answers)

    @property
    def passed(self) -> tuple[Answer, ...]:
        """Returns the answers without a failing row."""
        return tuple(answer for answer in self.answers if answer.passed)

    @property
    def critical_failures(self) -> tuple[Answer, ...]:
        """Returns the failed answers of critical checks: each stops the run before it publishes."""
        return tuple(answer for answer in self.answers if not answer.passed and answer.severity == "critical")

    @property
    def warnings(self) -> tuple[Answer, ...]:
        """Returns the failed answers of checks that only warn."""
        return tuple(answer for answer in self.answers if not answer.passed and answer.severity == "warning")
