"""The options of the command line: each is declared once, and a command names those that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from etl.commands.config_file import configured
from etl.commands.strict_options import WholeNumber

ENVIRONMENT = "PORTAL_MIGRATE"
Command = Callable[..., Any]


def _option(*names: str, **settings: Any) -> Command:
    name = max(names, key=len).lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=f"{ENVIRONMENT}_{name}", show_envvar=False, **settings)


_DAYS = WholeNumber(0, 2147483647)  # migration_run stores them as INTEGER
OPTIONS: dict[str, Command] = {
    "source": _option("--source", metavar="URL", help="Portal 2.0 database (SQLAlchemy URL), read-only."),
    "tc": _option("--tc", metavar="URL", help="Trade Compliance database; without it only Portal 2.0 is migrated."),
    "target": _option("--target", metavar="URL", help="The new store."),
    "files": _option("--files", metavar="URI", help="Root of the old file share."),
    "objects": _option("--objects", metavar="URI", help="Root of the new object store: a folder, or s3://bucket/prefix."),
    "run": _option("--run", metavar="DIR", help="The run's folder: stage files, manifest, evidence, report."),
    "freeze_from": _option("--freeze-from", metavar="DATE", help="First day of the announced freeze (YYYY-MM-DD)."),
    "freeze_to": _option("--freeze-to", metavar="DATE", help="Last day of the announced freeze."),
    "decisions": _option("--decisions", metavar="FILE", help="Decisions made by people (TOML; rules of chapter L)."),
    "acceptance": _option(
        "--acceptance", metavar="FILE", help="Goals that the owners signed (TOML); a missed one stops the run before publishing."
    ),
    "grace_before": _option(
        "--grace-before", metavar="DAYS", type=_DAYS, help="Also adjust due dates up to this many days before the freeze (default: 0)."
    ),
    "grace_after": _option(
        "--grace-after", metavar="DAYS", type=_DAYS, help="Also adjust due dates up to this many days after the freeze (default: 0)."
    ),
    "grace_add": _option(
        "--grace-add", metavar="DAYS", type=_DAYS, help="Days added to an adjusted due date (default: the length of the freeze)."
    ),
    "workers": _option("--workers", metavar="N", type=WholeNumber(1, 256), help="Processes on this machine (default: its cores)."),
    "scheduler": _option("--scheduler", metavar="ADDRESS", help="An existing Dask cluster instead of processes of this machine."),
    "rehearse": _option(
        "--rehearse",
        is_flag=True,
        default=False,
        help="Run every step against a temporary store: a SQLite file or, with --target here, a schema of that server.",
    ),
    "mappings": _option("--mappings", metavar="DIR", help="Mapping folder to use instead of the installed one."),
    "adapter": _option(
        "--adapter", metavar="DIR", help="Adapter folder: presents another legacy schema as the contract; may contain limits.toml alone."
    ),
    "without_tc": _option("--without-tc", is_flag=True, default=False, help="Leave out Trade Compliance although an earlier run had it."),
    "without_files": _option(
        "--without-files", is_flag=True, default=False, help="Leave out the file share although an earlier run had it."
    ),
    "without_decisions": _option(
        "--without-decisions", is_flag=True, default=False, help="Leave out the decisions although an earlier run had them."
    ),
    "without_freeze": _option(
        "--without-freeze", is_flag=True, default=False, help="Leave out the freeze although an earlier run had one."
    ),
    "yes": _option("--yes", is_flag=True, default=False, help="Do not ask for confirmation."),
    "approver": _option("--approver", metavar="FILE", help="Public key (PEM) of the person who has to approve publishing."),
    "approval": _option("--approval", metavar="FILE", help="That person's approval, made by `approve`."),
    "output": _option(
        "--output", type=click.Choice(["human", "json"]), default="human", help="json: one envelope on stdout for every outcome."
    ),
    "log": _option("--log", metavar="FILE", help="Also write progress and warnings to this file (0600)."),
    "notify": _option(
        "--notify",
        metavar="WORD",
        multiple=True,
        help="Report the result of each step to an https URL or a program (repeat the option for each of its words).",
    ),
    "verbose": click.option("-v", "--verbose", is_flag=True, help="More detail, never personal data."),
    "config": click.option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=configured,
        expose_value=False,
        envvar=f"{ENVIRONMENT}_CONFIG",
        help="Options from a TOML file (migration.toml).",
    ),
}
EVERYWHERE = ("output", "verbose", "config")
STORES = ("source", "tc", "target", "files", "objects")
FREEZE = ("freeze_from", "freeze_to", "grace_before", "grace_after", "grace_add")
LEFT_OUT = ("tc", "files", "decisions", "freeze")
WITHOUT = tuple(f"without_{name}" for name in LEFT_OUT)
RUN = (
    *STORES,
    "run",
    *FREEZE,
    "decisions",
    "acceptance",
    *WITHOUT,
    "workers",
    "scheduler",
    "mappings",
    "adapter",
    "approver",
    "log",
    "notify",
)


def takes(*names: str) -> Callable[[Command], Command]:
    """Adds these options to the command, in this order, and those of every command."""

    def decorate(command: Command) -> Command:
        for name in reversed((*names, *EVERYWHERE)):
            command = OPTIONS[name](command)
        return command

    return decorate


def show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Prints the version and ends the command."""
    if value:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"portal-migrate, version {version('portal-migration')}")
        except PackageNotFoundError:
            click.echo("portal-migrate, version unknown: not installed, run from its folder")
        context.exit()
