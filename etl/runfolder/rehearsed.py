"""Whether a run was a rehearsal, derived from the path of its object store."""

from __future__ import annotations

from etl.runfolder import layout
from etl.runfolder.settings import RunSettings

SCHEMA_PREFIX = "migration_rehearsal_"  # prefix of the temporary schema of a rehearsal on the new store's server


def was_rehearsal(settings: RunSettings) -> bool:
    """Returns whether the run was a rehearsal, by the settings in its folder."""
    objects = settings.objects or ""
    return objects.endswith(f"/{layout.REHEARSAL_OBJECTS}") or objects == layout.REHEARSAL_OBJECTS
