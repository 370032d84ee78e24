"""What happens when a forfeiture is made: the bond, the offence, the sponsors (DESIGN §6, §9)."""

from __future__ import annotations

import datetime
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm.attributes import flag_modified

from countersign.registrar.money.amount import format_amount
from countersign.registrar.operations.answering import answerable, release
from countersign.registrar.operations.counts import count_month
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.ledger import bond_held, ledger_account, transfer
from countersign.registrar.operations.notices import tell_parties
from countersign.registrar.operations.offers import review
from countersign.registrar.operations.office import Actor, OperationError, Work
from countersign.registrar.operations.refunds import refund_if_free
from countersign.registrar.operations.sanctions import suspend_at_once
from countersign.registrar.operations.shares import claim
from countersign.registrar.operations.transitions import add_event
from countersign.registrar.operations.trust import reconsider_sponsored
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.money import Purpose, TransferKind
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server, ServerEvent

_LARGEST_EVIDENCE = 8000


def check_proposal(
    work: Work, server: Server, amount: int, offence_on: datetime.date, evidence: dict[str, Any]
) -> None:
    """Raise :class:`OperationError` if a forfeiture cannot be proposed so."""
    held = bond_held(work, server.id, server.bond_currency)
    if not 0 <= amount <= held:
        raise OperationError(
            f"Only {format_amount(held, server.bond_currency)} are held for this server."
        )
    begun = server.active_since or work.today
    if not begun <= offence_on <= work.today:
        raise OperationError("On that day the server was not registered, or it has not come yet.")
    if len(json.dumps(evidence)) > _LARGEST_EVIDENCE:
        raise OperationError("This is too much evidence: name the reports by their keys.")


def execute(work: Work, actor: Actor, forfeiture: Forfeiture, server: Server, reason: str) -> None:
    """Make a forfeiture; it and the server are held. reason: of the decision."""
    sponsors = answerable(work, server, forfeiture)
    # Less is there if the bank has taken a payment back since.
    amount = min(forfeiture.amount, bond_held(work, server.id, forfeiture.currency))
    decide(work, actor, forfeiture, ForfeitureState.EXECUTED)
    server.offences += 1
    server.last_offence_on = work.today
    event = note(
        work,
        server,
        forfeiture,
        action=Happening.FORFEITED,
        actor=actor,
        reason=f"{forfeiture.reason} {reason}"[:1000],
        forfeited=amount,
        offences=server.offences,
        sponsors=[one.sponsor.hostname for one in sponsors],
    )
    if amount:
        transfer(
            work,
            TransferKind.FORFEITURE,
            debit=ledger_account(work, Purpose.BOND_HELD, forfeiture.currency, server.id),
            credit=ledger_account(work, Purpose.BOND_FORFEITED, forfeiture.currency),
            amount=amount,
            reference=f"forfeiture:{forfeiture.id}",
            server_id=server.id,
            event=event,
            actor=actor,
        )
        count_month(work, "forfeited")
        count_month(work, f"forfeited {forfeiture.currency}", amount)
    claim(work, server, sponsors, amount, event)
    # A server with an offence is trusted no more: those it vouches for need others.
    reconsider_sponsored(work, server, str(event.id))
    tell_parties(
        work, server, "forfeiture-executed", unique=str(forfeiture.id), forfeiture=forfeiture.id
    )
    _follow_up(work, server, event)
    release(work, sponsors, event)


def _follow_up(work: Work, server: Server, event: ServerEvent) -> None:
    if server.state in ENDED:
        refund_if_free(work, server, event)
        return
    review(work, server)
    held = bond_held(work, server.id, server.bond_currency)
    if server.state is State.ACTIVE and held < server.bond_due:
        suspend_at_once(
            work,
            server,
            reason="The server was used to send spam. A new bond is to be paid before it may "
            "send again.",
            public_reason="spam; a new bond is to be paid",
        )


def decide(work: Work, actor: Actor, forfeiture: Forfeiture, state: ForfeitureState) -> None:
    """Write down who decided what, and when."""
    forfeiture.state = state
    forfeiture.decided_by, forfeiture.decided_at = actor.account_id, work.now
    work.session.flush()


def note(
    work: Work,
    server: Server,
    forfeiture: Forfeiture,
    *,
    action: Happening,
    actor: Actor,
    **more: Any,
) -> ServerEvent:
    """Write an event that says all that is known of a forfeiture.

    more: a reason, other than the proposal's, and further details.
    """
    reason = more.pop("reason", forfeiture.reason)
    return add_event(
        work,
        server,
        action,
        actor,
        reason=reason,
        details={
            "forfeiture": forfeiture.id,
            "amount": forfeiture.amount,
            "currency": forfeiture.currency,
            "offence_on": forfeiture.offence_on.isoformat(),
            "reply_until": forfeiture.reply_until.isoformat(),
            "evidence": forfeiture.evidence,
            **more,
        },
    )


def mark_replied(work: Work, forfeiture: Forfeiture) -> None:
    """Write down that there is a reply: whoever decides must have seen each of them."""
    forfeiture.replied_at = work.now
    # Even if two came at the same moment, the version is another after each.
    flag_modified(forfeiture, "replied_at")
    work.session.flush()


def has_replied(work: Work, server: Server, forfeiture: Forfeiture, account_id: int) -> bool:
    """Tell whether an account has replied to a proposal."""
    replies = work.session.scalars(
        select(ServerEvent).where(
            ServerEvent.server_id == server.id,
            ServerEvent.action == str(Happening.FORFEITURE_REPLIED),
            ServerEvent.account_id == account_id,
        )
    )
    return any(event.details.get("forfeiture") == forfeiture.id for event in replies)
