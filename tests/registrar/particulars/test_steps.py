"""Forms and JSON of each step: values in their normal form, or what to do about each field."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.registrar.particulars.fields import Checks
from countersign.registrar.particulars.parsing import flatten_part, parse_form, parse_step
from countersign.registrar.particulars.person import Owner
from countersign.registrar.particulars.server import Host, Location, OwnerKind
from countersign.registrar.particulars.steps import Step, all_steps, steps_for

from . import examples
from .examples import AMERICAN, BUSINESS_FORMS, CHECKS, COMPANY, INDIVIDUAL_FORMS, OWNER, directors

FORM_STEPS = [step for step, spec in all_steps().items() if spec.model is not None]


def errors(step: Step, form: dict[str, str], **changes: Any) -> dict[str, str]:
    return parse_form(step, form, replace(CHECKS, **changes)).errors


def test_values_come_out_in_their_normal_form() -> None:
    owner = examples.parsed(Step.OWNER, {**AMERICAN, "email": "Zoe@BÜCHER.DE"}).values
    assert isinstance(owner, Owner)
    assert owner.phone == "+12175221234"
    assert owner.ssn == "536904399"
    assert owner.email == "Zoe@xn--bcher-kva.de"
    assert (owner.address.region, owner.address.postal_code) == ("IL", "62701-1234")
    assert owner.identity.issuer == "AU-NSW"


def test_a_form_may_have_buttons_and_tokens_but_json_no_unknown_field() -> None:
    form = {**OWNER, "csrf_token": "x", "save": "1", "address-colour": "red"}
    assert parse_form(Step.OWNER, form, CHECKS).ok
    said = parse_step(Step.OWNER, form, CHECKS).errors
    assert said.keys() == {"csrf_token", "save", "address-colour"}
    assert set(said.values()) == {"Leave this out: there is no such field."}


def test_nested_json_and_a_flat_form_are_the_same() -> None:
    flat = parse_form(Step.DIRECTORS, directors(examples.PERSON, AMERICAN), CHECKS)
    assert flat.values is not None
    nested = parse_step(Step.DIRECTORS, json.loads(flat.values.model_dump_json()), CHECKS)
    assert nested.values == flat.values


@pytest.mark.parametrize("step", FORM_STEPS)
def test_what_a_step_shows_again_gives_the_same_values(step: Step) -> None:
    form = {**INDIVIDUAL_FORMS, **BUSINESS_FORMS}[step]
    checks = Checks(examples.TODAY, country="AU")
    values = parse_form(step, form, checks).values
    assert values is not None
    assert parse_form(step, flatten_part(values), checks).values == values


@pytest.mark.parametrize("step", FORM_STEPS)
def test_an_empty_form_asks_for_each_required_field_by_its_label(step: Step) -> None:
    spec = all_steps()[step]
    if spec.repeat is not None:
        assert errors(step, {}) == {"directors": "Give at least one director."}
        return
    said = errors(step, {})
    required = {field.name for field in spec.fields if field.required}
    assert required <= set(said)
    for field in spec.fields:
        if field.required and not field.label.endswith("?"):
            assert field.label[1:] in said[field.name]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"birth_date": "2030-01-01"}, "birth_date", "still to come"),
        ({"birth_date": "1900-01-01"}, "birth_date", "120 years"),
        ({"birth_date": "2010-01-01"}, "birth_date", "18 years old"),
        ({"birth_date": "31.12.1970"}, "birth_date", "year-month-day"),
        ({"birth_date": "19701231"}, "birth_date", "year-month-day"),
        ({"name": "12345"}, "name", "letters"),
        ({"name": "x" * 121}, "name", "at most 120"),
        ({"name": "Zoe\u202eeoZ"}, "name", "invisible"),
        ({"name": "Zoe\x00"}, "name", "invisible"),
        ({"phone": "12"}, "phone", "+61"),
        ({"phone": "02 9876 5432 ext 3"}, "phone", "extension"),
        ({"fax": "none"}, "fax", "Check the number"),
        ({"address-country": "ZZ"}, "address-country", "from the list"),
        ({"address-postal_code": "ABC"}, "address-postal_code", "Australia"),
        ({"address-postal_code": ""}, "address-postal_code", "Enter the postal code"),
        ({"address-region": ""}, "address-region", "state"),
        ({"identity-region": ""}, "identity-region", "state"),
        ({"identity-kind": "library-card"}, "identity-kind", "passport"),
        ({"identity-number": "!"}, "identity-number", "as it is printed"),
        ({"ssn": "536-90-4399"}, "ssn", "Leave this empty"),
        ({"email": "zoe"}, "email", "name@example.com"),
        ({"email": '"zoe m"@muller.com.au'}, "email", "name@example.com"),
        ({"email": "zoe@[192.0.2.1]"}, "email", "name@example.com"),
        ({"email": "postmaster"}, "email", "name@example.com"),
        ({"email": "zoe@mail.example"}, "email", "reserved"),
    ],
)
def test_each_fault_is_told_at_its_field(change: dict[str, str], field: str, words: str) -> None:
    said = errors(Step.OWNER, {**OWNER, **change})
    assert list(said) == [field]
    assert words in said[field]


def test_a_fault_of_the_address_is_not_told_again_at_the_telephone() -> None:
    assert list(errors(Step.OWNER, {**OWNER, "address-country": ""})) == ["address-country"]


def test_somebody_is_of_age_on_the_birthday_not_the_day_before() -> None:
    form = {**OWNER, "birth_date": "2007-06-01"}
    assert not errors(Step.OWNER, form, today=date(2025, 6, 1))
    assert errors(Step.OWNER, form, today=date(2025, 5, 31))


@pytest.mark.parametrize("country", ["US", "PR"])
def test_people_in_the_united_states_give_a_valid_social_security_number(country: str) -> None:
    form = {**AMERICAN, "address-country": country}
    if country == "PR":
        form |= {"address-region": "", "address-postal_code": "00907", "phone": "+1 787 722 1234"}
    assert not errors(Step.OWNER, form)
    assert "Enter" in errors(Step.OWNER, {**form, "ssn": ""})["ssn"]
    assert "Check" in errors(Step.OWNER, {**form, "ssn": "078-05-1120"})["ssn"]


@pytest.mark.parametrize(
    ("registration", "field"),
    [
        ({"country": "AU"}, "abn"),
        ({"country": "AU", "abn": "51 824 753 557"}, "abn"),
        ({"country": "AU", "acn": "004 085 617"}, "acn"),
        ({"country": "AU", "acn": "004 085 616", "number": "12345"}, "number"),
        ({"country": "DE", "number": "Nowhere HRB 1"}, "number"),
        ({"country": "US", "number": "00-1144442"}, "number"),
        ({"country": "GB"}, "number"),
        ({"country": "GB", "number": "SC123456", "abn": "51 824 753 556"}, "abn"),
    ],
)
def test_a_company_gives_the_numbers_of_its_country(
    registration: dict[str, str], field: str
) -> None:
    form = {key: value for key, value in COMPANY.items() if not key.startswith("registration")}
    form |= {f"registration-{key}": value for key, value in registration.items()}
    assert list(errors(Step.COMPANY, form)) == [f"registration-{field}"]


@pytest.mark.parametrize(
    ("country", "number"),
    [("US", "91-1144442"), ("FR", "552 008 443"), ("GB", "SC123456"), ("BR", "16.727.230/0001-97")],
)
def test_companies_of_other_countries_register_with_theirs(country: str, number: str) -> None:
    form = {key: value for key, value in COMPANY.items() if not key.startswith("registration")}
    form |= {"registration-country": country, "registration-number": number}
    assert not errors(Step.COMPANY, form)


@pytest.mark.parametrize(
    "hostname",
    ["localhost", "mail", "192.0.2.1", "[192.0.2.1]", "mail.test", "mail.corp", "mail.example.com",
     "under_score.com", "-mail.com.au", "mail..com", "a" * 64 + ".com", "2001:db8::1", "mail.123",
     "müll\u200eer.de", "x." * 130 + "de"],
)  # fmt: skip
def test_only_whole_names_in_the_public_dns_are_registered(hostname: str) -> None:
    assert list(errors(Step.HOST, {"hostname": hostname, "kind": "business"})) == ["hostname"]


def test_the_demo_may_use_reserved_names_and_names_become_a_labels() -> None:
    form = {"hostname": "Mail.BÜCHER.example.", "kind": "individual"}
    assert errors(Step.HOST, form)
    result = parse_form(Step.HOST, form, replace(CHECKS, allow_reserved=True))
    hostname = "mail.xn--bcher-kva.example"
    assert result.values == Host.model_construct(hostname=hostname, kind=OwnerKind.INDIVIDUAL)


def test_a_server_is_put_on_the_map_by_its_city() -> None:
    location = examples.parsed(Step.LOCATION, examples.LOCATION).values
    assert isinstance(location, Location)
    assert location.city is not None
    assert (round(location.city.latitude), round(location.city.longitude)) == (51, 7)
    nowhere = examples.parsed(Step.LOCATION, {**examples.LOCATION, "address-locality": "Xyzzy"})
    assert isinstance(nowhere.values, Location)
    assert nowhere.values.city is None


def test_a_city_number_of_another_country_is_not_believed() -> None:
    sydney = {**examples.LOCATION, "city_id": "2147714"}
    location = examples.parsed(Step.LOCATION, sydney).values
    assert isinstance(location, Location)
    assert location.city is not None
    assert location.city.country == "DE"


def test_details_are_shown_with_a_name_only_and_not_at_all_without_consent() -> None:
    assert not errors(Step.DIRECTORY, {})
    assert list(errors(Step.DIRECTORY, {"listed": "on"})) == ["name"]


@pytest.mark.parametrize(
    "website",
    ["javascript:alert(1)", "ftp://muller.com.au", "https://a:b@muller.com.au", "http://localhost",
     "https://", "https://mail.example/", "data:text/html,x"],
)  # fmt: skip
def test_a_website_is_one_on_the_public_web(website: str) -> None:
    assert list(errors(Step.DIRECTORY, {"website": website})) == ["website"]


def test_blank_directors_are_passed_over_and_gaps_close() -> None:
    blank = {"name": "", "identity-kind": "passport", "address-country": "AU"}
    form = directors(blank, examples.PERSON, blank, {**examples.PERSON, "name": "7"}, first=3)
    result = parse_form(Step.DIRECTORS, form, CHECKS)
    assert list(result.errors) == ["directors-1-name"]
    assert result.entered["directors-1-name"] == "7"


def test_directors_keep_their_keys_and_there_are_at_most_fifty() -> None:
    first = parse_form(Step.DIRECTORS, directors(examples.PERSON, examples.PERSON), CHECKS)
    assert first.values is not None
    again = parse_form(Step.DIRECTORS, flatten_part(first.values), CHECKS)
    assert again.values == first.values
    assert not errors(Step.DIRECTORS, directors(*[examples.PERSON] * 50))
    said = errors(Step.DIRECTORS, directors(*[examples.PERSON] * 51))
    assert said == {"directors": "Give at most 50 of: director."}
    twins = directors(*[{**examples.PERSON, "key": "0011aabb"}] * 2)
    assert list(errors(Step.DIRECTORS, twins)) == ["directors"]


def test_every_step_tells_its_fields_to_forms_and_its_schema_to_programs() -> None:
    for kind in OwnerKind:
        for spec in steps_for(kind):
            schema = spec.schema()
            assert schema["type"] == "object"
            for field in spec.fields:
                assert field.label
                assert field.max_length > 0
                assert (field.kind == "choice") == bool(field.choices)
                top = field.name.split("-")[0]
                assert spec.repeat is not None or top in schema["properties"]
    assert Step.OWNER not in {spec.step for spec in steps_for(OwnerKind.BUSINESS)}
    assert {Step.COMPANY, Step.DIRECTORS}.isdisjoint(
        spec.step for spec in steps_for(OwnerKind.INDIVIDUAL)
    )


@pytest.mark.parametrize("step", [Step.DOCUMENTS, Step.REVIEW])
def test_steps_without_fields_take_no_form(step: Step) -> None:
    with pytest.raises(ValueError, match="no fields"):
        parse_form(step, {}, CHECKS)


keys = st.sampled_from(
    sorted({field.name for spec in all_steps().values() for field in spec.fields})
    + [f"directors-{number}-{name}" for number in (0, 1, 9999) for name in ("name", "phone", "key")]
)
texts = st.text(max_size=60) | st.sampled_from(
    ["AU", "US", "+", "xn--", "xn--a.xn--b", "1e999", "\ud800", "à" * 300, "[", "@", "\u0660"]
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORM_STEPS), st.dictionaries(keys | st.text(max_size=30), texts))
def test_no_form_raises_anything(step: Step, form: dict[str, str]) -> None:
    result = parse_form(step, form, CHECKS)
    assert result.ok == (not result.errors)
    assert all(key == "" or result.errors[key] for key in result.errors)
    json.dumps(result.entered).encode()
    "".join(result.entered.values()).encode()


members = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(2**500),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | texts, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORM_STEPS), st.dictionaries(keys | texts, members, max_size=8))
def test_no_json_raises_anything(step: Step, data: dict[str, Any]) -> None:
    result = parse_step(step, data, CHECKS)
    assert result.ok == (not result.errors)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_broken_field_among_good_ones_never_raises(data: st.DataObject) -> None:
    step = data.draw(st.sampled_from(sorted({**INDIVIDUAL_FORMS, **BUSINESS_FORMS})))
    form = dict({**INDIVIDUAL_FORMS, **BUSINESS_FORMS}[step])
    if form:
        form[data.draw(st.sampled_from(sorted(form)))] = data.draw(texts)
    result = parse_form(step, form, CHECKS)
    assert result.ok == (not result.errors)


def test_forms_far_too_large_are_refused_whole() -> None:
    huge = {"name": "x" * 100_000}
    assert "far too long" in parse_form(Step.OWNER, huge, CHECKS).errors[""]
    many = {f"directors-{number}-name": "x" for number in range(9999)}
    assert parse_form(Step.DIRECTORS, many, CHECKS).errors.keys() == {""}
    deep: Any = "x"
    for _ in range(5000):
        deep = {"a": deep}
    assert parse_step(Step.OWNER, {"name": deep}, CHECKS).errors.keys() == {""}
