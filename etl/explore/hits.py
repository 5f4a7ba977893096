"""What a search found, as links: kind, address, title and note."""

from __future__ import annotations

from urllib.parse import quote

from etl.explore.page_rows import PageRows
from etl.explore.people import Row
from etl.explore.search import Match


class Hits(PageRows):
    """The links of one open index."""

    def hits(self, found: Match) -> list[Row]:
        """Returns each hit as a link: kind, address, title, note."""
        return [self._hit(hit.kind, hit.ref, hit.profile) for hit in found.hits]

    def _hit(self, kind: str, ref: str, profile: str | None) -> Row:
        p, company = self.personal, self.company_name(profile) if profile else ""
        match kind:
            case "company":
                return {
                    "kind": kind,
                    "href": f"/company/{_part(ref)}",
                    "title": company or f"Company profile {ref}",
                    "note": f"profile {ref}",
                }
            case "account" | "identifier":
                return {"kind": kind, "href": f"/account/{_part(ref)}", "title": ref, "note": company}
            case "person":
                login = self.rows("SELECT * FROM login WHERE login_id = :ref", ref=ref)[0]
                title = f"{p.name(login['first_name'], login['last_name'])} · {p.email(login['email_display'])}"
                return {"kind": kind, "href": f"/person/{_part(ref)}", "title": title, "note": company or "no account"}
            case "contact":
                return {
                    "kind": "person without login",
                    "href": f"/company/{_part(profile)}#people",
                    "title": f"contact {ref.partition(':')[2]}",
                    "note": company,
                }
            case "document":
                portal, _, key = ref.partition(":")
                name = self.rows(
                    "SELECT min(file_name) AS n FROM document WHERE legacy_portal_cd = :p AND legacy_key = :k", p=portal, k=key
                )
                return {
                    "kind": kind,
                    "href": f"/document/{_part(portal)}/{_part(key)}",
                    "title": name[0]["n"] or key,
                    "note": company or "public library",
                }
        portal, table, key = ref.split(":", 2)
        return {
            "kind": "row set aside",
            "href": f"/row/{_part(portal)}/{_part(table)}/{_part(key)}",
            "title": f"{table} {p.text(key)}",
            "note": company,
        }


def _part(text: object) -> str:
    """Returns a part of an address, escaped so that no character ends the part or moves a cursor."""
    return quote(str(text), safe="")
