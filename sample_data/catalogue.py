"""The catalogues of a synthetic world: the same for every size and seed."""

import numpy as np
import pyarrow as pa

from sample_data import words
from sample_data.frames import DAY, flags, frame, ints, join, moment, pick, rows_frame
from sample_data.population import Shape
from sample_data.seeded_random import Ints, below, children

NAMES = {
    "IMP": "Importer",
    "EXP": "Exporter",
    "BRK": "Customs Broker",
    "CON": "Consolidator",
    "3PL": "Third Party Logistics Provider",
    "AIR": "Air Carrier",
    "SEA": "Sea Carrier",
    "RAIL": "Rail Carrier",
    "HWM": "Highway Carrier US/Mexico",
    "HWC": "Highway Carrier US/Canada",
    "HWY": "Highway Carrier",
    "MLH": "Mexican Long Haul Carrier",
    "FMF": "Foreign Manufacturer",
    "MPT": "Marine Port Authority / Terminal Operator",
}
CATEGORIES = (
    "Security Vision & Responsibility",
    "Risk Assessment",
    "Business Partners",
    "Cybersecurity",
    "Conveyance and Instruments of International Traffic Security",
    "Seal Security",
    "Procedural Security",
    "Agricultural Security",
    "Physical Security",
    "Physical Access Controls",
    "Personnel Security",
    "Education, Training and Awareness",
)
FOCUS = ("Corporate Security",) * 4 + ("Transportation Security",) * 4 + ("People and Physical Security",) * 4
# Criteria versions: 1 before 2015, 2 of 2015, 3 of 2020. Question ids are version * 1000 + number, numbers from 1.
QUESTIONS = 180
CBP_USERS = 40
# Agreement versions by id: VOLUNTARY in two editions, two consents, VOLUNTARY for one type each (the third unknown), one of the future.
AGREEMENTS = (
    (1, "VOLUNTARY", 1, None, "2001-11-01"),
    (2, "VOLUNTARY", 2, None, "2015-08-01"),
    (3, "SVI_CONSENT", 1, None, "2001-11-01"),
    (4, "INTL_CONSENT", 1, None, "2012-01-01"),
    (5, "VOLUNTARY", 3, "IMP", "2019-01-01"),
    (6, "VOLUNTARY", 3, "RAIL", "2019-01-01"),
    (7, "VOLUNTARY", 3, "EFC", "2022-01-01"),
    (8, "VOLUNTARY", 4, None, "2030-01-01"),
)


def question_id(version: Ints, number: Ints) -> Ints:
    """Returns the id of question `number` (from 0) of a criteria version."""
    return version * 1000 + number % QUESTIONS + 1


def catalogues(shape: Shape) -> dict[str, pa.Table]:
    """Returns every catalogue table of Portal 2.0, organisations and consultants' companies included."""
    version, number = children(np.array([0, QUESTIONS, QUESTIONS, QUESTIONS], dtype=np.int64))
    category = number * len(CATEGORIES) // QUESTIONS
    question = frame(
        "profile_question",
        question_id=question_id(version, number),
        criteria_version_id=version,
        category_no=category + 1,
        criterion_no=join(category + 1, ".", number % 15 * 2 + 1),
        question_no=np.ones(len(number), dtype=np.int64),
        question_text=join(
            "How does the company meet criterion ", number + 1, " of its version? (", pick(words.SENTENCES, number % 20), ")"
        ),
    )
    code, known = children(np.full(len(NAMES), len(version)))
    applies = below(shape.seed, "question.applies", code * 1000 + known, 100) < 75
    code, known = code[applies], known[applies]
    applicability = frame(
        "question_applicability",
        question_id=question_id(version[known], number[known]),
        business_type_cd=pick(list(NAMES), code),
        strength_cd=pick(["MUST", "SHOULD"], (below(shape.seed, "question.strength", code * 1000 + known, 100) >= 60).astype(np.int64)),
    )
    return {
        "business_type": rows_frame(
            "business_type",
            [{"business_type_cd": code, "name": name, "active_ind": "N" if code == "HWY" else "Y"} for code, name in NAMES.items()],
        ),
        "criteria_version": rows_frame(
            "criteria_version",
            [
                {"criteria_version_id": number, "name": f"Criteria, version {number}", "effective_dt": start}
                for number, start in enumerate(("2001-11-01", "2015-08-01", "2020-01-01"), 1)
            ],
        ),
        "criteria_category": rows_frame(
            "criteria_category",
            [{"category_no": number, "name": name, "focus_area": FOCUS[number - 1]} for number, name in enumerate(CATEGORIES, 1)],
        ),
        "profile_question": question,
        "question_applicability": applicability.sort_by([("question_id", "ascending"), ("business_type_cd", "ascending")]),
        "agreement_version": rows_frame(
            "agreement_version",
            [
                dict(zip(("agreement_version_id", "agreement_cd", "version_no", "business_type_cd", "effective_dt"), row, strict=True))
                for row in AGREEMENTS
            ],
        ),
        "cbp_user": _cbp_users(),
        "trade_organization": _organisations(shape),
        "consultant_company": _consultant_companies(shape),
    }


def _cbp_users() -> pa.Table:
    number = np.arange(CBP_USERS, dtype=np.int64)
    return frame(
        "cbp_user",
        cbp_user_id=number + 1,
        display_name=join("Specialist ", number + 1),
        role_cd=pick(["SCSS", "SCSS", "SCSS", "SUPERVISOR", "HQ"], number % 5),
        office_cd=pick(["NEWARK", "HOUSTON", "BUFFALO", "MIAMI", "LOS_ANGELES", "NEW_YORK"], number % 6),
        active_ind=flags(number % 9 != 0),
    )


def _organisations(shape: Shape) -> pa.Table:
    number = np.arange(shape.profiles // 4 + 1, dtype=np.int64)
    return frame(
        "trade_organization",
        trade_org_id=number + 1,
        org_name=join(words.company_names(number * 4), " Group"),
        created_at=np.full(len(number), moment("2015-08-01 00:00:00")) + number % 900 * DAY,
    )


def _consultant_companies(shape: Shape) -> pa.Table:
    number = np.arange(max(1, shape.consultants // 2), dtype=np.int64)
    return frame(
        "consultant_company",
        consultant_company_id=number + 1,
        name=join(pick(words.LAST_NAMES, number % 30), " Advisory ", ints(number + 1)),
        city=pick(words.CITIES, number % 12),
        country_cd=pick(words.COUNTRIES, number % 12),
    )
