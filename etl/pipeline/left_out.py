"""Refuses a run without the inputs of an earlier run published in the same store, unless they are left out on purpose (`--without-...`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.databases import backend, database_identity
from etl.databases.registry import reading
from etl.errors import MigrationError, Refused
from etl.options import Options

# Every row of a Trade Compliance portal leads to a row in one of these tables.
_OF_TC = ("document", "event_history", "account_contact", "migration_holding", "migration_exception")


class NoShare:
    """A file share that is left out on purpose: it contains no documents (C6)."""

    def chunks(self, object_path: str) -> Iterator[bytes] | None:
        """Returns None for every path."""
        return None


def refuse_left_out(options: Options, target: str) -> None:
    """Raises Refused (exit 7) for a run without an input that filled the store, by the record in force or the rows beside it.

    Accepts every run where the store has no tables yet or no published run. The file share: see `share_left_out`.
    """
    record, trade = _in_force(target)
    if record is None:
        return
    lacking = []
    if trade and options.tc is None and "tc" not in options.without:
        lacking.append(("--tc", "Trade Compliance rows", "tc"))
    if record.get("freeze_from") is not None and options.freeze is None and "freeze" not in options.without:
        lacking.append(("--freeze-from and --freeze-to", f"the freeze of {record['freeze_from']} to {record['freeze_to']}", "freeze"))
    if record.get("decisions_sha256") is not None and options.decisions is None and "decisions" not in options.without:
        lacking.append(("--decisions", f"decisions (SHA-256 {record['decisions_sha256']})", "decisions"))
    if lacking:
        had = ", ".join(what for _, what, _ in lacking)
        ways = "; or leave them out on purpose: " + " ".join(f"--without-{word}" for *_, word in lacking)
        raise Refused(
            f"{record['run_id']}, which is published in this store, had {had}; this run does not. Nothing was changed.",
            f"Give {', '.join(option for option, *_ in lacking)}{ways}.",
        )


def share_left_out(target: str | None) -> MigrationError | None:
    """Returns the refusal (exit 7) of a run without the share of its documents, where the store holds a published run; else None."""
    record = _in_force(target)[0] if target is not None else None
    if record is None:
        return None
    return Refused(
        f"Documents are on the old file share, but --files is not given; {record['run_id']}, which is published in this store, had it.",
        "Give the root of the old file share: --files DIR; or leave it out on purpose: --without-files.",
    )


def _in_force(target: str) -> tuple[dict[str, Any] | None, bool]:
    """Returns the record in force (fine print 66), None where there is none; and whether the store has rows of Trade Compliance."""
    found = published_last(target)
    if found is None:
        return None, False
    with reading(target) as store:
        of_tc = " UNION ALL ".join(f"SELECT 1 AS one FROM {table} WHERE legacy_portal_cd = 'TC'" for table in _OF_TC)
        return found, bool(store.rows(f"SELECT 1 AS one FROM tc_program UNION ALL {of_tc} LIMIT 1"))


def published_last(target: str) -> dict[str, Any] | None:
    """Returns the row of `migration_run` that is in force; None where the store does not exist or has no published run."""
    lite = backend(target) == "sqlite"
    if lite and not Path(str(database_identity(target)[1])).is_file():
        return None
    with reading(target) as store:
        there = "SELECT name FROM sqlite_master WHERE name = 'migration_run'" if lite else "SELECT to_regclass('migration_run') AS name"
        if not any(row["name"] for row in store.rows(there)):
            return None
        found = store.rows("SELECT * FROM migration_run WHERE state_cd = 'PUBLISHED' ORDER BY finished_at DESC, run_id DESC LIMIT 1")
        return found[0] if found else None
