"""What everybody sees, as everybody sees it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from countersign.registrar.documents.text import Kind
from countersign.registrar.operations.office import Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.seed.seeding import seed
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.publication import PlaceCount
from countersign.storage.database.replication import SecondaryKind
from countersign.storage.database.servers import Server
from tests.registrar.replication import add_secondary, note_state, publish
from tests.registrar.web.visitors import Site


@pytest.fixture
def seeded(office: Office) -> Office:
    seed(office, 200)
    return office


def one_in(office: Office, state: State) -> Server:
    with office.reading() as work:
        return work.session.scalars(select(Server).where(Server.state == state)).first()  # type: ignore[return-value]


@pytest.mark.parametrize(
    "path", ["/", "/about", "/join", "/privacy", "/look-up", "/directory", "/transparency"]
)
def test_pages_are_there_before_anybody_is_registered(site: Site, path: str) -> None:
    page = site.anonymous().get(path)
    assert page.status_code == 200
    assert "<h1" in page.text


def test_everybody_sees_which_public_name_servers_have_what_is_published(
    site: Site, office: Office
) -> None:
    assert "The zone" not in site.anonymous().get("/transparency").text
    publish(office, 41)
    publish(office, 42, records=1234)
    details = Details(place="Lima <b>", contact="noc@muller.com.au", notify=["192.0.2.1:53"])
    for name, serial in (("lima", 42), ("perth", 41)):
        key, _ = add_secondary(office, name, details)
        note_state(office, key, serial=serial, address="192.0.2.9", error="BADSIG")
    add_secondary(office, "quito")
    add_secondary(office, "mx-muller", Details(SecondaryKind.REPLICA))
    text = site.anonymous().get("/transparency").text
    assert "Lima &lt;b&gt;" in text
    for words in ("1,234", "Not yet", "Not known", "lima", "perth", "quito"):
        assert words in text, words
    for hidden in ("192.0.2", "noc@", "BADSIG", "mx-muller"):
        assert hidden not in text, hidden


@pytest.mark.parametrize("kind", list(Kind))
def test_every_text_can_be_read_before_it_is_accepted(site: Site, kind: Kind) -> None:
    page = site.anonymous().get(f"/texts/{kind}")
    assert page.status_code == 200
    assert "[host" in page.text


def test_the_directory_leads_from_country_to_city_to_host(seeded: Office, site: Site) -> None:
    server = one_in(seeded, State.ACTIVE)
    visitor = site.anonymous()
    assert f'href="/directory/{server.country}"' in visitor.get("/directory").text
    country = visitor.get(f"/directory/{server.country}").text
    assert server.city in country
    page = visitor.get(f"/directory/{server.country}", params={"city": server.city}).text
    assert f'href="/hosts/{server.hostname}"' in page
    assert server.public_email in page
    assert "Active" in visitor.get(f"/hosts/{server.hostname}").text


def test_a_look_up_goes_to_the_hosts_page(seeded: Office, site: Site) -> None:
    server = one_in(seeded, State.SUSPENDED)
    visitor = site.anonymous()
    answer = visitor.get("/look-up", params={"host": f" {server.hostname.upper()}. "})
    assert answer.status_code == 303
    page = visitor.get(answer.headers["location"])
    assert "Suspended" in page.text
    assert server.public_reason in page.text


def test_a_host_that_has_only_applied_is_not_registered(seeded: Office, site: Site) -> None:
    page = site.anonymous().get(f"/hosts/{one_in(seeded, State.SUBMITTED).hostname}")
    assert page.status_code == 404
    assert "not registered" in page.text


@pytest.mark.parametrize("text", ["bad..name", "<script>", "a" * 100, "two words", "a" * 300])
def test_what_is_no_host_name_is_said_so(site: Site, text: str) -> None:
    answer = site.anonymous().get("/look-up", params={"host": text})
    assert answer.status_code == (422 if len(text) < 256 else 400)
    assert "<script>" not in answer.text.replace("<script src", "")


def test_search_shows_part_of_the_page_to_htmx_and_all_of_it_to_others(
    seeded: Office, site: Site
) -> None:
    words = one_in(seeded, State.ACTIVE).display_name[:5]
    visitor = site.anonymous()
    whole = visitor.get("/directory", params={"q": words})
    part = visitor.get("/directory", params={"q": words}, headers={"HX-Request": "true"})
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "/hosts/" in part.text


def test_unknown_countries_and_texts_are_not_found(site: Site) -> None:
    for path in ("/directory/XX", "/directory/de", "/texts/something", "/hosts/a..b"):
        assert site.anonymous().get(path).status_code in (404, 422)


def test_a_forged_cursor_is_an_error_and_no_accident(seeded: Office, site: Site) -> None:
    answer = site.anonymous().get("/directory/US", params={"after": "bm9uc2Vuc2U"})
    assert answer.status_code == 422


def test_more_cities_keep_the_city_and_the_filter(office: Office, site: Site) -> None:
    with office.work() as work:
        for number in range(61):
            name = f"City {number:02}"
            work.session.add(
                PlaceCount(region="OC", country="AU", city=name, servers=1, providers=1)
            )
    page = site.anonymous().get("/directory/AU?city=City+01&providers=yes").text
    assert '<a href="/directory/AU?city=City%2001&amp;providers=yes&amp;cities=' in page


def test_staff_find_what_they_do_as_owners_in_the_menu_of_the_person(site: Site) -> None:
    page = site.visitor(Role.SCREENER).get("/staff").text
    assert 'href="/sponsorship"' in page
    assert 'href="/offender-query"' in page
