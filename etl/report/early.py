"""The CI output of a run that ended early, because an empty page could be read as success."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as Xml

from etl.errors import MigrationError
from etl.report.annotations import error_line
from etl.report.text import escaped, visible
from etl.runfolder.folder import Step
from etl.runfolder.layout import STEPS


def early_files(done: Mapping[str, Step], step: str, error: MigrationError) -> dict[str, bytes]:
    """Returns junit.xml (one case per step, those after the failed one skipped) and summary.md, by name in `report/`."""
    root = Xml.Element("testsuites", name="portal-migrate")
    steps = [name for name in STEPS if name != "report"]
    failed_at = steps.index(step) if step in steps else len(steps)
    suite = Xml.SubElement(root, "testsuite", name="steps", tests=str(len(steps)), failures="0", errors="1")
    suite.set("skipped", str(sum(position > failed_at for position in range(len(steps)))))
    for position, name in enumerate(steps):
        seconds = done[name].facts.get("seconds", 0) if name in done and position != failed_at else 0
        case = Xml.SubElement(suite, "testcase", classname="steps", name=name, time=f"{seconds:.3f}")
        if position == failed_at:
            Xml.SubElement(case, "error", type=error.code, message=visible(error.message)).text = visible(error.next_step)
        elif position > failed_at:
            Xml.SubElement(case, "skipped", message="not reached")
    Xml.indent(root)
    lines = [f"# Ended early: {step} (exit {error.exit_code})", "", *(escaped(line) for line in error.message.splitlines()), ""]
    summary = "\n".join([*lines, f"Next: {escaped(error.next_step)}", ""])
    return {"junit.xml": bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n", "summary.md": summary.encode()}


def early_line(step: str, error: MigrationError) -> str:
    """Returns the line that GitHub shows beside the job."""
    return error_line(f"Migration ended in {step} (exit {error.exit_code})", f"{error.message} {error.next_step}")
