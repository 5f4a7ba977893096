"""A folder with one small company in it, in which commands are run."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import Workspace
from tests.support.legacy import Legacy


def one_company_workspace(folder: Path) -> Workspace:
    """Returns a migration of one company."""
    world = Legacy().user(5, user_name="a@x.example").profile(1).model(11).entity(101, type="IMP").contact(1, user=5).year(1).answer(1)
    world.document(1, model=11).content(1, b"abc").write(folder / "legacy")
    return Workspace(folder)
