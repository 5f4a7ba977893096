"""Every path of a run folder, relative to it: no other module builds or parses such a name.

A stage file is `STEP/GROUP/NAME.parquet`: `extract/P2.document/00000.parquet` has rows of an old table, `reattach/document/P2.document.00000.parquet`
rows of a new table and the old table of their origin. The steps' other files have fixed names.
"""

from __future__ import annotations

STEPS = ("extract", "split", "reattach", "check", "load", "reconcile", "report")
MADE_BY = ("split", "reattach")  # the steps whose stage files are rows of the new store
BEFORE_LOAD = STEPS[: STEPS.index("load")]  # what is published follows from these
BEFORE_CHECK = BEFORE_LOAD[: BEFORE_LOAD.index("check")]
PRECOPY = "precopy"  # an entry of the manifest like a step's, and the folder of its files

# Files and folders at the top of a run's folder.
MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
DECISIONS = "decisions.toml"
ACCEPTANCE = "acceptance.toml"
JOURNAL = "objects.journal"  # the digest of every object that the run brought into the store
LOCK = ".lock"
WORKERS = ".workers"  # locked by each of the run's worker processes while it runs
PROGRESS = ".progress.json"
EXTRACT, CHECK, LOAD, REPORT = "extract", "check", "load", "report"  # folders of steps that other modules name
EXPLORE = "explore"  # the explorer's index and its audit log
INDEX = f"{EXPLORE}/index.sqlite"
READINESS = "readiness"  # the work lists
LISTS = "lists"  # the report's lists, for a report that is written again
REHEARSAL = "rehearsal"  # a rehearsal's temporary stores, letters and evidence
REHEARSAL_OBJECTS = f"{REHEARSAL}/objects"

# extract: files that belong to no single old table.
ODD = "extract/odd.parquet"  # values that differ from their canonical form
TEXT = "extract/text.parquet"  # texts with U+0000 or invalid Unicode (E8)
CONTENT = "extract/content.parquet"  # digest and size of every document

# split: the account directory: which accounts and logins exist.
ACCOUNTS = "split/spine/accounts.parquet"
LOGINS = "split/spine/logins.parquet"
EMAIL_KEYS = "split/spine/email_keys.parquet"
MODEL_PROFILES = "split/spine/model_profiles.parquet"
CONSULTANTS = "split/spine/consultants.parquet"
ADDED_TYPES = "split/business_type/added.parquet"  # without a row of an old table (A2)
DECISIONS_MADE = "split/record/decisions.json"

# reattach: rows that do not come from one old table.
STUB_QUESTIONS = "reattach/profile_question/stub.parquet"
STORED_OBJECTS = "reattach/stored_object/all.parquet"

# check, reconcile, report.
ANSWERS = "check/answers.json"
GOALS = "check/acceptance.json"  # judged goals
FAILURES = "check/failures.parquet"
DIFFERENCES = "reconcile/differences.parquet"
RESULT = "reconcile/result.json"
GOALS_AGAIN = "reconcile/goals.json"  # their numbers, counted in the new store
REPORT_JSON = "report/report.json"
REPORT_SUMMARY = "report/summary.md"
REPORT_JUNIT = "report/junit.xml"

_RECORD, _WHERE = "record", "where"  # groups without rows of the new store
_ASIDE = (_RECORD, _WHERE, "spine")


def extracted(portal: str, table: str) -> str:
    """Returns the folder of an old table's stage files, with a trailing slash."""
    return f"extract/{portal}.{table}/"


def extracted_file(portal: str, table: str, number: int) -> str:
    """Returns the path of an old table's stage file with that number."""
    return f"{extracted(portal, table)}{number:05}.parquet"


def precopied_file(number: int) -> str:
    """Returns the path of the precopy's record with that number."""
    return f"{PRECOPY}/{number:05}.parquet"


def made(step: str, target: str) -> str:
    """Returns the folder of the rows that a step made for a table of the new store, with a trailing slash."""
    return f"{step}/{target}/"


def made_file(step: str, target: str, portal: str, table: str, number: int) -> str:
    """Returns the path of a stage file with rows of a new table that come from one old table."""
    return f"{made(step, target)}{portal}.{table}.{number:05}.parquet"


def record(step: str, name: str) -> str:
    """Returns the file in which a step records `held`, `flag` or `tally`."""
    return f"{step}/{_RECORD}/{name}.parquet"


def records(step: str) -> str:
    """Returns the folder of a step's records, with a trailing slash."""
    return f"{step}/{_RECORD}/"


def index(step: str, portal: str = "", table: str = "") -> str:
    """Returns the file that lists, by key of an old table, the accounts with a copy; without a table the folder of these files."""
    return f"{step}/{_WHERE}/" + (f"{portal}.{table}.parquet" if table else "")


def indexed_table(path: str) -> tuple[str, str]:
    """Returns the portal and the old table of an index file."""
    portal, _, table = path.rsplit("/", 1)[-1].removesuffix(".parquet").partition(".")
    return portal, table


def group(path: str) -> str:
    """Returns the folder of a stage file within its step: PORTAL.old_table, a table of the new store, or another group."""
    return path.split("/")[1]


def holds_rows(path: str) -> bool:
    """Returns whether a stage file of `split` or `reattach` has rows of the new store."""
    return group(path) not in _ASIDE


def recorded(path: str) -> str | None:
    """Returns what a file records (`held`, `flag`, `tally`); None where it is not a record."""
    _, within, name = (*path.split("/"), "", "")[:3]
    return name.removesuffix(".parquet") if within == _RECORD else None


def number(path: str) -> int:
    """Returns the number of a stage file with rows of an old table, or made of one."""
    return int(path.rsplit("/", 1)[-1].removesuffix(".parquet").rpartition(".")[2])


def origin(path: str) -> str:
    """Returns the old table of a stage file's rows: P2.portal_user for `split/login/P2.portal_user.00000.parquet`."""
    return path.split("/")[-1].rpartition(".")[0].rpartition(".")[0]


def kept_list(name: str) -> str:
    """Returns the path of one of the report's lists as a stage file."""
    return f"{LISTS}/{name}.parquet"


def report_file(name: str) -> str:
    """Returns the path of a file of the report."""
    return f"{REPORT}/{name}"
