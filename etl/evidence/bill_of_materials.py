"""The installed packages as CycloneDX: what ran, what it is made of, and by which files that can be told again."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import uuid
from datetime import UTC, datetime
from typing import Any

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_OWN = "portal-migration"


def bill_of_materials() -> dict[str, Any]:
    """Components with the digest of their installed files, who requires whom, when it was made and of what.

    `hashes`: SHA-256 of the package's RECORD, which has the SHA-256 of every file that was installed of it.
    """
    found = {_normal(str(one.metadata["Name"])): one for one in importlib.metadata.distributions() if one.metadata["Name"]}
    components = {name: _component(name, one) for name, one in sorted(found.items())}
    own = components.pop(_OWN, {"type": "application", "name": _OWN, "bom-ref": _OWN})
    edges = [
        {"ref": _ref(name, one), "dependsOn": sorted({_ref(other, found[other]) for other in _required(one) if other in found})}
        for name, one in sorted(found.items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "metadata": {"timestamp": datetime.now(UTC).isoformat(timespec="seconds"), "component": {**own, "type": "application"}},
        "components": list(components.values()),
        "dependencies": edges,
    }


def _component(name: str, one: importlib.metadata.Distribution) -> dict[str, Any]:
    record = one.read_text("RECORD")
    hashes = [{"alg": "SHA-256", "content": hashlib.sha256(record.encode()).hexdigest()}] if record else []
    return {
        "type": "library",
        "bom-ref": _ref(name, one),
        "name": name,
        "version": one.version,
        "purl": _ref(name, one),
        **({"hashes": hashes} if hashes else {}),
    }


def _ref(name: str, one: importlib.metadata.Distribution) -> str:
    return f"pkg:pypi/{name}@{one.version}"


def _normal(name: str) -> str:
    """The name as indexes write it, so that pydantic_core and pydantic-core are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(one: importlib.metadata.Distribution) -> set[str]:
    """What it requires, extras left out: nobody asked for them."""
    return {_normal(match[1]) for line in one.requires or () if "extra ==" not in line and (match := _NAME.match(line))}
