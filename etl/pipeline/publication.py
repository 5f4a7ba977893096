"""The state of publishing in a failed command's message: only what is known at that moment."""

from __future__ import annotations

from etl.errors import DifferencesFound, MigrationError
from etl.runfolder.folder import RunFolder

_NOT_LOST = "Nothing has to be loaded again: the same command compares and reports."


def known(folder: RunFolder, publishing: bool) -> str:
    """Returns a sentence: whether the store is published. `publishing`: this command sent its COMMIT."""
    if "load" in folder.steps:
        return f"The store is published ({folder.steps['load'].facts['run_id']})."
    if publishing:
        return "It is unknown whether the store is published: the same command checks first, and publishes nothing twice."
    return "Nothing was published by this command."


def truthful(error: MigrationError, step: str, folder: RunFolder, publishing: bool) -> MigrationError:
    """Returns the error with the state of publishing; one that prevented `reconcile` becomes exit 4: published, and not compared."""
    if (
        error.exit_code != 1
        or step not in ("load", "reconcile", "report")
        or (step != "load" and not publishing and "load" not in folder.steps)
    ):
        return error
    message = f"{error.message} {known(folder, publishing)}"
    if step == "reconcile":
        return DifferencesFound(f"{message} It was not compared with the old portals.", f"{error.next_step} {_NOT_LOST}")
    error.message = message
    return error
