"""What a page shows of personal data: all of it with --names, else masked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from etl.domain.masking import masked

DIGEST = "~"  # in an address: what follows is the digest of a key, not the key


@dataclass(frozen=True)
class Personal:
    """Shows or masks personal data. `names`: whether names, e-mail addresses and identifiers are shown unmasked."""

    names: bool

    def email(self, text: str | None) -> str:
        """Returns the e-mail, or `r***@harbor-pine.example`: recognisable, but not a usable address."""
        if not text:
            return "–"
        if self.names:
            return text
        local, at, domain = text.strip().rpartition("@")
        return f"{local[:1]}***@{domain}" if at else f"{text.strip()[:1]}***"

    def name(self, *parts: str | None) -> str:
        """Returns the full name, or its initials."""
        known = [part.strip() for part in parts if part and part.strip()]
        if not known:
            return "–"
        return " ".join(known) if self.names else " ".join(f"{word[:1]}." for part in known for word in part.split())

    def identifier(self, text: str, pii: object) -> str:
        """Returns an identifier; of one that can be a person's (H6) only the last two characters."""
        return text if self.names or not (pii and pii not in (0, "0", "false", "False")) else f"***{text[-2:]}"

    def text(self, text: str | None) -> str:
        """Returns any other text with numbers of the form of a social security number masked."""
        return "–" if not text else text if self.names else masked(text)

    def reference(self, key: str) -> str:
        """Returns the key as an address has it: a key that has a number of a person's form as a digest, because addresses are mailed (H6)."""
        hidden = key.startswith(DIGEST) or (not self.names and masked(key) != key)
        return DIGEST + hashlib.sha256(key.encode()).hexdigest()[:32] if hidden else key
