"""K2: a run that omits a source of an earlier published run, and actions that cannot be undone, require a confirmation."""

from __future__ import annotations

import sqlite3

from tests.support.command import Workspace, command

OLD = ("--source", "sqlite:///legacy/portal2.sqlite", "--target", "sqlite:///portal3.sqlite", "--objects", "objects")
TC, FILES = ("--tc", "sqlite:///legacy/tc.sqlite"), ("--files", "legacy/files")
FREEZE = ("--freeze-from", "2023-09-16", "--freeze-to", "2023-09-30")


def test_K2_a_delta_without_an_earlier_source_is_refused_unless_confirmed(published: Workspace) -> None:
    """Trade Compliance, freeze, file share; the refusal comes before the store is changed, and names what would be lost."""
    before = published.content()
    for given, word in (((*FILES, *FREEZE), "--tc"), ((*TC, *FILES), "--freeze-from"), ((*TC, *FREEZE), "--files")):
        done = command("run", *OLD, *given, "--run", f"later{word}", folder=published.folder)
        assert done.code == 7, (word, done.err)
        assert f"Give {word}" in done.next or f": {word} DIR" in done.next
        assert "--without-" in done.next
        assert published.content() == before
    both = command("run", *OLD, *TC, "--without-tc", *FILES, *FREEZE, "--run", "both", folder=published.folder)
    assert both.code == 2
    assert "--without-tc" in both.err
    words = (*OLD, "--without-tc", "--without-files", "--without-freeze", "--run", "later")
    done = command("run", *words, folder=published.folder)
    assert done.code == 0, done.err
    with sqlite3.connect(published.target) as lite:
        assert lite.execute("SELECT count(*) FROM tc_program").fetchone() == (0,)
        assert lite.execute("SELECT count(*) FROM document WHERE legacy_portal_cd = 'TC'").fetchone() == (0,)
    lite.close()
    back = command("rollback", "--run", "later", "--yes", folder=published.folder)
    assert back.code == 0, back.err


def test_K8_rollback_and_purge_require_confirmation_and_a_second_rollback_reports_the_first(published: Workspace) -> None:
    before = published.content()
    for name in ("rollback", "purge"):
        done = command(name, "--run", "run", folder=published.folder)  # there is no terminal here
        assert done.code == 2, done.err
        assert "--yes" in done.next
        assert published.content() == before
        assert (published.run / "extract").is_dir()
    assert "published: run-" in published.command("status").out
    done = published.json("rollback")
    assert done.code == 0
    removed = {table: removed for table, removed, _ in done.data["tables"] if removed}
    assert sum(removed.values()) == done.data["removed"]
    assert f"entity_account: {removed['entity_account']:,} rows to remove" in done.err
    again = published.command("rollback")
    assert again.code == 7
    assert "was already rolled back" in again.err
    # Earlier each said that the run had not published anything yet.
    for words in (("readiness",), ("trace", "P2", "document", "301"), ("picker", "per@lindqvist.example"), ("explore",)):
        done = command(*words, "--run", "run", folder=published.folder)
        assert (done.code, "This run was rolled back: run-" in done.err) == (7, True), done.err
    packed = command("evidence", "pack", "--run", "run", "--bundle", "bundle", "--key", "key", folder=published.folder)
    assert (packed.code, "This run was rolled back: run-" in packed.err) == (7, True), packed.err
    assert "portal-migrate run" in again.next
    assert "rolled back: run-" in published.command("status").out
    assert published.command("run").code == 0
    assert "published: run-" in published.command("status").out
