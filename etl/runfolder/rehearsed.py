"""Whether a run was a rehearsal, derived from the path of its object store."""

from __future__ import annotations

from etl.runfolder import layout
from etl.runfolder.settings import RunSettings

SCHEMA_PREFIX = "migration_rehearsal_"  # of the throw-away schema of a rehearsal on the new store's server


def was_rehearsal(settings: RunSettings) -> bool:
    """By the settings that the run's folder holds."""
    objects = settings.objects or ""
    return objects.endswith(f"/{layout.REHEARSAL_OBJECTS}") or objects == layout.REHEARSAL_OBJECTS
