"""The registrar's own people: invited, given roles, shut out; by administrators (DESIGN §6)."""

from __future__ import annotations

import datetime

from sqlalchemy import exists, or_, select

from countersign.registrar.operations import factors, one_time, sessions
from countersign.registrar.operations.access import require
from countersign.registrar.operations.accounts import (
    account_for,
    checked_name,
    find_by_address,
    normalised_address,
)
from countersign.registrar.operations.api_tokens import revoke_all
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
)
from countersign.rules.access import Permission
from countersign.rules.roles import STAFF, Role, conflicting
from countersign.storage.database.accounts import Account, AccountRole

INVITATION = "staff-invitation"
_VALID = datetime.timedelta(days=7)
PAGE = 50


def invite(work: Work, actor: Actor, email: str, name: str, roles: set[Role]) -> str | None:
    """Give somebody roles: by an account, made if there is none, and a link to its password.

    Returns the link's token, None for an account that has a password. Raises
    :class:`OperationError`, :class:`ForbiddenError`.
    """
    _require(actor)
    if not roles:
        raise OperationError("Choose at least one role.")
    address, plain_name = normalised_address(work, email), checked_name(name)
    account = find_by_address(work, address)
    if account is None:
        account = Account(email=address, name=plain_name, password_hash="", created_at=work.now)
        work.session.add(account)
        work.session.flush()
    elif account.email_confirmed_at is None:
        # Nobody has shown yet that the mailbox is his: neither name nor password count.
        account.name, account.password_hash = plain_name, ""
    for role in sorted(roles):
        grant(work, actor, account.id, role)
    if account.password_hash:
        return None
    token = one_time.send_link(work, INVITATION, account.id, _VALID)
    if token is None:
        raise OperationError("Three invitations were sent within an hour: wait a while.")
    return token


def grant(work: Work, actor: Actor, account_id: int, role: Role) -> None:
    """Give an account a role. Its sessions end: the new role is used after a new sign-in.

    Raises :class:`OperationError`, :class:`ForbiddenError`.
    """
    _require(actor, account_id)
    account = account_for(work, account_id)
    if role not in STAFF:
        raise OperationError("Only roles of the staff are given here.")
    # Two who give clashing roles at once come one by one.
    hold(work, account)
    if account.has(role):
        return
    held = [one.role for one in account.roles]
    if clash := conflicting(role, held):
        raise OperationError(f"Nobody is both {role} and {clash}: give the roles to two people.")
    account.roles.append(AccountRole(role=role, granted_by=actor.account_id, granted_at=work.now))
    _changed(work, actor, account, "role granted", role)


def revoke(work: Work, actor: Actor, account_id: int, role: Role) -> None:
    """Take a role away. Raises :class:`OperationError`, :class:`ForbiddenError`."""
    _require(actor, account_id)
    account = _account(work, account_id)
    _hold_with_administrators(work, account)
    if role not in STAFF or not any(one.role is role for one in account.roles):
        raise OperationError("This account does not have that role.")
    if role is Role.ADMINISTRATOR:
        _check_not_last(work, account)
    account.roles = [one for one in account.roles if one.role is not role]
    _changed(work, actor, account, "role revoked", role)


def _changed(work: Work, actor: Actor, account: Account, what: str, role: Role) -> None:
    work.session.flush()
    work.record(actor, what, f"account:{account.id}", role=role)
    sessions.end_all(work, account.id)
    if account.email_confirmed_at is not None:
        order_mail(work, "roles-changed", account.id)


def disable(work: Work, actor: Actor, account_id: int) -> None:
    """Shut an account out: sessions and tokens end at once."""
    _require(actor, account_id)
    account = _account(work, account_id)
    _hold_with_administrators(work, account)
    if account.disabled_at is not None:
        return
    if account.has(Role.ADMINISTRATOR):
        _check_not_last(work, account)
    account.disabled_at = work.now
    sessions.end_all(work, account.id)
    revoke_all(work, account.id)
    work.record(actor, "account disabled", f"account:{account.id}")


def enable(work: Work, actor: Actor, account_id: int) -> None:
    """Let an account in again."""
    _require(actor, account_id)
    _account(work, account_id).disabled_at = None
    work.record(actor, "account enabled", f"account:{account_id}")


def remove_factors(work: Work, actor: Actor, account_id: int) -> None:
    """Remove the factors of somebody who has lost them, and has proved by other means who he is."""
    _require(actor, account_id)
    factors.remove_all(work, actor, account_for(work, account_id))


def list_accounts(work: Work, actor: Actor, search: str = "", after: int = 0) -> list[Account]:
    """Return accounts by key, at most PAGE and one: the staff, or those whose address begins so."""
    require(actor, Permission.SEE_STAFF)
    query = select(Account).where(Account.id > after).order_by(Account.id).limit(PAGE + 1)
    if search:
        begin = search.strip().lower()
        query = query.where(
            or_(Account.email == begin, Account.email.startswith(begin, autoescape=True))
        )
    else:
        query = query.where(
            exists().where(AccountRole.account_id == Account.id, AccountRole.role.in_(STAFF))
        )
    return list(work.session.scalars(query))


def look_at(work: Work, actor: Actor, account_id: int) -> Account:
    """Return an account, disabled ones too. Raises :class:`NotFoundError`."""
    require(actor, Permission.SEE_STAFF)
    return _account(work, account_id)


def _require(actor: Actor, account_id: int = 0) -> None:
    if actor == SYSTEM:
        return
    require(actor, Permission.MANAGE_STAFF)
    if actor.account_id == account_id:
        raise ForbiddenError("Nobody changes their own rights: ask another administrator.")


def _account(work: Work, account_id: int) -> Account:
    account = work.session.get(Account, account_id)
    if account is None:
        raise NotFoundError("There is no such account.")
    return account


def _hold_with_administrators(work: Work, account: Account) -> None:
    """Hold an account and those of all administrators: who remove each other come one by one."""
    administrators = select(AccountRole.account_id).where(AccountRole.role == Role.ADMINISTRATOR)
    keys = {account.id, *work.session.scalars(administrators)}
    # In the order of their keys, so that two never wait for each other.
    for key in sorted(keys):
        hold(work, work.session.get_one(Account, key))


def _check_not_last(work: Work, account: Account) -> None:
    # A statement of its own: what waited for a lock still sees the roles as they were before.
    another = work.session.scalar(
        select(Account.id)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(
            AccountRole.role == Role.ADMINISTRATOR,
            Account.disabled_at.is_(None),
            Account.id != account.id,
        )
        .limit(1)
    )
    if another is None:
        raise OperationError("This is the last administrator: make another one first.")
