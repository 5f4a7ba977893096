"""The checklist of a cut-over as Markdown and as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from etl.report.templates import HERE, environment
from etl.report.text import escaped, number, visible

_SIGN = ("migration engineer", "approver", "auditor", "administrator of the old portals")


def moment(minutes: float) -> str:
    """Returns `T+1:05`: hours and minutes after the start of the freeze."""
    total = round(abs(minutes))
    return f"T{'-' if minutes < 0 else '+'}{total // 60}:{total % 60:02}"


def as_runbook_markdown(stages: Sequence[Any], facts: dict[str, Any]) -> str:
    """Returns runbook.md, each command in a separate block."""
    whole = facts["forecast"]["whole"]
    lines = [
        "# Runbook of the cut-over",
        "",
        f"Freeze: {escaped(facts['freeze'])}. {number(facts['rows'])} rows. Forecast from the beginning of extract to the verdict: {_span(whole)}"
        f" (from {escaped(facts['from'])}). T+0:00 is the beginning of the freeze; times are the later end of the forecast.",
        "",
        f"- Portal 2.0: `{visible(facts['source'])}`",
        f"- Trade Compliance: `{visible(facts['tc'])}`",
        f"- New store: `{visible(facts['target'])}`",
        "",
    ]
    for stage in stages:
        lines += [f"## {escaped(stage.title)}", ""]
        for item in stage.items:
            lines += [
                f"### {moment(item.at)} {escaped(item.title)}",
                "",
                f"- [ ] Who: {escaped(item.who)}; about {item.minutes:.0f} minutes",
            ]
            lines += [f"- {word}: {escaped(text)}" for word, text in _sentences(item)]
            for command in item.commands:
                lines += ["", "```sh", command, "```"]
            lines += ["", "Done at ________ by ________________", ""]
    lines += ["## Signatures", "", *(f"- {who}: ________________________ at ________" for who in _SIGN), ""]
    return "\n".join(lines)


def as_runbook_html(stages: Sequence[Any], facts: dict[str, Any]) -> str:
    """Returns runbook.html: printable, without network and script."""
    return (
        environment()
        .get_template("runbook.html.j2")
        .render(
            stages=stages,
            facts=facts,
            span=_span(facts["forecast"]["whole"]),
            moment=moment,
            sentences=_sentences,
            sign=_SIGN,
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704  # comes from this package
        )
    )


def _sentences(item: Any) -> list[tuple[str, str]]:
    named = (("See", item.see), ("Decide", item.decide), ("Rollback", item.back), ("Tell", item.tell))
    return [(word, text) for word, text in named if text]


def _span(span: dict[str, float]) -> str:
    return f"{span['seconds'] / 60:.1f} minutes ({span['low'] / 60:.1f} to {span['high'] / 60:.1f})"
