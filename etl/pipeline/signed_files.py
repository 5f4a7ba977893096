"""The signed files, decisions and goals: read before any data, with all errors of both in one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.acceptance.judgement import with_waivers
from etl.domain import acceptance as goals
from etl.domain import decisions as decided
from etl.domain.acceptance import NO_ACCEPTANCE, Acceptance, AcceptanceError
from etl.domain.decisions import NO_DECISIONS, DecisionError, Decisions
from etl.options import Options
from etl.runfolder import acceptance_file, layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.given_file import fixed_file
from mappings.acceptance import read_goal_kinds
from mappings.model import Mappings


@dataclass(frozen=True)
class SignedFiles:
    """The signed files of a run: decisions and goals, each empty where none is given."""

    decisions: Decisions = NO_DECISIONS
    acceptance: Acceptance = NO_ACCEPTANCE


def read_signed(options: Options, mappings: Mappings) -> SignedFiles:
    """Returns the files that the options name.

    Raises WrongUsage (exit 2) where a file cannot be opened; DecisionError or AcceptanceError (exit 1) with all errors.
    """
    return _judged(*_given(options), _names(options), mappings, options.tc is not None)


def fixed_signed(folder: RunFolder, options: Options, mappings: Mappings) -> SignedFiles:
    """Returns the signed files of the run: those of the options, fixed in its settings and stored in its folder, or the stored ones.

    Raises as `read_signed` before it fixes anything; Refused (exit 7) where the run began with others.
    """
    decisions, acceptance = _given(options)
    with_tc = options.tc is not None or folder.settings.tc is not None
    _judged(decisions, acceptance, _names(options), mappings, with_tc)
    decisions = fixed_file(folder, "decisions", decisions)
    acceptance = fixed_file(folder, "acceptance", acceptance)
    return _judged(decisions, acceptance, _names(options), mappings, with_tc)


def planned_goals(signed: SignedFiles, mappings: Mappings) -> list[dict[str, Any]]:
    """Returns the goals in the form of `entry_of`, without counts, with their waivers."""
    return with_waivers(
        [acceptance_file.entry_of(goal, read_goal_kinds(mappings.files)) for goal in signed.acceptance.goals], signed.decisions
    )


def _given(options: Options) -> tuple[bytes | None, bytes | None]:
    decisions = decided.content_of(options.decisions) if options.decisions is not None else None
    return decisions, goals.content_of(options.acceptance) if options.acceptance is not None else None


def _names(options: Options) -> tuple[str, str]:
    """Returns the names of the two files for messages."""
    return (
        options.decisions.name if options.decisions is not None else layout.DECISIONS,
        options.acceptance.name if options.acceptance is not None else layout.ACCEPTANCE,
    )


def _judged(decisions: bytes | None, acceptance: bytes | None, names: tuple[str, str], mappings: Mappings, with_tc: bool) -> SignedFiles:
    made, wrong = decided.judged(decisions, names[0]) if decisions is not None else (NO_DECISIONS, [])
    signed, faults = (
        goals.read_goals(acceptance, names[1], goals.known_names(mappings, with_tc)) if acceptance is not None else (NO_ACCEPTANCE, [])
    )
    if not wrong and not faults:  # otherwise a waiver could name a goal that was not read
        faults = goals.dead_waivers(made, signed)
    if faults:
        raise AcceptanceError(wrong + faults)
    if wrong:
        raise DecisionError(wrong)
    return SignedFiles(made, signed)
