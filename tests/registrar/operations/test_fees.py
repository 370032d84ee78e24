"""The yearly fee: reminders once each, renewal, lapse, and the way back."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations import fees, one_by_one, taking_back
from countersign.registrar.operations.office import Office, OperationError
from countersign.rules.life_cycle import Action, State
from countersign.storage.database.money import InvoiceKind, InvoiceState, Payment
from countersign.storage.database.publication import Listing
from countersign.storage.database.servers import Server
from tests.registrar.operations import treasury
from tests.registrar.operations.at_once import at_once
from tests.registrar.operations.test_sanctions import suspend
from tests.registrar.operations.treasury import FEE, OLD

if TYPE_CHECKING:
    from tests.registrar.conftest import Clock


def until_of(office: Office, server_id: int) -> datetime.date:
    until = treasury.server_of(office, server_id).fee_paid_until
    assert until is not None
    return until


def move_to(clock: Clock, day: datetime.date) -> None:
    clock.now = datetime.datetime.combine(day, datetime.time(4), datetime.UTC)


def days(number: int) -> datetime.timedelta:
    return datetime.timedelta(days=number)


def test_each_reminder_is_sent_once_and_the_first_brings_the_invoice(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    until = until_of(office, server_id)
    sent = []
    for left in (31, 30, 29, 8, 7, 6, 2, 1, 0):
        move_to(clock, until - days(left))
        for _ in range(2):
            sent += [left] * fees.run_daily(office).reminded.done
    assert sent == [30, 7, 1]
    letters = treasury.letters(office, "fee-reminder")
    invoice = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    assert [one["days"] for one in letters] == [30, 7, 1]
    assert {one["invoice"] for one in letters} == {invoice.id}
    assert (invoice.amount, invoice.due_on) == (FEE, until)
    # The reminder brings the invoice: there is no other letter about it.
    assert invoice.id not in [one["invoice"] for one in treasury.letters(office, "invoice")]


def test_a_registrar_that_was_down_reminds_late_and_once(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    move_to(clock, until_of(office, server_id) - days(5))
    assert fees.run_daily(office).reminded.done == 1
    assert [one["days"] for one in treasury.letters(office, "fee-reminder")] == [7]


def test_an_early_payment_loses_no_days_and_ends_the_reminders(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    until = until_of(office, server_id)
    move_to(clock, until - days(20))
    fees.run_daily(office)
    treasury.pay_all(office, server_id)
    assert until_of(office, server_id) == until.replace(year=until.year + 1)
    move_to(clock, until)
    assert fees.run_daily(office).reminded.done == 0
    move_to(clock, until + days(340))
    assert fees.run_daily(office).reminded.done == 1
    assert len(treasury.invoices(office, server_id, InvoiceKind.FEE)) == 3


def test_a_fee_that_is_not_paid_lapses_and_payment_renews(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    until = until_of(office, server_id)
    move_to(clock, until)
    fees.run_daily(office)
    assert treasury.state_of(office, server_id) is State.ACTIVE
    move_to(clock, until + days(1))
    assert fees.run_daily(office).lapsed.done == 1
    assert fees.run_daily(office).lapsed.done == 0
    server = treasury.server_of(office, server_id)
    assert server.state is State.LAPSED
    assert treasury.listing(office, server_id) is Listing.ABSENT
    move_to(clock, until + days(40))
    treasury.pay(office, treasury.open_invoice(office, server_id, InvoiceKind.FEE))
    renewed = treasury.server_of(office, server_id)
    assert renewed.state is State.ACTIVE
    assert renewed.fee_paid_until == clock().date().replace(year=clock().year + 1)
    assert renewed.active_since == server.active_since
    assert treasury.listing(office, server_id) is Listing.REGISTERED
    assert treasury.events(office, server_id, Action.RENEW)


def test_a_server_that_lapsed_without_a_reminder_is_asked_for_its_fee(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    move_to(clock, until_of(office, server_id) + days(50))
    assert fees.run_daily(office).lapsed.done == 1
    asked = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    assert asked.due_on == clock().date() + days(14)


def test_suspended_servers_are_reminded_and_do_not_lapse(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    suspend(office, server_id)
    until = until_of(office, server_id)
    move_to(clock, until - days(30))
    run = fees.run_daily(office)
    assert (run.reminded.done, run.lapsed.done) == (1, 0)
    move_to(clock, until + days(1))
    assert fees.run_daily(office).lapsed.done == 0
    assert treasury.state_of(office, server_id) is State.SUSPENDED


def test_a_suspended_server_whose_fee_ran_out_unnoticed_can_pay_it(
    office: Office, clock: Clock
) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    suspend(office, server_id)
    move_to(clock, until_of(office, server_id) + days(30))
    for _ in range(2):
        fees.run_daily(office)
    treasury.open_invoice(office, server_id, InvoiceKind.FEE)


def test_one_server_that_cannot_be_done_stops_no_other(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = [treasury.make_active(office, registered_on=OLD) for _ in range(5)]
    move_to(clock, until_of(office, servers[0]) + days(1))
    ordinary = fees.move

    def move(work, server, *rest, **how):  # type: ignore[no-untyped-def]
        if server.id == servers[2]:
            raise OperationError("Not this one.")
        if server.id == servers[3]:
            raise IntegrityError("Zoe Muller", None, ValueError("Zoe Muller"))
        return ordinary(work, server, *rest, **how)

    monkeypatch.setattr(fees, "move", move)
    monkeypatch.setattr(one_by_one, "_AT_ONCE", 2)
    tally = fees.lapse(office)
    assert (tally.done, tally.failed) == (3, 2)
    monkeypatch.setattr(fees, "move", ordinary)
    assert fees.lapse(office).done == 2


def test_a_renewal_that_is_taken_back_is_reminded_of_again(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    until = until_of(office, server_id)
    move_to(clock, until - days(29))
    assert fees.remind(office).done == 1
    renewal = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    payment_id = treasury.pay(office, renewal, key="renewal")
    move_to(clock, until - days(20))
    actor = treasury.treasurer(office)
    with office.work() as work:
        payment = work.session.get_one(Payment, payment_id)
        taking_back.take_back(work, actor, payment, "The bank took it back.")
    assert until_of(office, server_id) == until
    run = fees.run_daily(office)
    assert (run.reminded.done, run.reminded.failed) == (1, 0)
    assert [one["days"] for one in treasury.letters(office, "fee-reminder")] == [30, 30]


def test_a_payment_of_long_ago_pays_for_no_year_that_is_over(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    move_to(clock, until_of(office, server_id) + days(100))
    fees.run_daily(office)
    today = clock().date()
    renewal = treasury.open_invoice(office, server_id, InvoiceKind.FEE)
    treasury.pay(office, renewal, received_on=today - days(400))
    assert until_of(office, server_id) >= today
    assert treasury.state_of(office, server_id) is State.ACTIVE


def test_two_workers_at_once_lapse_and_remind_everybody_once(office: Office, clock: Clock) -> None:
    servers = [treasury.make_active(office, registered_on=OLD) for _ in range(6)]
    until = until_of(office, servers[0])
    move_to(clock, until - days(7))
    results = at_once(*[lambda: fees.remind(office)] * 3)
    tallies = [one for one in results if isinstance(one, one_by_one.Tally)]
    assert len(tallies) == 3, results
    assert sum(one.done for one in tallies) == 6
    assert len(treasury.letters(office, "fee-reminder")) == 6
    move_to(clock, until + days(1))
    results = at_once(*[lambda: fees.lapse(office)] * 3)
    tallies = [one for one in results if isinstance(one, one_by_one.Tally)]
    assert sum(one.done for one in tallies) == 6
    with office.reading() as work:
        states = set(work.session.scalars(select(Server.state)))
    assert states == {State.LAPSED}


def test_withdrawing_cancels_the_renewal(office: Office, clock: Clock) -> None:
    server_id = treasury.make_active(office, registered_on=OLD)
    move_to(clock, until_of(office, server_id) - days(30))
    fees.run_daily(office)
    treasury.withdraw(office, server_id)
    assert treasury.invoices(office, server_id, InvoiceKind.FEE)[-1].state is (
        InvoiceState.CANCELLED
    )
