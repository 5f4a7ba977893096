"""The context of every step, and the options completed with the settings of the run's start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from etl.databases import redacted_url
from etl.domain.acceptance import NO_ACCEPTANCE, Acceptance
from etl.domain.decisions import NO_DECISIONS, Decisions
from etl.domain.grace import NO_GRACE
from etl.errors import Refused, WrongUsage
from etl.evidence.approval import approver_key
from etl.options import Options
from etl.pipeline.roles import roles
from etl.runfolder.folder import RunFolder
from etl.runfolder.settings import RunSettings
from etl.system.progress import ProgressReporter
from etl.system.worker_pool import WorkerPool
from mappings.limits import Limits, adapter_digest
from mappings.model import Mappings

_SQLITE = "sqlite:///"


@dataclass
class RunContext:
    """The context of a running migration, passed to every step."""

    options: Options
    mappings: Mappings
    folder: RunFolder
    reporter: ProgressReporter
    pool: WorkerPool
    limits: Limits = field(default_factory=Limits)
    publishing: bool = False  # whether the publishing transaction was perhaps committed
    decisions: Decisions = NO_DECISIONS
    acceptance: Acceptance = NO_ACCEPTANCE
    alone: bool = False  # whether the command is this one step, and its answer is the step's sentence
    known_roles: dict[str, str] = field(default_factory=dict)

    def roles(self) -> dict[str, str]:
        """Returns the role in each database, for the log."""
        return roles(self.options, self.known_roles)


def fixed_options(options: Options, mappings: Mappings, folder: RunFolder) -> Options:
    """Returns the options, completed with those pinned at the run's start. Raises Refused (7) if they differ."""
    given = RunSettings(
        source=redacted_url(options.source) if options.source else None,
        tc=redacted_url(options.tc) if options.tc else None,
        target=redacted_url(options.target) if options.target else None,
        files=options.files,
        objects=options.objects,
        freeze=options.freeze,
        mappings=mappings.digest,
        grace=options.grace,
        approver=approver_key(options.approver) if options.approver is not None else None,
        adapter=adapter_digest(options.adapter) if options.adapter is not None else None,
        without=options.without,
    )
    known = folder.settings
    refuse_no_adapter(options, folder)
    if known.approver is None:
        refuse_no_approver(options)
    if given.approver is not None and known.approver is None and "load" in folder.steps:
        raise Refused(
            "This run was published without an approver; one cannot be added afterwards.", "Leave out --approver, or use a new run folder."
        )
    if options.grace is not None and options.freeze is None and known.freeze is None:
        raise WrongUsage("--grace-before, --grace-after and --grace-add need a freeze.", "Give --freeze-from and --freeze-to too.")
    _refuse_elsewhere(folder)
    folder.fix(given)
    known = folder.settings
    return replace(
        options,
        source=options.source if options.source is not None else known.connectable("source"),
        tc=options.tc if options.tc is not None else known.connectable("tc"),
        target=options.target if options.target is not None else known.connectable("target"),
        files=options.files if options.files is not None else known.connectable("files"),
        objects=options.objects if options.objects is not None else known.connectable("objects"),
        freeze=options.freeze or known.freeze,
        without=known.without,
        grace=options.grace or known.grace or NO_GRACE,
        adapter_sha256=known.adapter,
    )


def _refuse_elsewhere(folder: RunFolder) -> None:
    """Raises Refused where none of the run's relative paths leads anywhere from the current folder: new stores would be created there."""
    if "extract" not in folder.steps:
        return
    known = folder.settings
    databases = [url.removeprefix(_SQLITE) for url in (known.source, known.tc, known.target) if url is not None and url.startswith(_SQLITE)]
    folders = [place for place in (known.files, known.objects) if place is not None and "://" not in place]
    places = [Path(place) for place in (*databases, *folders) if not Path(place).is_absolute()]
    if places and not any(place.exists() for place in places):
        message = f"The run began with paths relative to another folder than {Path.cwd()}: {', '.join(map(str, places))} are not here."
        raise Refused(message, "Change to the folder in which the run was started, then run the same command again.")


def refuse_no_approver(options: Options) -> None:
    """Raises WrongUsage for an approval that is not verified: without an approver any run publishes."""
    if options.approval is not None and options.approver is None and not options.rehearse:
        message = "--approval is given, but --approver is not: nothing would be compared with the approval."
        raise WrongUsage(message, "Give the approver's public key too (--approver FILE), or leave out --approval.")


def refuse_no_adapter(options: Options, folder: RunFolder) -> None:
    """Raises Refused if the adapter of the run is not given again: the settings contain its digest, but not its path."""
    if options.adapter is None and folder.settings.adapter is not None:
        raise Refused("This run began with an adapter, but --adapter is not given now.", "Give the same folder: --adapter DIR.")
