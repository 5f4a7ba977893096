"""The installed packages as CycloneDX: name, version and digest of every component that ran."""

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
    """Returns the components with digests of their installed files, their dependencies, and the time.

    `hashes`: SHA-256 of the package's RECORD, which contains the SHA-256 of every installed file.
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
    """Returns the normalized name: pydantic_core and pydantic-core are the same."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(one: importlib.metadata.Distribution) -> set[str]:
    """Returns the names that it requires, without those of extras, which are not installed for it."""
    return {_normal(match[1]) for line in one.requires or () if "extra ==" not in line and (match := _NAME.match(line))}
