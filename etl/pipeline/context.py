"""What every step of a run needs, and the options settled with what the run began with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from etl.databases import shown
from etl.domain.acceptance import NO_ACCEPTANCE, Acceptance
from etl.domain.decisions import NO_DECISIONS, Decisions
from etl.domain.grace import NO_GRACE
from etl.domain.grace import read as read_grace
from etl.errors import Refused, WrongUsage
from etl.evidence.approval import approver
from etl.options import Options
from etl.pipeline.roles import roles
from etl.runfolder.folder import RunFolder
from etl.system.progress import Talk
from etl.system.worker_pool import Crew
from mappings.limits import Limits, adapter_digest
from mappings.model import Mappings

NOT_GIVEN = "none"
DEFAULTS = {"grace": str(NO_GRACE)}


@dataclass
class Night:
    """A run that is under way: what every step needs."""

    options: Options
    mappings: Mappings
    folder: RunFolder
    talk: Talk
    crew: Crew
    limits: Limits = field(default_factory=Limits)
    publishing: bool = False  # the transaction that publishes was begun
    decisions: Decisions = NO_DECISIONS
    acceptance: Acceptance = NO_ACCEPTANCE
    alone: bool = False  # the command is this one step, and its answer is the step's sentence
    known_roles: dict[str, str] = field(default_factory=dict)

    def roles(self) -> dict[str, str]:
        """Under which role each database is worked with, for the log."""
        return roles(self.options, self.known_roles)


def settled_options(options: Options, mappings: Mappings, folder: RunFolder) -> Options:
    """The options, those not given filled in from the run's start; refuses others than the run began with (exit 7)."""
    given = {
        "source": shown(options.source) if options.source else None,
        "tc": shown(options.tc) if options.tc else None,
        "target": shown(options.target) if options.target else None,
        "files": options.files,
        "objects": options.objects,
        "freeze": f"{options.freeze[0]} to {options.freeze[1]}" if options.freeze else None,
        "mappings": mappings.digest,
        "grace": str(options.grace) if options.grace is not None else None,
        "approver": approver(options.approver) if options.approver is not None else None,
        "adapter": adapter_digest(options.adapter) if options.adapter is not None else None,
    }
    refuse_no_adapter(options, folder)
    if given["approver"] is not None and "approver" not in folder.settings and "load" in folder.steps:
        raise Refused(
            "This run has published without an approver: it is too late for one.", "Leave out --approver, or use a new run folder."
        )
    given |= {f"without {name}": "yes" for name in sorted(options.without)}
    if options.grace is not None and options.freeze is None and folder.settings.get("freeze", NOT_GIVEN) == NOT_GIVEN:
        raise WrongUsage("--grace-before, --grace-after and --grace-add need a freeze.", "Give --freeze-from and --freeze-to too.")
    folder.settle({name: value for name, value in given.items() if value is not None})
    known = folder.settings
    freeze = options.freeze
    if freeze is None and known.get("freeze", NOT_GIVEN) != NOT_GIVEN:
        first, _, last = known["freeze"].partition(" to ")
        freeze = (date.fromisoformat(first), date.fromisoformat(last))

    grace = options.grace or (read_grace(known["grace"]) if "grace" in known else NO_GRACE)

    def filled(name: str, value: str | None) -> str | None:
        stored = known.get(name)
        return value if value is not None or stored is None or stored == NOT_GIVEN or "***" in stored else stored

    return replace(
        options,
        source=filled("source", options.source),
        tc=filled("tc", options.tc),
        target=filled("target", options.target),
        files=filled("files", options.files),
        objects=filled("objects", options.objects),
        freeze=freeze,
        without=frozenset(name for name in ("tc", "files", "decisions", "freeze") if f"without {name}" in known),
        grace=grace,
    )


def refuse_no_adapter(options: Options, folder: RunFolder) -> None:
    """Refuses to go on without the adapter that the run began with: its path is not in the settings, its digest is."""
    if options.adapter is None and folder.settings.get("adapter", NOT_GIVEN) != NOT_GIVEN:
        raise Refused("This run began with an adapter, and none is given now.", "Give the same folder: --adapter DIR.")
