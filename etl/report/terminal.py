"""The report on a terminal: the verdict first, compact tables, the verdict again with the place of the full report."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.report.text import capital, changed_tables, changes_sentence, number, plural, seconds, visible

_STYLE = {
    "published_and_equal": "bold green",
    "published_but_different": "bold red",
    "critical_checks_failed": "bold red",
    "goals_missed": "bold red",
    "not_finished": "bold yellow",
    "published_but_written_to": "bold yellow",
    "taken_back": "bold yellow",
}
_COUNTED = ("read", "loaded", "made_rows", "held_rows", "held_and_loaded", "retired", "difference")
_SEVERITY = {"critical": "red", "attention": "yellow", "warning": "yellow", "info": "dim"}

Shown = tuple[str, Table]  # a title and the text below it; without a title nothing is shown


def show(report: dict[str, Any], console: Console, full: bool = False) -> None:
    """Prints the report's facts. `full`: also tables and checks without a difference or failure."""
    verdict = report["verdict"]
    style = _STYLE[verdict["state"]]
    console.print(Text(f"{capital(visible(verdict['sentence']))}.", style=style))
    for reason in verdict["why"]:
        console.print(Text(f"  {visible(reason)}"))
    for sentence in verdict["aside"]:
        console.print(Text(f"  {visible(sentence)}"))
    tables = (
        _goals(report),
        _changes(report),
        _conservation(report, full),
        _targets(report, full),
        _checks(report, full),
        _exceptions(report),
        _held(report),
        _documents(report),
        _differences(report),
        _steps(report),
    )
    for title, shown in tables:
        if title:
            console.print()
            console.print(Text(title, style="bold"))
        if shown.row_count:
            console.print(shown)
    console.print()
    # The last line is for the eye that looks nowhere else, and for tail -1: never wrapped.
    where = visible(f"{report['run']['place']}/report.html")
    console.print(Text(f"{capital(visible(verdict['sentence']))}. Full report: {where}", style=style), soft_wrap=True)


def _goals(report: dict[str, Any]) -> Shown:
    table = _table("Goal", "", "What is counted", "Found", "Signed")
    style = {"missed": "bold red", "waived": "yellow", "open": "dim", "met": "green"}
    for entry in report["goals"]:
        state = Text(entry["state"], style=style[entry["state"]])
        table.add_row(Text(visible(entry["goal"])), state, *(Text(visible(entry[name])) for name in ("subject", "found", "signed")))
    return "Goals" if report["goals"] else "", table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(Text(column.lstrip(">")), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _changes(report: dict[str, Any]) -> Shown:
    table = _table("Table", ">To insert", ">To update", ">To remove")
    for name, *counts in changed_tables(report["changes"]) if report["changes"] else ():
        table.add_row(Text(name), *(Text(number(count)) for count in counts))
    return changes_sentence(report["changes"]) if report["changes"] else "", table


def _conservation(report: dict[str, Any], full: bool) -> Shown:
    rows = report["conservation"]
    told = [row for row in rows if full or row["held_rows"] or row["held_and_loaded"] or row["difference"]]
    table = _table("Table", ">Read", ">Loaded", ">Rows made", ">Held", ">Both", ">Retired", ">Difference")
    for row in told:
        table.add_row(Text(visible(f"{row['portal']}.{row['table']}")), *_numbers(row))
    rest = [row for row in rows if row not in told]
    if rest:
        table.add_row(Text(f"{plural(len(rest), 'table')} with nothing held", style="dim"), *_numbers(_summed(rest)), style="dim")
    if rows:
        table.add_section()
        table.add_row(Text("together", style="bold"), *_numbers(_summed(rows)), style="bold")
    return "Source rows: each is loaded, held or retired" if rows else "", table


def _numbers(row: dict[str, Any]) -> list[Text]:
    return [Text(number(row[name]), style="bold red" if name == "difference" and row[name] else "") for name in _COUNTED]


def _summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum(row[name] or 0 for row in rows) for name in _COUNTED}


def _targets(report: dict[str, Any], full: bool) -> Shown:
    """Returns expected and actual rows of the new store, if they were counted there."""
    rows = [row for row in report["targets"] if row["actual"] is not None]
    equal = [row for row in rows if row["actual"] == row["expected"]]
    table = _table("Table", ">Expected", ">Actual")
    for row in rows:
        if full or row not in equal:
            actual = Text(number(row["actual"]), style="" if row in equal else "bold red")
            table.add_row(Text(visible(row["table"])), Text(number(row["expected"])), actual)
    found = plural(sum(row["actual"] for row in equal), "row")
    return f"New store: {len(equal):,} of {plural(len(rows), 'table')} with the rows expected ({found})" if rows else "", table


def _checks(report: dict[str, Any], full: bool) -> Shown:
    checks = report["checks"]
    table = _table("Check", "Severity", "Question", ">Failed")
    for answer in checks["answers"]:
        if full or answer["failed"]:
            severity = Text(visible(answer["severity"]), style=_SEVERITY.get(answer["severity"], "") if answer["failed"] else "")
            table.add_row(
                Text(visible(answer["id"])),
                severity,
                Text(visible(answer["sentence"] or answer["question"])),
                Text(number(answer["failed"])),
            )
    failed = f"{plural(checks['warnings'], 'warning')}, {len(checks['critical']):,} critical"
    return f"Checks: {checks['asked']:,} run, {checks['passed']:,} passed, {failed}" if checks["asked"] else "", table


def _exceptions(report: dict[str, Any]) -> Shown:
    table = _table("Rule", "Severity", ">Rows", "What is wrong")
    for rule in report["exceptions"]["rules"]:
        severity = Text(visible(rule["severity"]), style=_SEVERITY.get(rule["severity"], ""))
        table.add_row(Text(visible(rule["rule"])), severity, Text(number(rule["count"])), Text(visible(rule["sentence"])))
    return f"Exceptions: {plural(report['exceptions']['total'], 'row')} to review", table


def _held(report: dict[str, Any]) -> Shown:
    table = _table("Reason", ">Rows", "Meaning")
    for entry in report["held"]["reasons"]:
        table.add_row(Text(visible(entry["reason"])), Text(number(entry["count"])), Text(visible(entry["meaning"])))
    return f"Held: {plural(report['held']['total'], 'row')}, kept complete", table


def _documents(report: dict[str, Any]) -> Shown:
    table = _table("State", ">Documents", ">Rows on accounts")
    for state in report["documents"]["states"]:
        table.add_row(Text(visible(state["state"])), Text(number(state["documents"])), Text(number(state["rows"])))
    return "Documents by the state of their bytes" if table.row_count else "", table


def _differences(report: dict[str, Any]) -> Shown:
    table = _table("Table", "Kind", ">Places")
    for entry in report["reconciliation"]["tables"]:
        table.add_row(Text(visible(entry["table"])), Text(visible(entry["kind"])), Text(number(entry["count"])))
    return "Differences between old and new" if table.row_count else "", table


def _steps(report: dict[str, Any]) -> Shown:
    table = _table("Step", ">Time", "Result")
    for step in report["steps"]:
        sentence = visible(step["sentence"]) if step["done"] else "not done"
        table.add_row(Text(visible(step["step"])), Text(seconds(step["seconds"])), Text(sentence, style="" if step["done"] else "yellow"))
    return "Steps", table
