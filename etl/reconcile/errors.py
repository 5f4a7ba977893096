"""What keeps the verifier from answering at all; what merely could not be compared is a row of kind `not_checked` instead."""

from etl.errors import MigrationError


class ReconcileError(MigrationError):
    """A database, a file or a store that the verifier cannot use (exit 1)."""


class Hidden(ReconcileError):
    """Rows or bytes are hidden from the verifier, so that equality cannot be stated (exit 7, K9)."""

    exit_code, code = 7, "REFUSED"


class OtherInputs(ReconcileError):
    """The store was made with other mappings or decisions than those that were given (exit 7)."""

    exit_code, code = 7, "REFUSED"


class SpecError(ReconcileError):
    """A mapping file, a schema or a code table that the verifier's own reader does not understand."""

    code = "MAPPING"


class NotOpened(ReconcileError):
    """A file that an option names and that cannot be opened: wrong usage (exit 2)."""

    exit_code, code = 2, "USAGE"
