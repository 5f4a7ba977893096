"""Every path of a run's folder, relative to it: nothing else in the program builds or takes apart a name in it.

A stage file is `STEP/GROUP/NAME.parquet`: `extract/P2.document/00000.parquet` holds rows of an old table, `reattach/document/P2.document.00000.parquet`
rows of a table of the new store and the old table that they came of. The steps' other files have names of their own.
"""

from __future__ import annotations

STEPS = ("extract", "split", "reattach", "check", "load", "reconcile", "report")
MADE_BY = ("split", "reattach")  # the steps whose stage files are rows of the new store
BEFORE_LOAD = STEPS[: STEPS.index("load")]  # what is published is made of these
BEFORE_CHECK = BEFORE_LOAD[: BEFORE_LOAD.index("check")]
PRECOPY = "precopy"  # an entry of the manifest like a step's, and the folder of its files

# Files and folders at the top of a run's folder.
MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
DECISIONS = "decisions.toml"
ACCEPTANCE = "acceptance.toml"
JOURNAL = "objects.journal"  # the digest of every object that the run brought into the store
LOCK = ".lock"
WORKERS = ".workers"  # locked by each of the run's worker processes as long as it lives
PROGRESS = ".progress.json"
EXTRACT, CHECK, LOAD, REPORT = "extract", "check", "load", "report"  # folders of steps that others than the steps themselves name
EXPLORE = "explore"  # the explorer's index
REHEARSAL = "rehearsal"  # a rehearsal's throw-away stores, letters and evidence
REHEARSAL_OBJECTS = f"{REHEARSAL}/objects"

# extract: what belongs to no old table alone.
ODD = "extract/odd.parquet"  # values that are not simply their canonical form
TEXT = "extract/text.parquet"  # texts with U+0000 or invalid Unicode (E8)
CONTENT = "extract/content.parquet"  # digest and size of every document's bytes

# split: the account directory, which accounts and logins there are.
ACCOUNTS = "split/spine/accounts.parquet"
LOGINS = "split/spine/logins.parquet"
EMAIL_KEYS = "split/spine/email_keys.parquet"
MODEL_PROFILES = "split/spine/model_profiles.parquet"
CONSULTANTS = "split/spine/consultants.parquet"
ADDED_TYPES = "split/business_type/added.parquet"  # of no old table's row (A2)
DECISIONS_MADE = "split/record/decisions.json"

# reattach: rows that come of no old table's rows alone.
STUB_QUESTIONS = "reattach/profile_question/stub.parquet"
STORED_OBJECTS = "reattach/stored_object/all.parquet"

# check, reconcile, report.
ANSWERS = "check/answers.json"
GOALS = "check/acceptance.json"  # as they were judged
FAILURES = "check/failures.parquet"
DIFFERENCES = "reconcile/differences.parquet"
RESULT = "reconcile/result.json"
GOALS_AGAIN = "reconcile/goals.json"  # their numbers, counted in the new store
REPORT_JSON = "report/report.json"
REPORT_SUMMARY = "report/summary.md"
REPORT_JUNIT = "report/junit.xml"

_RECORD, _WHERE = "record", "where"  # groups that hold no rows of the new store
_ASIDE = (_RECORD, _WHERE, "spine")


def extracted(portal: str, table: str) -> str:
    """The folder of an old table's stage files, with the slash at its end."""
    return f"extract/{portal}.{table}/"


def extracted_file(portal: str, table: str, number: int) -> str:
    return f"{extracted(portal, table)}{number:05}.parquet"


def precopied_file(number: int) -> str:
    return f"{PRECOPY}/{number:05}.parquet"


def made(step: str, target: str) -> str:
    """The folder of the rows that a step made for a table of the new store, with the slash at its end."""
    return f"{step}/{target}/"


def made_file(step: str, target: str, portal: str, table: str, number: int) -> str:
    return f"{made(step, target)}{portal}.{table}.{number:05}.parquet"


def record(step: str, name: str) -> str:
    """The table in which a step records `held`, `flag` or `tally`."""
    return f"{step}/{_RECORD}/{name}.parquet"


def records(step: str) -> str:
    """The folder of a step's records, with the slash at its end."""
    return f"{step}/{_RECORD}/"


def index(step: str, portal: str = "", table: str = "") -> str:
    """The file that says, by key of an old table, which accounts have a copy; without a table the folder of these files."""
    return f"{step}/{_WHERE}/" + (f"{portal}.{table}.parquet" if table else "")


def indexed_table(path: str) -> tuple[str, str]:
    """The portal and the old table of an index file."""
    portal, _, table = path.rsplit("/", 1)[-1].removesuffix(".parquet").partition(".")
    return portal, table


def group(path: str) -> str:
    """The folder within its step in which a stage file lies: an old table's name with its portal, a table of the new store, or a group apart."""
    return path.split("/")[1]


def holds_rows(path: str) -> bool:
    """Whether a stage file of `split` or `reattach` holds rows of the new store."""
    return group(path) not in _ASIDE


def recorded(path: str) -> str | None:
    """What a file records (`held`, `flag`, `tally`); None of a file that is not a record."""
    _, within, name = (*path.split("/"), "", "")[:3]
    return name.removesuffix(".parquet") if within == _RECORD else None


def origin(path: str) -> str:
    """The old table that a stage file's rows came of: `split/login/P2.portal_user.00000.parquet` of P2.portal_user."""
    return path.split("/")[-1].rpartition(".")[0].rpartition(".")[0]


def report_file(name: str) -> str:
    return f"{REPORT}/{name}"
