"""People's decisions (chapter L), read a second time: which account of Trade Compliance is whose, and under which name a user counts."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from etl.reconcile.engine.given_folder import content_of, toml
from etl.reconcile.errors import NotOpened, ReconcileError


@dataclass(frozen=True)
class Decided:
    """`accounts`: entity by Trade Compliance account; `names`: by user; `sha256`: of the file's bytes, None without one."""

    accounts: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    sha256: str | None = None


NOTHING = Decided()


def read_decided(file: Path | None) -> Decided:
    """Returns the decisions in the file (L1, L2), empty without a file. Raises NotOpened (2) if it cannot be read, ReconcileError if it is not valid.

    Beyond that it is not validated: the run that was made with these bytes did so.
    """
    if file is None:
        return NOTHING
    try:
        content = content_of(file)
    except OSError as error:
        raise NotOpened(f"--decisions: {file} cannot be read ({error.strerror}).", "Give the file of the run.") from None
    try:
        said = toml(content.decode("utf-8"))
        accounts = {int(entry["tc_account_id"]): int(entry["entity_id"]) for entry in said.get("tc_account", [])}
        names = {int(entry["user_id"]): str(entry["user_name"]) for entry in said.get("user", [])}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        message = f"{file.name} is not a valid file of decisions."
        raise ReconcileError(message, "Give the file of the run: --decisions FILE.") from None
    return Decided(accounts, names, hashlib.sha256(content).hexdigest())
