"""The yearly fee: reminders, renewal invoices, lapse (DESIGN §6; contract, section 14)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from countersign.registrar.operations.invoices import ask_for_fee, open_invoice
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import SYSTEM, Office, Work
from countersign.registrar.operations.one_by_one import Tally, each_server
from countersign.registrar.operations.transitions import move
from countersign.rules.fees import has_lapsed, reminder_due
from countersign.rules.life_cycle import PUBLISHED, Action, State
from countersign.storage.database.money import InvoiceKind
from countersign.storage.database.servers import Server


@dataclass(frozen=True, slots=True)
class FeeRun:
    """What a day's run did."""

    reminded: Tally
    lapsed: Tally


def run_daily(office: Office) -> FeeRun:
    """Remind owners whose fee runs out, and let registrations lapse whose fee has.

    Each server in a transaction of its own: a run that is cut short is simply made again.
    """
    return FeeRun(remind(office), lapse(office))


def remind(office: Office) -> Tally:
    """Send each reminder once, and the renewal invoice with the first."""
    days = office.config.money.reminder_days
    if not days:
        return Tally()
    today = office.clock().date()
    conditions = (
        Server.state.in_(PUBLISHED),
        Server.fee_paid_until >= today,
        Server.fee_paid_until <= today + datetime.timedelta(days=max(days)),
    )
    return each_server(office, conditions, Server.fee_paid_until, _remind)


def _remind(work: Work, server: Server) -> bool:
    until = server.fee_paid_until
    if until is None:
        return False
    due = reminder_due(until, work.today, work.config.money.reminder_days)
    if due is None or (server.fee_reminder is not None and server.fee_reminder <= due):
        return False
    if work.config.money.yearly_fee == 0:
        ask_for_fee(work, server, until)
        return True
    server.fee_reminder = due
    invoice = open_invoice(work, server, InvoiceKind.FEE)
    if invoice is None:
        invoice = ask_for_fee(work, server, until, tell=False)
    for account_id in sorted({server.owner_id, server.agent_id or server.owner_id}):
        order_mail(
            work,
            "fee-reminder",
            account_id,
            # A payment that is taken back brings the same day again: the version never comes twice.
            unique=f"{server.id}:{until}:{due}:{server.version}",
            server=server.id,
            days=due,
            **({"invoice": invoice.id} if invoice else {}),
        )
    return True


def lapse(office: Office) -> Tally:
    """Take servers out of the registry whose fee has run out.

    Those that are suspended stay so, and are asked for the fee that they need to come back.
    """
    over = Server.fee_paid_until < office.clock().date()
    suspended = (Server.state == State.SUSPENDED, over)
    each_server(office, suspended, Server.fee_paid_until, _ask)
    active = (Server.state == State.ACTIVE, over)
    return each_server(office, active, Server.fee_paid_until, _lapse)


def _ask(work: Work, server: Server) -> bool:
    soon = work.today + datetime.timedelta(days=work.config.money.reply_days)
    return ask_for_fee(work, server, soon) is not None


def _lapse(work: Work, server: Server) -> bool:
    until = server.fee_paid_until
    if until is None or not has_lapsed(until, work.today):
        return False
    # If nobody has asked for it yet, it is asked for now: its payment renews the registration.
    _ask(work, server)
    if work.config.money.yearly_fee == 0:
        return False
    move(
        work,
        server,
        Action.LAPSE,
        SYSTEM,
        reason=f"The yearly fee was paid until {until} and has not been paid since.",
    )
    return True
