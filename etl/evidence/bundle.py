"""The commands `evidence pack` and `evidence verify`: what proves the migration, in one signed folder.

`evidence.json` lists every file with size and SHA-256 and the root of the Merkle tree over them; `evidence.sig` is its Ed25519 signature.
`lines.json` has a short digest of every line of the text files, so that a difference can be reported by line. `packed.json` has the time, the run and
the key, so that the listing can be computed again from the other files. On request `bag/` has the documents as a BagIt bag (RFC 8493) that any such
tool validates.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import stat
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from etl.errors import EvidenceAltered, MigrationError, Refused, WrongUsage
from etl.evidence.approval import canonical
from etl.evidence.bill_of_materials import bill_of_materials
from etl.evidence.keys import fingerprint, private_key, public_key, public_path
from etl.evidence.proved import APPROVAL, approval_of, proved
from etl.evidence.time_stamp import STAMP, stamped
from etl.objects import Readable, object_key, of_each
from etl.objects.registry import open_objects
from etl.options import Options, needed, needed_run
from etl.path_overlap import of_run, refuse_overlap
from etl.runfolder import event_log as events
from etl.runfolder import layout
from etl.runfolder.folder import RunFolder, open_readonly
from etl.runfolder.stage_file_io import read_regular, write_durably
from etl.system.code_identity import code_identity
from etl.system.durable_files import make_private
from mappings.model import Mappings
from mappings.read import read_mappings

LISTING, SIGNATURE, LINES, PACKED = "evidence.json", "evidence.sig", "lines.json", "packed.json"
KIND, VERSION = "portal-migrate evidence", 2
_LISTED = 64 << 20  # bytes of a listing: a larger file is not read
_COMPARED = 256 << 20  # bytes: in larger files the altered line is not looked for
_FROM_RUN = ("check", "reconcile", "report")
_AGAIN = "Request the bundle again."


def pack(options: Options, bundle: Path, key: Path, documents: bool = False) -> dict[str, Any]:
    """Packs and signs the bundle; returns the files, the Merkle root, and the path of the public key.

    Creates the private key where it does not exist; it is never copied into the bundle.
    """
    run = needed_run(options.run)
    folder, mappings = open_readonly(run), read_mappings(options.mappings)
    folder.refuse_rolled_back("There is no evidence to pack.", "Run it again, then pack its evidence.")
    if "load" not in folder.steps:
        raise Refused("This run has not published anything yet: there is no evidence to pack.", "Finish the run, then pack its evidence.")
    if folder.settings.mappings != mappings.digest:
        raise Refused("These mappings differ from those of the run.", "Give --mappings the folder that the run was given.")
    if bundle.exists() and (not bundle.is_dir() or any(bundle.iterdir())):
        raise Refused(f"{bundle} is {'not empty' if bundle.is_dir() else 'not a folder'}.", "Give --bundle a new folder.")
    if bundle.resolve() in (key.resolve(), *key.resolve().parents):
        raise WrongUsage("The key would be inside the bundle.", "Give --key a file outside the bundle.")
    refuse_overlap(of_run(options, folder.settings), ("--bundle", bundle))
    content = _content(folder, mappings)
    stored = (
        [row for table in folder.tables("reattach", layout.made("reattach", "stored_object")) for row in table.to_pylist()]
        if documents
        else []
    )
    objects = open_objects(needed(folder.settings.objects, "--objects", "the root of the object store")) if documents else None
    if objects is not None:
        _refuse_missing(stored, objects)
    private = private_key(key)
    signer = private.public_key().public_bytes_raw()
    if signer.hex() == folder.settings.approver:
        message = "--key is the approver's key: the operator signs the evidence, and must not be the approver."
        raise Refused(message, "Give --key a key of your own, or a file that does not exist yet.")
    make_private(bundle)
    if objects is not None:
        content |= _write_bag(bundle / "bag", stored, objects)
    packed = {"packed_at": datetime.now(UTC).isoformat(timespec="seconds"), "run_id": folder.steps["load"].facts["run_id"]}
    content[PACKED] = json.dumps({**packed, "signed_by": fingerprint(signer)}, indent=1, sort_keys=True).encode()
    content[LINES] = _lines(content)
    for name, exact in content.items():
        path = bundle / name
        make_private(path.parent)
        write_durably(path, exact)
    listing = _listing({name: (len(exact), hashlib.sha256(exact).hexdigest()) for name, exact in content.items()}, content[PACKED])
    write_durably(bundle / LISTING, listing)
    write_durably(bundle / SIGNATURE, private.sign(listing).hex().encode())
    root = json.loads(listing)["root"]
    return {"bundle": str(bundle), "files": len(content), "root": root, "public_key": str(public_path(key))}


def _listing(files: dict[str, tuple[int, str]], packed: bytes) -> bytes:
    """Returns `evidence.json`: size and SHA-256 of every file, their Merkle root, and the content of `packed.json`."""
    entries = [{"name": name, "size": size, "sha256": digest} for name, (size, digest) in sorted(files.items())]
    root = merkle_root([(name, digest) for name, (_, digest) in files.items()])
    return json.dumps(
        {"kind": KIND, "version": VERSION, "root": root, "files": entries, **json.loads(packed)}, indent=1, sort_keys=True
    ).encode()


def verify(bundle: Path, path: Path, approver: Path | None = None, authority: Path | None = None) -> dict[str, Any]:
    """Returns what the bundle proves; raises EvidenceAltered (exit 6) with the file and, where possible, the line.

    Needs only the bundle and the public key (`path`). `approver`: the public key of the required approver. `authority`: the certificates of the
    time-stamping authority.
    """
    key = public_key(path, "--public-key")
    if bundle.is_symlink():
        raise EvidenceAltered(f"{bundle} is a link, not a folder.", "Give --bundle the folder itself.")
    if not bundle.is_dir():
        raise MigrationError(f"{bundle} is not an existing folder.", "Give --bundle what `evidence pack` made.")
    lacking = [name for name in (LISTING, SIGNATURE) if not (bundle / name).is_file() or (bundle / name).is_symlink()]
    if len(lacking) == 2:
        raise MigrationError(
            f"{bundle} is not an evidence bundle: it has neither {LISTING} nor {SIGNATURE}.", "Give --bundle what `evidence pack` made."
        )
    if lacking:
        raise EvidenceAltered(f"{lacking[0]} is missing from the bundle.", _AGAIN)
    if max((bundle / name).stat().st_size for name in (LISTING, SIGNATURE)) > _LISTED:
        raise EvidenceAltered(f"{LISTING} or {SIGNATURE} is larger than allowed.", _AGAIN)
    exact = (bundle / LISTING).read_bytes()
    if not _signed(exact, (bundle / SIGNATURE).read_bytes(), key):
        raise _not_signed(bundle, exact, key)
    listing = _listed(exact)
    claimed, given = str(listing["signed_by"]), fingerprint(key.public_bytes_raw())
    if claimed != given:
        raise EvidenceAltered(f"It names {claimed} as the signer, but was signed by {given}: it was signed again.", _AGAIN)
    known = {file["name"]: file for file in listing["files"]}
    there = {path.relative_to(bundle).as_posix() for path in _files(bundle)} - {LISTING, SIGNATURE, STAMP}
    _refuse_others(known.keys(), there, "")
    for name, file in known.items():
        size = _size_of(bundle / name)  # first, because the digest of an endless file never completes
        if size != file["size"] or _digest_of(bundle / name) != file["sha256"]:
            how = (
                f"differs from what was signed: {size:,} bytes instead of {file['size']:,}"
                if size != file["size"]
                else "differs from what was signed"
            )
            where = _where(bundle, name) if size <= _COMPARED else ""
            raise EvidenceAltered(f"{name}{where} {how}.", _AGAIN)
    if merkle_root([(name, file["sha256"]) for name, file in known.items()]) != listing["root"]:
        raise EvidenceAltered(f"{LISTING}: the Merkle root does not match the files.", _AGAIN)
    _refuse_other_documents(bundle / "bag")
    facts = {"bundle": str(bundle), "files": len(known), "root": listing["root"], "run_id": listing["run_id"]}
    facts |= proved(bundle, listing, approver)
    _refuse_other_listing(bundle, known, exact)
    return {**facts, "time_stamp": stamped(bundle, authority)}


def _refuse_other_listing(bundle: Path, files: dict[str, dict[str, Any]], exact: bytes) -> None:
    """Raises EvidenceAltered for a listing that `pack` would not write of these files: one twice, a word more, another time than in packed.json."""
    try:
        same = _listing({name: (file["size"], file["sha256"]) for name, file in files.items()}, (bundle / PACKED).read_bytes()) == exact
    except (OSError, ValueError, TypeError, RecursionError):
        same = False
    if not same:
        raise EvidenceAltered(f"{LISTING} is signed, but does not agree with {PACKED} and the files.", _AGAIN)


def _listed(exact: bytes) -> dict[str, Any]:
    """Returns the listing after a check of its form: the signature proves the signer, not the form."""
    try:
        listing = json.loads(exact)
        kind, version = listing.get("kind", KIND), listing["version"]
        listing["signed_by"], listing["run_id"], listing["root"], listing["packed_at"]
        for file in listing["files"]:
            if not (type(file["size"]) is int and isinstance(file["name"], str) and isinstance(file["sha256"], str)):
                raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise EvidenceAltered(f"{LISTING} is signed, but is not a valid listing of evidence.", _AGAIN) from None
    if kind != KIND:
        raise EvidenceAltered(f"{LISTING} is signed, but is not a valid listing of evidence.", _AGAIN)
    if version != VERSION:
        raise Refused(f"The bundle was packed by another version ({version}).", "Verify it with the version that packed it.")
    return dict(listing)


def _signed(listing: bytes, signature: bytes, key: Ed25519PublicKey) -> bool:
    try:
        exact = bytes.fromhex(signature.decode("ascii"))
        key.verify(exact, listing)
    except (InvalidSignature, ValueError):
        return False
    return exact.hex().encode() == signature  # capitals and blanks would have the same meaning, and different bytes


def _not_signed(bundle: Path, listing: bytes, key: Ed25519PublicKey) -> EvidenceAltered:
    """Returns the error that names the altered one of listing and signature: the listing is computed again from the files, and the signature fits it or not."""
    claimed, given = _signer(bundle, listing), fingerprint(key.public_bytes_raw())
    if claimed is not None and claimed != given:  # only a hint: nothing proves it
        message = f"It was signed with another key: {claimed}, not {given}."
        return EvidenceAltered(message, "Give the --public-key with that fingerprint, if it is the one that was handed over.")
    try:
        files = {path.relative_to(bundle).as_posix(): path for path in _files(bundle) if path.name not in (LISTING, SIGNATURE)}
        if sum(_size_of(path) for path in files.values()) > _COMPARED:
            raise ValueError
        again = _listing({name: (path.stat().st_size, _digest_of(path)) for name, path in files.items()}, (bundle / PACKED).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError, EvidenceAltered):
        return EvidenceAltered(f"{LISTING} or {SIGNATURE} was altered, and other files too.", _AGAIN)
    if again == listing:
        return EvidenceAltered(f"{SIGNATURE}, line 1 is not the signature of this bundle.", _AGAIN)
    if _signed(again, (bundle / SIGNATURE).read_bytes(), key):
        line = _first_other(again.split(b"\n"), listing.split(b"\n"))
        return EvidenceAltered(f"{LISTING}, line {line} differs from what was signed.", _AGAIN)
    return EvidenceAltered(f"{LISTING} or {SIGNATURE} was altered, and other files too.", _AGAIN)


def merkle_root(leaves: list[tuple[str, str]]) -> str:
    """Returns the Merkle root over (name, SHA-256) pairs in order of names; leaves and nodes have different prefixes, an odd node moves up unchanged."""
    level = [hashlib.sha256(b"\0" + name.encode() + b"\0" + bytes.fromhex(digest)).digest() for name, digest in sorted(leaves)]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex() if level else hashlib.sha256(b"").hexdigest()


def _content(folder: RunFolder, mappings: Mappings) -> dict[str, bytes]:
    found = {name: _own(folder, name) for name in (layout.MANIFEST, layout.EVENTS)}
    events.refuse_undone(events.refuse_altered(found[layout.EVENTS], folder.log), list(folder.steps))
    for step in _FROM_RUN:
        for file in folder.steps[step].files if step in folder.steps else ():
            if not folder.settings.purged or (folder.path / file.path).is_file():  # only a purged run has no such lists any more
                found[file.path] = folder.read_bytes(file)
    found |= {f"mappings/{path}": content for path, content in mappings.files.items()}
    approved = approval_of(folder)
    if approved is not None:
        found[APPROVAL] = canonical(approved)
    versions = {"python": platform.python_version(), "system": platform.platform(), "code": code_identity(), **_installed()}
    found["versions.json"] = json.dumps(versions, indent=1, sort_keys=True).encode()
    found["sbom.json"] = json.dumps(bill_of_materials(), indent=1, sort_keys=True).encode()
    return found


def _own(folder: RunFolder, name: str) -> bytes:
    try:
        return read_regular(folder.path / name)
    except OSError:
        raise EvidenceAltered(
            f"{name} is missing from the run's folder, or not a file.", "Find out who removed it: without it the run cannot be proved."
        ) from None


def _installed() -> dict[str, str]:
    return {str(one.metadata["Name"]).lower(): one.version for one in importlib.metadata.distributions() if one.metadata["Name"]}


def _refuse_missing(stored: list[dict[str, Any]], objects: Readable) -> None:
    for row, size in zip(stored, of_each(objects.size, [row["sha256"] for row in stored]), strict=True):
        if size is None:
            message = f"The object {row['object_key']} is not in the object store."
            raise MigrationError(message, "Give the run its own stores back, or pack without --documents.")


def _write_bag(bag: Path, stored: list[dict[str, Any]], objects: Readable) -> dict[str, bytes]:
    """Writes the documents' bytes; returns the bag's tag files by their names in the bundle."""
    digests = [row["sha256"] for row in stored]
    for sha256 in digests:
        make_private((bag / "data" / object_key(sha256)).parent)
    of_each(lambda sha256: objects.copy(sha256, bag / "data" / object_key(sha256)), digests)
    size = sum(row["size_bytes"] for row in stored)
    return {
        "bag/bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag/bag-info.txt": f"Payload-Oxum: {size}.{len(stored)}\n".encode(),
        "bag/manifest-sha256.txt": "".join(f"{row['sha256']}  data/{row['object_key']}\n" for row in stored).encode(),
    }


def _refuse_other_documents(bag: Path) -> None:
    """Compares the documents' bytes with the bag's signed manifest; raises EvidenceAltered for a difference."""
    listed = bag / "manifest-sha256.txt"
    lines = listed.read_text(encoding="ascii").splitlines() if listed.is_file() else []
    known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {path.relative_to(bag).as_posix() for path in (bag / "data").rglob("*") if _counts(path)}
    _refuse_others(known.keys(), there, "bag/")
    for name, digest in known.items():
        if _digest_of(bag / name) != digest:
            raise EvidenceAltered(f"bag/{name} differs from what was signed.", _AGAIN)


def _refuse_others(known: Set[str], there: Set[str], before: str) -> None:
    for name in sorted(known ^ there):
        raise EvidenceAltered(f"{before}{name} is {'missing from' if name in known else 'not part of'} the bundle.", _AGAIN)


def _files(bundle: Path) -> list[Path]:
    """Returns the bundle's files, all links, and all empty folders, without the bag's payload, which the bag's manifest lists."""
    payload = bundle / "bag" / "data"
    found = [Path(base) / name for base, folders, names in os.walk(bundle) for name in (*names, *folders)]
    return [path for path in found if _counts(path) and not path.is_relative_to(payload)]


def _counts(path: Path) -> bool:
    """Returns whether it has to be listed: a file, a link, or an empty folder."""
    return path.is_symlink() or not path.is_dir() or not any(path.iterdir())


def _size_of(path: Path) -> int:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):  # do not open: a link may lead anywhere, and a pipe may never end
        raise EvidenceAltered(f"{path.name} in the bundle is not a file.", _AGAIN)
    return found.st_size


def _digest_of(path: Path) -> str:
    _size_of(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_text(exact: bytes) -> bool:
    return b"\0" not in exact[:4096]


def _lines(content: dict[str, bytes]) -> bytes:
    """Returns `lines.json`: for each text file, the beginning of every line's digest."""
    return json.dumps({name: _line_digests(exact) for name, exact in sorted(content.items()) if _is_text(exact)}, indent=0).encode()


def _line_digests(exact: bytes) -> list[str]:
    return [hashlib.sha256(line).hexdigest()[:12] for line in exact.split(b"\n")]


def _first_other(one: Sequence[object], other: Sequence[object]) -> int:
    """Returns the number of the first line that differs; the one after the shorter text where none does."""
    pairs = enumerate(zip(one, other, strict=False), start=1)
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)) + 1)


def _where(bundle: Path, name: str) -> str:
    """Returns `, line N` for the first line that differs, where the lines' digests are valid; else an empty text."""
    exact = (bundle / name).read_bytes()
    if name == LINES:  # can be computed again from all the others
        others = {path.relative_to(bundle).as_posix(): path for path in _files(bundle)}
        signed = _lines({other: path.read_bytes() for other, path in others.items() if other not in (LINES, LISTING, SIGNATURE)})
        line = _first_other(signed.split(b"\n"), exact.split(b"\n"))
        return f", line {line}"
    try:
        digests = json.loads((bundle / LINES).read_bytes())[name]
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return ""
    return f", line {_first_other(digests, _line_digests(exact))}"


def _signer(bundle: Path, listing: bytes) -> str | None:
    """Returns the fingerprint that both the unverified listing and `packed.json` name; None where they name none, or different ones."""
    try:
        claimed = json.loads(listing)["signed_by"]
        agreed = claimed == json.loads((bundle / PACKED).read_bytes())["signed_by"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return None
    return claimed if agreed and isinstance(claimed, str) and len(claimed) == 32 and claimed.isalnum() else None
