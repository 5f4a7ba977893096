"""The explorer under load: `python -m tests.benchmarks.explore [PROFILES] [FOLDER] [--users 50] [--seconds 60] [--pause 1.0] [--json FILE]`.

The server is the real command on a migrated world. First one person types, letter by letter, what a help desk types: how long each answer takes. Then USERS
people at once, each in a loop: types a word (a request for every letter of it, ten a second), opens a hit, opens a link of that page, comes back to a page already
seen (with its tag: 304), mistypes an address now and then (404), and reads for PAUSE seconds in between; the requests of one person follow each other.
Shown are the times of all answers (until the last byte), the answers by status, and the most memory of the server. With FOLDER the world is kept there.
"""

from __future__ import annotations

import argparse
import http.client
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil

from .lookups import migrated
from .measuring import ROOT, together
from .results import Results

GOALS = {
    "search, one person: slowest, each the best of three": (100.0, "ms"),
    "all: 95 of 100": (200.0, "ms"),
    "memory": (400.0, "MB"),
    "other answers": (0.0, "answers"),
}
_EXPECTED = {200, 304, 404}
_LINK = re.compile(r'href="(/(?:company|account|person|document|rule|held|row)/[^"#?]+)')
_ROUNDS = 3  # others work on the machine too
_LETTERS = 14  # of a word that is typed
_LETTER = 0.1  # seconds between two of them


@dataclass
class Seen:
    """What the answers were: milliseconds by kind of page, and how many of each status."""

    took: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        for kind, took in other.took.items():
            self.took.setdefault(kind, []).extend(took)
        self.statuses.update(other.statuses)


class Person:
    """One browser: a connection that stays open, a cookie, the tags of pages that were seen."""

    def __init__(self, address: str) -> None:
        at = urlsplit(address)
        self._connection = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=60)
        self.seen = Seen()
        self._tags: dict[str, str] = {}
        self._cookie = ""
        self._connection.request("GET", f"/?{at.query}")
        answer = self._connection.getresponse()
        answer.read()
        self._cookie = (answer.getheader("set-cookie") or "").partition(";")[0]

    def ask(self, path: str, again: bool = False) -> str:
        """The page; `again`: with the tag that it had."""
        headers = {"Cookie": self._cookie, **({"If-None-Match": self._tags[path]} if again and path in self._tags else {})}
        began = time.perf_counter()
        self._connection.request("GET", path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        kind = path.split("/")[1].partition("?")[0] or "start"
        self.seen.took.setdefault(kind, []).append(1000 * (time.perf_counter() - began))
        self.seen.statuses[answer.status] += 1
        if tag := answer.getheader("etag"):
            self._tags[path] = tag
        return body.decode()

    def types(self, text: str, pause: float = 0.0) -> str:
        """The hits after the last letter."""
        found = ""
        for length in range(1, len(text) + 1):
            time.sleep(pause)
            found = self.ask(f"/search?q={quote(text[:length])}")
        return found

    def close(self) -> None:
        self._connection.close()


def words(index: Path, count: int, chance: random.Random) -> list[str]:
    """What people search: company names, account numbers, e-mail addresses, names of documents, identifiers, persons, as the index has them."""
    columns = (
        ("entity_account", "legal_name"),
        ("entity_account", "account_number"),
        ("login", "email_display"),
        ("login", "last_name"),
        ("document", "file_name"),
        ("account_identifier", "value_raw"),
    )
    found: list[str] = []
    with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as known:
        for table, column in columns:
            (last,) = known.execute(f"SELECT max(rowid) FROM {table}").fetchone()
            rows = [chance.randint(1, last) for _ in range(count)]
            chosen = known.execute(f"SELECT {column} FROM {table} WHERE rowid IN ({','.join(map(str, rows))})")
            found += [str(text)[:_LETTERS] for (text,) in chosen if text]
    chance.shuffle(found)
    return found


@contextmanager
def serving(folder: Path, peaks: dict[str, float]) -> Iterator[tuple[str, int]]:
    """The start address and the process id of a server; `peaks`: gets its most MB while the index is made, and after."""
    command = [sys.executable, "-m", "cli", "explore", "--run", "run", "--names"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    )
    done, phase = threading.Event(), ["memory: making the index"]

    def watch() -> None:
        while not done.wait(0.5):
            peaks[phase[0]] = max(peaks.get(phase[0], 0.0), together(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.startswith("http"):
            raise SystemExit("explore did not start")
        phase[0] = "memory"
        yield line, process.pid
    finally:
        done.set()
        watcher.join()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def alone(address: str, texts: list[str]) -> list[list[float]]:
    """Milliseconds of each answer while one person types these, once a round."""
    rounds = []
    for _ in range(_ROUNDS):
        person = Person(address)
        for text in texts:
            person.types(text)
        person.close()
        rounds.append(person.seen.took["search"])
    return rounds


def crowd(address: str, texts: list[str], users: int, seconds: float, pause: float) -> Seen:
    """All answers of these users."""
    seen, lock, until = Seen(), threading.Lock(), time.monotonic() + seconds

    def live(number: int) -> None:
        chance, person, known = random.Random(number), Person(address), ["/run"]
        time.sleep(chance.random() * pause)
        while time.monotonic() < until:
            page = person.types(chance.choice(texts), _LETTER)
            for _ in range(2):  # a hit, and a link of its page
                links = _LINK.findall(page)
                if not links:
                    break
                path = chance.choice(links)
                page = person.ask(path)
                known = [*known[-20:], path]
                time.sleep(pause * (0.5 + chance.random()))
            person.ask(chance.choice(known), again=True)
            if chance.random() < 0.1:
                person.ask("/account/no-such-account")
        person.close()
        with lock:
            seen.add(person.seen)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def measured(folder: Path, given: argparse.Namespace, results: Results) -> None:
    """Adds all figures."""
    index = folder / "run" / "explore" / "index.sqlite"
    index.unlink(missing_ok=True)
    began = time.perf_counter()
    peaks: dict[str, float] = {}
    with serving(folder, peaks) as (address, pid):
        results.add("index made, with the start", time.perf_counter() - began)
        results.add("index", index.stat().st_size / 1e6, unit="MB")
        texts = words(index, 40, random.Random(7))
        rounds = alone(address, texts[:40])
        every_search = [value for took in rounds for value in took]
        results.add("search, one person: middle", statistics.median(every_search), unit="ms")
        results.add("search, one person: 95 of 100", _most(every_search), unit="ms")
        results.add("search, one person: slowest, each the best of three", max(min(took) for took in zip(*rounds, strict=True)), unit="ms")
        results.add("search, one person: slowest of all", max(every_search), unit="ms")
        before = _cpu(pid)
        seen = crowd(address, texts, given.users, given.seconds, given.pause)
        busy = _cpu(pid) - before
    every = [value for took in seen.took.values() for value in took]
    results.add("answers", len(every), unit="answers")
    results.add("answers a second", len(every) / given.seconds, unit="/s")
    results.add("all: middle", statistics.median(every), unit="ms")
    results.add("all: 95 of 100", _most(every), unit="ms")
    results.add("all: slowest", max(every), unit="ms")
    results.add("server's processor time for one answer", 1000 * busy / len(every), unit="ms")
    for kind, took in sorted(seen.took.items()):
        results.add(f"{kind} ({len(took)}): 95 of 100", _most(took), unit="ms")
    for phase, megabytes in peaks.items():
        results.add(phase, megabytes, unit="MB")
    for status, count in sorted(seen.statuses.items()):
        results.add(f"status {status}", count, unit="answers")
    results.add("other answers", sum(count for status, count in seen.statuses.items() if status not in _EXPECTED), unit="answers")


def _most(took: list[float]) -> float:
    """95 of 100 are not above it."""
    return sorted(took)[max(0, -(-95 * len(took) // 100) - 1)]


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description="The explorer under load: how long its answers take, and its memory.")
    parser.add_argument("profiles", type=int, nargs="?", default=25_000)
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the world and its run there, and finds them again")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds that a person reads a page, on average")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON, with versions and machine")
    given = parser.parse_args()
    results = Results.begun_now("explore", profiles=given.profiles, users=given.users, seconds=given.seconds, pause=given.pause)
    with tempfile.TemporaryDirectory(prefix="explore-") as scratch:
        path = (given.folder or Path(scratch)).absolute()
        migrated(path, given.profiles)
        measured(path, given, results)
    print(results.as_table(GOALS, decimals=1))  # noqa: T201 - its answer
    results.write(given.json)


if __name__ == "__main__":
    main()
