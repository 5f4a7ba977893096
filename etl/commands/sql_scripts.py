"""The commands `sql ...`: the SQL of the pages with this installation's names, ready to run."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from etl.errors import WrongUsage

# By script: (file, the option with the database in which it runs; empty: the connected one).
SCRIPTS: dict[str, tuple[tuple[str, str], ...]] = {
    "freeze": (("freeze.sql", ""),),
    "frozen": (("frozen.sql", ""),),
    "unfreeze": (("unfreeze.sql", ""),),
    "roles": (
        ("roles_server.sql", "maintenance"),
        ("roles_portal.sql", "portal2"),
        ("roles_portal.sql", "tc_database"),
        ("roles_store.sql", "portal3"),
    ),
}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ROLES = ("reader", "writer", "auditor", "rehearser")


def sql_script(name: str, given: dict[str, str]) -> dict[str, Any]:
    """Returns {"sql": the script for `psql -f`}; `given`: by option, the names of roles, databases and schemas, plain lower-case names only.

    Raises WrongUsage for any other name, which would need quotes in some places and not in others.
    """
    for option, value in given.items():
        if not _NAME.fullmatch(value):
            message = f"--{option.replace('_', '-')}: {value!a} is not a plain name."
            raise WrongUsage(
                message, "Use lower-case letters, digits and _, at most 63 characters; put any other name into the SQL by hand."
            )
    parts = []
    for file, option in SCRIPTS[name]:
        text = resources.files("etl.commands.sql_texts").joinpath(file).read_text(encoding="utf-8")
        parts.append((f"\\connect {given[option]}\n" if option else "") + _renamed(text, given, of_portal=file == "roles_portal.sql"))
    return {"script": name, "sql": "\\set ON_ERROR_STOP on\n" + "\n".join(parts)}


def _renamed(text: str, given: dict[str, str], of_portal: bool) -> str:
    names = {f"migration_{role}": given[role] for role in _ROLES if role in given}
    if "store_schema" in given:
        names["portal3"] = given["store_schema"]
    if of_portal:
        names["public"] = given["portal_schema"]
    return re.sub(r"\b(?:" + "|".join(names) + r")\b", lambda found: names[found[0]], text)
