"""The configuration file of the command line, `--config FILE`: any option of any command, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

_MOST = 16 << 20  # bytes


def configured(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Sets the defaults of the command's options from the file and returns the file's name; the command line wins, then the environment.

    Raises click.BadParameter (2) for a file that is not valid TOML, an option that does not exist, and a value of another type.
    """
    if value is None:
        return None
    from etl.system.given_file import given_bytes
    from mappings.toml_text import loads

    context.meta["config"] = value
    try:
        words = loads(given_bytes(Path(value), _MOST).decode("utf-8-sig"))  # editors of Windows write a byte order mark
    except OSError as error:
        raise click.BadParameter(f"{value} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number with too many digits, nested too deeply
        raise click.BadParameter(f"{value} is not a valid TOML file in UTF-8: {error}.") from None
    known = {option.name for option in context.command.params}
    root = context.find_root().command
    everywhere = {option.name for command in _every_command(root) for option in command.params}
    several = {option.name for command in _every_command(root) for option in command.params if option.multiple}
    for word, setting in words.items():
        if word.replace("-", "_") not in everywhere:
            raise click.BadParameter(f"{value}: {word} is not an option of any command.")
        if isinstance(setting, dict | list) and not (word.replace("-", "_") in several and _texts(setting)):
            raise click.BadParameter(f"{value}: {word} is not a single value.")
        if isinstance(setting, str) and not setting.strip():
            raise click.BadParameter(f"{value}: {word} is empty. Give it a value, or leave it out.")
    context.default_map = {
        name.replace("-", "_"): [setting] if name.replace("-", "_") in several and not isinstance(setting, list) else setting
        for name, setting in words.items()
        if name.replace("-", "_") in known
    }
    return value


def _texts(setting: object) -> bool:
    """Returns whether it is a list of non-empty texts."""
    return isinstance(setting, list) and bool(setting) and all(isinstance(one, str) and one.strip() for one in setting)


def _every_command(group: click.Command) -> Iterator[click.Command]:
    for command in group.commands.values() if isinstance(group, click.Group) else ():
        yield command
        yield from _every_command(command)
