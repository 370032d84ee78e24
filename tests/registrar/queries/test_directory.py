"""The directory and what it shows, on made-up servers and on some of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from countersign.registrar.operations.office import Office
from countersign.registrar.queries import directory, figures, hosts
from countersign.registrar.queries.paging import (
    CursorError,
    Page,
    read_cursor,
    write_cursor,
)
from countersign.registrar.seed.seeding import seed
from countersign.rules.life_cycle import State
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury


@pytest.fixture
def seeded(office: Office) -> Office:
    seed(office, 400)
    return office


def active(office: Office) -> list[Server]:
    with office.reading() as work:
        return list(work.session.scalars(select(Server).where(Server.state == State.ACTIVE)))


def test_pages_of_a_country_give_every_active_server_once(seeded: Office) -> None:
    for country in {server.country for server in active(seeded)}:
        expected = sorted(one.id for one in active(seeded) if one.country == country)
        found: list[int] = []
        cursor = None
        with seeded.reading() as work:
            while True:
                page = directory.servers_at(work, country, cursor=cursor, limit=7)
                found += [one.id for one in page.rows]
                cursor = page.next
                if cursor is None:
                    break
        assert sorted(found) == expected


def test_counts_by_country_and_region_are_those_of_the_servers(seeded: Office) -> None:
    servers = active(seeded)
    with seeded.reading() as work:
        for count in directory.by_country(work):
            here = [one for one in servers if one.country == count.code]
            assert count.servers == len(here)
            assert count.providers == sum(one.takes_customers for one in here)
        assert sum(one.servers for one in directory.by_region(work)) == len(servers)


def test_cities_are_paged_by_name(seeded: Office) -> None:
    with seeded.reading() as work:
        country = max(directory.by_country(work), key=lambda one: one.servers).code
        whole = directory.cities(work, country, limit=200).rows
        first = directory.cities(work, country, limit=2)
        second = directory.cities(work, country, cursor=first.next, limit=2)
        assert [*first.rows, *second.rows] == list(whole[:4])


def test_servers_are_found_by_the_beginning_of_name_or_host(seeded: Office) -> None:
    some = active(seeded)[0]
    with seeded.reading() as work:
        by_name = directory.search(work, some.display_key[:6], limit=200)
        by_host = directory.search(work, some.hostname[:12])
        assert some.id in [one.id for one in by_name.rows]
        assert some.id in [one.id for one in by_host.rows]
        assert all(one.display_key.startswith(some.display_key[:6]) for one in by_name.rows)
        assert directory.search(work, "") == Page([], None)


@pytest.mark.parametrize("size", [1, 5, 7, 200])
def test_pages_of_a_search_give_every_server_once(seeded: Office, size: int) -> None:
    expected = sorted(
        one.id
        for one in active(seeded)
        if one.hostname.startswith("m") or one.display_key.startswith("m")
    )
    found: list[int] = []
    cursor = None
    with seeded.reading() as work:
        while True:
            page = directory.search(work, "m", cursor=cursor, limit=size)
            found += [one.id for one in page.rows]
            cursor = page.next
            if cursor is None:
                break
    assert sorted(found) == expected


def test_a_host_shows_its_changes_of_state_since_it_was_registered(seeded: Office) -> None:
    with seeded.reading() as work:
        suspended = work.session.scalars(
            select(Server).where(Server.state == State.SUSPENDED)
        ).first()
        assert suspended is not None
        record = hosts.look_up(work, suspended.hostname)
    assert record is not None
    assert record.is_listed
    assert [one.to_state for one in record.history] == [State.SUSPENDED, State.ACTIVE]


def test_a_host_shows_what_became_of_its_earlier_registrations(office: Office) -> None:
    old = treasury.make_active(office, hostname="mail.muller.com.au")
    treasury.withdraw(office, old)
    new = treasury.make_active(office, hostname="mail.muller.com.au")
    with office.reading() as work:
        record = hosts.look_up(work, "mail.muller.com.au")
    assert record is not None
    assert record.server.id == new
    assert [(one.server_id, one.to_state) for one in record.history] == [
        (new, State.ACTIVE),
        (old, State.WITHDRAWN),
        (old, State.ACTIVE),
    ]


@pytest.mark.parametrize("state", [State.DRAFT, State.SUBMITTED, State.OFFERED, State.DENIED])
def test_nobody_learns_who_has_applied(seeded: Office, state: State) -> None:
    with seeded.reading() as work:
        one = work.session.scalars(select(Server).where(Server.state == state)).first()
        assert one is not None
        assert hosts.look_up(work, one.hostname) is None


def test_months_have_no_gaps_and_states_are_all_there(seeded: Office) -> None:
    with seeded.reading() as work:
        months = figures.by_month(work)
        states = figures.by_state(work)
    assert len(months.months) == 24
    assert months.months == sorted(months.months)
    assert all(len(values) == 24 for values in months.counts.values())
    assert set(states) == set(State)
    assert sum(states.values()) == 400


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_an_error(text: str) -> None:
    try:
        key = read_cursor(text, [str, int])
    except CursorError:
        return
    assert isinstance(key[0], str)
    assert isinstance(key[1], int)


@given(st.text(max_size=100).filter(lambda text: "\0" not in text), st.integers(0, 2**62))
def test_a_cursor_gives_back_its_key(text: str, number: int) -> None:
    assert read_cursor(write_cursor([text, number]), [str, int]) == [text, number]
