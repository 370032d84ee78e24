"""Payments: counted once, matched by reference, used by treasurers, given back, taken back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from countersign.registrar.money.reference import make_reference
from countersign.registrar.money.webhook import PaymentNotice
from countersign.registrar.operations import fees, payments, payouts, taking_back
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    Office,
    OperationError,
)
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.storage.database.money import (
    Invoice,
    InvoiceKind,
    InvoiceState,
    Payment,
    Purpose,
    Transfer,
)
from countersign.storage.database.servers import Server
from tests.registrar.operations import life, treasury
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.treasury import BOND, FEE, OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def invoice_of(office: Office, invoice_id: int) -> Invoice:
    with office.reading() as work:
        return work.session.get_one(Invoice, invoice_id)


def rest_of(office: Office, payment_id: int) -> int:
    payment = treasury.payment_of(office, payment_id)
    return payment.amount - payment.allocated


def allocate(office: Office, payment_id: int, invoice_id: int, amount: int, **how: Any) -> None:
    actor = treasury.treasurer(office)
    with office.work() as work:
        payments.allocate(
            work,
            actor,
            work.session.get_one(Payment, payment_id),
            work.session.get_one(Invoice, invoice_id),
            amount,
            **how,
        )


def take_back(office: Office, payment_id: int) -> None:
    actor = treasury.treasurer(office)
    with office.work() as work:
        taking_back.take_back(
            work, actor, work.session.get_one(Payment, payment_id), "The bank took it back."
        )


def test_a_payment_of_the_exact_amount_settles_its_invoice(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond)
    assert invoice_of(office, bond.id).state is InvoiceState.PAID
    assert rest_of(office, payment) == 0
    assert treasury.balances(office) == {Purpose.BANK: -BOND, Purpose.UNALLOCATED: 0}
    (event,) = treasury.events(office, server_id, Happening.PAYMENT)
    assert event.details == {
        "invoice": bond.id,
        "payment": payment,
        "amount": BOND,
        "currency": "USD",
    }
    treasury.check_ledger(office)


def test_a_part_is_put_to_the_invoice_and_the_rest_settles_it(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    treasury.pay(office, bond, 100_000)
    assert invoice_of(office, bond.id).state is InvoiceState.OPEN
    second = treasury.pay(office, bond, 200_000)
    assert invoice_of(office, bond.id).state is InvoiceState.PAID
    # What is above stays where a treasurer sees it.
    assert rest_of(office, second) == 50_000
    with office.reading() as work:
        assert [one.id for one in payments.unallocated(work)] == [second]
    assert treasury.balances(office)[Purpose.UNALLOCATED] == 50_000


@pytest.mark.parametrize(
    "how",
    [
        {"text": "for my server"},
        {"text": make_reference(4_711)},
        {"currency": "EUR"},
        {"text": "RF00CS0000000001"},
    ],
)
def test_what_cannot_be_matched_waits_for_a_treasurer(office: Office, how: dict[str, str]) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond, **({"text": make_reference(bond.id)} | how))
    assert rest_of(office, payment) == BOND
    assert invoice_of(office, bond.id).state is InvoiceState.OPEN
    treasury.check_ledger(office)


def test_one_payment_for_two_invoices_is_parted_if_it_comes_to_their_sum(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond, fee = treasury.invoices(office, server_id)
    both = f"{make_reference(bond.id)} and {make_reference(fee.id)}"
    wrong = treasury.pay(office, bond, BOND + FEE + 1, text=both)
    assert rest_of(office, wrong) == BOND + FEE + 1
    right = treasury.pay(office, bond, BOND + FEE, text=both)
    assert rest_of(office, right) == 0
    paid = [one.state for one in treasury.invoices(office, server_id)]
    assert paid == [InvoiceState.PAID, InvoiceState.PAID]


def test_a_payment_on_a_cancelled_invoice_stays_unallocated(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    treasury.withdraw(office, server_id)
    assert invoice_of(office, bond.id).state is InvoiceState.CANCELLED
    payment = treasury.pay(office, bond)
    assert rest_of(office, payment) == BOND
    with pytest.raises(OperationError, match="cancelled"):
        allocate(office, payment, bond.id, BOND)


def test_the_same_key_is_one_payment(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    first = treasury.pay(office, bond, 1_000, key="slip 7")
    assert treasury.pay(office, bond, 1_000, key="slip 7") == first
    assert treasury.balances(office)[Purpose.BANK] == -1_000
    with pytest.raises(ConflictError, match="recorded already"):
        treasury.pay(office, bond, 2_000, key="slip 7")


@pytest.mark.parametrize("amount", [0, -1, 10**18])
def test_amounts_that_are_none_are_refused(office: Office, amount: int) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    with pytest.raises(OperationError):
        treasury.pay(office, bond, amount)
    assert treasury.balances(office) == {}


@pytest.mark.parametrize("days", [2, -2000])
def test_days_that_cannot_be_are_refused(office: Office, days: int) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    day = office.clock().date() + datetime.timedelta(days=days)
    with pytest.raises(OperationError):
        treasury.pay(office, bond, received_on=day)


@pytest.mark.parametrize("role", [one for one in Role if one is not Role.TREASURER])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_but_treasurers_moves_money(office: Office, role: Role) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond, text="unknown")
    actor = Actor(role, life.make_account(office))
    with office.work() as work:
        found = work.session.get_one(Payment, payment)
        invoice = work.session.get_one(Invoice, bond.id)
        server = work.session.get_one(Server, server_id)
        for call in (
            lambda: payments.record(work, actor, treasury.receipt(office, bond, 1)),
            lambda: payments.allocate(work, actor, found, invoice, 1),
            lambda: payments.give_back(work, actor, found, 1, "T1"),
            lambda: taking_back.take_back(work, actor, found, "no"),
            lambda: payouts.pay_out(work, actor, server, 1, currency="USD", bank_reference="T2"),
        ):
            with pytest.raises(ForbiddenError):
                call()


def test_a_treasurer_puts_a_payment_to_an_invoice(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond, BOND + 500, text="no reference")
    for amount in (0, -5, BOND + 1, BOND + 501):
        with pytest.raises(OperationError):
            allocate(office, payment, bond.id, amount)
    allocate(office, payment, bond.id, BOND)
    assert invoice_of(office, bond.id).state is InvoiceState.PAID
    assert rest_of(office, payment) == 500
    treasury.check_ledger(office)


def test_who_saw_an_older_state_of_a_payment_is_told(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond, BOND, text="no reference")
    seen = treasury.payment_of(office, payment).version
    allocate(office, payment, bond.id, 1_000, seen_version=seen)
    with pytest.raises(ConflictError, match="Somebody else"):
        allocate(office, payment, bond.id, 1_000, seen_version=seen)
    assert rest_of(office, payment) == BOND - 1_000


def test_of_two_treasurers_who_use_a_payment_at_once_one_wins(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond, fee = treasury.invoices(office, server_id)
    payment = treasury.pay(office, bond, FEE, text="no reference")
    version = treasury.payment_of(office, payment).version
    treasury.treasurer(office)
    results = at_once(
        lambda: allocate(office, payment, bond.id, FEE, seen_version=version),
        lambda: allocate(office, payment, fee.id, FEE, seen_version=version),
    )
    errors = [one for one in results if one is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], ConflictError)
    assert rest_of(office, payment) == 0
    treasury.check_ledger(office)


def test_the_same_payment_recorded_by_many_at_once_is_one(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    treasury.treasurer(office)
    results = at_once(*[lambda: treasury.pay(office, bond, key="slip 9")] * 6)
    assert len(set(results)) == 1
    assert treasury.balances(office)[Purpose.BANK] == -BOND
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}


def test_many_payments_of_one_invoice_at_once_lose_nothing(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    treasury.treasurer(office)

    def payer(number: int) -> Callable[[], object]:
        return lambda: treasury.pay(office, bond, BOND // 4, key=f"slip {number}")

    results = at_once(*[payer(number) for number in range(6)])
    assert all(isinstance(one, int) for one in results), results
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    assert treasury.balances(office)[Purpose.UNALLOCATED] == 2 * (BOND // 4)
    assert invoice_of(office, bond.id).state is InvoiceState.PAID
    treasury.check_ledger(office)


def test_a_notice_of_the_payment_provider_counts_once(office: Office) -> None:
    server_id = treasury.make_offered(office)
    fee = treasury.open_invoice(office, server_id, InvoiceKind.FEE)

    def notice(event: str) -> PaymentNotice:
        return PaymentNotice(
            event=event,
            payment="pay_1",
            reference=make_reference(fee.id),
            amount=FEE,
            currency="USD",
            paid_at=office.clock(),
        )

    for event in ("evt_1", "evt_1", "evt_2"):
        with office.work() as work:
            payments.record_notice(work, notice(event))
    assert treasury.balances(office)[Purpose.FEE_INCOME] == FEE
    assert invoice_of(office, fee.id).state is InvoiceState.PAID


def test_what_is_for_nothing_is_given_back_once(office: Office) -> None:
    server_id = treasury.make_offered(office)
    bond = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    payment = treasury.pay(office, bond, BOND + 900)
    actor = treasury.treasurer(office)

    def give_back(amount: int, reference: str) -> None:
        with office.work() as work:
            payments.give_back(
                work, actor, work.session.get_one(Payment, payment), amount, reference
            )

    with pytest.raises(OperationError, match="left"):
        give_back(901, "T1")
    give_back(400, "T1")
    with pytest.raises(OperationError, match="already"):
        give_back(400, "T1")
    give_back(500, "T2")
    assert treasury.balances(office) == {Purpose.BANK: -BOND, Purpose.UNALLOCATED: 0}


def test_a_bond_that_the_bank_takes_back_is_asked_for_again(office: Office, clock: Clock) -> None:
    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    bond, fee = treasury.invoices(office, server_id)
    payment = treasury.pay(office, bond)
    treasury.pay(office, fee)
    assert treasury.state_of(office, server_id) is State.ACTIVE
    clock.advance(days=100)
    take_back(office, payment)
    again = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    assert (again.id, again.amount) == (bond.id, BOND)
    assert again.due_on == clock().date() + datetime.timedelta(days=14)
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: 0}
    assert treasury.balances(office)[Purpose.BANK] == -FEE
    assert treasury.events(office, server_id, Happening.PAYMENT_TAKEN_BACK)
    with pytest.raises(OperationError, match="already"):
        take_back(office, payment)
    treasury.check_ledger(office)


def test_a_fee_that_the_bank_takes_back_leaves_time_to_pay_again(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    clock.advance(days=340)
    fees.remind(office)
    renewal = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    before = treasury.server_of(office, server_id).fee_paid_until
    assert before is not None
    payment = treasury.pay(office, renewal)
    assert treasury.server_of(office, server_id).fee_paid_until == before.replace(
        year=before.year + 1
    )
    take_back(office, payment)
    soon = clock().date() + datetime.timedelta(days=14)
    assert treasury.server_of(office, server_id).fee_paid_until == max(before, soon)
    assert treasury.open_invoice(office, server_id, InvoiceKind.FEE).id == renewal.id
    clock.advance(days=5)
    treasury.pay(office, renewal, key="again")
    assert treasury.invoices(office, server_id, InvoiceKind.FEE)[-1].state is InvoiceState.PAID


def test_what_has_been_forfeited_cannot_be_taken_back(office: Office) -> None:
    from tests.registrar.operations.test_money_forfeitures import forfeit

    server_id = treasury.make_offered(office)
    treasury.accept_contract(office, server_id)
    bond, fee = treasury.invoices(office, server_id)
    payment = treasury.pay(office, bond)
    treasury.pay(office, fee)
    forfeit(office, server_id, BOND)
    with pytest.raises(OperationError, match="forfeited, or paid out"):
        take_back(office, payment)
    assert treasury.payment_of(office, payment).taken_back_at is None
    treasury.check_ledger(office)


def test_a_mistake_of_a_treasurer_is_undone(office: Office) -> None:
    server_id, other_id = treasury.make_offered(office), treasury.make_offered(office)
    wrong = treasury.open_invoice(office, server_id, InvoiceKind.BOND)
    right = treasury.open_invoice(office, other_id, InvoiceKind.BOND)
    payment = treasury.pay(office, wrong)
    actor = treasury.treasurer(office)

    def deallocate() -> None:
        with office.work() as work:
            found = work.session.get_one(Payment, payment)
            (allocation,) = taking_back.standing_allocations(work, found)
            taking_back.deallocate(work, actor, found, allocation, "Another server's bond.")

    deallocate()
    assert invoice_of(office, wrong.id).state is InvoiceState.OPEN
    allocate(office, payment, right.id, BOND)
    assert treasury.balances(office, other_id) == {Purpose.BOND_HELD: BOND}
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: 0}
    deallocate()
    allocate(office, payment, wrong.id, BOND)
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: BOND}
    treasury.check_ledger(office)


def test_what_is_due_is_paid_out_and_no_more(office: Office) -> None:
    server_id = treasury.make_active(office)
    treasury.withdraw(office, server_id)
    actor = treasury.treasurer(office)
    with office.reading() as work:
        (due,) = payouts.due(work)
    assert (due.server.id, due.amount, due.currency) == (server_id, BOND, "USD")

    def pay_out(amount: int, reference: str) -> int:
        with office.work() as work:
            server = work.session.get_one(Server, server_id)
            return payouts.pay_out(
                work, actor, server, amount, currency="USD", bank_reference=reference
            ).id

    for amount in (BOND + 1, 0, -1):
        with pytest.raises(OperationError, match="due"):
            pay_out(amount, "T1")
    payout = pay_out(BOND - 1, "T1")
    with pytest.raises(OperationError, match="already"):
        pay_out(1, "T1")
    with pytest.raises(OperationError, match="due"):
        pay_out(2, "T2")
    pay_out(1, "T2")
    with office.reading() as work:
        assert payouts.due(work) == []
    assert len(treasury.events(office, server_id, Happening.PAID_OUT)) == 2

    back = treasury.pay(office, treasury.invoices(office, server_id)[0], BOND - 1, key="back")
    with office.work() as work:
        payouts.payout_came_back(
            work,
            actor,
            work.session.get_one(Payment, back),
            work.session.get_one(Transfer, payout),
        )
    with office.reading() as work:
        assert [one.amount for one in payouts.due(work)] == [BOND - 1]
    treasury.check_ledger(office)


def test_of_two_payouts_at_once_only_what_is_due_goes_out(office: Office) -> None:
    server_id = treasury.make_active(office)
    treasury.withdraw(office, server_id)
    actor = treasury.treasurer(office)

    def payer(number: int) -> Callable[[], object]:
        def pay_out() -> None:
            with office.work() as work:
                server = work.session.get_one(Server, server_id)
                payouts.pay_out(
                    work, actor, server, BOND, currency="USD", bank_reference=f"T{number}"
                )

        return pay_out

    results = at_once(*[payer(number) for number in range(4)])
    assert sum(one is None for one in results) == 1
    assert all(isinstance(one, OperationError) for one in results if one is not None), results
    assert treasury.balances(office, server_id) == {Purpose.BOND_HELD: 0, Purpose.REFUND_DUE: 0}
    treasury.check_ledger(office)
