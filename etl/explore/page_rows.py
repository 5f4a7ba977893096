"""The rows that pages list, read from the index: people, documents, agreements, flags, held rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from etl.explore.advice import said_of_held
from etl.explore.hits import company_names, whole_number
from etl.explore.people import Row, is_usable, login_state
from etl.explore.personal import DIGEST, Personal
from mappings.model import Mappings

Page = dict[str, Any]  # what a page shows, by name
LISTED = 200  # rows of one table on a page; where there are more the page says so

# Old tables whose rows are found in the index by their old key: the new table, and the portal where it holds both portals' rows.
_INDEXED: dict[str, tuple[str, str | None]] = {
    "company_contact": ("account_contact", "P2"),
    "tc_contact": ("account_contact", "TC"),
    "document": ("document", "P2"),
    "tc_document": ("document", "TC"),
    "entity_identifier": ("account_identifier", None),
    "security_profile": ("security_profile", None),
    "validation": ("validation", None),
    "tc_account": ("tc_program", None),
    "portal_user": ("login_alias", None),
    "agreement_signature": ("signature_act", None),
}
_OWN = {"model_entity": "legacy_entity_id", "security_model": "legacy_model_id", "company_profile": "legacy_profile_id"}
_OF_ACCOUNT = {
    "login_alias": "LEFT JOIN account_picker k ON k.login_id = x.login_id LEFT JOIN entity_account a ON a.account_id = k.account_id",
    "signature_act": "LEFT JOIN account_agreement g ON g.act_id = x.act_id LEFT JOIN entity_account a ON a.account_id = g.account_id",
}
_USABLE = "(l.status_cd = 'ACTIVE' OR l.status_cd = 'LOCKED' AND l.lock_reason_cd IN ('PASSWORD', 'IDLE'))"
OPENED = f"EXISTS (SELECT 1 FROM account_picker k JOIN login l ON l.login_id = k.login_id WHERE k.account_id = a.account_id AND {_USABLE})"

DOCUMENT_STATES = "SELECT content_state_cd, count(DISTINCT d.legacy_portal_cd || d.legacy_key) AS n FROM document d JOIN entity_account a ON a.account_id = d.account_id"
ACCOUNT_AND_OPENERS = "entity_account.*, " + OPENED.replace("a.account_id", "entity_account.account_id") + " AS openers"


def is_indexed(portal: str, table: str) -> bool:
    """Returns whether the index has the new rows of this old table."""
    return table in _INDEXED or (portal == "P2" and table in _OWN)


class PageRows:
    """The rows of one open index, with personal values masked unless they are to be shown."""

    def __init__(self, connection: sa.Connection, mappings: Mappings, personal: Personal) -> None:
        self._connection, self.mappings, self.personal = connection, mappings, personal

    def rows(self, statement: str, **values: object) -> list[Row]:
        """Returns the rows of a query, each by column."""
        return [dict(row) for row in self._connection.execute(sa.text(statement), values).mappings()]

    def company_name(self, profile: object) -> str:
        """Returns the company's name from its first account or its held profile; empty where neither has one."""
        return company_names(self._connection, [profile]).get(str(profile), "")

    def key_of(self, portal: str, table: str, reference: str) -> str:
        """Returns the key that an address names, by itself or by its digest; the reference itself where no held or flagged row has that digest."""
        if not reference.startswith(DIGEST):
            return reference
        statement = " UNION ".join(
            f"SELECT legacy_key FROM {name} WHERE legacy_portal_cd = :p AND legacy_table = :t"
            for name in ("migration_holding", "migration_exception")
        )
        keys = (str(row["legacy_key"]) for row in self.rows(statement, p=portal, t=table))
        return next((key for key in keys if self.personal.reference(key) == reference), reference)

    def copies(self, portal: str, table: str, key: str) -> list[Row]:
        """Returns the new rows of one source row: `target` table and account number."""
        if portal == "P2" and table in _OWN:
            return self.rows(
                f"SELECT 'entity_account' AS target, account_number, legal_name FROM entity_account WHERE {_OWN[table]} = :k",
                k=whole_number(key),
            )
        if table not in _INDEXED:
            return []
        target, side = _INDEXED[table]
        condition = "AND x.legacy_portal_cd = :p" if side else ""
        return self.rows(
            f"SELECT DISTINCT '{target}' AS target, a.account_number, a.legal_name FROM {target} x"
            f" {_OF_ACCOUNT.get(target, 'LEFT JOIN entity_account a ON a.account_id = x.account_id')}"
            f" WHERE x.legacy_key = :k {condition} ORDER BY a.account_number",
            k=key,
            p=portal,
        )

    def people(self, where: str, **values: object) -> list[Row]:
        """Returns one entry per contact in force: person, role, login, and the accounts that the person sees."""
        rows = self.rows(
            f"""SELECT c.legacy_portal_cd, c.legacy_key, c.login_id, c.scope_cd, c.contact_type_cd, max(c.primary_poc) AS primary_poc, c.first_name, c.last_name,
                 c.full_name, c.email, l.email_display, l.status_cd, l.lock_reason_cd, max(c.restricted_reason_cd) AS restricted,
                 group_concat(CASE WHEN k.account_id IS NOT NULL THEN a.account_number END, char(10)) AS sees
               FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id LEFT JOIN login l ON l.login_id = c.login_id
               LEFT JOIN account_picker k ON k.login_id = c.login_id AND k.account_id = c.account_id
               WHERE {where} AND c.removed_at IS NULL GROUP BY c.legacy_portal_cd, c.legacy_key ORDER BY max(c.primary_poc) DESC, c.last_name, c.legacy_key""",
            **values,
        )
        for row in rows:
            row["name"] = (
                self.personal.name(row["full_name"]) if row["full_name"] else self.personal.name(row["first_name"], row["last_name"])
            )
            row["mail"] = self.personal.email(row["email"] or row["email_display"])
            row["state"] = login_state(row) if row["login_id"] else "no login"
            row["usable"] = is_usable(row)
            row["sees"] = row["sees"].split("\n") if row["sees"] else []
        return rows

    def documents(self, where: str, **values: object) -> list[Row]:
        """Returns one entry per old document of these accounts, with the number of its copies; documents without bytes first."""
        return self.rows(
            f"""SELECT d.legacy_portal_cd, d.legacy_key, min(d.file_name) AS file_name, min(d.content_state_cd) AS content_state_cd, min(d.library_cd) AS library_cd,
                 min(d.uploaded_at) AS uploaded_at, count(*) AS copies FROM document d JOIN entity_account a ON a.account_id = d.account_id
               WHERE {where} GROUP BY d.legacy_portal_cd, d.legacy_key ORDER BY min(d.content_state_cd) = 'PRESENT', d.legacy_key LIMIT {LISTED + 1}""",
            **values,
        )

    def document_states(self, where: str, **values: object) -> list[Row]:
        """Returns the number of old documents of these accounts by content state."""
        return self.rows(f"{DOCUMENT_STATES} WHERE {where} GROUP BY content_state_cd ORDER BY content_state_cd", **values)

    def agreements(self, where: str, **values: object) -> list[Row]:
        """Returns the agreements of these accounts with their signer, the latest first."""
        rows = self.rows(
            f"""SELECT s.legacy_key, s.signer_name, s.signer_title, s.signed_at, g.coverage_cd, a.account_number FROM account_agreement g
               JOIN signature_act s ON s.act_id = g.act_id JOIN entity_account a ON a.account_id = g.account_id WHERE {where}
               ORDER BY s.signed_at DESC, a.account_number LIMIT {LISTED + 1}""",
            **values,
        )
        for row in rows:
            row["signer"] = self.personal.name(row["signer_name"])
        return rows

    def security_profiles(self, where: str, **values: object) -> list[Row]:
        """Returns the security profiles of these accounts, the latest year first."""
        return self.rows(
            f"""SELECT x.legacy_key, x.profile_year, x.status_cd, x.due_dt, x.due_dt_adjusted, x.submitted_at, a.account_number FROM security_profile x
               JOIN entity_account a ON a.account_id = x.account_id WHERE {where} ORDER BY x.profile_year DESC, a.account_number LIMIT {LISTED + 1}""",
            **values,
        )

    def validations(self, where: str, **values: object) -> list[Row]:
        """Returns the validations of these accounts, the latest first."""
        return self.rows(
            f"""SELECT x.legacy_key, x.validation_type_cd, x.status_cd, x.initiated_dt, x.closed_dt, a.account_number FROM validation x
               JOIN entity_account a ON a.account_id = x.account_id WHERE {where} ORDER BY x.initiated_dt DESC, a.account_number LIMIT {LISTED + 1}""",
            **values,
        )

    def flags(self, portal: str, table: str, key: str) -> list[Row]:
        """Returns the flags of one source row with their rules."""
        rows = self.rows(
            "SELECT rule_cd, detail FROM migration_exception WHERE legacy_portal_cd = :p AND legacy_table = :t AND legacy_key = :k ORDER BY rule_cd",
            p=portal,
            t=table,
            k=key,
        )
        return [{**row, "detail": self.personal.text(row["detail"]), "rule": self.mappings.rules.get(row["rule_cd"])} for row in rows]

    def held_row(self, row: Row) -> Row:
        """Returns a held row with the meaning of its reason, its cause, and what to do."""
        reason = self.mappings.reasons.get(row["reason_cd"])
        return {
            **row,
            "key_shown": self.personal.text(row["legacy_key"]),
            "meaning": reason.meaning if reason else "",
            "causes": self._causes(row),
            **said_of_held(row["reason_cd"]),
        }

    def _causes(self, row: Row) -> list[Row]:
        """Returns what holds the row: `text`, and `table` and `key` of a held row to look at."""
        column, table, key = row["because_column"], row["because_table"], row["because_key"]
        if column is None:
            return []
        if key is None:
            return [{"text": f"column {column}", "table": None, "key": None}]
        named = f"{column}: {table or 'row'} {self.personal.text(key)}"
        if row["reason_cd"] != "PARENT_HELD":
            return [{"text": f"{named} does not exist", "table": None, "key": None}]
        found = [{"text": f"{named} is set aside", "table": table, "key": key}]
        root = (row["root_table"], row["root_key"])
        if root not in ((table, key), (row["legacy_table"], row["legacy_key"])):
            found.append({"text": f"first in the chain: {root[0]} {self.personal.text(root[1])}", "table": root[0], "key": root[1]})
        return found
