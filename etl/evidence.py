"""The commands `evidence pack` and `evidence verify`: what proves the migration, in one folder, signed.

`evidence.json` lists every file with its size and SHA-256 and the root of the Merkle tree over them; `evidence.sig` is its Ed25519 signature.
`lines.json` holds a short digest of every line of the text files, so that a difference can be named by its line. On request `bag/` holds the
documents' bytes as a BagIt bag (RFC 8493), which any such tool validates.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from etl import events
from etl.errors import EvidenceAltered, MigrationError, Refused, WrongUsage
from etl.objects import folder_of
from etl.options import Options
from etl.run import RunFolder, seen, write_durably
from mappings.model import Mappings
from mappings.read import read_mappings

LISTING, SIGNATURE, LINES = "evidence.json", "evidence.sig", "lines.json"
_FROM_RUN = ("check", "reconcile", "report")


def pack(options: Options, bundle: Path, key: Path, documents: bool = False) -> dict[str, Any]:
    """What was packed: files, Merkle root, where the public key lies. The private key is made where none is, and never goes into the bundle."""
    if options.run is None:
        raise WrongUsage("--run is missing.", "Say where the run's folder is: --run DIR.")
    folder, mappings = seen(options.run), read_mappings(options.mappings)
    if "load" not in folder.steps:
        raise Refused("This run has published nothing yet: there is nothing to prove.", "Finish the run, then pack its evidence.")
    if bundle.exists() and any(bundle.iterdir()):
        raise Refused(f"{bundle} is not empty.", "Give --bundle a new folder.")
    if bundle.resolve() in (key.resolve(), *key.resolve().parents):
        raise WrongUsage("The key would lie in the bundle.", "Keep --key outside of it.")
    private = _private_key(key)
    bundle.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = _content(folder, mappings)
    content[LINES] = json.dumps({name: _line_digests(exact) for name, exact in content.items() if _is_text(exact)}, indent=0).encode()
    for name, exact in content.items():
        place = bundle / name
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(place, exact)
    if documents:
        _write_bag(bundle / "bag", folder, folder_of(folder.settings["objects"], "--objects"))
    names = sorted(place.relative_to(bundle).as_posix() for place in _files(bundle))
    files = [{"name": name, "size": (bundle / name).stat().st_size, "sha256": _digest_of(bundle / name)} for name in names]
    root = merkle_root([(str(file["name"]), str(file["sha256"])) for file in files])
    listing = {
        "version": 1, "run_id": folder.steps["load"].facts["run_id"], "packed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "root": root, "files": files, "signed_by": _fingerprint(private.public_key()),
    }  # fmt: skip
    exact = json.dumps(listing, indent=1, sort_keys=True).encode()
    write_durably(bundle / LISTING, exact)
    write_durably(bundle / SIGNATURE, private.sign(exact).hex().encode())
    return {"bundle": str(bundle), "files": len(files), "root": root, "public_key": str(_public_path(key))}


def verify(bundle: Path, public_key: Path) -> dict[str, Any]:
    """What was verified; EvidenceAltered (exit 6) names the file and, where it can be told, the line. Needs the public key and nothing else."""
    if not (bundle / LISTING).is_file() or not (bundle / SIGNATURE).is_file():
        raise MigrationError(
            f"{bundle} is no evidence bundle: {LISTING} or {SIGNATURE} is missing.", "Give --bundle what `evidence pack` made."
        )
    exact = (bundle / LISTING).read_bytes()
    try:
        _public_key(public_key).verify(bytes.fromhex((bundle / SIGNATURE).read_text(encoding="ascii")), exact)
    except (InvalidSignature, ValueError):
        claimed, given = _signer(exact), _fingerprint(_public_key(public_key))
        if claimed is not None and claimed != given:  # only a hint, for nothing vouches for it
            message = f"It says that it was signed with another key: {claimed}, not {given}."
            raise EvidenceAltered(message, "Give the --public-key with that fingerprint, if it is the one that was handed over.") from None
        raise EvidenceAltered(f"{LISTING} or {SIGNATURE} was altered.", "Ask for the bundle again.") from None
    listing = json.loads(exact)
    known = {file["name"]: file for file in listing["files"]}
    there = {place.relative_to(bundle).as_posix() for place in _files(bundle)} - {LISTING, SIGNATURE}
    for name in sorted(known.keys() ^ there):
        raise EvidenceAltered(f"{name} is {'missing from' if name in known else 'not part of'} the bundle.", "Ask for the bundle again.")
    for name, file in known.items():
        if _digest_of(bundle / name) != file["sha256"]:
            raise EvidenceAltered(f"{name}{_where(bundle, name)} is not what was signed.", "Ask for the bundle again.")
    if merkle_root([(name, file["sha256"]) for name, file in known.items()]) != listing["root"]:
        raise EvidenceAltered(f"{LISTING}: the Merkle root does not fit the files.", "Ask for the bundle again.")
    _refuse_other_documents(bundle / "bag")
    broken = events.broken_line((bundle / events.NAME).read_bytes())
    if broken is not None:
        raise EvidenceAltered(f"{events.NAME}, line {broken}: the chain of events is broken.", "The log was altered before it was packed.")
    return {"bundle": str(bundle), "files": len(known), "root": listing["root"], "run_id": listing["run_id"]}


def merkle_root(leaves: list[tuple[str, str]]) -> str:
    """The root over (name, SHA-256) pairs in the order of names; leaves and nodes are told apart, an odd node goes up as it is."""
    level = [hashlib.sha256(b"\0" + name.encode() + b"\0" + bytes.fromhex(digest)).digest() for name, digest in sorted(leaves)]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex() if level else hashlib.sha256(b"").hexdigest()


def _content(folder: RunFolder, mappings: Mappings) -> dict[str, bytes]:
    found = {"manifest.json": (folder.path / "manifest.json").read_bytes(), events.NAME: (folder.path / events.NAME).read_bytes()}
    for step in _FROM_RUN:
        for file in folder.steps[step].files if step in folder.steps else ():
            if (folder.path / file.path).is_file():  # a purged run has lost its lists
                found[file.path] = folder.read_bytes(file)
    for place in sorted(mappings.home.rglob("*")):
        if place.suffix in {".toml", ".csv", ".sql"}:
            found[f"mappings/{place.relative_to(mappings.home).as_posix()}"] = place.read_bytes()
    versions = {"python": platform.python_version(), "system": platform.platform(), **_installed()}
    found["versions.json"] = json.dumps(versions, indent=1, sort_keys=True).encode()
    found["sbom.json"] = json.dumps(_bill_of_materials(), indent=1, sort_keys=True).encode()
    return found


def _installed() -> dict[str, str]:
    return {str(one.metadata["Name"]).lower(): one.version for one in importlib.metadata.distributions() if one.metadata["Name"]}


def _bill_of_materials() -> dict[str, Any]:
    """The installed packages as CycloneDX."""
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(_installed().items())
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def _write_bag(bag: Path, folder: RunFolder, objects: Path) -> None:
    """A bag of the documents' bytes: hard links where bundle and store lie on one disk, else copies."""
    stored = [row for table in folder.tables("reattach", "reattach/stored_object/") for row in table.to_pylist()]
    for row in stored:
        place = bag / "data" / row["object_key"]
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            place.hardlink_to(objects / row["object_key"])
        except OSError:
            shutil.copyfile(objects / row["object_key"], place)
    lines = [f"{row['sha256']}  data/{row['object_key']}\n" for row in stored]
    size = sum(row["size_bytes"] for row in stored)
    write_durably(bag / "bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    write_durably(bag / "bag-info.txt", f"Payload-Oxum: {size}.{len(stored)}\n".encode())
    write_durably(bag / "manifest-sha256.txt", "".join(lines).encode())


def _refuse_other_documents(bag: Path) -> None:
    """Holds the documents' bytes against the bag's own manifest, which was signed."""
    listed = bag / "manifest-sha256.txt"
    lines = listed.read_text(encoding="ascii").splitlines() if listed.is_file() else []
    known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {place.relative_to(bag).as_posix() for place in (bag / "data").rglob("*") if not place.is_dir()}
    for name in sorted(known.keys() ^ there):
        raise EvidenceAltered(
            f"bag/{name} is {'missing from' if name in known else 'not part of'} the bundle.", "Ask for the bundle again."
        )
    for name, digest in known.items():
        if _digest_of(bag / name) != digest:
            raise EvidenceAltered(f"bag/{name} is not what was signed.", "Ask for the bundle again.")


def _files(bundle: Path) -> list[Path]:
    """The bundle's own files; the bag's payload is named by the bag's own manifest."""
    payload = bundle / "bag" / "data"
    return [Path(base) / name for base, _, names in os.walk(bundle) for name in names if not (Path(base) / name).is_relative_to(payload)]


def _digest_of(place: Path) -> str:
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_text(exact: bytes) -> bool:
    return b"\0" not in exact[:4096]


def _line_digests(exact: bytes) -> list[str]:
    return [hashlib.sha256(line).hexdigest()[:12] for line in exact.split(b"\n")]


def _where(bundle: Path, name: str) -> str:
    """`, line N`: the first line that differs, where the lines' digests can be trusted and name it."""
    try:
        signed = json.loads((bundle / LINES).read_bytes())[name]
    except (ValueError, KeyError, OSError):
        return ""
    now = _line_digests((bundle / name).read_bytes())
    for number, (one, other) in enumerate(zip(signed, now, strict=False), start=1):
        if one != other:
            return f", line {number}"
    return f", line {min(len(signed), len(now)) + 1}"


def _private_key(place: Path) -> Ed25519PrivateKey:
    if not place.exists():
        key = Ed25519PrivateKey.generate()
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_durably(place, key.private_bytes(*form))
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        write_durably(_public_path(place), public)
    try:
        loaded = serialization.load_pem_private_key(place.read_bytes(), None)
    except (ValueError, TypeError):
        loaded = None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise MigrationError(
            f"--key: {place.name} is no Ed25519 key in PEM without a password.", "Give another file, or one that does not exist yet."
        )
    return loaded


def _public_path(key: Path) -> Path:
    return key.with_name(key.name + ".public")


def _fingerprint(key: Ed25519PublicKey) -> str:
    """What tells keys apart for people: the SHA-256 of the key's 32 bytes, its first 32 digits."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def _signer(listing: bytes) -> str | None:
    """The fingerprint that an unproven listing claims; None where it claims none."""
    try:
        claimed = json.loads(listing).get("signed_by")
    except (ValueError, AttributeError):
        return None
    return claimed if isinstance(claimed, str) and len(claimed) == 32 and claimed.isalnum() else None


def _public_key(place: Path) -> Ed25519PublicKey:
    try:
        loaded = serialization.load_pem_public_key(place.read_bytes())
    except (OSError, ValueError):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise MigrationError(
            f"--public-key: {place.name} is no Ed25519 public key in PEM.", "Give the file that `evidence pack` wrote beside the key."
        )
    return loaded
