"""A trusted time stamp (RFC 3161) of a bundle: an independent authority confirms the moment at which the signature existed.

The stamp covers the bytes of `evidence.sig`; the authority's response is stored beside it as `evidence.tsr`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import EvidenceAltered, MigrationError, Refused
from etl.evidence.keys import bounded
from etl.runfolder.stage_file_io import write_durably

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

STAMP, STAMPED = "evidence.tsr", "evidence.sig"
_ASK = "openssl ts -query -data evidence.sig -sha256 -cert -out request.tsq"


def stamp(bundle: Path, path: Path) -> dict[str, Any]:
    """Stores the authority's response in the bundle; raises Refused where the bundle has one already, or where it is not for this signature."""
    if not (bundle / STAMPED).is_file():
        raise MigrationError(f"{bundle} is not an evidence bundle: it has no {STAMPED}.", "Give --bundle what `evidence pack` made.")
    if (bundle / STAMP).exists() or (bundle / STAMP).is_symlink():
        raise Refused(f"{bundle} has a time stamp already.", "A bundle has only one; pack the evidence again for another.")
    content = bounded(path, "--time-stamp")
    found = _response(content)
    if found is None:
        raise MigrationError(
            f"--time-stamp: {path.name} is not an RFC 3161 response that was granted.", f"Request it again from the authority: {_ASK}."
        )
    if not _is_of(found, (bundle / STAMPED).read_bytes()):
        message = f"--time-stamp: {path.name} does not belong to this bundle's {STAMPED}."
        raise Refused(message, f"Request one for this file: {_ASK}.")
    write_durably(bundle / STAMP, content)
    return {"bundle": str(bundle), "stamped_at": found.tst_info.gen_time.isoformat(), "file": str(bundle / STAMP)}


def stamped(bundle: Path, authority: Path | None) -> dict[str, Any] | None:
    """Returns the moment, and whether the authority's certificate was checked; None where the bundle has no time stamp.

    Raises EvidenceAltered where the file does not cover this bundle's signature, or was not issued by `authority` (certificates in PEM).
    """
    if not (bundle / STAMP).exists() and not (bundle / STAMP).is_symlink():
        if authority is not None:
            raise EvidenceAltered("The bundle has no time stamp.", "Request the bundle with its time stamp, or leave out --authority.")
        return None
    if (bundle / STAMP).is_symlink() or not (bundle / STAMP).is_file():
        raise EvidenceAltered(f"{STAMP} in the bundle is not a file.", "Request the bundle again.")
    found = _response(bounded(bundle / STAMP, "--bundle"))
    if found is None or not _is_of(found, (bundle / STAMPED).read_bytes()):
        raise EvidenceAltered(f"{STAMP} is not a time stamp of this bundle's {STAMPED}.", "Request the bundle again.")
    if authority is not None:
        _refuse_others(found, authority, (bundle / STAMPED).read_bytes())
    return {"at": found.tst_info.gen_time.isoformat(), "authority_checked": authority is not None}


def _response(content: bytes) -> TimeStampResponse | None:
    """Returns the response in these bytes; None where they are not a response, or the authority did not grant it."""
    from rfc3161_client import decode_timestamp_response

    try:
        found = decode_timestamp_response(in_order(content))
        return found if found.status == 0 and found.tst_info.gen_time is not None else None
    except ValueError:
        return None


def in_order(content: bytes) -> bytes:
    """Returns the response with its certificates in DER order; content of any other form unchanged.

    Authorities send another order, which no signature covers and the parser rejects.
    """
    try:
        first, last = 0, len(content)
        for step in (None, 1, 1, None, 3):  # response, token, its content, signed data, certificates
            elements = _elements(content, first, last)
            _start, inner, end = elements[0] if step is None else elements[step]
            first, last = inner, end
        certificates = sorted(content[start:end] for start, _, end in _elements(content, first, last))
        return content[:first] + b"".join(certificates) + content[last:]
    except IndexError:
        return content


def _elements(content: bytes, first: int, last: int) -> list[tuple[int, int, int]]:
    """Returns, for each DER element between these offsets, the offsets of its start, its content and its end."""
    found = []
    while first < last:
        length, inner = content[first + 1], first + 2
        if length & 0x80:
            inner += length & 0x7F
            length = int.from_bytes(content[first + 2 : inner], "big")
        if inner + length > last:
            raise IndexError
        found.append((first, inner, inner + length))
        first = inner + length
    return found


def _is_of(found: TimeStampResponse, stamped_bytes: bytes) -> bool:
    """Returns whether the response covers these bytes, with any digest of RFC 3161 and its successors."""
    imprint = found.tst_info.message_imprint
    digests = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512"}
    name = digests.get(imprint.hash_algorithm.dotted_string)
    return name is not None and hashlib.new(name, stamped_bytes).digest() == imprint.message


def _refuse_others(found: TimeStampResponse, authority: Path, stamped_bytes: bytes) -> None:
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import VerificationError, VerifierBuilder

    try:
        certificates = load_pem_x509_certificates(bounded(authority, "--authority"))
    except ValueError:
        raise MigrationError(
            f"--authority: {authority.name} holds no certificates in PEM.", "Give the authority's root certificate."
        ) from None
    roots = [one for one in certificates if one.issuer == one.subject]
    if not roots:
        raise MigrationError(
            f"--authority: {authority.name} holds no root certificate.", "Give the certificate that the authority's chain ends with."
        )
    builder = VerifierBuilder()
    for one in certificates:
        builder = builder.add_root_certificate(one) if one in roots else builder.add_intermediate_certificate(one)
    try:
        builder.build().verify_message(found, stamped_bytes)
    except (VerificationError, ValueError):
        message = f"{STAMP} does not come from the authority of {authority.name}, or was altered."
        raise EvidenceAltered(message, "Request the certificates of the authority that stamped it.") from None
