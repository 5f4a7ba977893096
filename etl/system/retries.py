"""What is repeated, how often and after how long: only whole units that check first whether they were done already."""

from __future__ import annotations

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from etl.errors import Transient

# SQLSTATEs: connection exceptions, a server that stops or starts, serialization failures, deadlocks, lock time-outs, too many connections.
PASSING = ("08", "57P0", "40001", "40P01", "55P03", "53300")

TRIES = 3


def retry_policy() -> Retrying:
    """Returns the policy for work against a server: three attempts, one to eight seconds apart; the last error is raised unchanged."""
    return Retrying(
        retry=retry_if_exception_type(Transient), stop=stop_after_attempt(TRIES), wait=wait_exponential(min=1, max=8), reraise=True
    )


def is_transient(sqlstate: str | None) -> bool:
    """Returns whether the error may be gone at the next attempt; without an SQLSTATE the connection was lost."""
    return sqlstate is None or sqlstate.startswith(PASSING)
