"""The command `init`: writes migration.toml, a draft of the goals and, for PostgreSQL, the SQL of roles and freeze with this installation's names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy

from etl.commands.given_options import freeze_of
from etl.commands.sql_scripts import sql_script
from etl.commands.strict_options import database_url
from etl.databases import FOLDER, backend
from etl.databases.registry import database_kind
from etl.errors import Refused, WrongUsage
from etl.objects.address import bucket_of, require_folder
from etl.system.confirm import ask
from etl.system.private_folder import PrivateFolder

# By option: the question on a terminal, and whether the run needs it.
_ASKED = (
    ("source", "Portal 2.0 database, as a URL", True),
    ("tc", "Trade Compliance database (empty: none)", False),
    ("files", "Root of the old file share (empty: none)", False),
    ("target", "The new store, as a URL", True),
    ("objects", "Object store, a folder or s3://bucket/prefix", True),
    ("run", "Folder of the run", True),
    ("freeze-from", "First day of the freeze, YYYY-MM-DD (empty: none)", False),
    ("freeze-to", "Last day of the freeze (empty: none)", False),
    ("approver", "Public key of the approver (empty: none)", False),
)
_COMMENTS = {
    "source": "Portal 2.0, only ever read",
    "tc": "Trade Compliance, only ever read",
    "files": "root of the old file share",
    "target": "the new store",
    "objects": "root of the new object store",
    "run": "the run's folder",
    "freeze-from": "the announced freeze, both days included",
    "freeze-to": "",
    "approver": "approval by this person is required before publishing",
}
TEMPLATE = Path(__file__).parent / "acceptance_draft.toml"
_DATABASES = ("source", "tc", "target")


def init(to: Path, given: Mapping[str, str | None], names: Mapping[str, str]) -> dict[str, Any]:
    """Writes the files into the folder (0700) and returns their names. `given`: by option; `names`: of roles and schemas for the SQL.

    Raises where a URL has a password, because the file would store it, and Refused where a file of that name exists.
    """
    answers = _answers(given)
    files = {"migration.toml": _configuration(answers), "acceptance.toml": TEMPLATE.read_text(encoding="utf-8")}
    names = {**names, **_database_names(answers)}
    if any(_is_postgresql(answers.get(option)) for option in _DATABASES):
        for script in ("roles", "freeze", "frozen", "unfreeze"):
            wanted = names if script == "roles" else {"reader": names["reader"]}
            files[f"{script}.sql"] = str(sql_script(script, dict(wanted))["sql"])
    folder = PrivateFolder(to, "--to")
    there = sorted(name for name in files if (folder.path / name).exists())
    if there:
        raise Refused(f"{to} already contains {', '.join(there)}.", "Give another folder, or move these files.")
    for name, text in files.items():
        folder.write(name, text.encode())
    return {"folder": str(to), "files": list(files)}


def _answers(given: Mapping[str, str | None]) -> dict[str, str]:
    asking = sys.stdin.isatty() and sys.stdout.isatty()
    answers = {}
    for option, question, needed in _ASKED:
        value = given.get(option)
        if value is None and asking:
            value = ask(f"{question}:") or None
        if value is None and needed:
            raise WrongUsage(f"--{option} is missing.", f"Give it: --{option} ({question}).")
        if value is not None:
            answers[option] = value
    _refuse_invalid(answers)
    return {**answers, **{option: database_url(f"--{option}", answers[option]) for option in _DATABASES if option in answers}}


def _refuse_invalid(answers: Mapping[str, str]) -> None:
    """Raises WrongUsage where `run` refuses a value on every machine; all of them in one answer."""
    checks: list[Callable[[], object]] = [partial(_refuse_database, option, answers[option]) for option in _DATABASES if option in answers]
    if "files" in answers:
        checks.append(partial(require_folder, answers["files"], "--files"))
    checks.append(partial(_refuse_objects, answers["objects"]))
    checks.append(lambda: freeze_of({"freeze_from": answers.get("freeze-from"), "freeze_to": answers.get("freeze-to")}))
    found = []
    for check in checks:
        try:
            check()
        except WrongUsage as error:
            found.append(error)
    if found:
        raise WrongUsage(" ".join(str(error) for error in found), found[0].next_step)


def _refuse_objects(uri: str) -> None:
    if bucket_of(uri) is None:
        require_folder(uri, "--objects")


def _refuse_database(option: str, text: str) -> None:
    url = database_url(f"--{option}", text)
    if option == "target" and not database_kind(url).holds_store:
        raise WrongUsage(f"--target: {backend(url)} databases cannot be written as a target.", "Use a sqlite:// or postgresql:// URL.")
    if not url.startswith(FOLDER):
        if sqlalchemy.make_url(url).password is not None:
            raise WrongUsage(f"--{option}: a password is in the URL.", "Leave it out, and use a password file (PGPASSFILE) or a service.")
        try:
            sqlalchemy.make_url(url).get_dialect()
        except sqlalchemy.exc.NoSuchModuleError:
            message = f"--{option}: no reader for {backend(url)} databases."
            raise WrongUsage(message, "Use SQLite, PostgreSQL, or install the SQLAlchemy dialect of that database.") from None


def _is_postgresql(text: str | None) -> bool:
    return text is not None and text.startswith("postgresql")


def _database_names(answers: Mapping[str, str]) -> dict[str, str]:
    """Returns the PostgreSQL databases, by the options of `sql roles`."""
    names = {"portal2": "portal2", "tc_database": "tc", "portal3": "portal3"}
    for option, name in (("source", "portal2"), ("tc", "tc_database"), ("target", "portal3")):
        if _is_postgresql(answers.get(option)):
            names[name] = sqlalchemy.make_url(answers[option]).database or names[name]
    return names


def _configuration(answers: Mapping[str, str]) -> str:
    lines = ["# Options of portal-migrate: `portal-migrate run --config migration.toml`. No password belongs here.", ""]
    for option, value in answers.items():
        comment = f"   # {_COMMENTS[option]}" if _COMMENTS[option] else ""
        lines.append(f"{option:<11} = {_quoted(value)}{comment}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Returns the text as a TOML basic string."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
