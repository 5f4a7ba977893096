"""JSON as bytes that are the same for the same content, for digests and signatures."""

from __future__ import annotations

import json
from typing import Any


def canonical(content: Any, ascii_only: bool = False) -> bytes:
    """Returns JSON with sorted keys and no blanks, in UTF-8; `ascii_only`: other characters as escapes."""
    return json.dumps(content, sort_keys=True, ensure_ascii=ascii_only, separators=(",", ":")).encode()
