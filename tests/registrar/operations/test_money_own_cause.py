"""Money of servers that a treasurer is a party to: another treasurer looks after it."""

from __future__ import annotations

import pytest

from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations import payouts, taking_back
from countersign.registrar.operations.office import Actor, ForbiddenError, Office
from countersign.registrar.operations.statement_import import import_file
from countersign.rules.roles import Role
from countersign.storage.database.money import InvoiceKind, Payment, Purpose
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.test_money_import import entry, statement
from tests.registrar.operations.treasury import BOND


def other_treasurer(office: Office) -> Actor:
    account = life.make_account(office, "second@registrar.com.au", Role.TREASURER)
    return Actor(Role.TREASURER, account)


def make_own(office: Office) -> tuple[int, Actor]:
    """Return a server that was made an offer, and its owner, who is a treasurer."""
    actor = treasury.treasurer(office)
    assert actor.account_id is not None
    return treasury.make_offered(office, owner=actor.account_id), actor


def test_what_a_treasurer_records_or_imports_is_not_put_to_his_own_invoice(office: Office) -> None:
    server_id, actor = make_own(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    assert treasury.payment_of(office, treasury.pay(office, bond)).allocated == 0
    file = statement(entry(BOND, make_reference(bond.id), ref="N1"))
    assert import_file(office, actor, file).unmatched == 1
    assert treasury.balances(office, server_id) == {}
    file = statement(entry(BOND, make_reference(bond.id), ref="N2"))
    assert import_file(office, other_treasurer(office), file).matched == 1
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    treasury.check_ledger(office)


def test_a_treasurer_takes_no_money_from_or_back_to_his_own_server(office: Office) -> None:
    server_id, actor = make_own(office)
    other = other_treasurer(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    file = statement(entry(BOND, make_reference(bond.id), ref="N1"))
    import_file(office, other, file)
    with office.reading() as work:
        payment = work.session.get_one(Payment, 1)
        (allocation,) = taking_back.standing_allocations(work, payment)
    with pytest.raises(ForbiddenError, match="your own"), office.work() as work:
        taking_back.deallocate(work, actor, work.session.get_one(Payment, 1), allocation, "Mine.")
    with pytest.raises(ForbiddenError, match="your own"), office.work() as work:
        taking_back.take_back(work, actor, work.session.get_one(Payment, 1), "Mine.")
    treasury.withdraw(office, server_id)
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        payout = payouts.pay_out(work, other, server, BOND, currency="USD", bank_reference="P1")
    returned = treasury.pay(office, bond, key="returned", text="no such account")
    with pytest.raises(ForbiddenError, match="your own"), office.work() as work:
        payouts.payout_came_back(work, actor, work.session.get_one(Payment, returned), payout)
    assert treasury.payment_of(office, returned).allocated == 0
