"""The world of the fault tests: the cast, with canaries among its texts, names, e-mails and identifiers."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
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

_LATER = (
    "UPDATE message SET body = 'another text'",
    "UPDATE company_profile SET phone = '+1 555 0100'",
    "DELETE FROM internal_note WHERE note_id = (SELECT max(note_id) FROM internal_note)",
    "DELETE FROM profile_response WHERE response_id IN (SELECT response_id FROM profile_response ORDER BY response_id DESC LIMIT 5)",
    "DELETE FROM document WHERE document_id = (SELECT min(d.document_id) FROM document d JOIN document_content USING (document_id))",
    "INSERT INTO message SELECT message_id + 900000, thread_id, from_user_id, from_cbp_user_id, 'one more text', sent_at FROM message",
)


def write_later_world(world: Path, folder: Path) -> Path:
    """The same portals some weeks later: changed, removed and new rows."""
    folder.mkdir()
    for name in ("portal2.sqlite", "tc.sqlite"):
        shutil.copyfile(world / name, folder / name)
    (folder / "files").symlink_to(world / "files")  # pipes and links in it: not to be copied
    return _changed(folder, _LATER)


def write_world(folder: Path) -> Path:
    """The folder, holding portal2.sqlite, tc.sqlite and files/."""
    write_cast(folder)
    return _changed(folder, _PLANTED)


def _changed(folder: Path, statements: Sequence[str]) -> Path:
    with sqlite3.connect(folder / "portal2.sqlite", isolation_level=None) as connection:
        connection.text_factory = bytes
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
    connection.close()
    return folder
