"""Whether the mappings and the adapter are those that the published run was made with (fine print 66)."""

import hashlib
from collections.abc import Mapping as Map

from etl.reconcile.engine.given_folder import digest_of
from etl.reconcile.errors import OtherInputs


def refuse_others(recorded: str | None, mappings: str, adapter: Map[str, bytes] | None) -> None:
    """Raises OtherInputs (7) if the record in force names other mappings, another adapter or none; does nothing if it names no digest. `adapter`: its files."""
    given = mappings if adapter is None else hashlib.sha256(f"{mappings}|{digest_of(adapter)}".encode()).hexdigest()
    if recorded is None or given == recorded:
        return
    if adapter is not None and recorded == mappings:
        raise OtherInputs("The store was published without an adapter, but --adapter is given.", "Leave out --adapter.")
    raise OtherInputs(
        f"The store was made with the mappings {recorded}, the given ones are {given}; with an adapter the digest covers both.",
        "Give --mappings and --adapter the folders of the run, or leave them out if it had none.",
    )
