"""Text, places, numbers and ways to reach somebody, each by itself."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registrar.particulars import contact, host, numbers, places
from countersign.registrar.particulars.numbers import NumberKind
from countersign.registrar.particulars.text import clean_text, fold

CODES = sorted(code for code, _ in places.countries())


def test_text_is_in_nfc_on_one_line() -> None:
    assert clean_text("  Zoe\u0308\n\tMu\u0308ller\u00a0 ") == "Zoë Müller"
    assert clean_text("نمی\u200cدانم") == "نمی\u200cدانم"
    assert fold("MÜNCHEN Straße") == "munchen strasse"


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\u202e", "\u200b", "\u2066", "\ud800", "\ue000"])
def test_text_that_deceives_or_breaks_is_refused(char: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        clean_text(f"a{char}b")


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    try:
        cleaned = clean_text(text)
    except ValueError:
        return
    assert clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)


def test_every_country_has_a_name_and_a_part_of_the_world() -> None:
    assert len(CODES) == len(set(CODES)) > 240
    for code, name in places.countries():
        assert len(name) > 2
        assert (code, name) in places.countries_of(places.region_of(code).code)
    assert places.country_name("DE", "de-AT") == "Deutschland"
    assert places.countries("no such language") == places.countries("en")
    assert places.country_name("??") == "??"


def test_cities_are_found_by_the_beginning_of_any_of_their_names() -> None:
    for typed in ("münch", "Munch", "munich"):
        assert places.search_cities(typed)[0].name == "Munich"
    assert places.search_cities("san", country="US", limit=3)[0].country == "US"
    assert len(places.search_cities("s", limit=10_000)) == places.MAX_CITIES
    for nothing in ("", " ", "北", "\x00", "zzzzzz"):
        assert places.search_cities(nothing) == []


def test_of_cities_with_one_name_the_state_decides_else_the_size() -> None:
    illinois = places.find_city("springfield", "US", "il")
    missouri = places.find_city("Springfield", "US")
    assert illinois is not None
    assert missouri is not None
    assert (illinois.subdivision, missouri.subdivision) == ("IL", "MO")
    assert places.city_by_id(illinois.id) == illinois


@pytest.mark.parametrize(
    ("country", "typed", "code"),
    [("JP", "1000001", "100-0001"), ("CA", "k1a0b1", "K1A 0B1"), ("GB", "sw1a1aa", "SW1A 1AA"),
     ("PL", "00 950", "00-950"), ("BR", "01310100", "01310-100"), ("SE", "11455", "114 55"),
     ("US", "94103", "94103"), ("US", "94103 1234", "94103-1234"), ("IE", "d02x285", "D02 X285"),
     ("NL", "1012ab", "1012 AB"), ("HK", "", ""), ("CL", "8320000", "8320000")],
)  # fmt: skip
def test_postal_codes_are_written_as_the_country_does(country: str, typed: str, code: str) -> None:
    assert places.normalise_postal_code(typed, country) == code
    assert places.normalise_postal_code(code, country) == code


@pytest.mark.parametrize(
    ("kind", "country", "one", "other"),
    [
        ("abn", "AU", "51 824 753 556", "51824753556"),
        ("ssn", "US", "536-90-4399", "536904399"),
        ("company", "BE", "BE 0428.759.497", "428759497"),
        ("company", "FR", "552 008 443 00013", "552008443"),
        ("passport", "DE", "c01x-00t 47", "C01X00T47"),
        ("passport", "EG", "A١٢٣", "a123"),
        ("passport", "JP", "ＴＫ１２３", "tk123"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(
    kind: str, country: str, one: str, other: str
) -> None:
    normal = numbers.normalise_number(kind, country, one)
    assert normal == numbers.normalise_number(kind, country, other)
    assert numbers.normalise_number(kind, country, normal) == normal


@settings(max_examples=400)
@given(st.sampled_from(NumberKind), st.sampled_from([*CODES, "ZZ", ""]), st.text(max_size=60))
def test_no_number_raises_anything_but_what_to_do(
    kind: NumberKind, country: str, number: str
) -> None:
    numbers.normalise_number(kind, country, number)
    try:
        checked = numbers.check_number(kind, country, number)
    except ValueError as error:
        assert str(error).startswith("Check the ")
    else:
        assert numbers.normalise_number(kind, country, checked)


@settings(max_examples=400)
@given(st.sampled_from(CODES), st.from_regex(r"[A-Z0-9]{2,15}", fullmatch=True))
def test_numbers_checked_by_each_countrys_module_never_raise_anything_else(
    country: str, number: str
) -> None:
    for kind in (NumberKind.COMPANY, NumberKind.NATIONAL_ID):
        try:
            numbers.check_number(kind, country, number)
        except ValueError as error:
            assert str(error).startswith("Check the ")


def test_every_country_in_the_table_can_be_checked() -> None:
    checked = [code for code in CODES if numbers.is_company_number_checked(code)]
    assert len(checked) == len(numbers._COMPANY_NUMBERS)
    assert "GB" not in checked


def test_states_are_known_by_code_and_by_name() -> None:
    assert numbers.find_state("AU", "queensland") == numbers.find_state("AU", "AU-QLD") == "QLD"
    assert numbers.find_state("CA", "Québec") == "QC"
    assert numbers.find_state("DE", "Bayern") == "Bayern"
    assert len(numbers.states_of("US")) == 51
    assert numbers.states_of("DE") == ()


def test_telephone_numbers_are_stored_in_one_form_and_shown_in_another() -> None:
    stored = contact.normalise_phone("(02) 9876 5432", "AU")
    assert stored == contact.normalise_phone("+61 2 9876-5432", "US") == "+61298765432"
    assert contact.show_phone(stored) == "+61 2 9876 5432"
    assert contact.show_phone("what?") == "what?"


@settings(max_examples=300)
@given(st.text(max_size=80), st.sampled_from(["", "US", "ZZ"]))
def test_nothing_typed_as_contact_raises_anything_but_value_errors(text: str, country: str) -> None:
    for check in (
        lambda: contact.normalise_phone(text, country),
        lambda: contact.normalise_email(text),
        lambda: contact.normalise_email(f"a@{text}.com"),
        lambda: contact.normalise_website(text),
        lambda: contact.normalise_website(f"https://{text}.com/{text}"),
        lambda: host.normalise_registrable(text),
        lambda: host.normalise_registrable(f"mail.{text}.com"),
    ):
        try:
            value = check()
        except ValueError as error:
            assert str(error)
        else:
            value.encode()
