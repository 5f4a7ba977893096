"""The world of the fault tests: the cast, with canaries among its texts, names, e-mails and identifiers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sample_data.world import write_cast

# One row each: enough to be seen wherever it leaks, too few to change what the cast is about.
_PLANTED = (
    "UPDATE entity_identifier SET identifier_value = '078-05-1120' WHERE identifier_id = (SELECT min(i.identifier_id) FROM entity_identifier i"
    " JOIN model_entity e USING (entity_id) WHERE i.identifier_type_cd = 'IOR' AND i.identifier_value GLOB '[0-9]*')",
    "UPDATE portal_user SET user_name = 'canary.person@canary-mail.example', last_name = 'Canary-Name-51c9' WHERE user_id ="
    " (SELECT min(u.user_id) FROM portal_user u JOIN company_contact c USING (user_id) WHERE u.user_name LIKE '%@%')",
    "UPDATE profile_response SET response_text = response_text || ' canary-text-7f3a'",
    "UPDATE message SET body = body || ' canary-text-7f3a'",
    "UPDATE internal_note SET note_text = note_text || ' canary-text-7f3a'",
    "UPDATE validation_finding SET finding_text = finding_text || ' canary-text-7f3a'",
    "UPDATE company_contact SET email = 'canary.person@canary-mail.example' WHERE contact_id = (SELECT min(contact_id) FROM company_contact WHERE email LIKE '%@%')",
)


def write_world(folder: Path) -> Path:
    """The folder, holding portal2.sqlite, tc.sqlite and files/."""
    write_cast(folder)
    with sqlite3.connect(folder / "portal2.sqlite", isolation_level=None) as connection:
        connection.text_factory = bytes
        for statement in _PLANTED:
            assert connection.execute(statement).rowcount > 0, statement
    connection.close()
    return folder
