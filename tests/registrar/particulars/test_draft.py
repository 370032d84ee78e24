"""Particulars as they grow, what is still missing, and what others take from them."""

from __future__ import annotations

import json
from datetime import date

import pytest

from countersign.registrar.particulars.documents import (
    DocumentKind,
    documents_wanted,
    missing_documents,
)
from countersign.registrar.particulars.draft import (
    Particulars,
    checks_for,
    deserialise,
    form_values,
    is_complete,
    missing,
    save_step,
    serialise,
)
from countersign.registrar.particulars.extracts import (
    IdentityNumber,
    email_addresses,
    identity_numbers,
    people,
    public_place,
    subjects,
)
from countersign.registrar.particulars.fields import Checks
from countersign.registrar.particulars.parsing import parse_form
from countersign.registrar.particulars.steps import Step

from .examples import (
    BUSINESS_FORMS,
    CHECKS,
    COMPANY,
    INDIVIDUAL_FORMS,
    OWNER,
    TODAY,
    filled_in,
    host,
    parsed,
)

FORMS = {"individual": INDIVIDUAL_FORMS, "business": BUSINESS_FORMS}


@pytest.mark.parametrize("kind", FORMS)
def test_an_application_is_complete_when_each_of_its_steps_is(kind: str) -> None:
    particulars = Particulars()
    assert [fault.step for fault in missing(particulars, CHECKS)][:2] == [
        Step.HOST,
        Step.ADMIN_CONTACT,
    ]
    for step, form in FORMS[kind].items():
        assert not is_complete(particulars)
        assert step in {fault.step for fault in missing(particulars, CHECKS)}
        result = parse_form(step, form, checks_for(particulars, TODAY))
        particulars = save_step(particulars, result)
        assert step not in {fault.step for fault in missing(particulars, CHECKS)}
    assert is_complete(particulars)
    assert missing(particulars, CHECKS) == []


@pytest.mark.parametrize("kind", FORMS)
def test_particulars_come_back_from_json_as_they_were(kind: str) -> None:
    particulars = filled_in(FORMS[kind])
    faulty = parse_form(Step.DIRECTORY, {"listed": "on"}, CHECKS)
    for one in (particulars, save_step(particulars, faulty)):
        assert deserialise(json.loads(json.dumps(serialise(one)))) == one


def test_old_data_stays_readable_when_a_library_learns_new_rules() -> None:
    particulars = filled_in(INDIVIDUAL_FORMS)
    data = serialise(particulars)
    data["owner"] |= {"phone": "+999123", "ssn": "1", "birth_date": "1800-01-01"}
    data["owner"]["address"] |= {"country": "CS", "postal_code": "no longer"}
    data["location"]["city_id"] = 1
    old = deserialise(data)
    assert old.owner is not None
    assert old.owner.phone == "+999123"
    assert subjects(old)
    assert form_values(old, Step.OWNER)["address-country"] == "CS"


def test_what_was_not_written_here_is_not_read() -> None:
    with pytest.raises(ValueError, match="version"):
        deserialise({"version": 2})
    with pytest.raises(ValueError, match="extra"):
        deserialise({"colour": "red"})


def test_a_step_with_errors_is_kept_and_tells_what_is_wrong_until_it_is_mended() -> None:
    faulty = {**OWNER, "phone": "12", "name": ""}
    particulars = save_step(filled_in(INDIVIDUAL_FORMS), parse_form(Step.OWNER, faulty, CHECKS))
    assert particulars.owner is None
    assert form_values(particulars, Step.OWNER)["phone"] == "12"
    assert {(fault.step, fault.field) for fault in missing(particulars, CHECKS)} == {
        (Step.OWNER, "phone"),
        (Step.OWNER, "name"),
    }
    mended = save_step(particulars, parsed(Step.OWNER, OWNER))
    assert is_complete(mended)
    assert mended.unfinished == {}


def test_a_step_that_came_right_by_itself_is_asked_for_once_more() -> None:
    young = {**OWNER, "birth_date": "2007-07-01"}
    particulars = save_step(filled_in(INDIVIDUAL_FORMS), parse_form(Step.OWNER, young, CHECKS))
    [fault] = missing(particulars, Checks(date(2025, 8, 1)))
    assert (fault.step, fault.field) == (Step.OWNER, "")
    assert "again" in fault.text


def test_another_kind_of_owner_drops_what_is_no_longer_asked_for() -> None:
    particulars = filled_in(BUSINESS_FORMS)
    particulars = save_step(particulars, parse_form(Step.COMPANY, {}, CHECKS))
    particulars = save_step(particulars, parsed(Step.HOST, host("individual")))
    assert particulars.company is None
    assert particulars.directors is None
    assert particulars.unfinished == {}
    assert particulars.admin_contact is not None
    assert [fault.step for fault in missing(particulars, CHECKS)] == [Step.OWNER]


def test_telephone_numbers_are_read_as_those_of_the_owners_country() -> None:
    local = {**INDIVIDUAL_FORMS[Step.ADMIN_CONTACT], "phone": "02 9876 5432"}
    assert parse_form(Step.ADMIN_CONTACT, local, CHECKS).errors.keys() == {"phone"}
    checks = checks_for(filled_in(INDIVIDUAL_FORMS), TODAY)
    assert parse_form(Step.ADMIN_CONTACT, local, checks).ok


def test_screening_gets_every_number_once_and_everybody_by_name() -> None:
    particulars = filled_in(BUSINESS_FORMS)
    assert identity_numbers(particulars) == [
        IdentityNumber("acn", "AU", "004085616"),
        IdentityNumber("abn", "AU", "53004085616"),
        IdentityNumber("drivers-licence", "AU-NSW", "12345678"),
        IdentityNumber("ssn", "US", "536904399"),
    ]
    assert [(subject.role, subject.name) for subject in subjects(particulars)] == [
        ("company", "Muller Mail Pty Ltd"),
        ("director-1", "Zoë Müller"),
        ("director-2", "Zoë Müller"),
        ("admin-contact", "Jan Novák"),
    ]
    name, birth_date, address = people(particulars)[1]
    assert (name, birth_date) == ("Zoë Müller", date(1970, 12, 31))
    assert address == "1 George Street, Sydney NSW 2000, Australia"


def test_addresses_to_confirm_and_the_place_to_show() -> None:
    particulars = filled_in(BUSINESS_FORMS)
    assert email_addresses(particulars) == [COMPANY["email"], "jan@muller.com.au"]
    place = public_place(particulars)
    assert place is not None
    assert (place.region.name, place.country, place.city) == ("Europe", "DE", "Köln")
    assert place.latitude == pytest.approx(50.9, abs=0.1)
    assert public_place(Particulars()) is None


def test_an_individual_uploads_the_licence_and_one_more_document() -> None:
    particulars = filled_in(INDIVIDUAL_FORMS)
    assert [(wish.subject, wish.kinds[0]) for wish in documents_wanted(particulars)] == [
        ("owner", DocumentKind.DRIVERS_LICENCE),
        ("owner", DocumentKind.BIRTH_CERTIFICATE),
        ("admin-contact", DocumentKind.PASSPORT),
    ]
    present = [("owner", "drivers-licence"), ("owner", "payment-card"), ("owner", "passport")]
    [fault] = missing_documents(particulars, present)
    assert (fault.step, fault.text) == (
        Step.DOCUMENTS,
        "Upload this scan: Passport: Jan Novák.",
    )
    assert not missing_documents(particulars, [*present, ("admin-contact", "passport")])


def test_a_company_uploads_its_certificate_and_its_directors_documents() -> None:
    particulars = filled_in(BUSINESS_FORMS)
    assert particulars.directors is not None
    keys = [f"director-{director.key}" for director in particulars.directors.directors]
    wishes = [wish.subject for wish in documents_wanted(particulars)]
    assert wishes == ["company", keys[0], keys[0], keys[1], keys[1], "admin-contact"]
