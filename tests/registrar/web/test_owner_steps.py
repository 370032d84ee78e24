"""The steps of an application as forms: errors, drafts, directors, cities."""

from __future__ import annotations

import pytest

from countersign.registrar.operations.dossier import load
from countersign.registrar.operations.office import Office
from countersign.registrar.particulars.steps import Step
from countersign.storage.database.servers import ApplicantKind
from tests.registrar.operations import life
from tests.registrar.particulars import examples
from tests.registrar.web.applicants import begun, owner, server_of
from tests.registrar.web.visitors import Site


def test_errors_stand_beside_their_fields_and_keep_what_was_typed(site: Site) -> None:
    browser, key = begun(site)
    form = {**examples.OWNER, "birth_date": "2024-01-01", "phone": "12", "name": "Zoë <b>M"}
    page = browser.press("Save and continue", form)
    assert page.status_code == 422
    assert 'href="#field-phone"' in page.text
    assert 'id="field-phone-error"' in page.text
    assert 'value="Zoë &lt;b&gt;M"' in page.text
    assert 'value="12"' in page.text
    assert "Name somebody who is 18 years old or more." in page.text
    # It is a draft all the same: the page shows it again another day.
    browser.open(f"/servers/{key}/application/owner")
    assert 'value="12"' in browser.page.text
    assert 'href="#field-phone"' in browser.page.text
    page = browser.open(f"/servers/{key}/application/review")
    assert "application/owner#field-phone" in page.text


def test_a_half_filled_step_can_be_put_aside(site: Site) -> None:
    browser, key = begun(site)
    browser.press("Save and stop here", {"name": "Zoë Müller"})
    assert browser.path == f"/servers/{key}"
    assert "Saved as a draft" in browser.page.text
    browser.open(f"/servers/{key}/application")
    assert browser.path.endswith("/application/owner")
    assert 'value="Zoë Müller"' in browser.page.text


def test_directors_are_added_and_removed_without_a_script(site: Site) -> None:
    browser, key = begun(site, "business")
    browser.press("Save and continue", dict(examples.COMPANY))
    assert browser.path.endswith("/application/directors")
    first = examples.directors({**examples.PERSON, "name": "First Director"})
    browser.press("Add another director", first)
    assert "Some things need to be put right" not in browser.page.text
    assert 'value="First Director"' in browser.page.text
    second = examples.directors({**examples.AMERICAN, "name": "Second Director"}, first=1)
    second.pop("directors-1-email")
    browser.press("Add another director", second)
    assert "Director 3" in browser.page.text
    browser.press("Save and continue")
    with site.office.reading() as work:
        found = load(work, key).directors
    assert found is not None
    assert [one.name for one in found.directors] == ["First Director", "Second Director"]
    keys = [one.key for one in found.directors]

    browser.open(f"/servers/{key}/application/directors")
    browser.press("Remove director 1")
    assert 'value="First Director"' not in browser.page.text
    browser.press("Save and continue")
    with site.office.reading() as work:
        found = load(work, key).directors
    assert found is not None
    assert [(one.name, one.key) for one in found.directors] == [("Second Director", keys[1])]


def test_a_director_with_an_error_keeps_the_other_ones(site: Site) -> None:
    browser, _ = begun(site, "business")
    browser.press("Save and continue", dict(examples.COMPANY))
    browser.press("Add another director", examples.directors(examples.PERSON))
    bad = examples.directors({**examples.PERSON, "name": "Bad Number"}, first=1)
    page = browser.press("Save and continue", {**bad, "directors-1-identity-country": ""})
    assert page.status_code == 422
    assert 'href="#field-directors-1-identity-country"' in page.text
    assert 'value="Bad Number"' in page.text
    assert 'href="#field-directors-0' not in page.text


def test_a_city_is_searched_with_and_without_a_script(site: Site) -> None:
    browser, key = begun(site)
    browser.open(f"/servers/{key}/application/location")
    place = {"address-country": "DE", "address-line1": "Am Markt 1", "city": "Frankfurt"}
    browser.press("Search", place)
    assert "Frankfurt (Oder)" in browser.page.text
    assert 'value="Am Markt 1"' in browser.page.text
    assert "2925533" in browser.form_with("Save and continue").choices["city_id"]
    part = browser.visitor.get(
        f"/servers/{key}/cities",
        params={"city": "Köl", "address-country": "DE"},
        headers={"HX-Request": "true"},
    )
    assert "Köln, Germany" in part.text
    assert "<html" not in part.text
    browser.press(
        "Save and continue",
        {"address-locality": "Frankfurt", "address-postal_code": "60311", "city_id": "2925533"},
    )
    assert server_of(site.office, key).city == "Frankfurt am Main"


@pytest.mark.parametrize("kind", ApplicantKind)
def test_every_step_of_an_application_is_a_page(
    site: Site, office: Office, kind: ApplicantKind
) -> None:
    key = life.make_draft(office, kind=kind)
    browser = owner(site)
    wrong = Step.COMPANY if kind is ApplicantKind.INDIVIDUAL else Step.OWNER
    assert browser.open(f"/servers/{key}/application/{wrong}").status_code == 404
    assert browser.open(f"/servers/{key}/application/nonsense").status_code == 404
    for step in life.forms(kind):
        page = browser.open(f"/servers/{key}/application/{step}")
        assert page.status_code == 200
        assert "Some things need to be put right" not in page.text


def test_the_host_name_and_the_owner_are_fixed_after_the_screening(
    site: Site, office: Office
) -> None:
    key = life.make_screened(office)
    browser = owner(site)
    assert "fixed once" in browser.open(f"/servers/{key}/application/host").text
    browser.open(f"/servers/{key}/application/owner")
    page = browser.press("Save", {"name": "Somebody Else"})
    assert page.status_code == 422
    assert "are fixed once they have been checked" in page.text
    assert 'value="Somebody Else"' in page.text
    browser.open(f"/servers/{key}/application/owner")
    page = browser.press("Save", {"phone": "02 9876 5433"})
    assert browser.path.endswith("/application/review")
    assert "+61 2 9876 5433" in page.text
