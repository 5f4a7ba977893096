"""The software listed in a bundle, the modes of its files, and the stores named in a run's folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from etl.commands.lookups import _here
from etl.databases import sqlite_url
from etl.evidence.bill_of_materials import bill_of_materials
from tests.support.command import Workspace, command


def test_the_bill_of_materials_has_digests_edges_and_what_it_is_of() -> None:
    bill = bill_of_materials()
    assert bill["serialNumber"].startswith("urn:uuid:")
    assert {"timestamp", "component"} <= bill["metadata"].keys()
    assert bill["metadata"]["component"]["name"] == "portal-migration"
    by_name = {component["name"]: component for component in bill["components"]}
    assert len(by_name) == len(bill["components"]) > 30
    assert all(
        len(component["hashes"][0]["content"]) == 64 for component in bill["components"] if component["name"] in ("polars", "psycopg")
    )
    assert not [name for name in by_name if "_" in name or "." in name or name != name.lower()]
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert by_name["botocore"]["bom-ref"] in edges[by_name["boto3"]["bom-ref"]]
    assert {other for others in edges.values() for other in others} <= edges.keys()


def test_every_file_of_a_bundle_is_private_under_any_umask(cast: Workspace, tmp_path: Path) -> None:
    """On another disk folders were 0777 and files 0666, only the bundle's own 0700 covered them; an existing one kept its mode."""
    before = os.umask(0)
    try:
        (tmp_path / "bundle").mkdir(mode=0o755)
        done = command(
            "evidence",
            "pack",
            "--run",
            "run",
            "--bundle",
            str(tmp_path / "bundle"),
            "--key",
            str(tmp_path / "keys" / "key"),
            "--documents",
            folder=cast.folder,
        )
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    for path in (tmp_path / "bundle", *(tmp_path / "bundle").rglob("*"), tmp_path / "keys", tmp_path / "keys" / "key"):
        assert (path.stat().st_mode & 0o777, path.is_file() and path.stat().st_nlink) in ((0o700, False), (0o600, 1)), path
    documents = [path for path in (tmp_path / "bundle" / "bag" / "data").rglob("*") if path.is_file()]
    assert documents
    subprocess.run(["chmod", "-R", "a+rX", str(tmp_path / "bundle")], check=True)
    assert {path.stat().st_mode & 0o777 for path in (cast.folder / "objects" / "sha256").rglob("*") if path.is_file()} == {0o600}
    json.loads((tmp_path / "bundle" / "sbom.json").read_text())


def test_a_copied_rehearsal_uses_its_own_store_and_relative_paths_name_their_base(tmp_path: Path, cast: Workspace) -> None:
    run = tmp_path / "copy"
    (run / "rehearsal").mkdir(parents=True)
    (run / "rehearsal" / "portal3.sqlite").touch()
    assert _here(run, sqlite_url(tmp_path / "original" / "rehearsal" / "portal3.sqlite")) == sqlite_url(
        run / "rehearsal" / "portal3.sqlite"
    )
    assert _here(run, "sqlite:////elsewhere/portal3.sqlite") == "sqlite:////elsewhere/portal3.sqlite"
    done = command("picker", "per@lindqvist.example", "--run", str(cast.run), folder=tmp_path)
    assert (done.code, "relative to the folder in which the run was started" in done.err, "--target" in done.next) == (1, True, True), (
        done.err
    )
