"""The cast with a new column, table, code and business type, and the mapping files that know them."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import changed

OLD = """
ALTER TABLE company_profile ADD COLUMN lei_txt VARCHAR(20);
ALTER TABLE company_profile ADD COLUMN screen_theme_cd VARCHAR(8);
CREATE TABLE company_fleet (
  fleet_id BIGINT PRIMARY KEY, company_profile_id BIGINT NOT NULL, entity_id BIGINT, truck_count INTEGER, home_port_cd VARCHAR(8)
);
UPDATE company_profile SET lei_txt = '5299000J2N45DDNE4Y28', screen_theme_cd = 'DARK' WHERE company_profile_id = 3;
INSERT INTO company_fleet VALUES (1, 3, NULL, 12, '2304'), (2, 3, 302, 3, NULL), (3, 4, NULL, 1, NULL), (4, 3, 404404, 1, NULL);
INSERT INTO document_link VALUES (301, 'FLEET', 2, '2023-01-01 00:00:00');
INSERT INTO business_type VALUES ('ECF', 'E-commerce fulfilment', 'Y');
INSERT INTO model_entity (entity_id, security_model_id, business_type_cd, account_number, status_cd, tier_cd, created_at, modified_at) VALUES
  (398, 301, 'ECF', '10000398', 'PAUSED', '1', '2023-01-01 00:00:00', '2023-01-01 00:00:00'),
  (399, 301, 'ECF', '10000399', 'CERTIFIED', '1', '2023-01-01 00:00:00', '2023-01-01 00:00:00');
INSERT INTO entity_identifier VALUES (39801, NULL, 398, 'ECOM', 'E-1', 'Y', NULL, NULL);
"""


FLEET = (
    "  fleet_id BIGINT PRIMARY KEY, company_profile_id BIGINT NOT NULL, entity_id BIGINT, truck_count INTEGER, home_port_cd VARCHAR(8)\n"
)


NEW_SCHEMAS = {
    "portal2": f"CREATE TABLE company_fleet (\n{FLEET});\n",
    "portal3": "CREATE TABLE account_fleet (\n  account_fleet_id UUID PRIMARY KEY, account_id UUID NOT NULL REFERENCES entity_account,"
    " truck_count INTEGER, home_port_cd VARCHAR(8),\n  legacy_key VARCHAR(80) NOT NULL\n);\n",
}


NEW_MAPPING = """# The trucks of a carrier: on the entity that they belong to, else on all accounts of the profile.
rules = ["E8", "X2"]

[owner]
entity_id          = "model_entity"
company_profile_id = "company_profile"

[[into]]
table = "account_fleet"
per   = "account"

[into.columns]
account_fleet_id = { id = "self" }
account_id       = { id = "account" }
truck_count      = "truck_count"
home_port_cd     = "home_port_cd"
legacy_key       = { legacy_key = true }
"""


NEW_CODES = {
    "code_list": (
        "business_type,business_type_cd,ECF,E-commerce fulfilment",
        "model_entity,status_cd,PAUSED,Paused at its own wish",
        "document_link,target_cd,FLEET,A row of company_fleet",
        "entity_identifier,identifier_type_cd,ECOM,Number of an e-commerce fulfilment house",
    ),
    "status": ("PAUSED,false,true",),
    "identifier_carrier": ("ECOM,ECF",),
    "identifier_required": ("ECF,1,ECOM",),
    "link_target": ("FLEET,company_fleet,account_fleet",),
}


def extend(home: Path) -> None:
    """One of each kind, by files alone."""
    for name, text in NEW_SCHEMAS.items():
        with (home / "schemas" / f"{name}.sql").open("a", encoding="utf-8") as schema:
            schema.write(text)
    dated = "  created_at TIMESTAMP NOT NULL, modified_at TIMESTAMP NOT NULL, deleted_ind CHAR(1) NOT NULL\n"
    changed(home / "schemas/portal2.sql", dated, f"{dated.rstrip()},\n  lei_txt VARCHAR(20), screen_theme_cd VARCHAR(8)\n")
    changed(home / "schemas/portal3.sql", "company_history TEXT,\n", "company_history TEXT,\n  lei_txt VARCHAR(20),\n")
    known = '  "P2.company_profile.employee_count_txt",\n'
    changed(home / "personal.toml", known, f'{known}  "P2.company_profile.lei_txt",\n')
    profile = home / "portal2/company_profile.toml"
    changed(profile, '"company_history"\n', '"company_history"\nlei_txt = "lei_txt"\n')
    with profile.open("a", encoding="utf-8") as mapping:
        mapping.write('\n[retired]\nscreen_theme_cd = "colours of the old application; the new portal has none"\n')
    (home / "portal2/company_fleet.toml").write_text(NEW_MAPPING, encoding="utf-8")
    for name, lines in NEW_CODES.items():
        with (home / "codes" / f"{name}.csv").open("a", encoding="utf-8") as codes:
            codes.writelines(f"{line}\n" for line in lines)
