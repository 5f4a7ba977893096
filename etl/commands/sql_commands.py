"""The command group `sql`: what it prints, and with which names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from etl.commands.strict_options import StrictGroup

_READER = click.option(
    "--reader", metavar="NAME", default="migration_reader", show_default=True, help="The role that reads the old portals."
)
_HELP = {
    "freeze": "Close an old portal (PostgreSQL): block other connections and all writes. Run it in each of the two databases.",
    "frozen": "Count the violations of a freeze: the expected result is 0 three times.",
    "unfreeze": "Reopen an old portal, with its previous settings.",
}
_NAMES = (
    ("--writer", "migration_writer", "The role that fills the new store."),
    ("--auditor", "migration_auditor", "The role that reads both."),
    ("--rehearser", "migration_rehearser", "The role that rehearses on the server of the new store."),
    ("--maintenance", "postgres", "The database in which roles are created."),
    ("--portal2", "portal2", "The database of Portal 2.0."),
    ("--tc-database", "tc", "The database of Trade Compliance."),
    ("--portal3", "portal3", "The database of the new store."),
    ("--portal-schema", "public", "The schema of the old portals' tables."),
    ("--store-schema", "portal3", "The new store's schema."),
)


def sql_commands(takes: Callable[..., Any]) -> click.Group:
    """Returns the group; `takes()` adds the options of every command to a command."""

    @click.group("sql", cls=StrictGroup)
    def group() -> None:
        """The SQL of the pages, with your own names, for `psql -f`."""

    for name, text in _HELP.items():
        group.command(name, help=text)(_READER(takes()(_printing(name))))
    roles = takes()(_printing("roles"))
    for option, default, text in reversed(_NAMES):
        roles = click.option(option, metavar="NAME", default=default, show_default=True, help=text)(roles)
    group.command("roles", help="Create the four roles with exactly the rights that they need, for databases on one server.")(
        _READER(roles)
    )
    return group


def _printing(name: str) -> Callable[..., None]:
    def command(output: str, verbose: bool, **names: str) -> None:
        from etl.commands.command_result import answer
        from etl.commands.sql_scripts import sql_script

        answer(f"sql {name}", {"output": output, "verbose": verbose}, lambda: sql_script(name, names))

    return command
