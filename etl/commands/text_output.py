"""Results of commands as text on stdout, and which function prints the result of which command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from etl.commands.run_output import show_plan, show_reconcile, show_report, show_rollback, show_status, show_step
from etl.commands.text_tables import plain, standard_output, table


def show_trace(data: dict[str, Any]) -> None:
    """Prints the new rows, holds, flags and decisions of a source row, or the source rows of an account."""
    console = standard_output()
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
    title = f"{data['portal']} {data['table']} {data['key']}"
    if found:
        console.print(table(title, ["new table", "id", "account", "row's digest"], found))
    else:
        console.print(plain(f"{title}: not loaded"))
    for content in sorted({row["sha256"] for row in data["rows"] if row.get("sha256")}):
        console.print(plain(f"bytes: SHA-256 {content}"))
    for entry in data["held"]:
        kept = f"; its bytes: SHA-256 {entry['sha256']}" if entry["sha256"] else ""
        console.print(plain(f"held: {entry['reason_cd']} - {entry['meaning']}{kept}"))
    for entry in data["because"]:
        console.print(plain(f"because of {entry['column']}: {entry['table']} {entry['key']} is held, {entry['reason_cd']}"))
    for entry in data["flags"]:
        console.print(plain(f"flagged {entry['rule_cd']}: {entry['detail']} - {entry['decision']}"))
    for entry in data["decisions"]:
        console.print(plain(f"decided ({entry['rule']}) by {entry['by']} on {entry['on']}: {entry['reason']}"))
    console.print(plain(f"rules of this table: {', '.join(data['rules'])}"))
    console.print(f"{len(data['rows']):,} rows in the new store, {len(data['held']):,} in the holding")


def show_picker(data: dict[str, Any]) -> None:
    """Prints the profiles that a person's users reached before and the accounts that the login sees now."""
    console = standard_output()
    console.print(f"before: profiles {', '.join(map(str, data['before'])) or 'none'} (users {', '.join(data['users']) or 'none'})")
    columns = ["account_number", "legal_name", "account_label", "business_type_cd", "status_cd", "tier_cd", "legacy_profile_id"]
    console.print(
        table("after: accounts", columns, [[str(row[c]) if row[c] is not None else None for c in columns] for row in data["after"]])
    )
    console.print(f"{len(data['after']):,} accounts to pick from, {data['hidden']:,} not visible to trade; login {data['status']}")


def show_sample(data: dict[str, Any]) -> None:
    """Prints the rows written to each table of the sample portals."""
    console = standard_output()
    console.print(table("Rows written", ["table", "rows"], [[name, rows] for name, rows in data["rows"].items()]))
    console.print(f"{data['total']:,} rows for {data['profiles']:,} profiles, seed {data['seed']}")


def show_purge(data: dict[str, Any]) -> None:
    """Prints how much was removed, and the files that are left in the run's folder."""
    console = standard_output()
    console.print(f"{data['removed']:,} files removed, {data['bytes']:,} bytes; the evidence of the migration is left in the run's folder:")
    for name in data["left"]:
        console.print(plain(f"  {name}"))
    console.print("The new store, the object store and files written elsewhere (letters, samples, bundles) are unchanged.")


def show_freeze(data: dict[str, Any]) -> None:
    """Prints, for each portal, the tables that changed within the time observed and the sessions that can write."""
    console = standard_output()
    for entry in data["portals"]:
        console.print(plain(f"{entry['portal']}: {'changed: ' + ', '.join(entry['changed']) if entry['changed'] else 'no table changed'}"))
        for sentence in entry["writers"]:
            console.print(plain(f"  {sentence}"))
        for sentence in entry["not_ruled_out"]:
            console.print(plain(f"  not ruled out: {sentence}"))
    moving = any(entry["changed"] for entry in data["portals"])
    console.print("not frozen" if moving else f"nothing changed within {data['seconds']:g} seconds")


def show_pack(data: dict[str, Any]) -> None:
    """Prints the bundle's path, Merkle root and public key."""
    standard_output().print(
        plain(
            f"{data['files']:,} files packed and signed into {data['bundle']}; Merkle root {data['root']}; public key {data['public_key']}"
        )
    )


def show_approve(data: dict[str, Any]) -> None:
    """Prints what was approved, by whom, and the backup it names."""
    console = standard_output()
    if data["new_key"]:
        console.print(plain(f"a new key was created; hand over its public half, {data['public_key']}"))
    if data["approved"] is None:
        console.print(f"nothing was approved; the key's fingerprint is {data['approved_by']}")
        return
    backup = data["approved"]["backup"]
    console.print(plain(f"backup {backup['id']} of {backup['at']}, SHA-256 {backup['sha256']}"))
    console.print(plain(f"{data['approved_by']} approves {data['approved']['digest']}; written to {data['approval']}"))


def show_verify(data: dict[str, Any]) -> None:
    """Prints what a bundle proves: verdict, signatures, approval, backup, events, builds, time stamp."""
    console, last, backup, stamp = standard_output(), data["last_event"], data["backup"], data["time_stamp"]
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
    standard_output().print(plain(f"{data['files']:,} files match the signature of {data['run_id']}; Merkle root {data['root']}"))


def show_audit_sample(data: dict[str, Any]) -> None:
    """Prints how many rows were drawn, and the file they were written to."""
    standard_output().print(
        plain(
            f"{data['rows']:,} source rows drawn with seed {data['seed']}, {data['risky']:,} of them held or flagged; written to {data['file']}"
        )
    )


def show_company(data: dict[str, Any]) -> None:
    """Prints how many files were written, and their folder."""
    standard_output().print(plain(f"{len(data['files']):,} files written to {data['folder']}"))


def show_explore(data: dict[str, Any]) -> None:
    """Prints the operator that was added, or where a stopped explorer left its index and audit log."""
    standard_output().print(plain(data["added"] if "added" in data else f"stopped; index and audit log are in {data['state']}"))


_SINCE = {"new": "new", "gone": "gone", "still": "still open"}


def show_readiness(data: dict[str, Any]) -> None:
    """Prints the open points by kind and weight, their change since an earlier run, and the files written."""
    console = standard_output()
    console.print(table("Open points", ["kind", "points"], [[kind, count] for kind, count in data["points"].items()]))
    if data["bounces"] is not None:
        found = data["bounces"]
        console.print(
            f"bounces without a login: {found['unknown']:,}; given twice: {found['double']:,}; not an e-mail address: {found['invalid']:,}"
        )
    if data["since"] is not None:
        console.print(
            "since the earlier run: "
            + (", ".join(f"{count:,} {_SINCE[state]}" for state, count in data["since"].items()) or "no points in either run")
        )
    console.print(
        plain(f"{', '.join(f'{name}.csv' for name in data['lines'])}, readiness.xlsx and readiness.html written to {data['folder']}")
    )
    console.print(", ".join(f"{count:,} {weight}" for weight, count in data["weights"].items()))


def show_compare(data: dict[str, Any]) -> None:
    """Prints the counts that differ between runs, and the files written."""
    console = standard_output()
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
    """Prints each finding with what to do, and whether the cut-over may begin."""
    console = standard_output()
    rows: list[list[object]] = [[entry["state"], entry["what"], entry["found"], entry["step"]] for entry in data["findings"]]
    console.print(table("Findings", ["state", "about", "found", "what to do"], rows))
    counted = data["counted"]
    verdict = "the cut-over must not begin" if counted["no"] else "the cut-over may begin"
    console.print(f"{verdict}: {counted['no']:,} blocking, {counted['warning']:,} warnings, {counted['ok']:,} ok")


def show_written(data: dict[str, Any]) -> None:
    """Prints the files written, and their folder."""
    standard_output().print(plain(f"{', '.join(data['files'])} written to {data['folder']}"))


def show_precopy(data: dict[str, Any]) -> None:
    """Prints how many documents were copied before the cut-over, and the result."""
    documents = f"{data['documents']:,} documents: " if "documents" in data else ""
    standard_output().print(plain(f"{documents}{data['sentence']}"))


def show_selftest(data: dict[str, Any]) -> None:
    """Prints the faults planted and found by kind, each missed one, and the false alarms."""
    console = standard_output()
    columns = ["kind", "planted", "found", "named"]
    console.print(table("Faults planted and found", columns, [[entry[c] for c in columns] for entry in data["kinds"]]))
    for missed in data["missed"]:
        console.print(plain(f"missed: {missed}"))
    console.print(f"planted in {data['columns']:,} columns of {data['tables']:,} tables")
    console.print(
        f"{data['found']:,} of {data['planted']:,} faults found, {data['false_alarms']:,} false alarms on {data['clean_rounds']:,} clean copies"
    )


def show_scaffold(data: dict[str, Any]) -> None:
    """Prints what a draft of an adapter suggests and how much work is left."""
    share = data["coverage"]
    console = standard_output()
    console.print(plain(f"written to {data['to']}: scan.json, the draft, worklist.md"))
    console.print(
        f"suggestions for {share['columns']} % of the columns, {share['rows']} % of the rows, {share['codes']} % of the code occurrences"
    )
    console.print(f"approved: {data['approved']:,} lines; about {data['hours']} hours of work are left")


def show_sql(data: dict[str, Any]) -> None:
    """Writes the statements to stdout."""
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
    "evidence stamp": lambda data: standard_output().print(plain(f"stamped at {data['stamped_at']}; written to {data['file']}")),
    "freeze check": show_freeze,
    **dict.fromkeys(("run", "demo", "report"), show_report),
    **dict.fromkeys(("extract", "split", "reattach", "check", "load"), show_step),
}
