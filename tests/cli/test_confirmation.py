"""`rollback` and `purge` at a real terminal require a confirmation."""

from __future__ import annotations

import pytest

from tests.support.command import Workspace
from tests.support.terminal import Terminal


def _answered(workspace: Workspace, name: str, question: str, answer: bytes) -> tuple[int, str]:
    """The exit code of the command and all that the terminal showed."""
    terminal = Terminal(workspace.folder, [word for word in workspace.words(name) if word != "--yes"])
    terminal.type(answer, after=b"[y/N] ")
    code, shown = terminal.end(), terminal.seen.decode()
    assert question in shown, shown
    return code, shown


@pytest.mark.parametrize(
    ("name", "question"), [("rollback", "rows and restore "), ("purge", "Remove all files that are not evidence from ")]
)
def test_rollback_and_purge_require_a_confirmation_at_a_terminal(name: str, question: str, published: Workspace) -> None:
    workspace = published

    def state() -> tuple[dict[str, bytes], set[str]]:
        run = {str(path.relative_to(workspace.run)) for path in workspace.run.rglob("*") if path.is_file()}
        return workspace.content(), run - {"lock", "progress.json"}

    before = state()
    for answer, code, said in (
        (b"n\n", 1, "Not confirmed. Nothing was changed."),
        (b"\n", 1, "Not confirmed."),
        (b"yessir\n", 1, "Not confirmed."),
        (b"\x04", 1, "Not confirmed."),
        (b"\x03", 130, "Interrupted"),
    ):
        ended, shown = _answered(workspace, name, question, answer)
        assert ended == code, shown
        assert said in shown, shown
        assert "Traceback" not in shown, shown
        assert "next: " in shown, shown
        assert state() == before, answer
    ended, shown = _answered(workspace, name, question, b"YES\n")
    assert ended == 0, shown
    if name == "rollback":
        assert shown.index("rollback: entity_account: ") < shown.index("[y/N]")  # what it will do is said before
    after = state()
    assert after != before
    assert ("split" in {path.split("/")[0] for path in after[1]}) is (name == "rollback")
