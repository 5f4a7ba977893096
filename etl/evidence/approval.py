"""A second person's approval: a run with an approver publishes only with an approval that is signed with the approver's key.

The approval covers a digest of everything that will be published, of its sources and its destination. It also names a backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.domain import canonical_json
from etl.errors import Refused, WrongUsage
from etl.evidence.keys import fingerprint, private_beside, private_key, public_key, public_path, signed_by
from etl.objects.address import bucket_of, folder_of
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder
from etl.runfolder.settings import RunSettings
from etl.runfolder.stage_file_io import write_durably

KIND, VERSION = "portal-migrate approval", 1
LIMIT = 8192  # bytes of an approval file
ID_LIMIT = 200  # characters of a backup's id
_SETTINGS = ("source", "tc", "target", "files", "objects", "freeze", "grace", "decisions", "mappings", "adapter", "place")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Backup:
    """The backup of the state before publishing, as the approver names it."""

    id: str
    at: str
    sha256: str


# -- what is approved ---------------------------------------------------------------------------------------------------------------------


def digest_of(folder: RunFolder) -> str | None:
    """Returns the SHA-256 of what the run will publish, its sources and its destination; None until all of them are known."""
    if any(step not in folder.steps for step in layout.BEFORE_LOAD) or folder.settings.place is None:
        return None
    known = folder.settings.as_json()
    content: dict[str, Any] = {"steps": folder.digest(*layout.BEFORE_LOAD), "settings": {name: known.get(name) for name in _SETTINGS}}
    if folder.settings.acceptance is not None:  # without goals the digest stays the one of versions that had none
        content["settings"]["acceptance"] = folder.settings.acceptance
    facts = folder.steps["check"].facts
    if "changes" in facts:  # a check by an earlier version has no forecast
        content["changes"] = facts["changes"]
    return hashlib.sha256(canonical(content)).hexdigest()


def fix_publish_location(folder: RunFolder, target: str | None, objects: str | None) -> None:
    """Fixes the destination of a run with an approver; raises Refused where it differs from the earlier one.

    A digest, because addresses in the settings may be relative, and omit options, which may contain secrets.
    """
    if folder.settings.approver is None or target is None or objects is None:
        return
    from etl.databases import connection_targets

    root = objects if bucket_of(objects) else str(folder_of(objects, "--objects").resolve())
    digest = hashlib.sha256(canonical({"target": connection_targets(target), "objects": root})).hexdigest()
    if folder.settings.place not in (None, digest):
        message = "The new store or the object store differs from the one for which the digest to be approved was first printed."
        raise Refused(message, "Give the same --target and --objects, from the same folder; or use a new run folder.")
    folder.fix(RunSettings(place=digest))


def canonical(content: dict[str, Any]) -> bytes:
    """Returns the content as canonical JSON, the form that is signed and written."""
    return canonical_json.canonical(content, ascii_only=True)


def approval_status(folder: RunFolder) -> dict[str, Any] | None:
    """Returns `by` (fingerprint), `digest`, `at` (time of the approval) and `backup` (both null before it); None where the run needs no approval."""
    key = folder.settings.approver
    if key is None:
        return None
    digest = digest_of(folder)
    document = stored_approval(folder, key, digest)
    given = document["approval"] if document is not None else {"approved_at": None, "backup": None}
    return {"by": fingerprint(bytes.fromhex(key)), "digest": digest, "at": given["approved_at"], "backup": given["backup"]}


# -- given --------------------------------------------------------------------------------------------------------------------------------


def approve(key: Path, digest: str | None, backup_id: str | None, at: str | None, sha256: str | None, out: Path | None) -> dict[str, Any]:
    """Signs the approval and returns what was approved, with which key, and the file; with `key` alone only creates a missing key."""
    given = {"--digest": digest, "--backup-id": backup_id, "--backup-at": at, "--backup-sha256": sha256, "--approval": out}
    lacking = [option for option, value in given.items() if value is None]
    if lacking and len(lacking) < len(given):
        raise WrongUsage(f"{', '.join(lacking)}: missing.", "Give all options, or --key alone to create a key.")
    new = not key.exists()
    if digest is None or backup_id is None or at is None or sha256 is None or out is None:
        raw = private_key(key).public_key().public_bytes_raw()
        return {"approved_by": fingerprint(raw), "new_key": new, "public_key": str(public_path(key)), "approval": None, "approved": None}
    _refuse_no_digest("--digest", digest)
    _refuse_no_digest("--backup-sha256", sha256)
    backup = Backup(_id(backup_id), _moment(at), sha256)
    if out.resolve() in (key.resolve(), public_path(key).resolve()):
        raise WrongUsage("The approval would overwrite the key.", "Give --approval another file.")
    if os.path.lexists(out):
        raise Refused(f"{out} already exists.", "Give --approval a file that does not exist yet.")
    private = private_key(key)
    raw = private.public_key().public_bytes_raw()
    approval = {
        "kind": KIND,
        "version": VERSION,
        "digest": digest,
        "approved_by": fingerprint(raw),
        "approved_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "backup": vars(backup),
    }
    write_durably(out, canonical({"approval": approval, "signature": private.sign(canonical(approval)).hex()}))
    return {
        "approved_by": fingerprint(raw),
        "new_key": new,
        "public_key": str(public_path(key)),
        "approval": str(out),
        "approved": approval,
    }


def _refuse_no_digest(option: str, text: str) -> None:
    if not _DIGEST.fullmatch(text):
        raise WrongUsage(f"{option}: {text[:80]!a} is not a valid digest.", "Give a SHA-256: 64 digits, 0 to 9 and a to f.")


def _id(text: str) -> str:
    if not _is_id(text):
        message = f"--backup-id: {text[:80]!a} is not a valid backup id."
        raise WrongUsage(message, f"Give at most {ID_LIMIT} letters, no control characters among them.")
    return text


def _is_id(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and len(text) <= ID_LIMIT


def _moment(text: str) -> str:
    """Returns the moment in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"--backup-at: {text[:80]!a} is not a time with its offset from UTC."
        raise WrongUsage(message, "Write it like 2023-09-16T21:30:00+00:00.") from None
    if moment > datetime.now(UTC):
        raise WrongUsage("--backup-at: that moment is in the future.", "Give the moment at which the backup was made.")
    return moment.isoformat(timespec="seconds")


# -- asked for ----------------------------------------------------------------------------------------------------------------------------


def approver_key(path: Path) -> str:
    """Returns the public key in that file, in hex; raises Refused where the private key is readable beside it by the user who runs."""
    key = public_key(path, "--approver")
    beside = private_beside(path, key)
    if beside is not None:
        message = f"--approver: the private key is stored beside the public key and is readable ({beside.name})."
        raise Refused(message, "The approver has to keep it where the operator cannot read it; give the public key alone.")
    return key.public_bytes_raw().hex()


def require_approval(folder: RunFolder, path: Path | None) -> dict[str, Any] | None:
    """Returns the approval of what will be published, from the run or the file; None where the run needs none.

    Raises Refused where it is missing, signed with another key, for another digest, or different from what was signed.
    """
    key = folder.settings.approver
    if key is None:
        return None
    digest = digest_of(folder)
    who = fingerprint(bytes.fromhex(key))
    if digest is None:
        raise Refused(f"There is nothing to approve yet for {who}.", "Run `portal-migrate check` (or `run`) first.")
    document = stored_approval(folder, key, digest)
    if document is not None:
        return document
    again = (
        f"Have the approver run `portal-migrate approve --digest {digest} --key FILE --backup-id ID --backup-at MOMENT"
        " --backup-sha256 HEX --approval OUT`, then run the same command with --approval OUT."
    )
    if path is None:
        raise Refused(f"Nothing is published without the approval of {who} for digest {digest}: --approval is missing.", again)
    try:
        document = read(_content(path), key)
    except ValueError as error:
        raise Refused(f"--approval: {path.name} {error}; {who} has to approve digest {digest}.", again) from None
    claimed = document["approval"]["digest"]
    if claimed != digest:
        raise Refused(f"--approval: {path.name} approves {claimed}; what would be published has digest {digest}.", again)
    return document


def stored_approval(folder: RunFolder, key: str, digest: str | None) -> dict[str, Any] | None:
    """Returns the approval with which the run published, where that key signed it for that digest; else None."""
    document = folder.steps["load"].facts.get("approval") if "load" in folder.steps else None
    try:
        found = read(canonical(document), key) if isinstance(document, dict) else None
    except ValueError:
        return None
    return found if found is not None and found["approval"]["digest"] == digest else None


def read(content: bytes, key: str) -> dict[str, Any]:
    """Returns the approval in these bytes, signed with that key; raises ValueError with the reason where it is not valid."""
    try:
        document = json.loads(content)
        if canonical(document) != content:
            raise ValueError
        approval, signature = document["approval"], bytes.fromhex(document["signature"])
        if document.keys() != {"approval", "signature"} or signature.hex() != document["signature"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("is not an approval, or it was altered") from None
    if not signed_by(bytes.fromhex(key), signature, canonical(approval)):
        claimed = approval.get("approved_by") if isinstance(approval, dict) else None
        own = fingerprint(bytes.fromhex(key))
        if isinstance(claimed, str) and re.fullmatch(r"[0-9a-f]{32}", claimed) and claimed != own:  # a digest in another form is not shown
            raise ValueError(f"was altered, or signed with another key (it names {claimed}; the run's approver is {own})")
        raise ValueError("was altered, or signed with another key")
    if not _has_shape(approval) or approval["approved_by"] != fingerprint(bytes.fromhex(key)):
        raise ValueError("is not an approval of this version")
    return dict(document)


def _has_shape(approval: Any) -> bool:
    """Returns whether it has the fields of an approval; another tool may have signed it."""
    try:
        backup = approval["backup"]
        moments = [datetime.fromisoformat(text).utcoffset() for text in (approval["approved_at"], backup["at"])]
        return (
            approval.keys() == {"kind", "version", "digest", "approved_by", "approved_at", "backup"}
            and backup.keys() == {"id", "at", "sha256"}
            and (approval["kind"], approval["version"]) == (KIND, VERSION)
            and all(_DIGEST.fullmatch(text) is not None for text in (approval["digest"], backup["sha256"]))
            and None not in moments
            and _is_id(backup["id"])
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _content(path: Path) -> bytes:
    """Returns the file's bytes; raises ValueError where it is not a regular file, or too large for an approval."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("is not a file")
            content = stream.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    if len(content) > LIMIT:
        raise ValueError(f"is larger than the limit for an approval ({LIMIT:,} bytes)")
    return content
