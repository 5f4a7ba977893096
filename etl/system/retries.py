"""What is tried again, how often and after how long. Only whole units that first look up whether they were done already."""

from __future__ import annotations

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from etl.errors import Transient

# By SQLSTATE: connection exceptions, a server that goes down or comes up, serialization failures, deadlocks, lock timeouts, too many connections.
PASSING = ("08", "57P0", "40001", "40P01", "55P03", "53300")

TRIES = 3


def retry_policy() -> Retrying:
    """The policy for work against a server: three tries, one to eight seconds apart; the last error is raised as it is."""
    return Retrying(
        retry=retry_if_exception_type(Transient), stop=stop_after_attempt(TRIES), wait=wait_exponential(min=1, max=8), reraise=True
    )


def is_transient(sqlstate: str | None) -> bool:
    """Whether an error of that state may be gone at the next try; none means that the connection was lost."""
    return sqlstate is None or sqlstate.startswith(PASSING)
