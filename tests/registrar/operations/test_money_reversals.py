"""Payments that are taken back late: after sponsors came, a forfeiture, or the server's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import intake, taking_back
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import Office, OperationError
from countersign.rules.life_cycle import State
from countersign.storage.database.money import InvoiceKind, InvoiceState, Payment, Purpose
from tests.registrar.operations import treasury
from tests.registrar.operations.test_money_forfeitures import execute_if_due, forfeit, propose
from tests.registrar.operations.test_money_payments import take_back
from tests.registrar.operations.treasury import BOND

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def test_a_bond_that_is_due_no_more_is_not_asked_for_again(office: Office, clock: Clock) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond)
    for _ in range(3):
        treasury.vouch(office, server_id, treasury.make_trusted(office))
    treasury.accept_contract(office, server_id)
    treasury.pay_all(office, server_id)
    take_back(office, payment)
    assert treasury.invoices(office, server_id, state=InvoiceState.OPEN) == []
    clock.advance(days=30)
    assert suspend_debtors(office).done == 0
    assert treasury.state_of(office, server_id) is State.ACTIVE
    # Whoever pays it all the same has his payment kept, unallocated.
    again = treasury.pay(office, bond, key="again")
    assert treasury.payment_of(office, again).allocated == 0
    treasury.check_ledger(office)


def test_a_payment_that_cannot_be_put_to_its_invoice_is_recorded(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    ordinary = intake.put

    def put(*arguments, **how):  # type: ignore[no-untyped-def]
        ordinary(*arguments, **how)
        raise OperationError("Not this one.")

    monkeypatch.setattr(intake, "put", put)
    payment = treasury.payment_of(office, treasury.pay(office, bond))
    assert (payment.amount, payment.allocated) == (bond.amount, 0)
    assert treasury.balances(office)[Purpose.UNALLOCATED] == bond.amount
    assert treasury.open_invoice(office, server_id, InvoiceKind.BOND).id == bond.id
    treasury.check_ledger(office)


def test_of_a_bond_that_was_forfeited_in_part_the_rest_is_taken_back(office: Office) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    payment_id = treasury.pay(office, treasury.open_invoice(office, server_id, InvoiceKind.BOND))
    treasury.pay_all(office, server_id)
    forfeit(office, server_id, 100_000)
    before = treasury.balances(office)
    actor = treasury.treasurer(office)
    with pytest.raises(OperationError, match="forfeited, or paid out"), office.work() as work:
        payment = work.session.get_one(Payment, payment_id)
        (allocation,) = taking_back.standing_allocations(work, payment)
        taking_back.deallocate(work, actor, payment, allocation, "A mistake.")
    take_back(office, payment_id)
    after = treasury.balances(office)
    assert not any(treasury.balances(office, server_id).values())
    assert after[Purpose.BANK] == before[Purpose.BANK] + BOND
    assert after[Purpose.CHARGES] == -100_000
    assert after[Purpose.BOND_FORFEITED] == 100_000
    assert after[Purpose.UNALLOCATED] == 0
    (event,) = treasury.events(office, server_id, Happening.PAYMENT_TAKEN_BACK)
    assert event.details["lost"] == 100_000
    assert "loss" in event.reason
    due = treasury.server_of(office, server_id).bond_due
    assert treasury.open_invoice(office, server_id, InvoiceKind.BOND).amount == due
    treasury.check_ledger(office)


def test_a_share_is_owed_again_by_a_sponsor_that_has_left(office: Office, clock: Clock) -> None:
    server_id, (sponsor_id, *_) = treasury.make_sponsored(office)
    forfeiture = propose(office, server_id, amount=0)
    clock.advance(days=15)
    assert execute_if_due(office, forfeiture)
    share = treasury.open_invoice(office, sponsor_id, InvoiceKind.SPONSOR_SHARE)
    payment = treasury.pay(office, share)
    treasury.withdraw(office, sponsor_id)
    take_back(office, payment)
    assert treasury.open_invoice(office, sponsor_id, InvoiceKind.SPONSOR_SHARE).id == share.id
    treasury.check_ledger(office)
