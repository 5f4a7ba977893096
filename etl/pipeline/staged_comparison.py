"""Compares the staged rows with the verifier's expected rows before publishing."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from checks import Answer
from etl.domain.grace import NO_GRACE
from etl.load.staged_rows import rows_of, run_id_of
from etl.options import Options
from etl.reconcile import reconcile_staged
from etl.runfolder.folder import RunFolder
from etl.system.progress import ProgressReporter
from mappings.model import Mappings

ID = "verifier.staged_rows"
MOST_ROWS = 1_000_000  # staged rows up to which every run compares; with more only a rehearsal does, because it takes a tenth of a run (SQLite, 300 and 1,000 profiles)
_QUESTION = "Do the staged rows match what the verifier computes from the old portals?"
_WHY = "A wrong rule, id, key, route, code or date in the loader would otherwise be found only after publishing."
_DIFFERENT = "These staged rows differ from what the verifier computes from the old portals."
_SHOWN = ("table", "kind", "legacy_portal", "legacy_key", "account_number", "column")


def is_asked(options: Options, rows: int) -> bool:
    """Returns whether this number of staged rows is compared."""
    return options.source is not None and (options.rehearse or rows <= MOST_ROWS)


def verifiers_answer(options: Options, mappings: Mappings, folder: RunFolder, reporter: ProgressReporter) -> Answer:
    """Returns the verifier's answer as one more critical check, each difference with its table, kind, key, account and column."""
    began, run_id = time.monotonic(), run_id_of(folder)
    assert options.source is not None  # noqa: S101 - `is_asked` said so
    result = reconcile_staged(
        options.source,
        options.tc,
        options.files,
        lambda table: rows_of(folder, mappings.target.tables[table], run_id),
        run_id,
        datetime.fromisoformat(str(folder.steps["extract"].facts["began"])),
        options.freeze,
        reporter.progress,
        mappings.home,
        options.adapter,
        (options.grace or NO_GRACE).in_force(options.freeze),
        options.decisions,
    )
    keys = tuple(sorted(_named(row) for row in result.differences.select(_SHOWN).iter_rows(named=True)))
    asked = sum(count.expected for count in result.tables.values())
    return Answer(ID, _QUESTION, _WHY, "critical", "", asked, len(keys), keys, time.monotonic() - began, _DIFFERENT if keys else "")


def _named(row: dict[str, Any]) -> str:
    """Returns one difference as a phrase: its place, never the values."""
    where = f"{row['table']}.{row['column']}" if row["column"] else row["table"]
    key = "|".join(str(part) for part in (row["legacy_portal"], row["legacy_key"]) if part is not None)
    account = f" of account {row['account_number']}" if row["account_number"] else ""
    return f"{key or '?'}{account}: {where} {row['kind']}"
