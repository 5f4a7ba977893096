"""The command `doctor`: all checks before the cut-over, with all findings in one answer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.databases import backend, database_identity
from etl.databases.postgresql.transport import is_here
from etl.errors import MigrationError, Refused
from etl.evidence.approval import approver_key
from etl.objects.address import bucket_of, folder_of
from etl.options import Options
from etl.pipeline.preflight import Plan, changeable
from etl.pipeline.runner import planned
from etl.runfolder import layout
from etl.runfolder.folder import open_readonly

_SKEW, _SKEW_MOST = 5.0, 60.0  # seconds


@dataclass(frozen=True)
class Finding:
    """One finding. `state`: "ok", "warning" (check it), "no" (the cut-over must not begin). `step`: the next step."""

    state: str
    what: str
    found: str
    step: str = ""


def doctor(options: Options) -> dict[str, Any]:
    """Returns all findings, those with "no" first; raises Refused (exit 7) with all of them where one is "no". Changes nothing."""
    findings: list[Finding] = []
    plan: Plan | None = None
    try:
        plan = planned(options)
        findings.append(Finding("ok", "plan", f"{sum(plan.rows.values()):,} rows, every column accounted for"))
    except MigrationError as error:
        findings.append(Finding("no", "plan", error.message, error.next_step))
    findings += [
        Finding("warning", "settings", sentence, "Let only the operator write there; compare the bytes with what was reviewed.")
        for sentence in changeable(options)
    ]
    for look in (_given, _rights, _servers, _disks, _run):
        findings += look(options, plan)
    order = ("no", "warning", "ok")
    findings.sort(key=lambda finding: order.index(finding.state))
    counted = {state: sum(finding.state == state for finding in findings) for state in order}
    data = {"findings": [asdict(finding) for finding in findings], "counted": counted}
    if counted["no"]:
        first = findings[0]
        refusal = Refused(
            f"The cut-over must not begin: {counted['no']:,} blocking finding{'s' if counted['no'] > 1 else ''}.",
            first.step or "See the findings.",
        )
        refusal.data = data
        raise refusal
    return data


def _given(options: Options, plan: Plan | None) -> Iterator[Finding]:
    """Yields what the cut-over needs and the options lack."""
    wanted: tuple[tuple[object, str, str], ...] = (
        (options.source, "--source", "no"),
        (options.target, "--target", "no"),
        (options.objects, "--objects", "no"),
        (options.run, "--run", "no"),
        (options.tc, "--tc", "warning"),
        (options.files, "--files", "warning"),
        (options.freeze, "--freeze-from and --freeze-to", "warning"),
        (options.approver, "--approver", "warning"),
    )
    for value, option, state in wanted:
        if value is None:
            yield Finding(state, "options", f"{option} is not given", f"Give {option}, or leave it out on purpose.")
    if options.approver is not None:
        try:
            approver_key(options.approver)
        except MigrationError as error:
            yield Finding("no", "options", error.message, error.next_step)
    if options.freeze is not None and datetime.now(UTC).date() > options.freeze[1]:
        yield Finding(
            "warning", "freeze", f"the freeze ended on {options.freeze[1]}", "Give the dates of the freeze that is announced now."
        )


def _rights(options: Options, plan: Plan | None) -> Iterator[Finding]:
    for option, rights in plan.rights.items() if plan is not None else ():
        for sentence in rights.excess:
            yield Finding(
                "warning",
                f"rights of {option}",
                f"role {rights.role} {sentence}: more than required",
                "portal-migrate sql roles prints the exact rights.",
            )
        if rights.role and not rights.excess:
            yield Finding("ok", f"rights of {option}", f"role {rights.role} has the required rights and no others")


def _servers(options: Options, plan: Plan | None) -> Iterator[Finding]:
    for option, url in (("--source", options.source), ("--tc", options.tc), ("--target", options.target)):
        if url is None or backend(url) != "postgresql":
            continue
        from etl.databases.postgresql.connection import WRITING
        from etl.databases.postgresql.health import health

        try:
            found = health(url, option)
        except MigrationError as error:
            yield Finding("no", f"server of {option}", error.message, error.next_step)
            continue
        about = f"server of {option}"
        yield Finding("ok", about, f"PostgreSQL {found.version}, {found.database_bytes:,} bytes in the database")
        if abs(found.skew) > _SKEW:
            state = "no" if abs(found.skew) > _SKEW_MOST else "warning"
            yield Finding(
                state, about, f"its clock is {found.skew:+.0f} seconds from this machine's", "Synchronize both clocks with the same source."
            )
        needed = WRITING if option == "--target" else 2 * (1 + (options.workers or os.cpu_count() or 1))
        if found.free < needed:
            yield Finding(
                "no",
                about,
                f"{found.free:,} connections are free, {needed:,} are needed",
                "End sessions, raise the role's or server's limit, or give fewer --workers.",
            )
        if not found.durable:
            yield Finding(
                "warning", about, "fsync or full_page_writes is off: a power failure can lose what was published", "Switch both on."
            )
        for sentence in found.settings:
            yield Finding("warning" if "temp_file_limit" in sentence or "lock_timeout" in sentence else "ok", about, sentence)
        if found.stale and option == "--target":
            yield Finding(
                "warning", about, f"never analyzed: {', '.join(found.stale[:5])}", "Run ANALYZE in the new store, or leave it to the load."
            )
        if option == "--target":
            yield _server_disk(url)


def _server_disk(url: str) -> Finding:
    import sqlalchemy

    host = sqlalchemy.make_url(url).host or ""
    where = "this machine's" if is_here(host) else "another machine's"
    return Finding(
        "warning",
        "server of --target",
        f"the free space on {where} server's disk cannot be read from here",
        "Check there for twice the size that `plan` reports.",
    )


def _disks(options: Options, plan: Plan | None) -> Iterator[Finding]:
    if plan is None:
        return
    needs: dict[Path, int] = {}

    def need(path: Path, size: int) -> None:
        there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
        needs[there] = needs.get(there, 0) + size

    if options.run is not None:
        need(options.run, sum(plan.staged.values()))
    if options.objects is not None and bucket_of(options.objects) is None:
        need(folder_of(options.objects, "--objects"), plan.documents_bytes)
    if options.target is not None and backend(options.target) == "sqlite":
        need(Path(str(database_identity(options.target)[1])).parent, 2 * plan.loaded_bytes)
    for path, size in needs.items():
        free = shutil.disk_usage(path).free
        state = "no" if free < size else "warning" if free < 2 * size else "ok"
        yield Finding(
            state,
            "disk",
            f"{path.name or path}: {free:,} bytes are free, about {size:,} are needed",
            "Free space, or give another path." if state != "ok" else "",
        )


def _run(options: Options, plan: Plan | None) -> Iterator[Finding]:
    if options.run is None or not (options.run / layout.MANIFEST).exists():
        return
    try:
        folder = open_readonly(options.run)
    except MigrationError as error:
        yield Finding("no", "run's folder", error.message, error.next_step)
        return
    if folder.settings.purged:
        yield Finding("no", "run's folder", "this run was purged", "Give a new folder: --run.")
    elif "load" in folder.steps:
        yield Finding("warning", "run's folder", "this run is already published", "Give a new folder for a new cut-over.")
    else:
        yield Finding("ok", "run's folder", f"a run that has completed {list(folder.steps)[-1] if folder.steps else 'no step'}")
