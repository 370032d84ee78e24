"""Applications to fill in, as forms send them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from countersign.registrar.particulars.draft import Particulars, checks_for, save_step
from countersign.registrar.particulars.fields import Checks
from countersign.registrar.particulars.parsing import StepResult, parse_form
from countersign.registrar.particulars.steps import Step

TODAY = date(2025, 6, 1)
CHECKS = Checks(TODAY)

PERSON = {
    "name": "Zoë Müller",
    "birth_date": "1970-12-31",
    "address-country": "AU",
    "address-line1": "1 George Street",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2000",
    "phone": "(02) 9876 5432",
    "identity-kind": "drivers-licence",
    "identity-country": "AU",
    "identity-region": "New South Wales",
    "identity-number": "12 345 678",
}
OWNER = {**PERSON, "email": "zoe@muller.com.au"}
AMERICAN = {
    **OWNER,
    "address-country": "US",
    "address-line1": "1 Main Street",
    "address-locality": "Springfield",
    "address-region": "Illinois",
    "address-postal_code": "627011234",
    "phone": "(217) 522-1234",
    "ssn": "536-90-4399",
}
COMPANY = {
    "name": "Muller Mail Pty Ltd",
    "registration-country": "AU",
    "registration-abn": "53 004 085 616",
    "address-country": "AU",
    "address-line1": "2 Pitt Street",
    "address-locality": "Sydney",
    "address-region": "NSW",
    "address-postal_code": "2000",
    "phone": "02 9876 5432",
    "email": "office@muller.com.au",
}
ADMIN_CONTACT = {
    "name": "Jan Novák",
    "phone": "+420 601 123 456",
    "email": "jan@muller.com.au",
    "proof": "passport",
}
LOCATION = {
    "address-country": "DE",
    "address-line1": "Hansaallee 1",
    "address-locality": "Köln",
    "address-postal_code": "50667",
}
DIRECTORY = {
    "listed": "on",
    "name": "Muller Mail",
    "takes_customers": "on",
    "website": "www.muller.com.au",
}


def directors(*people: Mapping[str, str], first: int = 0) -> dict[str, str]:
    """Return the form of several directors."""
    return {
        f"directors-{number}-{key}": value
        for number, person in enumerate(people, first)
        for key, value in person.items()
    }


def host(kind: str) -> dict[str, str]:
    """Return the form of the first step."""
    return {"hostname": "Mail.Muller.com.au.", "kind": kind}


def parsed(step: Step, form: Mapping[str, str]) -> StepResult:
    """Parse a form that has no errors."""
    result = parse_form(step, form, CHECKS)
    assert not result.errors, result.errors
    return result


INDIVIDUAL_FORMS = {
    Step.HOST: host("individual"),
    Step.OWNER: OWNER,
    Step.ADMIN_CONTACT: ADMIN_CONTACT,
    Step.LOCATION: LOCATION,
    Step.DIRECTORY: DIRECTORY,
}
BUSINESS_FORMS = {
    Step.HOST: host("business"),
    Step.COMPANY: COMPANY,
    Step.DIRECTORS: directors(PERSON, AMERICAN),
    Step.ADMIN_CONTACT: ADMIN_CONTACT,
    Step.LOCATION: LOCATION,
    Step.DIRECTORY: {},
}


def filled_in(forms: Mapping[Step, Mapping[str, str]]) -> Particulars:
    """Return the particulars after every form was sent in."""
    particulars = Particulars()
    for step, form in forms.items():
        result = parse_form(step, form, checks_for(particulars, TODAY))
        assert not result.errors, (step, result.errors)
        particulars = save_step(particulars, result)
    return particulars
