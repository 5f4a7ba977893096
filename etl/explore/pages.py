"""What each page shows, as data: read from the index alone, rendered by the templates or as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from etl.explore.advice import advice
from etl.explore.hits import whole_number
from etl.explore.page_rows import ACCOUNT_AND_OPENERS, DOCUMENT_STATES, LISTED, OPENED, Page, PageRows, is_indexed
from etl.explore.people import Row, by_account, login_state, why_hidden

Traced = Callable[[str, str, str], list[Row]]  # (portal, table, key) -> its rows in the store: target, account_number, legal_name


class NotFound(Exception):  # an answer of the application (404), not a failure of it
    """The new store has nothing of that name; the argument says what was requested."""


class Pages(PageRows):
    """The pages over one open index."""

    def company(self, profile: str) -> Page:
        """Returns the page of an old profile: models, people, documents, agreements, accounts, held rows, advice. Raises NotFound."""
        number = whole_number(profile)
        accounts = self.rows(
            f"SELECT {ACCOUNT_AND_OPENERS} FROM entity_account WHERE legacy_profile_id = :p ORDER BY account_number", p=number
        )
        held = self.rows(
            "SELECT * FROM migration_holding WHERE profile = :p OR (legacy_table = 'company_profile' AND legacy_key = :t) ORDER BY legacy_table, legacy_key",
            p=number,
            t=str(profile),
        )
        if not accounts and not held:
            raise NotFound(f"company profile {profile}")
        models: dict[Any, list[Row]] = {}
        for account in accounts:
            models.setdefault((account["legacy_model_id"], account["account_label"]), []).append(account)
        people = self.people("a.legacy_profile_id = :p", p=number)
        closed = [account["account_number"] for account in accounts if account["trade_visible"] and not account["openers"]]
        return {
            "title": self.company_name(profile) or f"Company profile {profile}",
            "profile": profile,
            "trade_names": sorted({account["dba_name"] for account in accounts if account["dba_name"]}),
            "models": [{"id": model, "name": name, "entities": entities} for (model, name), entities in models.items()],
            "accounts": accounts,
            "people": people[:LISTED],
            "people_more": max(0, len(people) - LISTED),
            "documents": self.documents("a.legacy_profile_id = :p", p=number),
            "document_states": self.document_states("a.legacy_profile_id = :p", p=number),
            "agreements": self.agreements("a.legacy_profile_id = :p", p=number),
            "profiles": self.security_profiles("a.legacy_profile_id = :p", p=number),
            "validations": self.validations("a.legacy_profile_id = :p", p=number),
            "held": [self.held_row(row) for row in held[:LISTED]],
            "held_more": max(0, len(held) - LISTED),
            "held_by": sorted(Counter((row["legacy_table"], row["reason_cd"]) for row in held).items()),
            "advice": advice(accounts, people, closed),
            "sql": [
                *_accounts_of(number),
                *self._held_sql(held),
            ],
        }

    def account(self, account_number: str) -> Page:
        """Returns the page of one account: attributes, who sees it, what it holds. Raises NotFound."""
        found = self.rows(f"SELECT {ACCOUNT_AND_OPENERS} FROM entity_account WHERE account_number = :n", n=account_number)
        if not found:
            raise NotFound(f"account {account_number}")
        account = found[0]
        mine = {"where": "a.account_id = :a", "a": account["account_id"]}
        people = self.people(**mine)
        identifiers = self.rows(
            "SELECT * FROM account_identifier WHERE account_id = :a ORDER BY identifier_type_cd, legacy_key", a=account["account_id"]
        )
        for row in identifiers:
            row["shown"] = self.personal.identifier(row["value_raw"], row["pii"])
        old = self.rows("SELECT account_number FROM old_number WHERE entity_id = :e", e=account["legacy_entity_id"])
        closed = [account_number] if account["trade_visible"] and not account["openers"] else []
        return {
            "title": account_number,
            "account": account,
            "old_number": old[0]["account_number"] if old else None,
            "company": self.company_name(account["legacy_profile_id"]),
            "people": people[:LISTED],
            "people_more": max(0, len(people) - LISTED),
            "identifiers": identifiers,
            "documents": self.documents(**mine),
            "document_states": self.document_states(**mine),
            "agreements": self.agreements(**mine),
            "profiles": self.security_profiles(**mine),
            "validations": self.validations(**mine),
            "trade_compliance": self.rows("SELECT * FROM tc_program WHERE account_id = :a", a=account["account_id"]),
            "flags": self.flags("P2", "model_entity", str(account["legacy_entity_id"])),
            "advice": advice([account], people, closed),
            "sql": [
                (
                    "Who sees it",
                    "SELECT l.email_display FROM account_picker p JOIN login l ON l.login_id = p.login_id"
                    f" WHERE p.account_number = {_quoted(account_number)}",
                ),
                *_people_and_documents(f"a.account_number = {_quoted(account_number)}"),
            ],
        }

    def person(self, login_id: str) -> Page:
        """Returns the page of one login: old users, accounts reached before and visible now, and why others are hidden. Raises NotFound."""
        found = self.rows("SELECT * FROM login WHERE login_id = :l", l=login_id)
        if not found:
            raise NotFound(f"login {login_id}")
        login, p = found[0], self.personal
        contacts = self.rows(
            """SELECT c.*, a.account_number, a.legal_name, a.account_label, a.business_type_cd, a.status_cd, a.trade_visible, a.archived, a.legacy_profile_id,
                 EXISTS (SELECT 1 FROM account_picker k WHERE k.login_id = c.login_id AND k.account_id = c.account_id) AS seen
               FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id WHERE c.login_id = :l ORDER BY a.legal_name, a.account_number""",
            l=login_id,
        )
        users = self.rows("SELECT legacy_key, email_as_typed FROM login_alias WHERE login_id = :l ORDER BY legacy_key", l=login_id)
        reached = [contact for contact in contacts if contact["removed_at"] is None]
        return {
            "title": f"{p.name(login['first_name'], login['last_name'])} · {p.email(login['email_display'])}",
            "login": login,
            "users": [{"key": user["legacy_key"], "typed": p.email(user["email_as_typed"])} for user in users],
            "profiles": sorted({contact["legacy_profile_id"] for contact in reached}),
            "sees": by_account(contact for contact in reached if contact["seen"]),
            "hidden": [{**c, "why": why_hidden(c)} for c in contacts if not c["seen"]],
            "state": login_state(login),
            "flags": [flag for user in users for flag in self.flags("P2", "portal_user", user["legacy_key"])],
            "sql": [
                ("What the login sees", f"SELECT account_number, legal_name FROM account_picker WHERE login_id = {_quoted(login_id)}"),
                (
                    "Contacts on accounts that it does not see",
                    f"SELECT c.contact_id, a.account_number, c.removed_at, a.status_cd FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id"
                    f" WHERE c.login_id = {_quoted(login_id)} AND NOT EXISTS (SELECT 1 FROM account_picker p WHERE p.login_id = c.login_id"
                    " AND p.account_id = c.account_id)",
                ),
            ],
        }

    def document(self, portal: str, key: str) -> Page:
        """Returns the page of one old document: state, bytes, accounts that have it. Raises NotFound."""
        copies = self.rows(
            """SELECT d.*, a.account_number, a.legal_name, a.legacy_profile_id, o.size_bytes FROM document d
               LEFT JOIN entity_account a ON a.account_id = d.account_id LEFT JOIN stored_object o ON o.sha256 = d.sha256
               WHERE d.legacy_portal_cd = :p AND d.legacy_key = :k ORDER BY a.account_number""",
            p=portal,
            k=key,
        )
        if not copies:
            raise NotFound(f"document {portal} {key}")
        table = "document" if portal == "P2" else "tc_document"
        return {
            "title": copies[0]["file_name"],
            "document": copies[0],
            "copies": copies,
            "flags": self.flags(portal, table, key),
            "portal": portal,
            "key": key,
            "sql": [
                (
                    "Its copies",
                    f"SELECT document_id, account_id, content_state_cd, sha256 FROM document WHERE legacy_portal_cd = {_quoted(portal)}"
                    f" AND legacy_key = {_quoted(key)}",
                )
            ],
        }

    def has_document_of(self, sha256: str) -> bool:
        """Returns whether a document of the new store has these bytes."""
        return bool(self.rows("SELECT 1 FROM document WHERE sha256 = :s LIMIT 1", s=sha256))

    def rule(self, number: str) -> Page:
        """Returns the page of one rule: its sentence and the rows that it flagged. Raises NotFound."""
        rule = self.mappings.rules.get(number)
        if rule is None:
            raise NotFound(f"rule {number}")
        total = self.rows("SELECT count(*) AS n FROM migration_exception WHERE rule_cd = :r", r=number)[0]["n"]
        rows = self.rows(
            "SELECT * FROM migration_exception WHERE rule_cd = :r ORDER BY legacy_table, legacy_key LIMIT :most", r=number, most=LISTED
        )
        for row in rows:
            row["key_shown"], row["detail"] = self.personal.text(row["legacy_key"]), self.personal.text(row["detail"])
        return {
            "title": f"Rule {number}",
            "rule": rule,
            "rows": rows,
            "total": total,
            "sql": [("Its rows", f"SELECT legacy_table, legacy_key, detail FROM migration_exception WHERE rule_cd = {_quoted(number)}")],
        }

    def row(self, portal: str, table: str, key: str, traced: Traced | None = None) -> Page:
        """Returns the page of one source row: held or loaded, flags, rules, and its copies. Raises NotFound.

        `traced`: finds the copies in the store itself, for tables that the index does not have.
        """
        mapping = next((m for (p, t), m in self.mappings.tables.items() if (p, t) == (portal, table)), None)
        if mapping is None:
            raise NotFound(f"table {portal}.{table}")
        key = self.key_of(portal, table, key)
        where = {"p": portal, "t": table, "k": key}
        held = self.rows("SELECT * FROM migration_holding WHERE legacy_portal_cd = :p AND legacy_table = :t AND legacy_key = :k", **where)
        flags = self.flags(portal, table, key)
        copies = self.copies(portal, table, key)
        if not copies and not is_indexed(portal, table) and traced is not None:
            copies = traced(portal, table, key)
        if not held and not flags and not copies:
            raise NotFound(f"{portal}.{table} {self.personal.text(key)}")
        return {
            "title": f"{portal}.{table} {self.personal.text(key)}",
            "held": [self.held_row(row) for row in held],
            "flags": flags,
            "copies": copies,
            "rules": [self.mappings.rules[n] for n in mapping.rules if n in self.mappings.rules],
            "table": table,
            "portal": portal,
            "key": self.personal.text(key),
            "sql": [
                (what, f"SELECT {columns} FROM {of} WHERE {_of_row(portal, table, self.personal.text(key))}")
                for what, columns, of in (("Held", "reason_cd", "migration_holding"), ("Flags", "rule_cd, detail", "migration_exception"))
            ],
        }

    def held_reason(self, reason: str) -> Page:
        """Returns the page of all rows that are held for one reason. Raises NotFound."""
        if reason not in self.mappings.reasons:
            raise NotFound(f"reason {reason}")
        total = self.rows("SELECT count(*) AS n FROM migration_holding WHERE reason_cd = :r", r=reason)[0]["n"]
        rows = self.rows(
            "SELECT * FROM migration_holding WHERE reason_cd = :r ORDER BY legacy_table, legacy_key LIMIT :most", r=reason, most=LISTED
        )
        return {
            "title": reason,
            "reason": self.mappings.reasons[reason],
            "rows": [self.held_row(row) for row in rows],
            "total": total,
            "sql": [("Its rows", f"SELECT legacy_table, legacy_key FROM migration_holding WHERE reason_cd = {_quoted(reason)}")],
        }

    def overview(self, report: Mapping[str, Any] | None = None) -> Page:
        """Returns the counts of the store, each with a link to its rows. `report`: verdict, steps, checks and differences of the run (`run_report`)."""
        flagged = self.rows("SELECT rule_cd, count(*) AS n FROM migration_exception GROUP BY rule_cd ORDER BY rule_cd")
        held = self.rows("SELECT reason_cd, count(*) AS n FROM migration_holding GROUP BY reason_cd ORDER BY reason_cd")
        counted = {name: self.rows(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in _COUNTED}
        closed = self.rows(f"{_CLOSED} ORDER BY account_number")
        return {
            "title": "The run",
            "report": report,
            "failed_checks": [] if report is None else [check for check in report["checks"]["answers"] if check["failed"]],
            "counted": counted,
            "flagged": flagged,
            "held": held,
            "rules": self.mappings.rules,
            "reasons": self.mappings.reasons,
            "closed": closed[:LISTED],
            "closed_total": len(closed),
            "runs": self.rows("SELECT * FROM migration_run ORDER BY finished_at"),
            "sql": [
                *((what, f"SELECT count(*) FROM {name}") for name, what in _COUNTED.items()),
                ("Accounts that nobody can open", _CLOSED),
                ("Exceptions by rule", "SELECT rule_cd, count(*) FROM migration_exception GROUP BY rule_cd"),
                ("Held rows by reason", "SELECT reason_cd, count(*) FROM migration_holding GROUP BY reason_cd"),
            ],
        }

    def _held_sql(self, held: list[Row]) -> list[tuple[str, str]]:
        """Returns the statement that lists these held rows: by key, because the store does not record to which company a held row leads."""
        keys: dict[tuple[str, str], list[str]] = {}
        for row in held:
            keys.setdefault((row["legacy_portal_cd"], row["legacy_table"]), []).append(_quoted(self.personal.text(row["legacy_key"])))
        chosen = [
            f"legacy_portal_cd = {_quoted(portal)} AND legacy_table = {_quoted(table)} AND legacy_key IN ({', '.join(listed)})"
            for (portal, table), listed in keys.items()
        ]
        statement = "SELECT legacy_table, legacy_key, reason_cd FROM migration_holding WHERE "
        return [("Rows set aside", statement + " OR ".join(chosen))] if chosen else []


_COUNTED = {"entity_account": "Accounts", "login": "Logins", "migration_holding": "Rows set aside", "migration_exception": "Flags"}
_CLOSED = f"SELECT account_number, legal_name, legacy_profile_id FROM entity_account a WHERE trade_visible AND NOT {OPENED}"


def _accounts_of(profile: int | None) -> list[tuple[str, str]]:
    if profile is None:  # a held profile whose key is not a number: it has no accounts
        return []
    statement = f"SELECT account_number, business_type_cd, status_cd FROM entity_account WHERE legacy_profile_id = {profile}"
    return [("Accounts", statement), *_people_and_documents(f"a.legacy_profile_id = {profile}")]


def _people_and_documents(condition: str) -> list[tuple[str, str]]:
    """Returns the statements of the people in force and of the documents on the accounts `a` of that condition."""
    people = "SELECT DISTINCT c.legacy_portal_cd, c.legacy_key FROM account_contact c JOIN entity_account a ON a.account_id = c.account_id"
    return [
        ("People", f"{people} WHERE {condition} AND c.removed_at IS NULL"),
        ("Documents by state", f"{DOCUMENT_STATES} WHERE {condition} GROUP BY content_state_cd"),
    ]


def _of_row(portal: str, table: str, key: str) -> str:
    return f"legacy_portal_cd = {_quoted(portal)} AND legacy_table = {_quoted(table)} AND legacy_key = {_quoted(key)}"


def _quoted(text: str) -> str:
    """Returns the text as an SQL literal with every character escaped that needs it, so that a displayed statement can be pasted."""
    return "'" + text.replace("'", "''") + "'"
