"""Whether the mappings and the adapter are those that the published run was made with (fine print 66)."""

import hashlib
from importlib import resources
from pathlib import Path

from etl.reconcile.errors import OtherBinding
from etl.reconcile.present.words import folder_digest

_KINDS = (".toml", ".csv", ".sql")
_UNKNOWN = "0" * 64  # of a store that an earlier edition published


def refuse_others(recorded: str | None, mappings: Path | None, adapter: Path | None) -> None:
    """OtherBinding (exit 7) where the record in force names other mappings, another adapter, or none; nothing of it is asked where it says nothing."""
    if not recorded or recorded == _UNKNOWN:
        return
    plain = _mappings_digest(mappings or Path(str(resources.files("mappings"))))
    given = plain if adapter is None else hashlib.sha256(f"{plain}|{folder_digest(adapter)}".encode()).hexdigest()
    if given == recorded:
        return
    if adapter is not None and recorded == plain:
        raise OtherBinding("The store was published without an adapter, and one is given.", "Leave out --adapter.")
    raise OtherBinding(
        "The store was published with other mappings, or with another adapter or none.",
        "Give what the run had: --mappings DIR, --adapter DIR; migration_run.mappings_sha256 names both.",
    )


def _mappings_digest(root: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in _KINDS and path.is_file()):
        content = path.read_bytes()
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + str(len(content)).encode() + b"\0")
        total.update(content)
    return total.hexdigest()
