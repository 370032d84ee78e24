"""Whatever is done in whatever order: no money is lost, made or owed twice (DESIGN §6)."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, func, select

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import (
    deregistration,
    fees,
    forfeitures,
    payments,
    payouts,
    sanctions,
    statements,
    taking_back,
)
from countersign.registrar.operations.debts import suspend_debtors
from countersign.registrar.operations.invoices import paid_on_each
from countersign.registrar.operations.ledger import bond_held
from countersign.registrar.operations.offers import lapse_offers, try_activate
from countersign.registrar.operations.office import Office, OperationError, Work
from countersign.registrar.operations.undertakings import end_undertakings
from countersign.registrar.vault.keyring import Keyring
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.engine import Database
from countersign.storage.database.money import (
    PER_SERVER,
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Payment,
    Purpose,
    Transfer,
)
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server
from tests.registrar.conftest import Clock
from tests.registrar.operations import treasury
from tests.registrar.operations.treasury import OLD
from tests.registrar.postgres import Postgres

choices = st.integers(0, 30)
"""One of those there are: the number modulo how many."""
amounts = st.sampled_from([1, 999, 12_000, 83_334, 125_000, 250_000, 400_000])
_ASSESSED = (State.OFFERED, State.ACTIVE, State.SUSPENDED, State.LAPSED)
_numbers = itertools.count(1)


class MoneyMachine(RuleBasedStateMachine):
    """A registrar whose staff and owners do anything at any time."""

    def __init__(self, office: Office, clock: Clock) -> None:
        super().__init__()
        self.office, self.clock = office, clock
        self.servers: list[int] = []
        self.bank = -treasury.balances(office).get(Purpose.BANK, 0)
        """What must be at the bank, by our own reckoning."""

    def attempt(self, what: Callable[[Work], Any]) -> Any:
        """Do something in a transaction; None: it was refused, and nothing changed."""
        try:
            with self.office.work() as work:
                return what(work)
        except OperationError:
            return None

    def server(self, work: Work, choice: int, *states: State) -> Server:
        """Return one of our servers, in one of some states if one is."""
        statement = select(Server).where(Server.id.in_(self.servers)).order_by(Server.id)
        fit = work.session.scalars(statement.where(Server.state.in_(states))).all()
        rows = fit or work.session.scalars(statement).all()
        return rows[choice % len(rows)]

    def one_of(self, work: Work, statement: Any, choice: int) -> Any:
        rows = work.session.scalars(statement).all()
        if not rows:
            raise OperationError("There is none.")
        return rows[choice % len(rows)]

    def payment(self, work: Work, choice: int) -> Any:
        statement = select(Payment).where(Payment.taken_back_at.is_(None)).order_by(Payment.id)
        return self.one_of(work, statement, choice)

    @initialize()
    def staff(self) -> None:
        """Make the staff; two servers, one of them trusted."""
        self.treasurer = treasury.treasurer(self.office)
        self.adjudicator = treasury.adjudicator(self.office)
        self.second = treasury.second_adjudicator(self.office)
        self.apply(young=True)
        self.apply_and_pay(young=False)
        self.trust(self.servers[-1])

    @rule(young=st.booleans())
    def apply(self, young: bool) -> None:
        """Make an offer to a new server."""
        lately = self.clock().date() - datetime.timedelta(days=30)
        self.servers.append(
            treasury.make_offered(self.office, registered_on=lately if young else OLD)
        )

    @rule(young=st.booleans())
    def apply_and_pay(self, young: bool) -> None:
        """Let a new server become active."""
        self.apply(young)
        treasury.accept_contract(self.office, self.servers[-1])
        self.pay_what_is_asked(self.servers[-1])

    def trust(self, server_id: int) -> None:
        with self.office.work() as work:
            server = work.session.get_one(Server, server_id)
            if server.active_since is not None:
                server.active_since = work.today - relativedelta(years=2)

    @rule(contract=st.booleans())
    def sponsored(self, contract: bool) -> None:
        """Let a new server be vouched for by three, and become active without a bond."""
        sponsors = []
        for _ in range(3):
            self.apply_and_pay(young=False)
            self.trust(self.servers[-1])
            sponsors.append(self.servers[-1])
        self.apply(young=True)
        with contextlib.suppress(OperationError):
            # After a year of this story's time the domain may be old enough without them.
            for one in sponsors:
                treasury.vouch(self.office, self.servers[-1], one)
        if contract:
            treasury.accept_contract(self.office, self.servers[-1])
            self.pay_what_is_asked(self.servers[-1])

    def pay_what_is_asked(self, server_id: int) -> None:
        for invoice in treasury.invoices(self.office, server_id, state=InvoiceState.OPEN):
            self.receive(invoice, invoice.amount)

    def receive(self, invoice: Invoice | None, amount: int, **how: Any) -> None:
        made = treasury.receipt(self.office, invoice, amount, key=f"k{next(_numbers)}", **how)
        if self.attempt(lambda work: payments.record(work, self.treasurer, made).id):
            self.bank += amount if made.currency == "USD" else 0

    @rule(choice=choices, amount=amounts, exact=st.booleans())
    def pay(self, choice: int, amount: int, exact: bool) -> None:
        """Pay an invoice, whatever its state: exactly, too little or too much."""
        with self.office.reading() as work:
            rows = work.session.scalars(
                select(Invoice).where(Invoice.server_id.in_(self.servers)).order_by(Invoice.id)
            ).all()
        if rows:
            invoice = rows[-1 - choice % len(rows)]
            self.receive(invoice, invoice.amount if exact else amount)

    @rule(amount=amounts, currency=st.sampled_from(["USD", "USD", "EUR"]))
    def pay_for_nothing(self, amount: int, currency: str) -> None:
        """Receive money that names no invoice."""
        self.receive(None, amount, currency=currency)

    @rule(choice=choices, other=choices, amount=amounts)
    def allocate(self, choice: int, other: int, amount: int) -> None:
        """Put a payment to any invoice."""

        def do(work: Work) -> None:
            payment = self.payment(work, choice)
            invoice = self.one_of(work, select(Invoice).order_by(Invoice.id), other)
            rest = payment.amount - payment.allocated
            payments.allocate(work, self.treasurer, payment, invoice, min(amount, rest))

        self.attempt(do)

    @rule(choice=choices)
    def deallocate(self, choice: int) -> None:
        """Undo an allocation."""

        def do(work: Work) -> None:
            payment = self.payment(work, choice)
            for allocation in taking_back.standing_allocations(work, payment)[:1]:
                taking_back.deallocate(work, self.treasurer, payment, allocation, "A mistake.")

        self.attempt(do)

    @rule(choice=choices, amount=amounts)
    def give_back(self, choice: int, amount: int) -> None:
        """Send some of a payment back to the payer."""

        def do(work: Work) -> int:
            payment = self.payment(work, choice)
            reference = f"g{next(_numbers)}"
            payments.give_back(work, self.treasurer, payment, amount, reference)
            return amount if payment.currency == "USD" else 0

        self.bank -= self.attempt(do) or 0

    @rule(choice=choices)
    def take_back(self, choice: int) -> None:
        """Let the bank take a payment back."""

        def do(work: Work) -> int:
            payment = self.payment(work, choice)
            taking_back.take_back(work, self.treasurer, payment, "No funds.")
            return payment.amount if payment.currency == "USD" else 0

        self.bank -= self.attempt(do) or 0

    @rule(choice=choices)
    def accept_contract(self, choice: int) -> None:
        """Let an owner accept the contract."""
        try:
            treasury.accept_contract(self.office, self.servers[choice % len(self.servers)])
        except OperationError:
            return

    @rule(choice=choices, other=choices)
    def vouch(self, choice: int, other: int) -> None:
        """Let one server vouch for another."""
        server, sponsor = (self.servers[one % len(self.servers)] for one in (choice, other))
        try:
            treasury.vouch(self.office, server, sponsor)
        except OperationError:
            return

    @rule(choice=choices, amount=amounts, ago=st.integers(0, 40))
    def propose_forfeiture(self, choice: int, amount: int, ago: int) -> None:
        """Propose to forfeit some of what is held."""

        def do(work: Work) -> None:
            server = self.server(work, choice, State.ACTIVE, State.SUSPENDED)
            held = bond_held(work, server.id, server.bond_currency)
            forfeitures.propose(
                work,
                self.adjudicator,
                server,
                amount=min(amount, held),
                reason="Spam.",
                offence_on=work.today - datetime.timedelta(days=ago),
            )

        self.attempt(do)

    @rule(choice=choices, how=st.sampled_from(["confirm", "drop", "time"]))
    def decide_forfeiture(self, choice: int, how: str) -> None:
        """Decide a forfeiture, or let the time for a reply pass."""
        if how == "time":
            self.clock.advance(days=15)

        def do(work: Work) -> None:
            waiting = select(Forfeiture).where(Forfeiture.state == ForfeitureState.PROPOSED)
            one = self.one_of(work, waiting.order_by(Forfeiture.id), choice)
            if how == "confirm":
                forfeitures.confirm(work, self.second, one, "Yes.")
            elif how == "drop":
                forfeitures.drop(work, self.second, one, "No.")
            else:
                forfeitures.execute_if_due(work, one.id)

        self.attempt(do)

    @rule(choice=choices, amount=amounts)
    def forfeit(self, choice: int, amount: int) -> None:
        """Find that a server spammed, without a reply."""
        self.propose_forfeiture(choice, amount, ago=0)
        self.decide_forfeiture(-1, "time")

    @rule(choice=choices)
    def suspend(self, choice: int) -> None:
        """Suspend a server."""
        self.attempt(
            lambda work: sanctions.suspend(
                work,
                self.adjudicator,
                self.server(work, choice, State.ACTIVE),
                reason="Spam.",
                public_reason="spam",
            )
        )

    @rule(choice=choices)
    def remedy(self, choice: int) -> None:
        """Say that a suspension's cause is removed."""
        self.attempt(
            lambda work: sanctions.mark_remedy_done(
                work, self.adjudicator, self.server(work, choice, State.SUSPENDED), "Done."
            )
        )

    @rule(choice=choices)
    def strike_off(self, choice: int) -> None:
        """Strike a server off."""
        self.attempt(
            lambda work: deregistration.propose_deregistration(
                work, self.adjudicator, self.server(work, choice), reason="Spam."
            )
        )
        self.attempt(
            lambda work: deregistration.deregister(work, self.second, self.server(work, choice))
        )

    @rule(choice=choices)
    def withdraw(self, choice: int) -> None:
        """Let an owner leave."""
        try:
            treasury.withdraw(self.office, self.servers[choice % len(self.servers)])
        except OperationError:
            return

    @rule(choice=choices, amount=amounts)
    def pay_out(self, choice: int, amount: int) -> None:
        """Pay out some of what is due."""

        def do(work: Work) -> int:
            waiting = payouts.due(work)
            if not waiting:
                return 0
            one = waiting[choice % len(waiting)]
            paid = min(amount, one.amount)
            payouts.pay_out(
                work,
                self.treasurer,
                one.server,
                paid,
                currency=one.currency,
                bank_reference=f"o{next(_numbers)}",
            )
            return paid

        self.bank -= self.attempt(do) or 0

    @rule(days=st.sampled_from([1, 20, 40, 340]), pays=st.booleans())
    def time_passes(self, days: int, pays: bool) -> None:
        """Let the daily work be done after some days."""
        self.clock.advance(days=days)
        if pays:
            fees.remind(self.office)
            for server_id in self.servers:
                self.pay_what_is_asked(server_id)
        for step in (lapse_offers, end_undertakings, fees.run_daily, suspend_debtors):
            step(self.office)
        statements.carry_forward(self.office)
        for job in treasury.jobs(self.office, "review"):
            if job["server"] in self.servers:
                self.attempt(
                    lambda work, key=job["server"]: try_activate(
                        work, work.session.get_one(Server, key)
                    )
                )

    @invariant()
    def the_ledger_is_whole(self) -> None:
        """It sums to zero; balances that are kept are right; nothing is below zero."""
        with self.office.reading() as work:
            sums = _sums(work)
            assert sum(sums.values()) == 0
            common: dict[tuple[Purpose, str], int] = {}
            for account in work.session.scalars(select(LedgerAccount)):
                if account.purpose in PER_SERVER:
                    assert account.balance == sums.get(account.id, 0) >= 0
                else:
                    common[account.purpose, account.currency] = sums.get(account.id, 0)
            assert -common.get((Purpose.BANK, "USD"), 0) == self.bank
            rest = work.session.scalar(
                select(func.sum(Payment.amount - Payment.allocated)).where(
                    Payment.currency == "USD"
                )
            )
            assert common.get((Purpose.UNALLOCATED, "USD"), 0) == int(rest or 0)
            assert all(
                balance >= 0
                for (purpose, _), balance in common.items()
                if purpose is not Purpose.BANK
            )
            totals = statements.trial_balance(work)
            assert sum(one.balance for one in totals) == 0
            for one in totals:
                if one.purpose not in PER_SERVER:
                    assert one.balance == common[one.purpose, one.currency]

    @invariant()
    def invoices_say_what_is_so(self) -> None:
        """An open invoice asks for something, a paid one is paid, and a bond is asked for once."""
        with self.office.reading() as work:
            servers = work.session.scalars(select(Server).where(Server.id.in_(self.servers))).all()
            invoices = work.session.scalars(
                select(Invoice).where(Invoice.server_id.in_(self.servers))
            ).all()
            paid = paid_on_each(work, [one.id for one in invoices])
            held = dict(
                work.session.execute(
                    select(LedgerAccount.server_id, LedgerAccount.balance).where(
                        LedgerAccount.purpose == Purpose.BOND_HELD,
                        LedgerAccount.currency == "USD",
                    )
                ).all()
            )
            disputed = set(
                work.session.scalars(
                    select(Forfeiture.server_id).where(Forfeiture.state == ForfeitureState.PROPOSED)
                )
            )
        for server in servers:
            own = [one for one in invoices if one.server_id == server.id]
            for invoice in own:
                self._check_invoice(server, invoice, paid[invoice.id])
            if server.state in _ASSESSED:
                asked = [
                    one.amount - paid[one.id]
                    for one in own
                    if one.kind is InvoiceKind.BOND and one.state is InvoiceState.OPEN
                ]
                missing = max(server.bond_due - held.get(server.id, 0), 0)
                assert asked == [missing] * bool(missing)
            elif server.id not in disputed:
                assert held.get(server.id, 0) == 0

    def _check_invoice(self, server: Server, invoice: Invoice, paid: int) -> None:
        assert 0 <= paid <= invoice.amount
        if invoice.state is InvoiceState.OPEN:
            assert paid < invoice.amount
            assert server.state not in ENDED or invoice.kind is InvoiceKind.SPONSOR_SHARE
        if invoice.state is InvoiceState.PAID and server.state not in ENDED:
            assert paid == invoice.amount

    @invariant()
    def every_entry_of_a_server_names_its_event(self) -> None:
        """Each can be explained from the event log."""
        with self.office.reading() as work:
            unexplained = work.session.scalar(
                select(func.count()).where(
                    Transfer.event_id.is_(None), Transfer.server_id.is_not(None)
                )
            )
            assert unexplained == 0


def _sums(work: Work) -> dict[int, int]:
    sums: dict[int, int] = {}
    for side, sign in ((Transfer.credit_account_id, 1), (Transfer.debit_account_id, -1)):
        for account, amount in work.session.execute(
            select(side, func.sum(Transfer.amount)).group_by(side)
        ):
            sums[account] = sums.get(account, 0) + sign * int(amount)
    return sums


def check_any_order(new_url: Callable[[], str], examples: int, steps: int) -> None:
    """Do things in any order, each time with an empty database."""
    with tempfile.TemporaryDirectory() as name:
        keyring = Keyring(Path(name) / "keyring.json")
        opened: list[Database] = []

        def machine() -> MoneyMachine:
            while opened:
                opened.pop().close()
            database = Database(new_url())
            if database.is_sqlite:
                # Thrown away: nothing need survive a power cut.
                event.listen(
                    database.engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=OFF")
                )
            opened.append(database)
            clock = Clock()
            config = RegistrarConfig(state_directory=Path(name))
            return MoneyMachine(Office(config, database, keyring, clock), clock)

        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                # The same courses in every run: what is found here is found by everybody.
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        for database in opened:
            database.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_of_operations_loses_money_on_sqlite(
    migrated_sqlite: Path, tmp_path: Path
) -> None:
    def new_url() -> str:
        file = tmp_path / f"{next(_numbers)}.sqlite"
        shutil.copy(migrated_sqlite, file)
        return f"sqlite:///{file}"

    check_any_order(new_url, examples=12, steps=40)


@pytest.mark.slow
@pytest.mark.peer
@pytest.mark.timeout(900)
def test_no_order_of_operations_loses_money_on_postgresql(postgres: Postgres) -> None:
    names: list[str] = []

    def new_url() -> str:
        names.append(postgres.make())
        return postgres.url(names[-1])

    check_any_order(new_url, examples=4, steps=30)
    for name in names:
        postgres.drop(name)
