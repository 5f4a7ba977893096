"""The commands `status` and `picker`: the progress of a run, and the accounts of a person. Finds the new store of a look-up."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.databases.reading import Reading
from etl.databases.registry import reading
from etl.domain.emails import email_key
from etl.errors import MigrationError, Refused, WrongUsage
from etl.evidence.approval import approval_status
from etl.options import Options, needed, needed_run
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.system.progress_note import at_work


def status(options: Options) -> dict[str, Any]:
    """Returns, for each step of the run, its state (done, failed or not done), time, duration, and sentence."""
    run = needed_run(options.run)
    folder = open_readonly(run)
    steps = []
    for name in layout.STEPS:
        facts = folder.steps[name].facts if name in folder.steps else {}
        rows = sum(file.rows for file in folder.steps[name].files) if name in folder.steps else 0
        steps.append(
            {
                "step": name,
                "state": _state(facts),
                "started": facts.get("started"),
                "seconds": facts.get("seconds"),
                "rows": rows,
                "sentence": facts.get("sentence", ""),
            }
        )
    working = at_work(run / layout.PROGRESS, run / layout.LOCK)
    for entry in steps:
        if working is not None and entry["step"] == working["step"] and entry["state"] == "not done":
            entry |= {"state": "at work", "started": working["since"]}
    if working is not None:
        working = {**working, **_ends(folder, working, [entry["step"] for entry in steps if entry["state"] == "done"])}
    known = {
        "run": str(run),
        "settings": folder.settings.as_json(),
        "steps": steps,
        "approval": approval_status(folder),
        "at_work": working,
    }
    return {**known, "store": _published_or_not(folder), "purged": folder.settings.purged}


def _ends(folder: RunFolder, working: dict[str, Any], done: list[str]) -> dict[str, Any]:
    """Returns `step_ends`, `run_ends` (expected, from, to; null where unknown), `late`, `forecast_from` of the active command."""
    from etl.pipeline.forecast import (
        earlier_runs,
        endings,
        kinds_of,
        rehearsed,
    )  # imported late: without an active command nothing is forecast

    earlier = earlier_runs([], folder.path)
    kinds = kinds_of(folder.settings.source, folder.settings.target)
    found = endings(working, done, rehearsed(folder).rows, earlier, datetime.now(UTC), kinds)
    moments = {
        name: [at.isoformat(timespec="seconds") for at in of] if of is not None else None
        for name, of in (("step_ends", found.step), ("run_ends", found.run))
    }
    return {**moments, "late": found.late, "forecast_from": list(found.source)}


def _published_or_not(folder: RunFolder) -> str:
    """Returns what the store has of the run, as far as its folder shows."""
    published = folder.steps["load"].facts.get("run_id") if "load" in folder.steps else None
    if published:
        return f"published: {published}"
    return f"rolled back: {folder.settings.rolled_back}" if folder.settings.rolled_back is not None else "nothing is published"


def _state(facts: dict[str, Any]) -> str:
    if (
        facts.get("critical")
        or facts.get("goals_missed")
        or facts.get("answer", "equal") != "equal"
        or any(since["changed"] for since in facts.get("looked", {}).values())
    ):
        return "failed"
    return "done" if facts else "not done"


def _here(run: Path, known: str) -> str:
    """Returns the store of a run's start: a rehearsal's is in its folder, also after a move; a relative path starts at the folder of the run's start."""
    if not known.startswith("sqlite:///"):
        return known
    path = Path(urllib.parse.unquote(known.removeprefix("sqlite:///")))
    own = run / layout.REHEARSAL / path.name
    if path.parent.name == layout.REHEARSAL and own.is_file():
        return f"sqlite:///{urllib.parse.quote(str(own.absolute()))}"
    if not path.is_absolute() and not path.is_file():
        message = (
            f"The file of {known} does not exist here: the run's store has a path relative to the folder in which the run was started."
        )
        raise MigrationError(message, "Run the command from that folder, or give --target.")
    return known


def target_url(options: Options) -> str:
    """Returns the URL of the new store: --target, or the run's; raises Refused where that run has published nothing."""
    if options.run is not None:
        folder = open_readonly(options.run)
        if "load" not in folder.steps:
            folder.refuse_rolled_back(
                "The new store holds no rows of it.",
                "Give `portal-migrate run` with the same options to publish it again, or give --target alone.",
            )
            raise Refused(
                "This run has not published anything yet: there is no new store to inspect.", "Finish the run, or give --target alone."
            )
        known = folder.settings.connectable("target")
        if options.target is None and known is not None:
            return _here(options.run, known)
    return needed(options.target, "--target", "the URL of the new store, or --run of a run with a store")


@contextmanager
def published(options: Options) -> Iterator[Reading]:
    """Yields the new store, opened for reading; raises Refused where it is not the store of the given run."""
    with reading(target_url(options)) as store:
        runs = {row["run_id"] for row in store.rows("SELECT run_id FROM migration_run WHERE state_cd = 'PUBLISHED'")}
        if options.run is not None:
            run_id = open_readonly(options.run).steps["load"].facts["run_id"]
            if run_id not in runs:
                raise Refused(
                    f"The new store does not contain {run_id}: it belongs to another run, or the run was rolled back.",
                    "Give --run and --target that belong together.",
                )
        elif not runs:
            raise MigrationError(
                "Nothing is published in this new store.", "Give the store that was published, or publish with `portal-migrate run`."
            )
        yield store


_SEEN = "account_number, legal_name, account_label, business_type_cd, status_cd, tier_cd, legacy_profile_id"


def picker(options: Options, email: str) -> dict[str, Any]:
    """Returns a person's accounts after the login, and the old profiles that lead to them."""
    key = email_key(email)
    if key is None:
        raise WrongUsage(
            "That is not a valid e-mail address: it needs exactly one @, text on both sides and no white space.",
            "Give the e-mail address with which the person logs in.",
        )
    with published(options) as store:
        found = store.rows(f"SELECT {store.as_text('login_id')} AS login_id, status_cd FROM login WHERE email_key = ?", key)
        if not found:
            raise MigrationError("No login has that e-mail address.", "Check the spelling: dots and plus tags count, capitals do not.")
        login = found[0]["login_id"]
        users = store.rows("SELECT legacy_key FROM login_alias WHERE login_id = ? ORDER BY legacy_key", login)
        mine = "SELECT account_id FROM account_contact WHERE login_id = ? AND removed_at IS NULL"
        rows = store.rows(f"SELECT {_SEEN}, trade_visible FROM entity_account WHERE account_id IN ({mine}) ORDER BY account_number", login)
    visible = [{name: value for name, value in row.items() if name != "trade_visible"} for row in rows if row["trade_visible"]]
    profiles = sorted({int(row["legacy_profile_id"]) for row in rows})
    return {
        "status": found[0]["status_cd"],
        "users": [row["legacy_key"] for row in users],
        "before": profiles,
        "after": visible,
        "hidden": len(rows) - len(visible),
    }
