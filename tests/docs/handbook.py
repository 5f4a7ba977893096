"""The handbook (README.md and runbooks/): its blocks of code, and the parts of it that are made from the code and its data.

`python tests/docs/handbook.py` updates those parts; test_docs.py fails while they differ.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "runbooks"
sys.path.insert(0, str(ROOT))

from checks.asking import _ASKED_BY as ASKED_BY  # noqa: E402  # the project's own root has to be on the path first
from checks.kinds import RELATIONS  # noqa: E402
from checks.suites import HOME as SUITES  # noqa: E402
from checks.suites import read_suites  # noqa: E402
from cli import commands  # noqa: E402
from etl.report.controls import SECTIONS, controls  # noqa: E402
from etl.report.csv_columns import csv_files  # noqa: E402
from etl.rules.registry import CHAPTERS  # noqa: E402
from mappings.model import Portal  # noqa: E402
from mappings.personal import NONE, read_personal  # noqa: E402
from mappings.read import HOME, read_mappings  # noqa: E402

_FENCE = re.compile(r"^```([a-z]+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MADE = re.compile(r"(<!-- made: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """README.md and everything under runbooks/."""
    return [ROOT / "README.md", *sorted(RUNBOOKS.rglob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Returns (the label after the language, the code) of each fenced block in that language."""
    return [(found[2] or "", found[3]) for found in _FENCE.finditer(page.read_text(encoding="utf-8")) if found[1] == language]


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def every_command(group: click.Group = commands, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """(name, command) of every command; one of a group is named with its group's name before it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _commands() -> str:
    parts = []
    for name, command in every_command():
        arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
        usage = " ".join(["portal-migrate", name, *arguments])
        options = [option for option in command.params if isinstance(option, click.Option)]
        rows = [(_spelt(option), _meaning(option)) for option in options]
        parts.append(f"## {name}\n\n{command.help}\n\n    {usage} [OPTIONS]\n\n{table(('option', 'meaning'), rows)}")
    return "\n".join(parts)


def _spelt(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.make_metavar(click.Context(commands))}"
    return ", ".join(f"`{name}`" if not value else f"`{name}{value}`" for name in option.opts)


def _meaning(option: click.Option) -> str:
    default = f" Default: {option.default}." if option.show_default else ""
    return (option.help or "").replace("<", "&lt;") + default


def _rules() -> str:
    mappings = read_mappings()
    used: dict[str, list[str]] = {}
    for mapping in mappings.tables.values():
        forms = [form.rule for into in mapping.into for form in into.columns.values() if form.rule]
        for number in sorted({*mapping.rules, *forms, *([mapping.owner_rule] if mapping.owner_rule else [])}):
            used.setdefault(number, []).append(f"{mapping.portal}.{mapping.table}")
    parts = []
    for chapter in dict.fromkeys(rule.chapter for rule in mappings.rules.values()):
        rules = [rule for rule in mappings.rules.values() if rule.chapter == chapter]
        rows = [(r.number, r.situation, r.decision, r.severity, "yes" if r.flags else "", _some(used.get(r.number, []))) for r in rules]
        head = ("rule", "situation", "decision", "severity", "flags rows", "source tables")
        letter = rules[0].number[0]
        parts.append(f"## {letter}. {chapter}\n\n{_modules_of(letter)}\n\n{table(head, rows)}")
    return "\n".join(parts)


def _modules_of(letter: str) -> str:
    """Which modules carry out the rules of a chapter; a test proves that both sides have the same ones."""
    found = {
        module.__name__.rpartition(".")[2]: [number for number in module.RULES if number.startswith(letter)]
        for module in CHAPTERS
        if any(number.startswith(letter) for number in module.RULES)
    }
    listed = "; ".join(f"`{name}.py` ({', '.join(numbers)})" for name, numbers in found.items())
    return f"In `etl/rules/` and `etl/reconcile/rules/`: {listed}." if found else "Carried out by the run as a whole."


def _some(tables: list[str]) -> str:
    return ", ".join(tables) if len(tables) <= 6 else f"{len(tables)} tables"


def _reasons() -> str:
    rows = [(str(r.rank), f"`{r.code}`", r.meaning, ", ".join(r.rules)) for r in read_mappings().reasons.values()]
    return table(("rank", "reason", "meaning", "rules"), rows)


def _fine_print() -> str:
    rows = [
        (f'<a id="fine-print-{line.number}"></a>{line.number}', line.text, ", ".join(line.rules))
        for line in read_mappings().fine_print.values()
    ]
    return table(("number", "decision", "rules"), rows)


def _references() -> str:
    """Per source table, the columns that name another row: hard (without it the row is held), soft (the row is loaded without it), none."""
    rows = []
    for mapping in read_mappings().tables.values():
        of = {kind: ", ".join(f"`{c}`" for c, k in mapping.reference_kinds.items() if k == kind) for kind in ("hard", "soft", "none")}
        if any(of.values()):
            rows.append((f"`{mapping.portal}.{mapping.table}`", *of.values()))
    return table(("source table", "hard", "soft", "none (an old number, carried over)"), rows)


def _checks() -> str:
    parts = []
    entries = read_suites().entries
    for file in sorted(SUITES.glob("*.toml")):
        mine = [entry for entry in entries if entry.file == f"suites/{file.name}"]
        rows = [(f"`{e.id}`", e.severity, f"`{e.kind}`", f"`{e.table}`" if e.table else _WIDE[e.word], e.question, e.why) for e in mine]
        head = ("check", "severity", "kind", "table", "question", "why it is asked")
        parts.append(f"### checks/suites/{file.name}\n\n{_first_comment(file)}\n\n{table(head, rows)}")
    return "\n".join(parts)


_WIDE = {"every_table": "every new table", "every_source": "every old table", "check": ""}


def _kinds() -> str:
    rows = []
    for name, kind in RELATIONS.items():
        text = (ASKED_BY[name].__doc__ or "").split("\n")[0]
        rows.append((f"`{name}`", f"`{kind.only}`" if kind.only else f"any {'old' if kind.of == 'source' else 'new'} table", text))
    return table(("kind", "about", "what it lists"), rows)


def _first_comment(file: Path) -> str:
    """The comment with which a TOML file begins: its own sentence."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).strip()


def _tables() -> str:
    mappings = read_mappings()
    parts = []
    titles: dict[Portal, str] = {"P2": "Portal 2.0", "TC": "Trade Compliance"}
    for portal, title in titles.items():
        rows = []
        for mapping in mappings.of(portal):
            into = ", ".join(f"`{block.table}`" + ("" if block.per == "account" else f" ({block.per})") for block in mapping.into)
            retired = ", ".join(f"`{column}`" for column in mapping.retired)
            rows.append((f"[`{mapping.table}`](../mappings/{mapping.file})", _first_comment(HOME / mapping.file), into, retired))
        parts.append(f"## {title}\n\n{table(('source table', 'what becomes of it', 'new tables', 'retired columns'), rows)}")
    return "\n".join(parts)


def _codes() -> str:
    rows = []
    for name, entries in read_mappings().codes.items():
        link = f"[`codes/{name}.csv`](../mappings/codes/{name}.csv)"
        rows.append((link, ", ".join(f"`{column}`" for column in entries[0]), str(len(entries))))
    return table(("file", "columns", "rows"), rows)


def modules() -> Iterator[tuple[str, str]]:
    """(path, first line of its docstring) of every module that is installed."""
    for path in ("cli.py", "etl", "mappings", "checks", "sample_data"):
        files = [ROOT / path] if path.endswith(".py") else sorted((ROOT / path).rglob("*.py"))
        for file in files:
            text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            yield file.relative_to(ROOT).as_posix(), text.split("\n\n")[0].replace("\n", " ")


def _packages() -> str:
    """The table that test_architecture.py enforces."""
    from tests.unit.project.test_architecture import MAY_IMPORT

    names = {name: f"`{name.replace('.', '/')}`" for name in MAY_IMPORT}
    rows = [
        (names[name], ", ".join(names[other] for other in MAY_IMPORT if other in allowed) or "nothing")
        for name, allowed in MAY_IMPORT.items()
    ]
    return table(("package", "may import"), rows)


def _modules() -> str:
    return table(("module", "what it is"), [(f"`{path}`", text) for path, text in modules()])


def _csv_files() -> str:
    parts = []
    for one in csv_files():
        rows = [(f"`{name}`", meaning) for name, meaning in one.columns.items()]
        parts.append(f"## {one.file} ({one.command})\n\nOne line for each {one.line}.\n\n{table(('column', 'meaning'), rows)}")
    return "\n".join(parts)


def _controls() -> str:
    def shown(path: str) -> str:
        if path.startswith("report#"):
            return f"report, *{SECTIONS[path.removeprefix('report#')]}*"
        if path.startswith("beside:"):
            return f"`{path.removeprefix('beside:')}`"
        return f"[{Path(path).stem}]({Path(path).name})" if path.startswith("runbooks/") else f"`portal-migrate {path}`"

    rows = [(one.control, one.title, one.what, ", ".join(shown(path) for path in one.shown)) for one in controls()]
    return table(("control", "name", "what is done", "shown in"), rows)


def _personal_kinds() -> str:
    rows = [(f"`{kind.code}`", kind.name, kind.care) for kind in read_personal(read_mappings()) if kind.code != NONE]
    return table(("kind", "what", "treatment"), rows)


def _personal_columns() -> str:
    rows = [
        (f"`{one.portal}.{one.table}.{one.column}`", f"`{kind.code}`", ", ".join(f"`{name}`" for name in one.becomes) or one.ends)
        for kind in read_personal(read_mappings())
        if kind.code != NONE
        for one in kind.columns
    ]
    return table(("old column", "kind", "becomes"), rows)


MADE: dict[str, Callable[[], str]] = {
    "checks": _checks,
    "codes": _codes,
    "controls": _controls,
    "csv files": _csv_files,
    "personal kinds": _personal_kinds,
    "personal columns": _personal_columns,
    "commands": _commands,
    "kinds": _kinds,
    "modules": _modules,
    "reasons": _reasons,
    "rules": _rules,
    "tables": _tables,
    "fine print": _fine_print,
    "references": _references,
    "packages": _packages,
}


def in_step(page: Path) -> str:
    """The page's text with the parts that are made from the code as they have to be."""
    return _MADE.sub(lambda found: f"{found[1]}\n{MADE[found[2]]()}\n{found[3]}", page.read_text(encoding="utf-8"))


SCRIPTS = ROOT / "etl" / "commands" / "sql_texts"


def scripts() -> dict[str, str]:
    """By file of `sql_texts`: the pages' SQL that `portal-migrate sql` prints."""

    def of(page: str, *labels: str) -> str:
        return "\n".join(code for label, code in blocks(RUNBOOKS / page, "sql") if label in labels)

    workspace = {f"{name}.sql": of("cutover.md", name) for name in ("freeze", "frozen", "unfreeze")}
    roles = {"server": ("postgres",), "portal": ("portal2 tc",), "store": ("portal3",)}
    return {**workspace, **{f"roles_{name}.sql": of("roles.md", *labels) for name, labels in roles.items()}}


def main() -> None:
    for name, text in scripts().items():
        (SCRIPTS / name).write_text(text, encoding="utf-8")
    for page in pages():
        text = in_step(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(f"written: {page.relative_to(ROOT)}")  # noqa: T201  # this is a command


if __name__ == "__main__":
    main()
