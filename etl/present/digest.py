"""What `migration_run.mappings_sha256` is: the mappings', and with an adapter that of both (fine print 66)."""

from __future__ import annotations

import hashlib


def digest_of(mappings: str, adapter: str | None) -> str:
    """The mappings' digest; with an adapter's the SHA-256 of both, a vertical bar between them."""
    return mappings if adapter in (None, "none") else hashlib.sha256(f"{mappings}|{adapter}".encode()).hexdigest()
