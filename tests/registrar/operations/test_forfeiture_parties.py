"""Forfeitures and those beside the offender: its sponsors, and servers that it vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import forfeitures
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    OperationError,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceKind, InvoiceState, Purpose
from countersign.storage.database.promises import Forfeiture
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.test_money_forfeitures import (
    confirm,
    forfeit,
    forfeiture_of,
    propose,
    reply,
)
from tests.registrar.operations.test_sanctions import strike_off
from tests.registrar.operations.treasury import BOND

if TYPE_CHECKING:
    from countersign.registrar.operations.office import Office
    from tests.registrar.conftest import Clock


def test_an_offence_of_a_sponsor_brings_a_new_look_at_those_it_vouches_for(office: Office) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    before = len(treasury.jobs(office, "review"))
    forfeit(office, trusted[0], 0)
    assert {"server": server_id} in treasury.jobs(office, "review")[before:]


def drop(office: Office, forfeiture_id: int, who: Actor | None = None) -> None:
    actor = who or treasury.adjudicator(office)
    with office.work() as work:
        forfeiture = work.session.get_one(Forfeiture, forfeiture_id)
        forfeitures.drop(work, actor, forfeiture, "It was not so.")


def with_bond(office: Office) -> tuple[int, int]:
    """Return a server, and one with a bond of its own that vouches for it."""
    sponsor_id = treasury.make_trusted(office, registered_on=treasury.YOUNG)
    server_id = treasury.make_offered(office)
    for one in (sponsor_id, treasury.make_trusted(office), treasury.make_trusted(office)):
        treasury.vouch(office, server_id, one)
    treasury.accept_contract(office, server_id)
    treasury.pay_all(office, server_id)
    assert treasury.balances(office, sponsor_id)[Purpose.BOND_HELD] == BOND
    return server_id, sponsor_id


def test_a_sponsor_does_not_leave_while_a_claim_on_it_is_decided(office: Office) -> None:
    server_id, sponsor_id = with_bond(office)
    forfeiture_id = propose(office, server_id, 0)
    with pytest.raises(OperationError, match="for which this server vouched"):
        treasury.withdraw(office, sponsor_id)
    drop(office, forfeiture_id)
    treasury.withdraw(office, sponsor_id)
    assert treasury.state_of(office, sponsor_id) is State.WITHDRAWN


@pytest.mark.parametrize("found", [True, False])
def test_a_sponsor_that_is_struck_off_gets_its_bond_after_the_decision(
    office: Office, clock: Clock, found: bool
) -> None:
    server_id, sponsor_id = with_bond(office)
    forfeiture_id = propose(office, server_id, 0)
    strike_off(office, sponsor_id)
    assert treasury.balances(office, sponsor_id)[Purpose.BOND_HELD] == BOND
    if found:
        clock.advance(days=15)
        confirm(office, forfeiture_id)
    else:
        drop(office, forfeiture_id)
    shares = treasury.invoices(office, sponsor_id, InvoiceKind.SPONSOR_SHARE)
    assert [one.state for one in shares] == [InvoiceState.PAID] * found
    left = treasury.balances(office, sponsor_id)
    assert left[Purpose.BOND_HELD] == 0
    assert left[Purpose.REFUND_DUE] == BOND - sum(one.amount for one in shares)
    treasury.check_ledger(office)


def test_a_party_to_a_sponsor_does_not_decide_what_the_sponsor_answers_for(office: Office) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    with office.work() as work:
        adjudicator = Actor(Role.ADJUDICATOR, work.session.get_one(Server, trusted[1]).owner_id)
    with pytest.raises(ForbiddenError, match="a party"):
        propose(office, server_id, 0, actor=adjudicator)
    forfeiture_id = propose(office, server_id, 0)
    with pytest.raises(ForbiddenError, match="a party"):
        drop(office, forfeiture_id, adjudicator)
    with pytest.raises(ForbiddenError, match="a party"):
        confirm(office, forfeiture_id, adjudicator)


def test_who_decides_must_have_seen_the_second_reply_too(office: Office) -> None:
    server_id, trusted = treasury.make_sponsored(office)
    forfeiture_id = propose(office, server_id, 0)
    reply(office, forfeiture_id, treasury.server_of(office, server_id).owner_id)
    seen = forfeiture_of(office, forfeiture_id).version
    reply(office, forfeiture_id, treasury.server_of(office, trusted[0]).owner_id)
    with pytest.raises(ConflictError, match="not seen"):
        confirm(office, forfeiture_id, seen_version=seen)
