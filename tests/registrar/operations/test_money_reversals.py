"""Payments that are taken back late: after sponsors came, a forfeiture, or the server's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from countersign.registrar.operations import intake
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.office import Office, OperationError
from countersign.rules.life_cycle import State
from countersign.storage.database.money import InvoiceKind, InvoiceState, Purpose
from tests.registrar.operations import treasury
from tests.registrar.operations.test_money_payments import take_back

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
