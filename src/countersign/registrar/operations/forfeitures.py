"""Findings that a server was used to spam, and what of its bond is forfeited (DESIGN §6, §9).

An adjudicator proposes; the owner, and sponsors who answer for the server, may reply. Money moves
when the time to reply has passed without a reply, or when a second person says so. All that
follows is in the event log: proposal, replies, decision, entries of the ledger.
"""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import select

from countersign.registrar.operations.access import require
from countersign.registrar.operations.answering import (
    answerable,
    check_impartial_to_all,
    hold_liable,
    release,
)
from countersign.registrar.operations.forfeiting import (
    check_proposal,
    decide,
    execute,
    has_replied,
    mark_replied,
    note,
)
from countersign.registrar.operations.happenings import Happening
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import tell_parties
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.operations.refunds import pending_forfeiture, refund_if_free
from countersign.registrar.operations.sanctions import (
    bounded,
    check_reason,
    prepare,
)
from countersign.registrar.operations.shares import tell_of_risk
from countersign.rules.access import Permission
from countersign.rules.life_cycle import ENDED, State
from countersign.storage.database.promises import Forfeiture, ForfeitureState
from countersign.storage.database.servers import Server

_MAY_BE_PROPOSED = frozenset({State.ACTIVE, State.SUSPENDED, State.LAPSED})


def propose(
    work: Work,
    actor: Actor,
    server: Server,
    *,
    amount: int,
    reason: str,
    offence_on: datetime.date,
    evidence: dict[str, Any] | None = None,
    seen_version: int | None = None,
) -> Forfeiture:
    """Propose to find that a server was used to spam, and to forfeit some of its bond.

    amount: of what is held; 0: the offence only. offence_on: when the spam was sent. evidence:
    keys of reports and test runs, figures; no personal data.
    """
    proposer = account_of(actor)
    prepare(work, actor, server, seen_version)
    if server.state not in _MAY_BE_PROPOSED:
        raise OperationError(f"Nothing can be forfeited of a server that is {server.state}.")
    if pending_forfeiture(work, server) is not None:
        raise ConflictError("A forfeiture is being decided already.")
    check_proposal(work, server, amount, offence_on, evidence or {})
    sponsors = hold_liable(work, server, offence_on)
    check_impartial_to_all(actor, server, sponsors)
    forfeiture = Forfeiture(
        server_id=server.id,
        state=ForfeitureState.PROPOSED,
        amount=amount,
        currency=server.bond_currency,
        offence_on=offence_on,
        evidence=evidence or {},
        reason=check_reason(reason),
        proposed_by=proposer,
        proposed_at=work.now,
        reply_until=work.now + datetime.timedelta(days=work.config.money.reply_days),
    )
    work.session.add(forfeiture)
    work.session.flush()
    note(work, server, forfeiture, action=Happening.FORFEITURE_PROPOSED, actor=actor)
    tell_parties(
        work, server, "forfeiture-proposed", unique=str(forfeiture.id), forfeiture=forfeiture.id
    )
    tell_of_risk(work, server, sponsors, forfeiture.reply_until)
    work.order(
        "forfeiture",
        {"forfeiture": forfeiture.id},
        unique_key=f"forfeiture:{forfeiture.id}",
        run_at=forfeiture.reply_until,
    )
    return forfeiture


def reply(work: Work, actor: Actor, forfeiture: Forfeiture, text: str) -> None:
    """Reply to a proposal, as the server's owner or a sponsor's; a person then decides.

    Each once, as long as nothing is decided. Raises :class:`NotFoundError` for others.
    """
    require(actor, Permission.ANSWER_CASE)
    server = _hold(work, forfeiture)
    account_id = account_of(actor)
    details: dict[str, Any] = {}
    if account_id != server.owner_id:
        sponsors = [
            one.sponsor.hostname
            for one in answerable(work, server, forfeiture)
            if one.sponsor.owner_id == account_id
        ]
        if not sponsors:
            raise NotFoundError("There is no such forfeiture.")
        details["sponsors"] = sponsors
    _check_pending(forfeiture)
    said = bounded(text)
    if not said:
        raise OperationError("Say something: an empty reply changes nothing.")
    if has_replied(work, server, forfeiture, account_id):
        raise OperationError("You have replied already.")
    if account_id == server.owner_id:
        forfeiture.reply = said
    mark_replied(work, forfeiture)
    note(
        work,
        server,
        forfeiture,
        action=Happening.FORFEITURE_REPLIED,
        actor=actor,
        reason=said,
        **details,
    )


def confirm(
    work: Work,
    actor: Actor,
    forfeiture: Forfeiture,
    reason: str,
    *,
    seen_version: int | None = None,
) -> None:
    """Decide that a forfeiture is made, as a second person; it is made at once.

    While the time to reply has not passed, only if no sponsor has to answer (undertaking,
    section 3.3). reason: why a reply is not followed, or cannot be waited for.
    """
    require(actor, Permission.CONFIRM_FORFEITURE)
    server = _hold(work, forfeiture)
    _check_decider(work, actor, forfeiture, server, seen_version)
    if account_of(actor) == forfeiture.proposed_by:
        raise ForbiddenError("You proposed this: a second person decides.")
    if work.now < forfeiture.reply_until and answerable(work, server, forfeiture):
        raise OperationError(
            f"The sponsors may reply until {forfeiture.reply_until:%Y-%m-%d %H:%M} UTC."
        )
    execute(work, actor, forfeiture, server, check_reason(reason))


def drop(
    work: Work,
    actor: Actor,
    forfeiture: Forfeiture,
    reason: str,
    *,
    seen_version: int | None = None,
) -> None:
    """Decide that nothing is forfeited; whoever proposed it may do that too."""
    require(actor, Permission.CONFIRM_FORFEITURE)
    server = _hold(work, forfeiture)
    _check_decider(work, actor, forfeiture, server, seen_version)
    said = check_reason(reason)
    decide(work, actor, forfeiture, ForfeitureState.DROPPED)
    event = note(
        work, server, forfeiture, action=Happening.FORFEITURE_DROPPED, actor=actor, reason=said
    )
    tell_parties(
        work, server, "forfeiture-dropped", unique=str(forfeiture.id), forfeiture=forfeiture.id
    )
    if server.state in ENDED:
        refund_if_free(work, server, event)
    release(work, answerable(work, server, forfeiture), event)


def execute_if_due(work: Work, forfeiture_id: int) -> bool:
    """Make a forfeiture whose time to reply has passed without a reply; tells whether it did."""
    forfeiture = work.session.get(Forfeiture, forfeiture_id)
    if forfeiture is None:
        return False
    server = _hold(work, forfeiture)
    if (
        forfeiture.state is not ForfeitureState.PROPOSED
        or forfeiture.replied_at is not None
        or work.now < forfeiture.reply_until
    ):
        return False
    execute(work, SYSTEM, forfeiture, server, "There was no reply in the time for it.")
    return True


def _hold(work: Work, forfeiture: Forfeiture) -> Server:
    server = work.session.get_one(Server, forfeiture.server_id)
    hold(work, server)
    hold(work, forfeiture)
    return server


def _check_pending(forfeiture: Forfeiture) -> None:
    if forfeiture.state is not ForfeitureState.PROPOSED:
        raise ConflictError(f"This has been decided in the meantime: {forfeiture.state}.")


def _check_decider(
    work: Work, actor: Actor, forfeiture: Forfeiture, server: Server, seen_version: int | None
) -> None:
    check_impartial_to_all(actor, server, answerable(work, server, forfeiture))
    _check_pending(forfeiture)
    if seen_version is not None and forfeiture.version != seen_version:
        raise ConflictError("There is a reply that you have not seen: look at it again.")


def pending(work: Work, *, after: int = 0, limit: int = 50) -> list[Forfeiture]:
    """Return the forfeitures that wait for a decision, those first whose time ends first."""
    return list(
        work.session.scalars(
            select(Forfeiture)
            .where(Forfeiture.state == ForfeitureState.PROPOSED, Forfeiture.id > after)
            .order_by(Forfeiture.reply_until, Forfeiture.id)
            .limit(limit)
        )
    )
