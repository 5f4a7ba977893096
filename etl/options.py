"""What a command was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from etl.domain.grace import Grace
from etl.errors import WrongUsage
from etl.objects.address import bucket_of, require_folder
from mappings.read import HOME


@dataclass(frozen=True)
class Options:
    """What the command line, the environment and the configuration file say together. URLs hold passwords: never shown as they are."""

    source: str | None = field(default=None, repr=False)
    tc: str | None = field(default=None, repr=False)
    target: str | None = field(default=None, repr=False)
    files: str | None = None
    objects: str | None = None
    run: Path | None = None
    freeze: tuple[date, date] | None = None
    grace: Grace | None = None  # None: not given
    decisions: Path | None = None
    acceptance: Path | None = None
    workers: int | None = None
    scheduler: str | None = None
    rehearse: bool = False
    approver: Path | None = None
    approval: Path | None = None
    mappings: Path = HOME
    adapter: Path | None = None
    adapter_sha256: str | None = None  # of the adapter that the run fixed; another one is refused wherever its files are read
    config: Path | None = None  # the configuration file that gave some of these
    without: frozenset[str] = frozenset()  # of tc, files, decisions, freeze: left out on purpose though the store has it

    def __post_init__(self) -> None:
        """An address that may hold a secret is refused before anything is written down, and is not repeated."""
        for option, uri in (("--files", self.files), ("--objects", self.objects)):
            if uri is not None:
                refuse_address(uri, option)


def refuse_address(uri: str, option: str) -> None:
    """Raises WrongUsage where the text is not the address of a folder or, for --objects, of a bucket."""
    if option == "--files" or bucket_of(uri) is None:
        require_folder(uri, option)


def needed(value: str | None, option: str, what: str) -> str:
    """Returns the option's value; raises WrongUsage where it was not given."""
    if value is None:
        raise WrongUsage(f"{option} is missing.", f"Give {what}: {option}.")
    return value


def needed_run(run: Path | None) -> Path:
    """Returns the run's folder; raises WrongUsage where none was given."""
    if run is None:
        raise WrongUsage("--run is missing.", "Give the run's folder: --run DIR.")
    return run
