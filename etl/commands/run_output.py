"""Results of plan, status and the steps as text on stdout."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from etl.commands.text_tables import plain, standard_output, table


def show_report(report: dict[str, Any]) -> None:
    """Prints the report of a run."""
    from etl.report.terminal import show

    show(report, standard_output())


def show_step(data: dict[str, Any]) -> None:
    """Prints what a step did, the goals, what the load will change, the approval, and the next step."""
    console = standard_output()
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
    """Prints what `plan` found: rows to read, retired columns, rights, conditions, goals, decisions, steps, space, time, adapter."""
    console = standard_output()
    console.print(table("Rows to read", ["table", "rows"], [[name, rows] for name, rows in data["rows"].items()]))
    console.print(table("Retired columns", ["column", "reason"], [[name, reason] for name, reason in data["retired"].items()]))
    for option, rights in data["rights"].items():
        for sentence in rights["excess"]:
            console.print(plain(f"rights: {option}: role {rights['role']} {sentence}: more than required"))
        if rights["role"] and not rights["excess"]:
            console.print(plain(f"rights: {option}: role {rights['role']} has the required rights and no others"))
    show_conditions(console, data["conditions"])
    for sentence in data["changeable"]:
        console.print(plain(f"not ruled out: {sentence}"), soft_wrap=True)
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
    """Prints the state of each step, the store's state, what is running and when it will end, and the next step."""
    rows: list[list[object]] = [[s["step"], s["state"], s["started"], s["seconds"], s["rows"], s["sentence"]] for s in data["steps"]]
    console = standard_output()
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
        what = now["what"] if str(now["what"]).startswith(str(now["step"])) else f"{now['step']}: {now['what']}"
        console.print(plain(f"running since {now['since']}: {what}, {now['done']:,}{share}"))
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


def show_reconcile(data: dict[str, Any]) -> None:
    """Prints the differences between old and new, what could not be ruled out, and the verdict."""
    console = standard_output()
    columns = ["table", "kind", "legacy_key", "account_number", "column"]
    if data["differences"]:
        console.print(table("Differences", columns, [[row.get(c) for c in columns] for row in data["differences"]]))
    for portal, sentences in data["not_ruled_out"].items():
        for sentence in sentences:
            console.print(plain(f"not ruled out: {portal}: {sentence}"))
    console.print({"equal": "old and new are equal"}.get(data["answer"], f"{data['answer']}: {data['total']:,} differences"))


def show_rollback(data: dict[str, Any]) -> None:
    """Prints how many rows and objects a rollback removed, restored and kept."""
    console = standard_output()
    console.print(
        f"{data['run_id']} rolled back: {data['removed']:,} rows removed, {data['restored']:,} restored, {data['objects']:,} objects removed"
    )
    if data["kept"]:
        console.print(plain(f"{data['kept']:,} objects kept, because other stores refer to this object store: {', '.join(data['others'])}"))
