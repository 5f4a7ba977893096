"""Chapter A of the rules: which entities become accounts, under which number, type and name. `fp7`: number 7 of the fine print."""

from pathlib import Path

from tests.support.legacy import TYPES, Legacy


def test_A1_a_profile_without_entity_is_held_with_its_dependents_and_its_user_still_gets_a_login(tmp_path: Path) -> None:
    world = (
        Legacy().profile(1).user(5, user_name="ann@x.example").contact(6, user=5).address(7).svi_setting().document(8, profile=1).content(8)
    )
    store = world.migrate(tmp_path)
    assert store.rows("entity_account") == []
    assert store.held == {
        "company_profile 1": "PROFILE_WITHOUT_ENTITY",
        "company_contact 6": "PARENT_HELD",
        "company_address 7": "PARENT_HELD",
        "svi_setting 1": "PARENT_HELD",
        "document 8": "PARENT_HELD",
        "document_content 8": "PARENT_HELD",
    }
    assert store.rows("login", "email_key") == ["ann@x.example"]


def test_A2_several_entities_of_one_type_become_separate_accounts_labelled_with_their_models(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(1, name="Twin")
        .model(11, model_name="East")
        .entity(101, type="IMP")
        .model(12, model_name="West")
        .entity(102, type="IMP")
    )
    store = world.migrate(tmp_path)
    assert store.accounts("legal_name", "account_label", "business_type_cd") == {101: ("Twin", "East", "IMP"), 102: ("Twin", "West", "IMP")}


def test_A2_fp8_the_label_is_the_models_name_on_every_account_null_where_the_model_has_none(tmp_path: Path) -> None:
    store = Legacy().profile(1).model(11, model_name="Only").entity(101).profile(2).model(21).entity(201).migrate(tmp_path)
    assert store.accounts("account_label") == {101: "Only", 201: None}


def test_A3_a_merged_model_gives_one_account_per_entity_with_copies_of_what_belongs_to_the_model(tmp_path: Path) -> None:
    world = (
        Legacy().profile(1).model(11).entity(101, type="BRK").entity(102, type="CON").year(3).answer(4).validation(5, model=11).finding(6)
    )
    store = world.migrate(tmp_path)
    assert store.rows("security_profile", "security_profile_id") == ["3@101", "3@102"]
    assert store.rows("profile_response", "response_id", "security_profile_id") == [("4@101", "3@101"), ("4@102", "3@102")]
    assert store.rows("validation_finding", "finding_id", "validation_id") == [("6@101", "5@101"), ("6@102", "5@102")]


def test_A4_a_missing_model_or_profile_holds_the_row_and_all_below_it(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101)
    world.model(12, profile=99).entity(102).add("entity_status_history", 2).year(7)  # its profile never was
    world.entity(103, model=98).add("entity_status_history", 3)  # its model never was
    store = world.migrate(tmp_path)
    assert list(store.accounts("account_number")) == [101]
    assert store.held == {
        "security_model 12": "BROKEN_REFERENCE",
        "model_entity 102": "PARENT_HELD",
        "entity_status_history 2": "PARENT_HELD",
        "security_profile 7": "PARENT_HELD",
        "model_entity 103": "BROKEN_REFERENCE",
        "entity_status_history 3": "PARENT_HELD",
    }


def test_A4_a_profile_whose_only_entities_are_held_has_none(tmp_path: Path) -> None:
    store = Legacy().profile(1).entity(101, model=98).migrate(tmp_path)
    assert store.held == {"company_profile 1": "PROFILE_WITHOUT_ENTITY", "model_entity 101": "BROKEN_REFERENCE"}


def test_A5_a_model_without_entities_is_held_with_its_dependents(tmp_path: Path) -> None:
    store = Legacy().profile(1).model(11).entity(101).model(12).year(3).answer(4).thread(5, model=12).message(6).migrate(tmp_path)
    assert store.held == {
        "security_model 12": "MODEL_WITHOUT_ENTITY",
        "security_profile 3": "PARENT_HELD",
        "profile_response 4": "PARENT_HELD",
        "message_thread 5": "PARENT_HELD",
        "message 6": "PARENT_HELD",
    }


def test_A5_A1_fp24_an_entity_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, created="long ago").profile(2, name="y" * 201).model(21).entity(201)
    assert world.migrate(tmp_path).held == {
        "company_profile 1": "PROFILE_WITHOUT_ENTITY",
        "security_model 11": "MODEL_WITHOUT_ENTITY",
        "model_entity 101": "UNREADABLE_VALUE",
        "company_profile 2": "UNREADABLE_VALUE",
        "security_model 21": "PARENT_HELD",
        "model_entity 201": "PARENT_HELD",
    }


def test_A6_statuses_tiers_and_damaged_dates_are_carried_exactly_per_entity(tmp_path: Path) -> None:
    damaged = {
        "application_dt": "9999-12-31",
        "certification_dt": "0001-01-01",
        "anniversary_dt": None,
        "last_validation_dt": "2099-02-28",
        "next_validation_due_dt": "1900-03-01",
        "created_at": "0001-01-01 00:00:00.000001",
        "modified_at": "9999-12-31 23:59:59.999999",
    }
    world = Legacy().profile(1).model(11).entity(101, status="certified ", tier="9", **damaged).entity(102, status="APPLICANT")
    store = world.migrate(tmp_path)
    assert store.accounts("status_cd", "tier_cd", *damaged)[101] == ("certified ", "9", *damaged.values())
    assert store.accounts("status_cd", "tier_cd", "certification_dt")[102] == ("APPLICANT", None, None)


def test_A7_rejected_ineligible_removed_and_withdrawn_accounts_migrate_invisible_to_trade(tmp_path: Path) -> None:
    statuses = ("PRE_APPLICANT", "APPLICANT", "APPROVED", "CERTIFIED", "REJECTED", "INELIGIBLE", "SUSPENDED", "REMOVED", "WITHDRAWN")
    world = Legacy().profile(1).model(11)
    for number, status in enumerate(statuses):
        world.entity(number, status=status)
    visible = world.migrate(tmp_path).accounts("status_cd", "trade_visible")
    hidden = {"REJECTED", "INELIGIBLE", "REMOVED", "WITHDRAWN"}
    assert visible == {number: (status, int(status not in hidden)) for number, status in enumerate(statuses)}


def test_A8_fp36_accounts_of_a_deleted_model_or_profile_are_archived_and_only_a_capital_Y_deletes(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11, deleted="Y").entity(101).model(12, deleted="y").entity(102).model(13).entity(103)
    store = world.profile(2, deleted="Y").model(21).entity(201).migrate(tmp_path)
    assert store.accounts("archived", "trade_visible") == {101: (1, 0), 102: (0, 1), 103: (0, 1), 201: (1, 0)}


def test_A10_organisations_profiles_and_models_become_groups_of_their_accounts(tmp_path: Path) -> None:
    world = Legacy().organization(1, org_name="Pine", created="2001-01-01 00:00:00").organization(2, org_name="Nobody's")
    world.profile(1, name="One", trade_org=1, created="2002-02-02 00:00:00").model(11, model_name="M", effective="2003-03-03 00:00:00")
    world.entity(101).entity(102).profile(2, trade_org=1).model(21).entity(201).profile(3, trade_org=1)  # profile 3 is held
    store = world.migrate(tmp_path)
    names = ("group_id", "name", "created_at")
    assert store.rows("account_group", *names) == [
        ("COMPANY_PROFILE 1", "One", "2002-02-02 00:00:00"),
        ("COMPANY_PROFILE 2", "Company 2", "2020-01-01 00:00:00"),
        ("SECURITY_MODEL 11", "M", "2003-03-03 00:00:00"),
        ("SECURITY_MODEL 21", None, "2020-01-01 00:00:00"),
        ("TRADE_ORG 1", "Pine", "2001-01-01 00:00:00"),
        ("TRADE_ORG 2", "Nobody's", "2020-01-01 00:00:00"),
    ]
    assert store.rows("account_group_member", "group_id", "account_id") == [
        ("COMPANY_PROFILE 1", 101),
        ("COMPANY_PROFILE 1", 102),
        ("COMPANY_PROFILE 2", 201),
        ("SECURITY_MODEL 11", 101),
        ("SECURITY_MODEL 11", 102),
        ("SECURITY_MODEL 21", 201),
        ("TRADE_ORG 1", 101),
        ("TRADE_ORG 1", 102),
        ("TRADE_ORG 1", 201),
    ]


def test_A10_a_group_grants_no_access(tmp_path: Path) -> None:
    world = Legacy().organization(1).profile(1, trade_org=1).model(11).entity(101).user(5, user_name="a@x.example").contact(6, user=5)
    assert world.profile(2, trade_org=1).model(21).entity(201).migrate(tmp_path).picker("a@x.example") == [101]


def test_A11_highway_carriers_split_by_border_and_those_without_a_known_one_stay_and_are_flagged(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11)
    for entity, border in enumerate(("MEX", "BOTH", "CAN", None, "mex"), start=1):
        world.entity(entity, type="HWY", border_crossed=border)
    store = world.entity(6, type="HWC", border_crossed="MEX").migrate(tmp_path)
    assert store.accounts("business_type_cd", "border_crossed_cd") == {
        1: ("HWM", "MEX"),
        2: ("HWM", "BOTH"),
        3: ("HWC", "CAN"),
        4: ("HWY", None),
        5: ("HWY", "mex"),
        6: ("HWC", "MEX"),
    }
    assert store.flags("A11") == ["model_entity 4", "model_entity 5"]


def test_A12_fp5_a_type_that_the_catalogue_lacks_is_kept_flagged_and_added_inactive_under_its_code(tmp_path: Path) -> None:
    world = (
        Legacy()
        .applicability(1, "EFC")
        .agreement_version(2, business_type="NEW")
        .profile(1)
        .model(11)
        .entity(101, type="imp")
        .entity(102, type="IMP")
    )
    store = world.migrate(tmp_path)
    assert store.accounts("business_type_cd") == {101: "imp", 102: "IMP"}
    assert [row for row in store.rows("business_type", "business_type_cd", "name", "active") if row[0] not in TYPES] == [
        ("EFC", "EFC", 0),
        ("NEW", "NEW", 0),
        ("imp", "imp", 0),
    ]
    assert store.flags("A12") == ["agreement_version 2", "model_entity 101", "question_applicability 1|EFC"]


def test_A12_fp5_is_judged_after_A11(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(101, type="HWY", border_crossed="CAN").entity(102, type="HWY", border_crossed="MEX")
    world.tables["business_type"] = [row for row in world.tables["business_type"] if row["business_type_cd"] not in ("HWC", "HWY")]
    store = world.migrate(tmp_path)
    assert store.flags("A12") == ["model_entity 101"]
    assert [row for row in store.rows("business_type", "business_type_cd", "active") if row[1] == 0] == [("HWC", 0)]


def test_A16_fp7_a_duplicate_number_stays_with_the_lowest_entity_id_and_only_losers_are_flagged(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(103, number="A").entity(101, number="A").entity(102, number="A").entity(104, number="a ")
    world.entity(100, number="A", model=99).entity(105, number="B", model=11).entity(106, model=11).entity(107, number="").entity(
        108, number=" \u00a0"
    )
    store = world.migrate(tmp_path)
    assert store.accounts("account_number") == {
        101: "A",
        102: "M000000102",
        103: "M000000103",
        104: "a ",
        105: "B",
        106: "M000000106",
        107: "M000000107",
        108: "M000000108",
    }
    assert store.flags("A16") == ["model_entity 102", "model_entity 103"]  # the held 100 did not compete


def test_A16_fp20_a_made_number_that_is_taken_gets_X_until_it_is_unique(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(1).entity(2, number="M000000001").entity(3, number="M000000001X").entity(4)
    assert world.migrate(tmp_path).accounts("account_number") == {1: "M000000001XX", 2: "M000000001", 3: "M000000001X", 4: "M000000004"}


def test_A16_fp45_a_made_number_has_nine_digits_at_least_and_the_minus_sign_in_front(tmp_path: Path) -> None:
    world = Legacy().profile(1).model(11).entity(0).entity(-7).entity(1234567890).entity(9007199254740993)
    assert world.migrate(tmp_path).accounts("account_number") == {
        0: "M000000000",
        -7: "M-000000007",
        1234567890: "M1234567890",
        9007199254740993: "M9007199254740993",
    }


def test_A16_fp44_a_made_number_too_long_for_its_column_is_an_unreadable_value(tmp_path: Path) -> None:
    world = (
        Legacy()
        .profile(1)
        .model(11)
        .entity(-(2**63))
        .entity(2**63 - 1, number=" ")
        .profile(2)
        .model(21)
        .entity(-(10**18), number="X", status="REMOVED")
    )
    store = world.entity(-(10**18) - 1, number="X").migrate(tmp_path)
    assert store.accounts("account_number") == {2**63 - 1: f"M{2**63 - 1}", -(10**18) - 1: "X"}
    assert store.held == {f"model_entity {-(2**63)}": "UNREADABLE_VALUE", f"model_entity {-(10**18)}": "UNREADABLE_VALUE"}
    assert store.flags("A16") == []  # a held row carries no flag


def test_A16_A5_fp44_a_model_whose_only_entity_got_no_number_has_none(tmp_path: Path) -> None:
    store = Legacy().profile(1).model(11).entity(-(2**63)).user(5, user_name="a@x.example").contact(6, user=5).migrate(tmp_path)
    assert store.held == {
        "company_profile 1": "PROFILE_WITHOUT_ENTITY",
        "security_model 11": "MODEL_WITHOUT_ENTITY",
        f"model_entity {-(2**63)}": "UNREADABLE_VALUE",
        "company_contact 6": "PARENT_HELD",
    }


def test_A16_fp48_only_numbers_of_accounts_count_for_a_clash(tmp_path: Path) -> None:
    store = Legacy().profile(1).model(11).entity(1).entity(2, number="M000000001", model=99).migrate(tmp_path)
    assert store.accounts("account_number") == {1: "M000000001"}


def test_A17_master_data_and_addresses_are_value_copies_on_every_account(tmp_path: Path) -> None:
    company = {
        "dba_name": "Harbor",
        "ownership_type_cd": "CORPORATION",
        "business_start_dt": "1987-04-01",
        "years_in_business_txt": "36",
        "phone": "1",
        "fax": "2",
        "website": "w",
        "company_history": " as typed\r\n",
    }
    world = (
        Legacy()
        .profile(1, name=" Pine ", created="2001-01-01 00:00:00", modified="2002-02-02 00:00:00.5", **company)
        .address(9, city="Newark", primary="Y")
    )
    store = world.model(11).entity(101).model(12).entity(102).migrate(tmp_path)
    copied = (" Pine ", "2001-01-01 00:00:00", "2002-02-02 00:00:00.500000", *company.values())
    assert store.accounts("legal_name", "profile_created_at", "profile_modified_at", *company) == {101: copied, 102: copied}
    assert store.rows("account_address", "address_id", "account_id", "city", "is_primary", "mailing") == [
        ("9@101", 101, "Newark", 1, 0),
        ("9@102", 102, "Newark", 1, 0),
    ]


def test_A18_fp1_fp30_equal_names_after_trimming_and_folding_are_flagged_and_never_merged(tmp_path: Path) -> None:
    world = Legacy().profile(1, name="Straße").model(11).entity(101).profile(2, name="\u00a0STRASSE ").model(21).entity(201)
    world.profile(3, name="Straß e").model(31).entity(301)
    world.profile(4, name="Held").profile(5, name="HELD").model(51).entity(501)  # 4 has no entity: held, and yet compared
    store = world.migrate(tmp_path)
    assert store.flags("A18") == ["company_profile 1", "company_profile 2", "company_profile 5"]
    assert store.accounts("legal_name") == {101: "Straße", 201: "\u00a0STRASSE ", 301: "Straß e", 501: "HELD"}


def test_A21_fp19_employee_count_is_a_plain_whole_number_or_null_and_the_text_is_kept(tmp_path: Path) -> None:
    counts = {
        "12": 12,
        "007": 7,
        "1,250": 1250,
        "12,345,678": 12345678,
        "2147483647": 2147483647,
        "2,147,483,647": 2147483647,
        "2147483648": None,
        "": None,
        " 12": None,
        "12 ": None,
        "100-249": None,
        "1,25": None,
        "1250,000": None,
        ",123": None,
        "+5": None,
        "1.0": None,
        "٣": None,
        "５": None,
    }
    world = Legacy()
    for number, text in enumerate(counts, start=1):
        world.profile(number, employee_count=text).model(number).entity(number)
    assert world.migrate(tmp_path).accounts("employee_count_txt", "employee_count") == dict(enumerate(counts.items(), start=1))
