"""Servers and money, quickly: rows are made up to the offer, all after it is done by operations."""

from __future__ import annotations

import datetime
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import select

from countersign.registrar.money.reference import make_reference
from countersign.registrar.operations import contracts, payments, sponsorships
from countersign.registrar.operations.intake import Receipt
from countersign.registrar.operations.ledger import added_up
from countersign.registrar.operations.offers import make_offer
from countersign.registrar.operations.office import Actor, Office, Work
from countersign.registrar.operations.transitions import move
from countersign.rules.life_cycle import Action, State
from countersign.rules.roles import Role
from countersign.storage.database.jobs import Job
from countersign.storage.database.money import (
    PER_SERVER,
    Invoice,
    InvoiceKind,
    InvoiceState,
    LedgerAccount,
    Payment,
    Purpose,
)
from countersign.storage.database.promises import Sponsorship
from countersign.storage.database.publication import Listing, ZoneChange
from countersign.storage.database.servers import ApplicantKind, Server, ServerEvent, TestRun
from tests.registrar.operations.life import a_hostname, make_account, staff

YOUNG = datetime.date(2026, 1, 10)
OLD = datetime.date(2015, 6, 1)
BOND, FEE = 250_000, 12_000


def make_tested(office: Office, *, registered_on: datetime.date | None = YOUNG, **how: Any) -> int:
    """Return a server that has passed its test, with an owner of its own."""
    owner = how.pop("owner", None) or make_account(office)
    with office.work() as work:
        server = Server(
            hostname=how.pop("hostname", "") or a_hostname(),
            state=State.TESTED,
            state_since=work.now,
            owner_id=owner,
            kind=ApplicantKind.INDIVIDUAL,
            created_at=work.now,
            submitted_at=work.now,
            domain_registered_on=registered_on,
            country="AU",
            region="OC",
            city="Perth",
            control_proven_at=work.now,
            control_method="dns",
            **how,
        )
        work.session.add(server)
        work.session.flush()
        work.session.add(
            TestRun(
                server_id=server.id,
                cause="application",
                asked_at=work.now,
                ended_at=work.now,
                verdict="passed",
                result={},
            )
        )
        return server.id


def make_offered(office: Office, **how: Any) -> int:
    """Return a server that was made an offer."""
    server_id = make_tested(office, **how)
    with office.work() as work:
        make_offer(work, work.session.get_one(Server, server_id))
    return server_id


def make_active(office: Office, **how: Any) -> int:
    """Return a server whose contract is accepted and whose invoices are paid."""
    server_id = make_offered(office, **how)
    accept_contract(office, server_id)
    pay_all(office, server_id)
    assert state_of(office, server_id) is State.ACTIVE
    return server_id


def make_trusted(office: Office, **how: Any) -> int:
    """Return a server that has been active for years, as if the time had passed."""
    server_id = make_active(office, **{"registered_on": OLD, **how})
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        server.active_since = work.today - relativedelta(years=2)
    return server_id


def owner_of(work: Work, server: Server) -> Actor:
    return Actor(Role.OWNER, server.owner_id)


def accept_contract(office: Office, server_id: int) -> None:
    """Let the owner accept the contract; the paper is a blank one, printing takes a second."""
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        text = contracts.contract(work, server)
        version, seen = text.text.version, text.sha256
        blank = contracts.Printed(
            server_id, server.owner_id, version, seen, b"%PDF-1.7 blank", work.now
        )
        contracts.accept(
            work, owner_of(work, server), server, version=version, seen=seen, printed=blank
        )


def treasurer(office: Office) -> Actor:
    return staff(office, Role.TREASURER)


def adjudicator(office: Office) -> Actor:
    return staff(office, Role.ADJUDICATOR)


def second_adjudicator(office: Office) -> Actor:
    account = make_account(office, "second@registrar.com.au", Role.ADJUDICATOR)
    return Actor(Role.ADJUDICATOR, account)


def receipt(office: Office, invoice: Invoice | None, amount: int, **how: Any) -> Receipt:
    """Return what a payment for an invoice looks like."""
    text = make_reference(invoice.id) if invoice is not None else how.pop("text", "thanks")
    return Receipt(
        **{
            "key": f"key {invoice.id if invoice else 0} {amount}",
            "amount": amount,
            "currency": "USD",
            "received_on": office.clock().date(),
            "text": text,
            **how,
        }
    )


def pay(office: Office, invoice: Invoice, amount: int | None = None, **how: Any) -> int:
    """Pay an invoice, all of it if no amount is given; returns the payment's key."""
    actor = treasurer(office)
    with office.work() as work:
        made = receipt(office, invoice, invoice.amount if amount is None else amount, **how)
        return payments.record(work, actor, made).id


def pay_all(office: Office, server_id: int) -> None:
    for invoice in invoices(office, server_id, state=InvoiceState.OPEN):
        pay(office, invoice)


def invoices(
    office: Office,
    server_id: int,
    kind: InvoiceKind | None = None,
    state: InvoiceState | None = None,
) -> list[Invoice]:
    with office.reading() as work:
        statement = select(Invoice).where(Invoice.server_id == server_id).order_by(Invoice.id)
        found = work.session.scalars(statement).all()
    return [
        one
        for one in found
        if (kind is None or one.kind is kind) and (state is None or one.state is state)
    ]


def open_invoice(office: Office, server_id: int, kind: InvoiceKind) -> Invoice:
    (one,) = invoices(office, server_id, kind, InvoiceState.OPEN)
    return one


def vouch(office: Office, server_id: int, sponsor_id: int) -> int:
    """Let a server's owner ask a sponsor, and the sponsor accept; returns the sponsorship."""
    sponsorship_id = ask(office, server_id, sponsor_id)
    accept(office, sponsorship_id)
    return sponsorship_id


def ask(office: Office, server_id: int, sponsor_id: int) -> int:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        sponsor = work.session.get_one(Server, sponsor_id)
        return sponsorships.ask(work, owner_of(work, server), server, sponsor.hostname).id


def accept(office: Office, sponsorship_id: int) -> None:
    with office.work() as work:
        sponsorship = work.session.get_one(Sponsorship, sponsorship_id)
        sponsor = work.session.get_one(Server, sponsorship.sponsor_id)
        text = sponsorships.undertaking(work, sponsorship)
        sponsorships.accept(
            work, owner_of(work, sponsor), sponsorship, text.text.version, text.sha256
        )


def make_sponsored(office: Office, sponsors: int = 3) -> tuple[int, list[int]]:
    """Return an active server without a bond, and those that vouch for it."""
    server_id = make_offered(office)
    trusted = [make_trusted(office) for _ in range(sponsors)]
    for one in trusted:
        vouch(office, server_id, one)
    accept_contract(office, server_id)
    pay_all(office, server_id)
    return server_id, trusted


def server_of(office: Office, server_id: int) -> Server:
    with office.reading() as work:
        return work.session.get_one(Server, server_id)


def state_of(office: Office, server_id: int) -> State:
    return server_of(office, server_id).state


def payment_of(office: Office, payment_id: int) -> Payment:
    with office.reading() as work:
        return work.session.get_one(Payment, payment_id)


def balances(office: Office, server_id: int | None = None) -> dict[Purpose, int]:
    """Return the balances of a server's own accounts, or of the common ones, added up."""
    with office.reading() as work:
        accounts = work.session.scalars(
            select(LedgerAccount).where(
                LedgerAccount.server_id == server_id
                if server_id is not None
                else LedgerAccount.server_id.is_(None)
            )
        ).all()
        return {one.purpose: added_up(work, one) for one in accounts}


def check_ledger(office: Office) -> None:
    """Assert that the ledger sums to zero, and that the balances it keeps are right."""
    with office.reading() as work:
        accounts = work.session.scalars(select(LedgerAccount)).all()
        sums = {one.id: added_up(work, one) for one in accounts}
        assert sum(sums.values()) == 0
        for one in accounts:
            if one.purpose in PER_SERVER:
                assert one.balance == sums[one.id] >= 0


def events(office: Office, server_id: int, action: str = "") -> list[ServerEvent]:
    with office.reading() as work:
        found = work.session.scalars(
            select(ServerEvent).where(ServerEvent.server_id == server_id).order_by(ServerEvent.id)
        ).all()
    return [one for one in found if not action or one.action == action]


def letters(office: Office, template: str = "") -> list[dict[str, Any]]:
    """Return the letters that were ordered, the oldest first."""
    with office.reading() as work:
        jobs = work.session.scalars(select(Job).where(Job.kind == "mail").order_by(Job.id)).all()
    return [job.payload for job in jobs if not template or job.payload["template"] == template]


def jobs(office: Office, kind: str) -> list[dict[str, Any]]:
    with office.reading() as work:
        found = work.session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id)).all()
    return [job.payload for job in found]


def listing(office: Office, server_id: int) -> Listing | None:
    """Return what the zone says of a server last."""
    with office.reading() as work:
        return work.session.scalar(
            select(ZoneChange.listing)
            .where(ZoneChange.server_id == server_id)
            .order_by(ZoneChange.id.desc())
            .limit(1)
        )


def withdraw(office: Office, server_id: int) -> None:
    with office.work() as work:
        server = work.session.get_one(Server, server_id)
        move(work, server, Action.WITHDRAW, owner_of(work, server))
