"""The commands `demo` and `sample`: small synthetic portals for a first look."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from etl.databases import backend, connection_targets, database_identity, sqlite_url
from etl.errors import MigrationError, Refused, WrongUsage
from etl.options import Options, needed
from etl.pipeline.runner import run_steps
from etl.runfolder.layout import STEPS
from etl.system.progress import ProgressReporter

FREEZE = (date(2023, 9, 16), date(2023, 9, 30))  # the first announced freeze


def run_demo(folder: Path, reporter: ProgressReporter) -> dict[str, Any]:
    """Creates a sample in the folder, migrates and reconciles it; returns the report's facts."""
    from sample_data.world import write_cast

    world_folder = folder / "legacy"
    made_before = (world_folder / "portal2.sqlite").exists()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is not a folder.", "Give an empty or a new folder: portal-migrate demo DIR.")
    if folder.exists() and any(folder.iterdir()) and not made_before:
        raise Refused(f"{folder} is not empty.", "Give an empty or a new folder: portal-migrate demo DIR.")
    if made_before:
        source, tc, files = (
            sqlite_url(world_folder / "portal2.sqlite"),
            sqlite_url(world_folder / "tc.sqlite"),
            world_folder / "files",
        )
    else:
        world_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        world = write_cast(world_folder)
        source, tc, files = world.source, world.tc, Path(world.files)
    reporter.info(f"demo: the sample world is in {world_folder}")
    options = Options(
        source=source,
        tc=tc,
        target=sqlite_url(folder / "portal3.sqlite"),
        files=str(files.absolute()),
        objects=str((folder / "objects").absolute()),
        run=folder / "run",
        freeze=FREEZE,
    )
    return run_steps(options, STEPS, reporter)


def write_sample(options: Options, profiles: int, seed: int, foreign: bool = False) -> dict[str, Any]:
    """Writes synthetic portals and returns the number of rows by table; with `foreign` by contract table, with an adapter beside them."""
    if foreign:
        return _write_foreign(options, profiles, seed)
    from sample_data.synthetic import write_synthetic

    source = needed(options.source, "--source", "the URL of an empty database for Portal 2.0")
    tc = needed(options.tc, "--tc", "the URL of an empty database for Trade Compliance")
    files = Path(needed(options.files, "--files", "a folder for the old file share"))
    if connection_targets(source) == connection_targets(tc):
        raise WrongUsage("--source and --tc are the same database.", "Give two databases: each portal has its own.")
    if files.exists() and not files.is_dir():
        raise MigrationError(f"--files: {files} is not a folder.", "Give a folder, or a new name.")
    for option, url in (("--source", source), ("--tc", tc)):
        _reached(option, url)
    try:
        rows = write_synthetic(source, tc, files, profiles, seed)
    except ValueError as error:
        raise MigrationError(str(error), "Give empty databases.") from None
    return {"rows": rows, "total": sum(rows.values()), "profiles": profiles, "seed": seed}


def _write_foreign(options: Options, profiles: int, seed: int) -> dict[str, Any]:
    from sample_data.disguise import disguised, write_adapter, write_sqlite
    from sample_data.synthetic import write_synthetic

    if options.adapter is None:
        raise WrongUsage("--adapter is missing.", "Give the folder for the adapter of the foreign world: --adapter DIR.")
    if options.adapter.exists() and any(options.adapter.iterdir()):
        raise MigrationError(f"--adapter: {options.adapter} is not empty.", "Give another folder: no adapter is overwritten.")
    files = Path(needed(options.files, "--files", "a folder for the old file share"))
    urls = {"portal2": needed(options.source, "--source", "a SQLite file"), "tc": needed(options.tc, "--tc", "a SQLite file")}
    paths = {}
    for folder, url in urls.items():
        if backend(url) != "sqlite":
            raise WrongUsage("A foreign world can only be written into SQLite files.", "Give sqlite:// URLs.")
        _reached(f"--{'source' if folder == 'portal2' else 'tc'}", url)
        paths[folder] = Path(str(database_identity(url)[1]))
        if paths[folder].exists():
            raise MigrationError(f"{paths[folder].name} already exists.", "Give names of files that do not exist yet.")
    with tempfile.TemporaryDirectory(prefix="portal-migrate-") as scratch:
        plain = {folder: Path(scratch) / f"{folder}.sqlite" for folder in urls}
        rows = write_synthetic(sqlite_url(plain["portal2"]), sqlite_url(plain["tc"]), files, profiles, seed)
        for folder, path in paths.items():
            made = disguised(plain[folder], folder)
            write_sqlite(made, path)
            write_adapter(made, options.adapter)
    return {"rows": rows, "total": sum(rows.values()), "profiles": profiles, "seed": seed}


def _reached(option: str, url: str) -> None:
    """Raises where the database does not exist, with the message of `plan`; a SQLite file is created, its folder is not."""
    match backend(url):
        case "postgresql":
            from etl.databases.postgresql.connection import connect

            connect(url, option).close()
        case "sqlite":
            folder = Path(str(database_identity(url)[1])).parent
            if not folder.is_dir():
                raise MigrationError(f"{option}: {folder} is not an existing folder.", "Create it, or give another URL.")
        case kind:
            raise WrongUsage(f"{option}: samples cannot be written into {kind} databases.", "Give a sqlite:// or postgresql:// URL.")
