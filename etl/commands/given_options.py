"""Converts the options of a command to `Options`, its progress reporter and its output form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.commands.option_table import FREEZE, LEFT_OUT, STORES

if TYPE_CHECKING:
    from etl.domain.grace import Grace
    from etl.errors import WrongUsage
    from etl.options import Options
    from etl.system.progress import ProgressReporter


_EXCLUDED = {"freeze": FREEZE}
# What a command cannot begin without, and what it is; of a run that exists, the step says what it lacks.
_NEEDED = {
    "run": ("source", "objects", "target", "run"),
    "extract": ("source", "objects", "run"),
    "precopy": ("source", "objects", "run"),
    "reconcile": ("source", "target", "objects"),
    "sample": ("source", "tc", "files"),
}
_MEANING = {
    "source": "the URL of the Portal 2.0 database",
    "tc": "the URL of the Trade Compliance database",
    "files": "the folder of the old file share",
    "objects": "the root of the new object store",
    "target": "the URL of the new store",
    "run": "the run's folder",
}


def options_of(given: dict[str, Any]) -> Options:
    """Returns the options of a command; raises WrongUsage where a value is not valid or two options exclude each other."""
    from etl.commands.strict_options import database_url
    from etl.errors import WrongUsage
    from etl.options import Options, refuse_address

    wrong: list[WrongUsage] = []

    def gathered(of: Callable[[], Any]) -> Any:
        try:
            return of()
        except WrongUsage as error:
            wrong.append(error)
            return None

    freeze = gathered(lambda: freeze_of(given))
    grace = gathered(lambda: _grace(given, bool(given.get("freeze_from") or given.get("freeze_to"))))
    if given.get("rehearse") and _typed("objects"):
        wrong.append(WrongUsage("--rehearse uses its own object store.", "Leave out --objects."))
    if given.get("workers") and given.get("scheduler"):
        wrong.append(WrongUsage("--workers and --scheduler exclude each other.", "Give one of them."))
    without = frozenset(name for name in LEFT_OUT if given.get(f"without_{name}"))
    for name in sorted(without):
        if excluded := next((option for option in _EXCLUDED.get(name, (name,)) if given.get(option) is not None), None):
            wrong.append(WrongUsage(f"--without-{name} and --{excluded.replace('_', '-')} exclude each other.", "Give one of them."))
    plain: dict[str, Any] = {name: given.get(name) for name in (*STORES, "workers", "scheduler")}
    if given.get("rehearse") and not _typed("target"):
        plain["target"] = None  # a configuration's target is for the cut-over, not for a rehearsal
    for name in ("source", "tc", "target"):
        if plain[name] is not None:
            plain[name] = gathered(partial(database_url, f"--{name}", plain[name]))
    for name in ("files", "objects"):
        if plain[name] is not None:
            gathered(partial(refuse_address, plain[name], f"--{name}"))
    missing = _missing(given)
    if wrong or len(missing) > 1:  # a single one is named by the step, behind what it finds before
        wrong += missing
        from etl.runfolder.folder import sealing_key

        gathered(sealing_key)
    if wrong:
        raise _in_one(wrong)
    paths: dict[str, Any] = {
        name: Path(given[name])
        for name in ("run", "mappings", "adapter", "decisions", "acceptance", "approver", "approval")
        if given.get(name)
    }
    context = click.get_current_context(silent=True)
    configuration = context.meta.get("config") if context is not None else None
    return Options(
        **plain,
        config=Path(configuration) if configuration else None,
        **paths,
        without=without,
        rehearse=bool(given.get("rehearse")),
        grace=grace,
        freeze=freeze,
    )


def _missing(given: Mapping[str, Any]) -> list[WrongUsage]:
    """Returns what the command lacks to begin: nothing for one about a run that exists, or of a command that may do without."""
    from etl.errors import WrongUsage
    from etl.runfolder import layout

    context = click.get_current_context(silent=True)
    names = _NEEDED.get(context.info_name or "", ()) if context is not None and not context.params.get("forget") else ()
    if given.get("run") and (Path(given["run"]) / layout.MANIFEST).is_file():
        return []
    own = ("objects", "target") if given.get("rehearse") else ()
    return [
        WrongUsage(f"--{name} is missing.", f"Give {_MEANING[name]}: --{name}.")
        for name in names
        if name not in own and given.get(name) is None
    ]


def _in_one(wrong: list[WrongUsage]) -> WrongUsage:
    """Returns one error that names all of them."""
    from etl.errors import WrongUsage
    from etl.system.visible import BREAK

    together = WrongUsage(BREAK.join(one.message for one in wrong), " ".join(dict.fromkeys(one.next_step for one in wrong)))
    together.each = tuple((one.message, one.next_step) for one in wrong)
    return together


def freeze_of(given: Mapping[str, Any]) -> tuple[date, date] | None:
    """Returns the first and last day of the freeze, None without one; raises WrongUsage where a day is missing, not a date, or out of order."""
    from etl.errors import WrongUsage

    days = {name: day_of(name, given[name]) for name in ("freeze_from", "freeze_to") if given.get(name)}
    if len(days) == 1:
        raise WrongUsage("A freeze has a first and a last day.", "Give both --freeze-from and --freeze-to, or neither.")
    if days and days["freeze_from"] > days["freeze_to"]:
        raise WrongUsage("--freeze-from is later than --freeze-to.", "Give the first day, then the last one.")
    return (days["freeze_from"], days["freeze_to"]) if days else None


def _grace(given: dict[str, Any], freeze: bool) -> Grace | None:
    """Returns the band of E14 where one of its numbers is given; raises WrongUsage without a freeze, unless the run was started with one."""
    from etl.domain.grace import Grace
    from etl.errors import WrongUsage
    from etl.runfolder import layout

    named = {name: given.get(f"grace_{name}") for name in ("before", "after", "add")}
    if all(value is None for value in named.values()):
        return None
    if not freeze and not (given.get("run") and (Path(given["run"]) / layout.MANIFEST).is_file()):
        raise WrongUsage("--grace-before, --grace-after and --grace-add need a freeze.", "Give --freeze-from and --freeze-to too.")
    return Grace(named["before"] or 0, named["after"] or 0, named["add"])


def _typed(name: str) -> bool:
    """Returns whether the option is on the command line: one configuration file serves rehearsal and cut-over."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def day_of(name: str, text: str) -> date:
    """Returns the day that an option gives as YYYY-MM-DD; raises WrongUsage for any other text."""
    from etl.errors import WrongUsage

    try:
        day = date.fromisoformat(text)
        if day.isoformat() != text:  # weeks and forms without hyphens are not accepted
            raise ValueError
        return day
    except ValueError:
        raise WrongUsage(f"--{name.replace('_', '-')}: {text!r} is not a valid date.", "Write it as YYYY-MM-DD.") from None


def reporter_of(given: dict[str, Any]) -> ProgressReporter:
    """Returns the progress reporter for a command's options."""
    from etl.commands.command_result import ending_of
    from etl.runfolder import layout
    from etl.system.notices import Notices
    from etl.system.progress import ProgressReporter

    run = Path(given["run"]) if given.get("run") else None
    log = Path(given["log"]) if given.get("log") else None
    if log is not None:
        _refuse_log(given, log)
    reporter = ProgressReporter(verbose=bool(given.get("verbose")), log=log, note=run / layout.PROGRESS if run is not None else None)
    reporter.notices = Notices(tuple(given.get("notify") or ()), run.absolute().name if run is not None else "", ending_of, reporter.info)
    return reporter


def _refuse_log(given: dict[str, Any], log: Path) -> None:
    """Raises Refused (7) for a log in place of something that the command reads or writes, also of what only the run's settings name."""
    from contextlib import suppress

    from etl.errors import MigrationError
    from etl.path_overlap import of_run, refuse_log
    from etl.runfolder.folder import open_readonly

    options = options_of(given)
    if options.run is not None:
        with suppress(MigrationError):  # a run that cannot be read is refused by the command itself
            options = of_run(options, open_readonly(options.run).settings)
    configuration = click.get_current_context().meta.get("config")
    refuse_log(options, log, *([("--config", Path(configuration))] if configuration else []))


def answer_reported(command: str, given: dict[str, Any], action: Callable[[ProgressReporter], dict[str, Any]]) -> None:
    """Answers with the action's result; its progress is reported, and its end is sent to --notify."""
    from etl.commands.command_result import answer

    def told() -> dict[str, Any]:
        reporter = reporter_of(given)
        with reporter.notices, reporter.notices.ending(command):
            return action(reporter)

    answer(command, given, told)
