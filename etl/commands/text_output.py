"""Answers for people: rich tables on stdout; data is always plain text, never markup, and control characters appear as escapes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.system.terminal import Screen
from etl.system.visible import visible


def plain(value: object) -> Text:
    """Returns the value as text; control, bidi and other invisible characters as escapes."""
    text = "" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return Text(visible(text))


def table(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    """Returns a table of plain values."""
    made = Table(title=plain(title), title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(plain(cell) for cell in row))
    return made


def _console() -> Console:
    # Sentences are not wrapped: people and grep read them. Without a terminal there is no width.
    return Screen(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def show_report(report: dict[str, Any]) -> None:
    from etl.report.terminal import show

    show(report, _console())


def show_step(data: dict[str, Any]) -> None:
    console = _console()
    spent = f" ({data['facts']['seconds']:.1f} s)" if console.is_terminal and "seconds" in data["facts"] else ""  # stderr omits it then
    console.print(plain(f"{data['step']}: {data['facts'].get('sentence', 'not done')}{spent}"))
    show_goals(console, data.get("goals") or [])
    if "changes" in data:
        show_changes(console, data)
    show_asked(console, data.get("approval"))
    if "next" in data:  # not after a failure, which names the next step
        console.print(f"next: {data['next']}" if data["next"] else "all steps are done")


def show_goals(console: Console, goals: list[dict[str, Any]]) -> None:
    """Shows the signed goals: what each counts, which step judges it, and the result, once it is judged."""
    from etl.runfolder.acceptance_file import limit, value

    words = {True: "met", False: "missed", None: "open"}
    rows: list[list[object]] = []
    for goal in goals:
        state = "waived" if goal["met"] is False and goal["waiver"] else words[goal["met"]]
        when = "before publishing" if goal["judged"] == "check" else "after publishing"
        found = value(goal, goal["actual"], goal["total"]) if goal["actual"] is not None else ""
        rows.append([goal["goal"], goal["subject"], limit(goal), when, state, found])
    if rows:
        console.print(table("Goals", ["goal", "what is counted", "signed", "judged", "answer", "found"], rows))


def show_changes(console: Console, data: dict[str, Any]) -> None:
    """Shows, by table, what the load will insert, update and remove, or why that is unknown."""
    if data["changes"] is None:
        if data["changes_unknown"]:
            console.print(plain(f"unknown what the load will change: {data['changes_unknown']}"))
        return
    words = ("insert", "update", "remove")
    rows: list[list[object]] = [
        [name, *(change[word] for word in words)] for name, change in data["changes"].items() if any(change.values())
    ]
    if rows:
        console.print(table("What the load will change in the new store", ["table", *(f"to {word}" for word in words)], rows))
    else:
        console.print("the load will not change any row of the new store")


def show_asked(console: Console, approval: dict[str, Any] | None) -> None:
    """Shows whose approval the run needs and for which digest; nothing where it needs none."""
    if approval is not None:
        what = f"digest {approval['digest']}" if approval["digest"] else "a digest that check prints once --target is given"
        console.print(plain(f"approval by {approval['by']} of {what}: {'given ' + approval['at'] if approval['at'] else 'not given'}"))


def show_plan(data: dict[str, Any]) -> None:
    console = _console()
    console.print(table("Rows to read", ["table", "rows"], [[name, rows] for name, rows in data["rows"].items()]))
    console.print(table("Retired columns", ["column", "reason"], [[name, reason] for name, reason in data["retired"].items()]))
    for option, rights in data["rights"].items():
        for sentence in rights["excess"]:
            console.print(plain(f"rights: {option}: role {rights['role']} {sentence}: more than required"))
        if rights["role"] and not rights["excess"]:
            console.print(plain(f"rights: {option}: role {rights['role']} has the required rights and no others"))
    show_conditions(console, data["conditions"])
    for sentence in data["beside"]:
        console.print(plain(f"target: {sentence}: outside the contract; not blocking"))
    for sentence in data["foreseen"]:
        console.print(plain(f"target: {sentence}"))
    show_goals(console, data["goals"])
    for goal in data["goals"]:
        if goal["waiver"] is not None:
            console.print(plain(f"goal {goal['goal']} may be missed: waived by {goal['waiver']['by']} on {goal['waiver']['on']}"))
    if data["decisions_template"]:
        console.print("waiting for decisions (template for --decisions; fill in, and remove what is not decided):")
        for line in data["decisions_template"].splitlines():
            console.print(plain(line), soft_wrap=True)
    console.print(f"steps: {', '.join(data['steps'])}")
    console.print(f"snapshot: {', '.join(f'{portal}: {level}' for portal, level in data['levels'].items())}")
    console.print(
        f"space: about {sum(data['staged'].values()):,} bytes in the run's folder, {data['loaded_bytes']:,} in the new store,"
        f" {data['documents_bytes']:,} of documents in the object store"
    )
    spans, whole = data["forecast"]["steps"], data["forecast"]["whole"]
    console.print(f"time by step: {', '.join(f'{step} {_seconds(span)}' for step, span in spans.items())}")
    source = data["forecast"]["source"]
    console.print(
        plain(
            f"time: {_seconds(whole)} ({'from ' + ', '.join(source) if source else 'from a probe of this machine; a rehearsal gives a better forecast'})"
        )
    )
    for portal, counts in data["presented"].items():
        physical = ", ".join(f"{counts[f'physical_{word}']:,} {word}" for word in ("used", "retired", "ignored"))
        contract = f"{counts['contract_presented']:,} presented, {counts['contract_absent']:,} absent"
        rows = f"{counts['rows_presented']:,} presented, {counts['rows_left_out']:,} left out by rest"
        console.print(f"adapter: {portal}: physical columns {physical}; contract columns {contract}; rows {rows}")
    for sentence in data["unlisted_codes"]:
        console.print(plain(f"adapter: {sentence}"))
    for sentence in data["foreign_values"]:
        console.print(plain(f"values: {sentence}"), soft_wrap=True)
    if data["will_be_held"]:
        held = [[f"{one['portal']}.{one['table']}", one["column"], one["rows"]] for one in data["will_be_held"]]
        console.print(
            table("Rows with values that do not fit (held, or loaded with null and held as well)", ["table", "column", "rows"], held)
        )
    console.print(f"coverage {data['coverage']}")


def show_conditions(console: Console, conditions: dict[str, dict[str, list[str]]]) -> None:
    """Shows, for each old portal, what is not read, what is read differently from how it is stored, and what could not be ruled out."""
    for portal, known in conditions.items():
        for word, sentences in (("not read", known["beside"]), ("note", known["notes"]), ("not ruled out", known["not_ruled_out"])):
            for sentence in sentences:
                console.print(plain(f"{word}: {portal}: {sentence}"))


def _seconds(span: dict[str, float]) -> str:
    """Returns `42 s (38 to 47)`; one decimal below ten seconds."""
    digits = 1 if span["seconds"] < 10 else 0
    return f"{span['seconds']:,.{digits}f} s ({span['low']:,.{digits}f} to {span['high']:,.{digits}f})"


def show_status(data: dict[str, Any]) -> None:
    rows: list[list[object]] = [[s["step"], s["state"], s["started"], s["seconds"], s["rows"], s["sentence"]] for s in data["steps"]]
    console = _console()
    console.print(table(f"Run {data['run']}", ["step", "state", "started", "seconds", "rows", "result"], rows))
    console.print(plain(data["store"]))
    show_asked(console, data["approval"])
    if data["purged"]:
        console.print("purged: the stage files were removed; the evidence of the run is kept")
        console.print("next: portal-migrate evidence pack, or a new run folder")
        return
    if data["at_work"] is not None:
        now = data["at_work"]
        share = f" of {now['total']:,} {now['unit']} ({100 * now['done'] // now['total']}%)" if now["total"] else ""
        console.print(plain(f"running since {now['since']}: {now['what']}, {now['done']:,}{share}"))
        if now["late"]:
            console.print(f"{now['step']} takes longer than in {', '.join(now['forecast_from'])}")
        for what, ends in ((now["step"], now["step_ends"]), ("the run", now["run_ends"])):
            if ends is not None:
                by = f", by {', '.join(now['forecast_from'])}" if now["forecast_from"] else ", by its progress"
                console.print(plain(f"{what} will end about {ends[0]} ({ends[1][11:19]} to {ends[2][11:19]}{by})"))
        return
    if any(s["state"] == "failed" for s in data["steps"]):
        console.print("next: read report/report.md of the run's folder (`portal-migrate report` writes it)")
        return
    missing = [s["step"] for s in data["steps"] if s["state"] != "done"]
    console.print("all steps are done" if not missing else f"next: {missing[0]}")


def show_trace(data: dict[str, Any]) -> None:
    console = _console()
    if "account" in data:
        account = data["account"]
        console.print(plain(f"account {account['number']}: {account['legal_name']}, {account['business_type_cd']}, {account['status_cd']}"))
        shown: dict[tuple[str, str], dict[str, None]] = {}
        for row in data["rows"]:
            shown.setdefault((row["portal"], row["table"]), {})[row["key"]] = None
        rows: list[list[object]] = [
            [p, t, len(keys), ", ".join([*keys][:12]) + (" ..." if len(keys) > 12 else "")] for (p, t), keys in shown.items()
        ]
        console.print(table("Source rows of this account", ["portal", "table", "rows", "keys"], rows))
        console.print(f"{data['total']:,} source rows (--output json lists all, with their rules)")
        return
    for physical in data.get("physical", ()):
        key = f" {physical['key']}" if physical["key"] is not None else ""
        console.print(plain(f"physical: {physical['table']}{key}; presented as {data['table']} {data['key']}"))
    found: list[list[object]] = [[row["table"], row["id"], row["account_number"], row["digest"][:16]] for row in data["rows"]]
    console.print(table(f"{data['portal']} {data['table']} {data['key']}", ["new table", "id", "account", "row's digest"], found))
    for content in sorted({row["sha256"] for row in data["rows"] if row.get("sha256")}):
        console.print(plain(f"bytes: SHA-256 {content}"))
    for entry in data["held"]:
        kept = f"; its bytes: SHA-256 {entry['sha256']}" if entry["sha256"] else ""
        console.print(plain(f"held: {entry['reason_cd']} - {entry['meaning']}{kept}"))
    for entry in data["flags"]:
        console.print(plain(f"flagged {entry['rule_cd']}: {entry['detail']} - {entry['decision']}"))
    for entry in data["decisions"]:
        console.print(plain(f"decided ({entry['rule']}) by {entry['by']} on {entry['on']}: {entry['reason']}"))
    console.print(plain(f"rules of this table: {', '.join(data['rules'])}"))
    console.print(f"{len(data['rows']):,} rows in the new store, {len(data['held']):,} in the holding")


def show_picker(data: dict[str, Any]) -> None:
    console = _console()
    console.print(f"before: profiles {', '.join(map(str, data['before'])) or 'none'} (users {', '.join(data['users']) or 'none'})")
    columns = ["account_number", "legal_name", "account_label", "business_type_cd", "status_cd", "tier_cd", "legacy_profile_id"]
    console.print(
        table("after: accounts", columns, [[str(row[c]) if row[c] is not None else None for c in columns] for row in data["after"]])
    )
    console.print(f"{len(data['after']):,} accounts to pick from, {data['hidden']:,} not visible to trade; login {data['status']}")


def show_reconcile(data: dict[str, Any]) -> None:
    console = _console()
    columns = ["table", "kind", "legacy_key", "account_number", "column"]
    if data["differences"]:
        console.print(table("Differences", columns, [[row.get(c) for c in columns] for row in data["differences"]]))
    for portal, sentences in data["not_ruled_out"].items():
        for sentence in sentences:
            console.print(plain(f"not ruled out: {portal}: {sentence}"))
    console.print({"equal": "old and new are equal"}.get(data["answer"], f"{data['answer']}: {data['total']:,} differences"))


def show_rollback(data: dict[str, Any]) -> None:
    console = _console()
    console.print(
        f"{data['run_id']} rolled back: {data['removed']:,} rows removed, {data['restored']:,} restored, {data['objects']:,} objects removed"
    )
    if data["kept"]:
        console.print(plain(f"{data['kept']:,} objects kept, because other stores refer to this object store: {', '.join(data['others'])}"))


def show_sample(data: dict[str, Any]) -> None:
    console = _console()
    console.print(table("Rows written", ["table", "rows"], [[name, rows] for name, rows in data["rows"].items()]))
    console.print(f"{data['total']:,} rows for {data['profiles']:,} profiles, seed {data['seed']}")


def show_purge(data: dict[str, Any]) -> None:
    console = _console()
    console.print(f"{data['removed']:,} files removed, {data['bytes']:,} bytes; the evidence of the migration is left in the run's folder:")
    for name in data["left"]:
        console.print(plain(f"  {name}"))
    console.print("The new store, the object store and files written elsewhere (letters, samples, bundles) are unchanged.")


def show_freeze(data: dict[str, Any]) -> None:
    console = _console()
    for entry in data["portals"]:
        console.print(plain(f"{entry['portal']}: {'changed: ' + ', '.join(entry['changed']) if entry['changed'] else 'no table changed'}"))
        for sentence in entry["writers"]:
            console.print(plain(f"  {sentence}"))
        for sentence in entry["not_ruled_out"]:
            console.print(plain(f"  not ruled out: {sentence}"))
    moving = any(entry["changed"] for entry in data["portals"])
    console.print("not frozen" if moving else f"nothing changed within {data['seconds']:g} seconds")


def show_pack(data: dict[str, Any]) -> None:
    _console().print(
        plain(
            f"{data['files']:,} files packed and signed into {data['bundle']}; Merkle root {data['root']}; public key {data['public_key']}"
        )
    )


def show_approve(data: dict[str, Any]) -> None:
    console = _console()
    if data["new_key"]:
        console.print(plain(f"a new key was created; hand over its public half, {data['public_key']}"))
    if data["approved"] is None:
        console.print(f"nothing was approved; the key's fingerprint is {data['approved_by']}")
        return
    backup = data["approved"]["backup"]
    console.print(plain(f"backup {backup['id']} of {backup['at']}, SHA-256 {backup['sha256']}"))
    console.print(plain(f"{data['approved_by']} approves {data['approved']['digest']}; written to {data['approval']}"))


def show_verify(data: dict[str, Any]) -> None:
    console, last, backup, stamp = _console(), data["last_event"], data["backup"], data["time_stamp"]
    console.print(plain(f"verdict: {data['verdict'] or 'none: no report was packed'}{' (a rehearsal)' if data['rehearsal'] else ''}"))
    console.print(plain(f"packed at {data['packed_at']}, signed by {data['signed_by']}{'; the run was purged' if data['purged'] else ''}"))
    checked = "" if data["approver_checked"] else ", not checked against --approver"
    console.print(plain(f"approved by {data['approved_by']} at {data['approved_at']}{checked}" if data["approved_by"] else "not approved"))
    console.print(plain(f"backup: {backup['id']} of {backup['at']}, SHA-256 {backup['sha256']}" if backup else "backup: none named"))
    console.print(plain(f"last of {data['events']:,} events: {last['what']} at {last['at']}: {last['outcome']}"))
    if len(data["builds"]) > 1:
        console.print(f"done by {len(data['builds']):,} different builds of this program: {', '.join(data['builds'])}")
    if stamp:
        console.print(plain(f"time stamp: {stamp['at']}{'' if stamp['authority_checked'] else ', not checked against --authority'}"))
    else:
        console.print("time stamp: none")
    _console().print(plain(f"{data['files']:,} files match the signature of {data['run_id']}; Merkle root {data['root']}"))


def show_audit_sample(data: dict[str, Any]) -> None:
    _console().print(
        plain(
            f"{data['rows']:,} source rows drawn with seed {data['seed']}, {data['risky']:,} of them held or flagged; written to {data['file']}"
        )
    )


def show_company(data: dict[str, Any]) -> None:
    _console().print(plain(f"{len(data['files']):,} files written to {data['folder']}"))


def show_explore(data: dict[str, Any]) -> None:
    _console().print(plain(data["added"] if "added" in data else f"stopped; index and audit log are in {data['state']}"))


def show_readiness(data: dict[str, Any]) -> None:
    console = _console()
    console.print(table("Open points", ["kind", "points"], [[kind, count] for kind, count in data["points"].items()]))
    if data["bounces"] is not None:
        found = data["bounces"]
        console.print(
            f"bounces: {found['unknown']:,} addresses without a login, {found['double']:,} duplicates, {found['invalid']:,} not an e-mail"
        )
    if data["since"] is not None:
        console.print(", ".join(f"{count:,} {state}" for state, count in data["since"].items()) or "no points in either run")
    console.print(
        plain(f"{', '.join(f'{name}.csv' for name in data['lines'])}, readiness.xlsx and readiness.html written to {data['folder']}")
    )
    console.print(", ".join(f"{count:,} {weight}" for weight, count in data["weights"].items()))


def show_compare(data: dict[str, Any]) -> None:
    console = _console()
    names = [run["name"] for run in data["runs"]]
    rows = [
        [
            entry["section"],
            ".".join(filter(None, (entry["portal"], entry["table"]))),
            entry["code"],
            *(_count(entry[name]) for name in names),
        ]
        for entry in data["changed"]
    ]
    if rows:
        console.print(table("Counts that differ", ["what", "table", "code", *names], rows))
    console.print(plain(f"compare.html, compare.csv and compare.json written to {data['folder']}"))
    console.print(f"{len(rows):,} counts differ; {data['appeared']:,} rows appeared on a list, {data['disappeared']:,} disappeared")


def _count(value: float | None) -> int | None:
    return None if value is None else int(value)


def show_doctor(data: dict[str, Any]) -> None:
    console = _console()
    rows: list[list[object]] = [[entry["state"], entry["what"], entry["found"], entry["step"]] for entry in data["findings"]]
    console.print(table("Findings", ["state", "about", "found", "what to do"], rows))
    counted = data["counted"]
    verdict = "the cut-over must not begin" if counted["no"] else "the cut-over may begin"
    console.print(f"{verdict}: {counted['no']:,} blocking, {counted['warning']:,} warnings, {counted['ok']:,} ok")


def show_written(data: dict[str, Any]) -> None:
    _console().print(plain(f"{', '.join(data['files'])} written to {data['folder']}"))


def show_precopy(data: dict[str, Any]) -> None:
    documents = f"{data['documents']:,} documents: " if "documents" in data else ""
    _console().print(plain(f"{documents}{data['sentence']}"))


def show_selftest(data: dict[str, Any]) -> None:
    console = _console()
    columns = ["kind", "planted", "found", "named"]
    console.print(table("Faults planted and found", columns, [[entry[c] for c in columns] for entry in data["kinds"]]))
    for missed in data["missed"]:
        console.print(plain(f"missed: {missed}"))
    console.print(f"planted in {data['columns']:,} columns of {data['tables']:,} tables")
    console.print(
        f"{data['found']:,} of {data['planted']:,} faults found, {data['false_alarms']:,} false alarms on {data['clean_rounds']:,} clean copies"
    )


def show_scaffold(data: dict[str, Any]) -> None:
    share = data["coverage"]
    console = _console()
    console.print(plain(f"written to {data['to']}: scan.json, the draft, worklist.md"))
    console.print(
        f"suggestions for {share['columns']} % of the columns, {share['rows']} % of the rows, {share['codes']} % of the code occurrences"
    )
    console.print(f"approved: {data['approved']:,} lines; about {data['hours']} hours of work are left")


def show_sql(data: dict[str, Any]) -> None:
    sys.stdout.write(data["sql"])  # unchanged: psql reads it


HUMAN: dict[str, Callable[[dict[str, Any]], None]] = {
    **dict.fromkeys(("sql freeze", "sql frozen", "sql unfreeze", "sql roles"), show_sql),
    "plan": show_plan,
    "status": show_status,
    "trace": show_trace,
    "picker": show_picker,
    "reconcile": show_reconcile,
    "precopy": show_precopy,
    "scaffold": show_scaffold,
    "rollback": show_rollback,
    "sample": show_sample,
    "purge": show_purge,
    "sample-audit": show_audit_sample,
    "company": show_company,
    "doctor": show_doctor,
    "init": show_written,
    "runbook": show_written,
    "explore": show_explore,
    "readiness": show_readiness,
    "compare": show_compare,
    "selftest": show_selftest,
    "approve": show_approve,
    "evidence pack": show_pack,
    "evidence verify": show_verify,
    "evidence stamp": lambda data: _console().print(plain(f"stamped at {data['stamped_at']}; written to {data['file']}")),
    "freeze check": show_freeze,
    **dict.fromkeys(("run", "demo", "report"), show_report),
    **dict.fromkeys(("extract", "split", "reattach", "check", "load"), show_step),
}
