"""What a bundle proves beyond its signature: verdict, run, approval, backup, the end of the log; and whether they agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etl.errors import EvidenceAltered
from etl.evidence.approval import canonical, digest_of, read
from etl.evidence.keys import fingerprint, public_key
from etl.runfolder import event_log as events
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, parsed_manifest
from etl.runfolder.rehearsed import was_rehearsal

APPROVAL = "approval.json"
_FORGED = "Find out who altered it: this run was not approved."


def approval_of(folder: RunFolder) -> dict[str, Any] | None:
    """Returns the approval with which the run published; None where it needed none.

    Raises EvidenceAltered where the approver did not sign it for exactly this run.
    """
    document, key = folder.steps["load"].facts.get("approval"), folder.settings.approver
    if document is None and (key is None or _is_rehearsal(folder)):
        return None
    who = _fingerprint(key)
    if key is None or who is None:
        raise EvidenceAltered("The run has an approval, but no approver's key.", _FORGED)
    if not isinstance(document, dict):
        raise EvidenceAltered(f"The run was published, but has no approval by {who}.", _FORGED)
    try:
        found = read(canonical(document), key)
    except ValueError as error:
        raise EvidenceAltered(f"The run's approval {error}; the approver's key is {who}.", _FORGED) from None
    if found["approval"]["digest"] != digest_of(folder):
        raise EvidenceAltered("The run's approval is for a digest that differs from the published one.", _FORGED)
    return found


def _fingerprint(key: str | None) -> str | None:
    try:
        return None if key is None else fingerprint(bytes.fromhex(key))
    except ValueError:
        return None


def _is_rehearsal(folder: RunFolder) -> bool:
    return was_rehearsal(folder.settings)


def proved(bundle: Path, listing: dict[str, Any], approver: Path | None) -> dict[str, Any]:
    """Returns what is proved, as data; raises EvidenceAltered where signed files contradict each other, or the approval is not by the approver."""
    try:
        folder = parsed_manifest((bundle / layout.MANIFEST).read_bytes())
        run_id = folder.steps["load"].facts["run_id"]
    except (OSError, ValueError, KeyError):
        raise EvidenceAltered(f"{layout.MANIFEST} of the bundle is not a published run's.", "Request the bundle again.") from None
    known = events.refuse_altered(_bytes(bundle / layout.EVENTS), folder.log)
    events.refuse_undone(known, list(folder.steps))
    report = _report(bundle)
    for name, said in ((layout.MANIFEST, run_id), (layout.REPORT_JSON, report["run"]["id"] if report else run_id)):
        if said != listing["run_id"]:
            raise EvidenceAltered(f"{name} belongs to {said}, the bundle to {listing['run_id']}.", "Request the bundle again.")
    approval = approval_of(folder)
    if approval is not None and _bytes(bundle / APPROVAL) != canonical(approval):
        raise EvidenceAltered(f"{APPROVAL} is not the approval that {layout.MANIFEST} names.", _FORGED)
    if approver is not None:
        _refuse_other(approver, folder, approval)
    given = approval["approval"] if approval is not None else None
    last = known[-1]
    return {
        "verdict": report["verdict"]["sentence"] if report else None,
        "state": report["verdict"]["state"] if report else None,
        "rehearsal": _is_rehearsal(folder),
        "purged": folder.settings.purged,
        "packed_at": listing["packed_at"],
        "signed_by": listing["signed_by"],
        "target": folder.settings.target,
        "mappings": folder.settings.mappings,
        "approved_by": given["approved_by"] if given else None,
        "approved_at": given["approved_at"] if given else None,
        "approver_checked": approver is not None,
        "backup": given["backup"] if given else None,
        "events": len(known),
        "last_event": {name: last[name] for name in ("seq", "at", "what", "outcome")},
        "builds": sorted({str(event["code"]) for event in known if "code" in event}),
    }


def _refuse_other(path: Path, folder: RunFolder, approval: dict[str, Any] | None) -> None:
    """Raises EvidenceAltered where the run's approval is not signed with the key in that file."""
    wanted, key = fingerprint(public_key(path, "--approver").public_bytes_raw()), folder.settings.approver
    if key is None or approval is None:
        raise EvidenceAltered(f"The run was published without an approval by {wanted}.", "Ask the operator for the reason.")
    if _fingerprint(key) != wanted:
        raise EvidenceAltered(f"The run was approved by {_fingerprint(key)}, not by {wanted}.", _FORGED)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _report(bundle: Path) -> dict[str, Any] | None:
    """Returns the report's facts; None where the bundle has none."""
    try:
        found = json.loads((bundle / layout.REPORT_JSON).read_bytes())
        return dict(found) if isinstance(found["verdict"]["sentence"], str) and "id" in found["run"] else None
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EvidenceAltered(f"{layout.REPORT_JSON} is not a report.", "Request the bundle again.") from None
