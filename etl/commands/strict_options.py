"""Strict checks of the command line: an empty value is wrong usage, a negative key is a key, a database's URL has a known form."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import click
from click.core import iter_params_for_processing

from etl.errors import WrongUsage

# The drivers of this program; another driver in a URL would not be used, and an asynchronous one cannot be.
_OWN_DRIVERS = {"sqlite": ("pysqlite",), "postgresql": ("psycopg",)}
_ASYNCHRONOUS = frozenset({"aiosqlite", "asyncpg", "aiomysql", "asyncmy", "psycopg_async", "oracledb_async", "aioodbc"})
_FORM = "Write it as sqlite:////folder/file.sqlite or postgresql://user@host/database."
_NEGATIVE = re.compile(r"-[0-9]")


class WrongWords(click.UsageError):
    """Everything that is wrong on a command line, in one answer: `sentences`."""

    def __init__(self, sentences: list[str], ctx: click.Context) -> None:
        from etl.system.visible import BREAK

        super().__init__(BREAK.join(sentences), ctx)
        self.sentences = sentences


class StrictCommand(click.Command):
    """A command that refuses empty options, variables and arguments as wrong usage instead of ignoring them (fine print 64)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wrong = [
            f"The environment variable {parameter.envvar} is set, but empty. Give it a value, or unset it."
            for parameter in self.params
            if isinstance(parameter.envvar, str) and not os.environ.get(parameter.envvar, "-").strip()
        ]
        rest: list[str] = []
        try:
            rest = super().parse_args(ctx, list(args))
        except click.BadParameter as first:  # click stops at the first value
            wrong += self._bad_values(ctx, list(args)) or [first.format_message()]
        wrong += filter(None, (self._unusable(ctx, parameter) for parameter in self.params))
        if wrong:
            raise WrongWords(wrong, ctx)
        return rest

    def _bad_values(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Returns one sentence for each value that is not of its option's type, and for each missing option."""
        parser = self.make_parser(ctx)
        given, rest, order = parser.parse_args(args=args)
        wrong = []
        for parameter in iter_params_for_processing(order, self.get_params(ctx)):
            try:
                _, rest = parameter.handle_parse_result(ctx, given, rest)
            except click.BadParameter as error:
                wrong.append(error.format_message())
        return wrong

    def _unusable(self, ctx: click.Context, parameter: click.Parameter) -> str:
        """Returns why the value cannot be used: empty, not text, a path that cannot be followed; empty where it can."""
        value = ctx.params.get(parameter.name or "")
        by_default = ctx.get_parameter_source(parameter.name or "") is click.core.ParameterSource.DEFAULT
        texts = [one for one in _each(parameter, value) if isinstance(one, str)]
        if not by_default and any(not one.strip() for one in texts):
            from_environment = ctx.get_parameter_source(parameter.name or "") is click.core.ParameterSource.ENVIRONMENT
            return "" if from_environment else f"{named(parameter)} is given, but empty. Give it a value, or leave it out."
        if not all(map(_is_text, texts)):
            return f"{named(parameter)} has a NUL character or bytes that are not UTF-8. Give it another value; rename a folder or a file of such a name."
        if _takes_path(parameter) and (why := next(filter(None, map(_no_path, _values(value))), "")):
            return f"{named(parameter)}: {why}. Give another path."
        return ""


class WholeNumber(click.IntRange):
    """A whole number in ASCII digits. Python's `int` also takes 1_0, digits of other scripts, fractions and truth values of a configuration."""

    name = "whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number; fails with the range for anything else."""
        text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not re.fullmatch(r"[+-]?[0-9]+", text) or len(text) > 20:
            self.fail(f"{value!r} is not a whole number in the range {self._describe_range()}.", param, ctx)
        return super().convert(int(text), param, ctx)


class Seconds(click.FloatRange):
    """A finite number of seconds in the range."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number; fails for what is not a number of the range: no comparison refuses `nan`."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number in the range {self._describe_range()}.", param, ctx)
        return number


_BEFORE_PATH = re.compile(r"sqlite:///|folder:|file://")


def _takes_path(parameter: click.Parameter) -> bool:
    return any(word in (parameter.metavar or "") for word in ("FILE", "DIR", "URL", "URI"))


def _no_path(value: Any) -> str:
    """Returns why the file system cannot follow the path, or the path in the URL; empty where it can, or where nothing is there yet."""
    if not isinstance(value, str) or ("://" in value and not _BEFORE_PATH.match(value)):
        return ""
    try:
        Path(_BEFORE_PATH.sub("", value, count=1)).stat()
    except OSError as error:
        return {errno.ELOOP: "symbolic links that lead back to themselves", errno.ENAMETOOLONG: "the path or a name in it is too long"}.get(
            error.errno or 0, ""
        )
    except ValueError:  # NUL: reported above, or part of a server's URL
        return ""
    return ""


def _is_text(value: str) -> bool:
    """Returns whether manifest, log and database can hold the value: UTF-8, no NUL, which a URL can hide as %00."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value and not ("://" in value and "%00" in value)


class RowCommand(StrictCommand):
    """A command with a row's key as an argument, which may be a negative number: `trace P2 document -11`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, self._keys_last(args))
        except click.NoSuchOption as error:
            hint = "Put two hyphens before a key that begins with a hyphen: -- -X."
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from None

    def _keys_last(self, args: list[str]) -> list[str]:
        """Returns the words with `--` before negative numbers that are not an option's value, so that none is parsed as an option."""
        takes_value = {name for option in self.params if isinstance(option, click.Option) and not option.is_flag for name in option.opts}
        head, behind = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        keys: list[str] = []
        others: list[str] = []
        before = ""
        for word in head:
            is_key = bool(_NEGATIVE.match(word)) and before not in takes_value
            (keys if is_key else others).append(word)
            before = "" if before in takes_value else word
        return [*others, "--", *behind, *keys] if keys or "--" in args else args


class StrictGroup(click.Group):
    """A group whose commands are all strict."""

    command_class = StrictCommand
    group_class = type


def named(parameter: click.Parameter) -> str:
    """Returns the option in its typed form, or the argument's name."""
    return max(parameter.opts, key=len) if isinstance(parameter, click.Option) else parameter.make_metavar(click.Context(click.Command("")))


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _each(parameter: click.Parameter, value: Any) -> tuple[Any, ...]:
    """Returns the values of an option; nothing for several arguments: a key may be an empty text."""
    if isinstance(value, tuple | list):
        return tuple(value) if isinstance(parameter, click.Option) else ()
    return (value,)


def database_url(option: str, text: str) -> str:
    """Returns the URL in this program's form; raises WrongUsage, with the option, where it is not valid or names an unsupported driver.

    `postgres://`, the form of PostgreSQL's tools, becomes `postgresql://`. The message never contains the URL, which may have a password.
    """
    if text.startswith("folder:"):  # files in place of a database
        return text
    kind, colon, _ = text.partition("://")
    dialect, plus, driver = kind.partition("+")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", dialect):
        raise WrongUsage(f"{option} is not a valid database URL.", _FORM)
    if dialect == "postgres":
        dialect, text = "postgresql", "postgresql" + text[len("postgres") :]
    own = _OWN_DRIVERS.get(dialect)
    if driver in _ASYNCHRONOUS or (own is not None and driver not in ("", *own)) or (plus and not driver):
        message = f"{option}: the driver {driver!a} in {dialect}+{driver}:// is not supported here."
        raise WrongUsage(message, f"Write {dialect}:// without a driver." if own else "Use a synchronous driver.")
    if dialect == "sqlite":
        file = text.partition(":///")[2]
        if "?" in file or file.startswith("file:") or file == ":memory:":
            message = f"{option}: a SQLite database is given as a file, without options after a question mark, `file:` or `:memory:`."
            raise WrongUsage(message, "Write it as sqlite:////folder/file.sqlite. Old portals are opened read-only in any case.")
    if not text.startswith("sqlite:///"):  # a look-up in a SQLite file must not wait for the rest
        import sqlalchemy

        try:
            sqlalchemy.make_url(text)
        except (sqlalchemy.exc.ArgumentError, ValueError):  # ValueError: a port that is not a number
            raise WrongUsage(f"{option} is not a valid database URL.", _FORM) from None
    return text
