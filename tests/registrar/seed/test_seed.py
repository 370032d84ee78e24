"""Made-up data must look, to all that reads it, as if the registrar itself had written it."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import func, select

from countersign.registrar.operations.applications import begin
from countersign.registrar.operations.ledger import added_up, ledger_account
from countersign.registrar.operations.listing import current_listing
from countersign.registrar.operations.office import Actor, Office
from countersign.registrar.publishing.publisher import ensure_published
from countersign.registrar.queries.figures import LEDGER
from countersign.registrar.seed.seeding import SeedError, seed
from countersign.rules.life_cycle import TRANSITIONS, Action, State
from countersign.rules.roles import Role
from countersign.storage.database.money import Invoice, LedgerAccount, Payment, Purpose
from countersign.storage.database.publication import (
    Listing,
    MonthCount,
    PlaceCount,
    StateCount,
)
from countersign.storage.database.servers import ApplicantKind, Server, ServerEvent
from tests.registrar.jobs.doing import do_jobs
from tests.registrar.operations.life import make_account
from tests.registrar.publishing.checking import check_published

NUMBER = 300
LISTED = {State.ACTIVE: Listing.REGISTERED, State.SUSPENDED: Listing.SUSPENDED}


@pytest.fixture
def seeded(office: Office) -> Office:
    seed(office, NUMBER)
    return office


def test_every_life_follows_the_table_of_transitions(seeded: Office) -> None:
    with seeded.reading() as work:
        for server in work.session.scalars(select(Server)):
            events = work.session.scalars(
                select(ServerEvent)
                .where(ServerEvent.server_id == server.id)
                .order_by(ServerEvent.id)
            ).all()
            assert events[0].action == "begin"
            state = State.DRAFT
            for event in events[1:]:
                assert event.from_state is state
                assert event.role in TRANSITIONS[state, Action(event.action)].roles
                state = TRANSITIONS[state, Action(event.action)].to
                assert event.to_state is state
            assert server.state is state
            assert server.state_since == events[-1].at <= work.now
            assert [one.at for one in events] == sorted(one.at for one in events)


def test_the_figures_are_those_that_counting_gives(seeded: Office) -> None:
    with seeded.reading() as work:
        servers = work.session.scalars(select(Server)).all()
        assert len(servers) == NUMBER
        counted = Counter(str(server.state) for server in servers)
        kept = {row.state: row.servers for row in work.session.scalars(select(StateCount))}
        assert kept == counted
        places = Counter((one.country, one.city) for one in servers if one.state is State.ACTIVE)
        rows = work.session.scalars(select(PlaceCount)).all()
        assert {(row.country, row.city): row.servers for row in rows} == places
        months = sum(
            row.count
            for row in work.session.scalars(select(MonthCount))
            if not row.kind.startswith(LEDGER)
        )
        moves = work.session.scalar(
            select(func.count()).select_from(ServerEvent).where(ServerEvent.from_state.is_not(None))
        )
        assert months == moves


def test_the_zone_names_whom_it_should(seeded: Office) -> None:
    with seeded.reading() as work:
        for server in work.session.scalars(select(Server)):
            expected = LISTED.get(server.state, Listing.ABSENT)
            assert current_listing(work, server.hostname) is expected


def test_the_bank_has_what_all_others_are_owed(seeded: Office) -> None:
    with seeded.reading() as work:
        accounts = work.session.scalars(select(LedgerAccount)).all()
        assert sum(added_up(work, account) for account in accounts) == 0
        assert all(
            account.balance == added_up(work, account)
            for account in accounts
            if account.server_id is not None
        )
        bank = ledger_account(work, Purpose.BANK, seeded.config.money.currency)
        paid = work.session.scalar(select(func.sum(Payment.amount)))
        asked = work.session.scalar(select(func.sum(Invoice.amount)))
        assert -added_up(work, bank) == paid == asked


def test_the_registrar_goes_on_behind_made_up_data(seeded: Office) -> None:
    owner = make_account(seeded, "zoe@muller.com.au")
    with seeded.work() as work:
        server = begin(
            work, Actor(Role.OWNER, owner), "mail.muller.com.au", ApplicantKind.INDIVIDUAL
        )
    assert server.id > NUMBER


def test_made_up_servers_never_get_among_real_ones(seeded: Office) -> None:
    with pytest.raises(SeedError):
        seed(seeded, 1)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_same_number_gives_the_same_names(seeded: Office) -> None:
    from countersign.registrar.seed.cast import Casting

    names = [
        one.hostname for one, _ in zip(Casting(1).organisations(), range(NUMBER), strict=False)
    ]
    with seeded.reading() as work:
        assert work.session.scalars(select(Server.hostname).order_by(Server.id)).all() == names
    assert len(set(names)) == NUMBER


@pytest.mark.parametrize("has_run", [False, True])
def test_made_up_servers_are_published(office: Office, has_run: bool) -> None:
    if has_run:
        ensure_published(office)
    seed(office, NUMBER)
    if has_run:
        assert do_jobs(office, ["publish"]) == [("publish", "done")]
    else:
        ensure_published(office)
    assert len(check_published(office)) > NUMBER
