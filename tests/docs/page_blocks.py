"""The pages of the handbook, and their blocks run in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mappings.read import read_mappings
from tests.docs.handbook import ROOT, blocks, pages

PAGES = pages()
MAPPINGS = read_mappings()


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """A shell's environment in which `portal-migrate` is this project's, and nothing is configured."""
    binaries = folder / "bin"
    binaries.mkdir(exist_ok=True)
    command = binaries / "portal-migrate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/cli.py" "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_MIGRATE", "PG", "PYTHON", "GITHUB_"))}
    return {**kept, "PATH": f"{binaries}:{Path(sys.executable).parent}:{os.environ['PATH']}", "PROJECT": str(ROOT)}


def run(script: str, folder: Path, **more: str) -> str:
    """What the script printed; it has to end well."""
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env={**environment(folder), **more}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def shell(page: str, mark: str = "") -> str:
    return "\n".join(code for found, code in blocks(ROOT / page, "sh") if found == mark)
