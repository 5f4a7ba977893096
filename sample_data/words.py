"""Words, names and texts of the synthetic worlds; nothing in here belongs to a real company or person."""

from math import exp
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from sample_data.frames import ints, join, pick, strings
from sample_data.seeded_random import Ints, below


def _split(line: str) -> tuple[str, ...]:
    return tuple(line.split())


NATURE = _split(
    "Harbor Pine Cedar River Summit Granite Delta Prairie Coral Juniper Falcon Heron Maple Amber Cobalt Copper Meadow Canyon Ridge Lagoon "
    "Aspen Birch Willow Marsh Orchard Quarry Raven Sable Thistle Umber Valley Walnut Yarrow Zephyr Boreal Cinder Dune Ember Fjord Glacier"
)
SECOND = _split(
    "Bay Gate Point Crest Field Stone Bridge Light Anchor Mill Park Crossing Haven Landing Wharf Grove Spring Forge Tower Lake "
    "Ford Hill Lane Dock Yard Road Shore Coast Strait Isle"
)
TRADE = _split(
    "Imports Trading Logistics Customs Freight Carriers Manufacturing Foods Textiles Steel Chemicals Electronics Toys Furniture Exports "
    "Seafood Produce Plastics Machinery Apparel"
)
FORM = ("Inc.", "LLC", "S.A. de C.V.", "GmbH", "Ltd.", "Co., Ltd.", "Corp.", "S.R.L.", "AB", "K.K.")
FIRST_NAMES = _split(
    "Ana Bruno Carla Dmitri Elena Farid Grace Hugo Ines Jonas Kim Lena Mateo Nadia Omar Priya Quentin Rosa Sven Tara Umut Vera Wei Ximena "
    "Yusuf Zoë André Björn Chloé Łukasz"
)
LAST_NAMES = _split(
    "Alvarez Brandt Chen Duarte Eriksen Fischer Garcia Hansen Ibrahim Jensen Kowalski Lopez Moreau Nguyen O'Brien Patel Quist Rossi Silva "
    "Tanaka Ueda Vargas Weber Xu Yilmaz Zhang Müller Peña Strauß Žižka"
)
CITIES = (
    "Newark",
    "Laredo",
    "El Paso",
    "Savannah",
    "Long Beach",
    "Detroit",
    "Buffalo",
    "Monterrey",
    "Hamburg",
    "Shanghai",
    "Mumbai",
    "Toronto",
)
COUNTRIES = ("US", "US", "US", "US", "US", "US", "US", "MX", "DE", "CN", "IN", "CA")
STATES = ("NJ", "TX", "TX", "GA", "CA", "MI", "NY", "NLE", None, None, "MH", "ON")
# Every sentence is harmless; some hold what loaders trip over: quotes, tabs, line ends, backslashes, COPY's end mark, wide characters.
SENTENCES = (
    "Drivers inspect the container on seven points before loading.",
    "Seals meet ISO 17712; their numbers are written into the log and sent to the consignee.",
    "Visitors show a photo identification and wear a badge.",
    "The fence is walked every morning and every evening.",
    "Business partners answer a questionnaire every year; high risk partners are visited.",
    "Lights cover the gates, the yard and the parking for private cars.",
    "Accounts of leavers are closed on the same day.",
    "Passwords are changed; two factors are required from outside.",
    "Training covers internal conspiracies, seals and the reporting of incidents.",
    'The guard says "no entry without a badge", and means it.',
    "Wooden pallets carry the IPPC stamp.\nOthers are sent back.",
    "Cameras:\t16 inside, 12 outside, 30 days kept.",
    "Files lie under C:\\security\\2023\\new, a copy in the safe.",
    "\\. is no end of anything, \\N is no null.",
    "Los conductores revisan el contenedor en siete puntos.",
    "Die Plomben werden nach ISO 17712 geprüft, siehe Straße 4, Tor 2.",
    "集装箱在装货前按七点检查。",
    "Incidents are reported within 24 hours ✔ — by phone first.",
    "Applicants are screened where the law allows it; the rest is asked in the interview.",
    "Overnight the cargo stands in a locked yard under cameras.",
)
POOL = 8192


def company_names(index: Ints) -> pa.Array:
    """Returns a company name for each index, unique below 240,000."""
    number = index * 104_729 % (len(NATURE) * len(SECOND) * len(TRADE) * len(FORM))
    number, form = np.divmod(number, len(FORM))
    number, trade = np.divmod(number, len(TRADE))
    nature, second = np.divmod(number, len(SECOND))
    return join(pick(NATURE, nature), " ", pick(SECOND, second), " ", pick(TRADE, trade), " ", pick(FORM, form))


def first_names(seed: int, index: Ints) -> pa.Array:
    """Returns a first name for each index."""
    return pick(FIRST_NAMES, below(seed, "name.first", index, len(FIRST_NAMES)))


def last_names(seed: int, index: Ints) -> pa.Array:
    """Returns a last name for each index."""
    return pick(LAST_NAMES, below(seed, "name.last", index, len(LAST_NAMES)))


def lengths(median: float, count: int = POOL) -> list[int]:
    """Returns `count` log-normal lengths around the median, by quantile: mean twice the median, 99th percentile 16 times."""
    normal = NormalDist(0.0, 1.1774)
    return [max(1, round(median * exp(normal.inv_cdf((k + 0.5) / count)))) for k in range(count)]


def texts(seed: int, stream: str, median: float) -> pa.Array:
    """Returns a pool of texts with these lengths; picking from it is many times faster than generating each row's text."""
    wanted = lengths(median)
    first = below(seed, f"{stream}.first", np.arange(POOL, dtype=np.int64), len(SENTENCES)).tolist()
    step = (1 + below(seed, f"{stream}.step", np.arange(POOL, dtype=np.int64), 8)).tolist()
    return strings(_text(start, stride, size) for start, stride, size in zip(first, step, wanted, strict=True))


def _text(start: int, stride: int, size: int) -> str:
    written: list[str] = []
    length = 0
    position = start
    while length < size:
        sentence = SENTENCES[position % len(SENTENCES)]
        written.append(sentence)
        length += len(sentence) + 1
        position += stride
    return " ".join(written)[:size]


def phone_numbers(index: Ints) -> pa.Array:
    """Returns a phone number for each index, from the range reserved for fiction."""
    return join("+1 201 555 0", ints(100 + index % 100))
