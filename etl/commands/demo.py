"""The commands `demo` and `sample`: small worlds to see the whole thing work."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from etl.databases import backend, place_of, sqlite_url
from etl.errors import MigrationError, Refused, WrongUsage
from etl.options import Options, needed
from etl.pipeline.runner import run_steps
from etl.runfolder.folder import STEPS
from etl.system.progress import Talk

FREEZE = (date(2023, 9, 16), date(2023, 9, 30))  # the freeze that was announced first


def run_demo(folder: Path, talk: Talk) -> dict[str, Any]:
    """The report's facts after the sample world was built in the folder, migrated and reconciled."""
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
    talk.say(f"demo: the sample world lies in {world_folder}")
    options = Options(
        source=source, tc=tc, target=sqlite_url(folder / "portal3.sqlite"), files=str(files.absolute()),
        objects=str((folder / "objects").absolute()), run=folder / "run", freeze=FREEZE,
    )  # fmt: skip
    return run_steps(options, STEPS, talk)


def write_sample(options: Options, profiles: int, seed: int, talk: Talk) -> dict[str, Any]:
    """Rows by table of the synthetic world that was written."""
    from sample_data.synthetic import write_synthetic

    source = needed(options.source, "--source", "the URL of an empty database for Portal 2.0")
    tc = needed(options.tc, "--tc", "the URL of an empty database for Trade Compliance")
    files = Path(needed(options.files, "--files", "a folder for the old file share"))
    for option, url in (("--source", source), ("--tc", tc)):
        _reached(option, url)
    try:
        rows = write_synthetic(source, tc, files, profiles, seed)
    except ValueError as error:
        raise MigrationError(str(error), "Give empty databases.") from None
    return {"rows": rows, "total": sum(rows.values()), "profiles": profiles, "seed": seed}


def _reached(option: str, url: str) -> None:
    """Raises where the database is not there, in the words of `plan`; a SQLite file is made, its folder is not."""
    match backend(url):
        case "postgresql":
            from etl.databases.postgresql.connection import connect

            connect(url, option).close()
        case "sqlite":
            folder = Path(str(place_of(url)[1])).parent
            if not folder.is_dir():
                raise MigrationError(f"{option}: there is no folder {folder}.", "Make it, or give another URL.")
        case kind:
            raise WrongUsage(f"{option}: samples are not written into {kind} databases.", "Give a sqlite:// or postgresql:// URL.")
