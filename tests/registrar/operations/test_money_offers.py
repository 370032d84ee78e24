"""Offers: the bond that is asked, and the moment when everything is there."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.offers import lapse_offers, make_offer, missing, try_activate
from countersign.registrar.operations.office import Office, OperationError
from countersign.rules.life_cycle import Action, Need, State
from countersign.storage.database.money import InvoiceKind, InvoiceState, Purpose
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.treasury import BOND, FEE, OLD, YOUNG

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


@pytest.mark.parametrize(
    ("registered_on", "facts", "bond"),
    [
        (OLD, {}, 0),
        (YOUNG, {}, BOND),
        (None, {}, BOND),
        (OLD, {"matched_offender": True}, 3 * BOND),
        (OLD, {"offences": 1}, 2 * BOND),
        (YOUNG, {"matched_offender": True, "offences": 2}, 12 * BOND),
    ],
)
def test_the_bond_follows_from_the_domains_age_and_the_owners_history(
    office: Office, registered_on: datetime.date | None, facts: dict[str, int], bond: int
) -> None:
    server_id = treasury.make_offered(office, registered_on=registered_on, **facts)
    server = treasury.server_of(office, server_id)
    assert (server.state, server.bond_due, server.bond_currency) == (State.OFFERED, bond, "USD")
    assert server.bond_reasons
    asked = treasury.invoices(office, server_id)
    expected = ([(InvoiceKind.BOND, bond)] if bond else []) + [(InvoiceKind.FEE, FEE)]
    assert [(one.kind, one.amount) for one in asked] == expected
    (event,) = treasury.events(office, server_id, Action.OFFER)
    assert event.details["bond"] == bond
    assert event.details["reasons"] == server.bond_reasons


def test_an_offer_is_made_once_however_often_the_job_is_done(office: Office) -> None:
    server_id = treasury.make_offered(office)
    with office.work() as work:
        make_offer(work, work.session.get_one(Server, server_id))
    assert len(treasury.events(office, server_id, Action.OFFER)) == 1
    assert len(treasury.invoices(office, server_id)) == 2


def test_a_server_becomes_active_with_the_last_thing_that_was_missing(office: Office) -> None:
    server_id = treasury.make_offered(office)

    def still_missing() -> tuple[Need, ...]:
        with office.reading() as work:
            return missing(work, work.session.get_one(Server, server_id))

    assert still_missing() == (Need.CONTRACT, Need.BOND, Need.FEE)
    treasury.accept_contract(office, server_id)
    bond, fee = treasury.invoices(office, server_id)
    treasury.pay(office, bond)
    assert still_missing() == (Need.FEE,)
    assert treasury.state_of(office, server_id) is State.OFFERED
    treasury.pay(office, fee)
    server = treasury.server_of(office, server_id)
    assert server.state is State.ACTIVE
    assert server.active_since == office.clock().date()
    assert treasury.listing(office, server_id) is Listing.REGISTERED
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    treasury.check_ledger(office)


def test_the_first_year_begins_when_the_server_becomes_active(office: Office, clock: Clock) -> None:
    server_id = treasury.make_offered(office, registered_on=OLD)
    treasury.pay_all(office, server_id)
    clock.advance(days=40)
    treasury.accept_contract(office, server_id)
    until = treasury.server_of(office, server_id).fee_paid_until
    assert until == clock().date().replace(year=clock().year + 1)


def test_a_domain_that_comes_of_age_during_the_offer_needs_no_bond_any_more(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_offered(office, registered_on=datetime.date(2025, 3, 20))
    bond, fee = treasury.invoices(office, server_id)
    treasury.pay(office, bond, 100_000)
    clock.advance(days=30)
    treasury.pay(office, fee)
    treasury.accept_contract(office, server_id)
    server = treasury.server_of(office, server_id)
    assert (server.state, server.bond_due) == (State.ACTIVE, 0)
    assert treasury.invoices(office, server_id)[0].state is InvoiceState.CANCELLED
    # What had been paid of the bond is given back.
    assert treasury.balances(office, server_id) == {
        Purpose.BOND_HELD: 0,
        Purpose.REFUND_DUE: 100_000,
    }
    assert treasury.events(office, server_id, Happening.BOND_REVIEWED)
    assert treasury.letters(office, "refund-due")


def test_a_bond_that_is_held_stays_held_when_the_domain_comes_of_age(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office)
    clock.advance(days=400)
    with office.work() as work:
        try_activate(work, work.session.get_one(Server, server_id))
    assert treasury.server_of(office, server_id).bond_due == BOND
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}


def test_an_offer_that_is_not_taken_up_lapses_and_all_is_given_back(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_offered(office)
    bond, fee = treasury.invoices(office, server_id)
    treasury.pay(office, bond, 1_000)
    treasury.pay(office, fee)
    clock.advance(days=90)
    assert lapse_offers(office).done == 0
    clock.advance(days=1)
    assert lapse_offers(office).done == 1
    assert lapse_offers(office).done == 0
    assert treasury.state_of(office, server_id) is State.WITHDRAWN
    assert treasury.balances(office, server_id) == {
        Purpose.BOND_HELD: 0,
        Purpose.REFUND_DUE: 1_000 + FEE,
    }
    treasury.check_ledger(office)


def test_a_registrar_without_a_yearly_fee_asks_for_none(office: Office) -> None:
    money = office.config.money.model_copy(update={"yearly_fee": 0})
    free = Office(
        office.config.model_copy(update={"money": money}),
        office.database,
        office.keyring,
        office.clock,
    )
    server_id = treasury.make_offered(free, registered_on=OLD)
    assert treasury.invoices(free, server_id) == []
    treasury.accept_contract(free, server_id)
    assert treasury.state_of(free, server_id) is State.ACTIVE


def test_nobody_leaves_while_a_forfeiture_is_being_decided(office: Office) -> None:
    server_id = treasury.make_active(office)
    adjudicator = treasury.adjudicator(office)
    with office.work() as work:
        forfeitures.propose(
            work,
            adjudicator,
            work.session.get_one(Server, server_id),
            amount=BOND,
            reason="Spam on 2 March.",
            offence_on=work.today,
        )
    with pytest.raises(OperationError, match="being decided"):
        treasury.withdraw(office, server_id)
    assert treasury.state_of(office, server_id) is State.ACTIVE
