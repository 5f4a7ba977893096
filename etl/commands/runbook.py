"""The command `runbook`: the checklist of this cut-over, from its configuration and its forecast."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from etl.databases import backend, redacted_url
from etl.errors import MigrationError, WrongUsage
from etl.options import Options
from etl.path_overlap import refuse_overlap
from etl.pipeline.forecast import Forecast, Span, earlier_runs, forecast, kinds_of
from etl.pipeline.runner import planned
from etl.report.runbook_page import as_runbook_html, as_runbook_markdown
from etl.runfolder import layout
from etl.system.private_folder import PrivateFolder

ENGINEER, APPROVER, PORTAL, DESK = "migration engineer", "approver", "administrator of the old portals", "help desk"
_ROLLBACK = 0.5  # of the duration of the load: the upper bound for a rollback


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    `at`: minutes after the freeze begins, by the forecast. `commands`: to be copied unchanged. `see`: the expected result. `decide`: the criteria of
    a decision. `back`: the way back, with its minutes. `tell`: whom to inform.
    """

    title: str
    who: str
    at: float
    minutes: float = 0.0
    commands: tuple[str, ...] = ()
    see: str = ""
    decide: str = ""
    back: str = ""
    tell: str = ""


@dataclass(frozen=True)
class Stage:
    """A part of the cut-over."""

    title: str
    items: tuple[Item, ...] = field(default_factory=tuple)


def runbook(options: Options, config: Path | None, out: Path, earlier: list[Path]) -> dict[str, Any]:
    """Writes runbook.html and runbook.md into `out` (0700); the commands name the configuration file, never its content.

    The forecast uses `earlier`, else the runs beside the run folder; without any, the sources are counted and this machine is probed.
    """
    if config is None:
        raise WrongUsage("--config is missing.", "Give the configuration of the cut-over: --config migration.toml.")
    for value, option in ((options.source, "source"), (options.target, "target"), (options.objects, "objects"), (options.run, "run")):
        if value is None:
            raise WrongUsage(f"{config} does not set {option}.", f"Add {option} to the configuration, or give --{option}.")
    known = earlier_runs(earlier, options.run)
    rows = known[-1].rows if known else sum(planned(options).rows.values())
    if not rows:
        raise MigrationError("The old portals have no rows: there is nothing to plan for.", "Give the portals that are to be migrated.")
    expected = forecast(rows, known, kinds_of(options.source, options.target))
    stages = _stages(options, str(config), expected)
    facts = {
        "freeze": f"{options.freeze[0]} to {options.freeze[1]}" if options.freeze else "not given",
        "rows": rows,
        "source": redacted_url(options.source or ""),
        "tc": redacted_url(options.tc) if options.tc else "none",
        "target": redacted_url(options.target or ""),
        "forecast": asdict(expected),
        "from": ", ".join(expected.source) or "a probe of this machine; a rehearsal gives a better forecast",
    }
    refuse_overlap(options, ("--out", out))
    output = PrivateFolder(out, "--out")
    output.write("runbook.md", as_runbook_markdown(stages, facts).encode())
    output.write("runbook.html", as_runbook_html(stages, facts).encode())
    return {
        "folder": str(out),
        "files": ["runbook.html", "runbook.md"],
        "stages": [asdict(stage) for stage in stages],
        "minutes": _minutes(expected.whole),
    }


def _minutes(span: Span) -> float:
    return round(span.high / 60, 1)  # the upper bound: a cut-over is planned for the worst case


def _stages(options: Options, config: str, expected: Forecast) -> list[Stage]:
    """Returns the stages of the cut-over in order; times are minutes after the freeze begins, by the upper bound of the forecast."""
    use = f"--config {shlex.quote(config)}"
    run = shlex.quote(str(options.run))
    minutes = {step: _minutes(span) for step, span in expected.steps.items()}
    freeze = _freeze(options)
    frozen = freeze.minutes
    checked = frozen + sum(minutes[step] for step in layout.BEFORE_LOAD)
    published = checked + minutes["load"]
    verdict = published + minutes["reconcile"] + minutes["report"]
    back = _minutes(Span(0, 0, expected.steps["load"].high * _ROLLBACK))
    approval = options.approver is not None
    before = Stage(
        "Before the freeze",
        (
            Item(
                "Run the doctor",
                ENGINEER,
                -60,
                commands=(f"portal-migrate doctor {use}",),
                see="exit code 0; each warning has been discussed",
                decide="Any blocking finding: do not begin.",
            ),
            Item(
                "Back up the new store",
                "administrator of the new store",
                -45,
                see="the backup's name, moment and SHA-256 are written down; it was restored once",
                decide="Without a backup that was restored once: do not begin.",
            ),
            Item("Inform all users", DESK, -30, tell="partners, specialists, offices: when the portals close, and when they open again"),
        ),
    )
    look = Item(
        "Check that nothing is still being written",
        ENGINEER,
        frozen,
        commands=(f"portal-migrate freeze check {use} --seconds 5",),
        see="nothing changed; no other role may write",
        decide="Exit code 5: a program still writes. Stop it, freeze again, or cancel the cut-over.",
    )
    closing = Stage("Freeze", (freeze, look))
    steps = f"for step in extract split reattach check; do portal-migrate $step {use} || break; done"
    making = [
        Item(
            "Extract, split, reattach, check",
            ENGINEER,
            frozen,
            checked - frozen,
            (steps, f"portal-migrate status --run {run}"),
            see="four steps are done; no critical check failed; held rows and exceptions are those of the last rehearsal",
            decide="Exit code 3: nothing was published; unfreeze, correct the causes, choose another date."
            " More held rows than in the last rehearsal: clarify before continuing.",
            back="nothing was published: unfreeze, 5 minutes",
        ),
    ]
    if approval:
        making.append(
            Item(
                "Approve",
                APPROVER,
                checked,
                15,
                see="the digest on the approver's machine is the one that `status` shows; the report was read; the backup is named",
                decide="Without a signature nothing is published. Criteria: verdict of the checks, held rows, what the load will change, minutes left in the window.",
                back="nothing was published: unfreeze, 5 minutes",
            )
        )
    load = f"portal-migrate load {use}" + (" --approval approval.json" if approval else "")
    publishing = Stage(
        "Publish",
        (
            Item(
                "Publish (not yet the point of no return)",
                ENGINEER,
                checked + 15 * approval,
                minutes["load"],
                (load,),
                see="the output gives the rows inserted, updated and removed",
                decide="Exit code 7 or 1: nothing was published unless the message states it. Follow its `next:` line.",
                back=f"portal-migrate rollback {use} --yes: about {back:,.1f} minutes",
            ),
            Item(
                "Compare old and new",
                "auditor",
                published + 15 * approval,
                minutes["reconcile"] + minutes["report"],
                (f"portal-migrate reconcile {use}", f"portal-migrate report {use}"),
                see="old and new are equal; the report's verdict is green",
                decide="Exit code 4: keep the store as evidence, do not open the portal; decide to roll back within 30 minutes.",
                back=f"portal-migrate rollback {use} --yes: about {back:,.1f} minutes",
            ),
        ),
    )
    opening = Stage(
        "Open",
        (
            Item(
                "Open the new portal: the point of no return",
                "all signatories",
                verdict + 15 * approval,
                see="all signatories have signed below",
                decide="Once partners write into the new portal, a rollback would lose their work.",
                tell="partners, specialists, offices, help desk: the portal is open",
            ),
            Item(
                "Pack the evidence",
                ENGINEER,
                verdict + 15 * approval + 5,
                commands=(f"portal-migrate evidence pack --run {run} --bundle evidence --key evidence.pem",),
                see="files packed and signed",
            ),
            Item(
                "Write the lists for the first day",
                DESK,
                verdict + 15 * approval + 10,
                commands=(f"portal-migrate readiness --run {run}",),
                see="accounts that nobody can open, by office",
            ),
        ),
    )
    undo = Stage("If the cut-over is cancelled", (_unfreeze(options),))
    return [before, closing, Stage("Migrate", tuple(making)), publishing, opening, undo]


def _old_portals(options: Options) -> list[str]:
    return [url for url in (options.source, options.tc) if url is not None]


def _freeze(options: Options) -> Item:
    return Item(
        "Close the old portals",
        PORTAL,
        0,
        10,
        tuple(command for url in _old_portals(options) for command in _closing(url)),
        see="applications, timers and jobs are stopped; for PostgreSQL three times 0",
        decide="Not frozen after 30 minutes: cancel the cut-over.",
    )


def _closing(url: str) -> list[str]:
    if backend(url) == "postgresql":
        return [
            f"portal-migrate sql freeze | psql -X -f - {shlex.quote(_superuser(url))}",
            f"portal-migrate sql frozen | psql -X -f - {shlex.quote(_superuser(url))}",
        ]
    file = shlex.quote(redacted_url(url).removeprefix("sqlite:///"))
    fold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA wal_checkpoint(TRUNCATE)'); c.execute('PRAGMA journal_mode = DELETE')"
    return [f'python3 -c "{fold}" {file} && chmod a-w {file}']


def _unfreeze(options: Options) -> Item:
    commands = []
    for url in _old_portals(options):
        if backend(url) == "postgresql":
            commands.append(f"portal-migrate sql unfreeze | psql -X -f - {shlex.quote(_superuser(url))}")
        else:
            commands.append(f"chmod u+w {shlex.quote(redacted_url(url).removeprefix('sqlite:///'))}")
    return Item(
        "Open the old portals again",
        PORTAL,
        0,
        5,
        tuple(commands),
        see="partners can log in to the old portals",
        tell="partners, specialists, offices: the freeze is cancelled",
    )


def _superuser(url: str) -> str:
    """Returns the address for `psql` as a superuser: host and database of the URL, without user and password."""
    import sqlalchemy

    parsed = sqlalchemy.make_url(url)
    words = [
        f"dbname={parsed.database}",
        *([f"host={parsed.host}"] if parsed.host else []),
        *([f"port={parsed.port}"] if parsed.port else []),
    ]
    return " ".join(words)
