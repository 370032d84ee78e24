"""Agents: they ask, an administrator decides (DESIGN §6)."""

from __future__ import annotations

from sqlalchemy import select, update

from countersign.registrar.operations import sessions
from countersign.registrar.operations.access import require
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    Actor,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.particulars.text import clean_text
from countersign.rules.access import Permission
from countersign.rules.roles import Role
from countersign.storage.database.accounts import (
    Account,
    AccountRole,
    Accreditation,
    AccreditationState,
)

PAGE = 50
_OPEN = (AccreditationState.ASKED, AccreditationState.ACCREDITED)


def latest(work: Work, account_id: int) -> Accreditation | None:
    """Return the last request of an account."""
    return work.session.scalar(
        select(Accreditation)
        .where(Accreditation.account_id == account_id)
        .order_by(Accreditation.id.desc())
        .limit(1)
    )


def ask(work: Work, actor: Actor, organisation: str, statement: str) -> Accreditation:
    """Ask to be accredited as an agent. Raises :class:`OperationError`."""
    account = account_for(work, account_of(actor))
    last = latest(work, account.id)
    if last is not None and last.state in _OPEN:
        raise OperationError("You have asked already, or are an agent.")
    made = Accreditation(
        account_id=account.id,
        organisation=_text(organisation, 255, "the name of your organisation"),
        statement=_text(statement, 1000, "for whom you want to apply"),
        state=AccreditationState.ASKED,
        asked_at=work.now,
    )
    work.session.add(made)
    work.session.flush()
    return made


def waiting(work: Work, actor: Actor, after: int = 0) -> list[tuple[Accreditation, Account]]:
    """Return requests that nobody has decided, the oldest first; at most PAGE and one."""
    return _list(work, actor, AccreditationState.ASKED, after)


def accredited(work: Work, actor: Actor, after: int = 0) -> list[tuple[Accreditation, Account]]:
    """Return the agents; at most PAGE and one."""
    return _list(work, actor, AccreditationState.ACCREDITED, after)


def _list(
    work: Work, actor: Actor, state: AccreditationState, after: int
) -> list[tuple[Accreditation, Account]]:
    require(actor, Permission.ACCREDIT)
    rows = work.session.execute(
        select(Accreditation, Account)
        .join(Account, Account.id == Accreditation.account_id)
        .where(Accreditation.state == state, Accreditation.id > after)
        .order_by(Accreditation.id)
        .limit(PAGE + 1)
    )
    return [(row[0], row[1]) for row in rows]


def decide(work: Work, actor: Actor, key: int, *, accept: bool, reason: str) -> Accreditation:
    """Accredit, or refuse with a reason. Raises :class:`OperationError`, :class:`ConflictError`."""
    state = AccreditationState.ACCREDITED if accept else AccreditationState.REFUSED
    states = (AccreditationState.ASKED, state)
    row = _change(work, actor, key, states, reason, needs_reason=not accept)
    account = account_for(work, row.account_id)
    if accept and not account.has(Role.AGENT):
        account.roles.append(
            AccountRole(role=Role.AGENT, granted_by=actor.account_id, granted_at=work.now)
        )
        sessions.end_all(work, account.id)
    return row


def withdraw(work: Work, actor: Actor, key: int, *, reason: str) -> Accreditation:
    """End an accreditation: the agent loses sight of all applicants at once."""
    states = (AccreditationState.ACCREDITED, AccreditationState.WITHDRAWN)
    row = _change(work, actor, key, states, reason, needs_reason=True)
    account = work.session.get_one(Account, row.account_id)
    account.roles = [one for one in account.roles if one.role is not Role.AGENT]
    sessions.end_all(work, account.id)
    return row


def _change(
    work: Work,
    actor: Actor,
    key: int,
    change: tuple[AccreditationState, AccreditationState],
    reason: str,
    *,
    needs_reason: bool,
) -> Accreditation:
    require(actor, Permission.ACCREDIT)
    begin, end = change
    row = work.session.get(Accreditation, key)
    if row is None:
        raise NotFoundError("There is no such request.")
    if row.account_id == actor.account_id:
        raise ForbiddenError("Nobody decides in a matter of their own.")
    text = _text(reason, 1000, "a reason") if needs_reason or reason.strip() else ""
    changed = work.session.execute(
        update(Accreditation)
        .where(Accreditation.id == key, Accreditation.state == begin)
        .values(state=end, decided_at=work.now, decided_by=actor.account_id, reason=text)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise ConflictError("Somebody else has decided in the meantime: look at it again.")
    work.session.refresh(row)
    work.record(actor, f"agent {end}", f"account:{row.account_id}", accreditation=key)
    order_mail(work, "accreditation-decided", row.account_id, accreditation=key)
    return row


def _text(text: str, limit: int, what: str) -> str:
    try:
        cleaned = clean_text(text)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if not 0 < len(cleaned) <= limit:
        raise OperationError(f"Enter {what}, at most {limit} characters.")
    return cleaned
