"""The report as JUnit XML: one case per check and per table, for any CI system."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as Xml

from etl.report.text import number, plural, visible
from etl.runfolder.acceptance_file import said

Report = dict[str, Any]
_STEP_OF = {"checks": "check", "new store": "reconcile"}  # whose time a suite is


def as_junit(report: Report) -> bytes:
    """Returns junit.xml. A failed warning passes with a message; cases of steps that are not done are skipped."""
    root = Xml.Element("testsuites", name="portal-migrate")
    suites = [("checks", _checks(report)), ("source tables", _sources(report)), ("new store", _targets(report))]
    suites += [("goals", _goals(report))] if report["goals"] else []
    for name, cases in suites:
        suite = Xml.SubElement(root, "testsuite", name=name, tests=str(len(cases)), errors="0")
        suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
        seconds = _spent(report, _STEP_OF.get(name, ""))
        if seconds is not None:
            suite.set("time", f"{seconds:.3f}")
        suite.extend(cases)
    Xml.indent(root)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _spent(report: Report, step: str) -> float | None:
    return next((entry["seconds"] for entry in report["steps"] if entry["step"] == step), None)


def _case(group: str, name: str, seconds: float | None = None) -> Xml.Element:
    """Returns a case; it has a time only if that was measured, because 0.000 would claim a duration."""
    case = Xml.Element("testcase", classname=visible(group), name=visible(name))
    if seconds is not None:
        case.set("time", f"{seconds:.3f}")
    return case


def _checks(report: Report) -> list[Xml.Element]:
    cases = []
    for answer in report["checks"]["answers"]:
        case = _case(f"checks.{answer['table']}", answer["id"], answer["seconds"])
        asked = visible(answer["question"])  # not in the name: a case keeps its history when its sentence changes
        if answer["failed"]:
            said = answer["sentence"] or f"{plural(answer['failed'], 'row')} of {answer['table']}"
            message = visible(f"{said}; {answer['why']}")
            if answer["severity"] == "critical":
                Xml.SubElement(case, "failure", type="critical", message=message).text = "Every key: failures.csv."
            else:
                asked = f"{asked}\nwarning: {message}"
        Xml.SubElement(case, "system-out").text = asked
        cases.append(case)
    return cases


def _sources(report: Report) -> list[Xml.Element]:
    cases = []
    for row in report["conservation"]:
        case = _case(f"source.{row['portal']}", f"every row of {row['table']} is loaded, held or retired")
        if row["difference"] is None:
            Xml.SubElement(case, "skipped", message="not reached yet")
        elif row["difference"]:
            message = f"read {row['read']:,}, loaded {number(row['loaded'])}, held {row['held_rows']:,}, retired {row['retired']:,}"
            Xml.SubElement(case, "failure", type="conservation", message=message)
        cases.append(case)
    return cases


def _goals(report: Report) -> list[Xml.Element]:
    """Returns one case per goal; a waived goal, and one known only after publishing, passes with a message, because neither ends the run."""
    cases = []
    for entry in report["goals"]:
        case = _case(f"goals.{entry['kind']}", entry["goal"])
        if entry["state"] == "open":
            Xml.SubElement(case, "skipped", message="not judged yet")
        elif entry["state"] == "missed" and entry["judged"] == "check":
            Xml.SubElement(case, "failure", type="goal", message=visible(said(entry))).text = "Nothing was published."
        Xml.SubElement(case, "system-out").text = visible(f"{entry['state']}: {said(entry)}")
        cases.append(case)
    return cases


def _targets(report: Report) -> list[Xml.Element]:
    differ: dict[str, int] = {}
    for entry in report["reconciliation"]["tables"]:
        differ[entry["table"]] = differ.get(entry["table"], 0) + entry["count"]
    cases = []
    for name in dict.fromkeys([*(row["table"] for row in report["targets"]), *differ]):
        row = next((row for row in report["targets"] if row["table"] == name), {"expected": None, "actual": None})
        case = _case("store", f"{name} matches the old portals")
        if report["reconciliation"]["answer"] is None:
            Xml.SubElement(case, "skipped", message="not reconciled")
        elif differ.get(name) or (row["actual"] is not None and row["expected"] not in (None, row["actual"])):
            message = f"expected {number(row['expected'])}, actual {number(row['actual'])}, {plural(differ.get(name, 0), 'difference')}"
            Xml.SubElement(case, "failure", type="reconciliation", message=message).text = "Every difference: differences.csv."
        cases.append(case)
    return cases
