"""Whether a run was a rehearsal: told by where its documents went, which is never where a cut-over's go."""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA_PREFIX = "migration_rehearsal_"  # of the throw-away schema of a rehearsal on the new store's server
_OBJECTS = "rehearsal/objects"  # in the run's folder, whatever the store


def was_rehearsal(settings: Mapping[str, str]) -> bool:
    """By the settings that the run's folder holds."""
    return settings.get("objects", "").endswith(f"/{_OBJECTS}") or settings.get("objects") == _OBJECTS
