"""The checks: questions about the staged rows before anything is published, declared in `suites/*.toml`; see `ask`."""

from __future__ import annotations

from checks.asking import answers_json, ask, failures_table
from checks.bind import bind
from checks.model import Answer, Answers, Check, Suites
from checks.suites import HOME, read_suites

__all__ = ["HOME", "Answer", "Answers", "Check", "Suites", "answers_json", "ask", "bind", "failures_table", "read_suites"]
