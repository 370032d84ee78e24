"""Tokens by which programs use the API: made, shown once, revoked (DESIGN §6)."""

from __future__ import annotations

import datetime
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select, update

from countersign.registrar.operations.access import server_for
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    Actor,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.rules.access import Permission, Scope
from countersign.rules.roles import STAFF, Role
from countersign.storage.database.accounts import Account, ApiToken

PREFIX = "csr_"
"""By which scanners for leaked secrets know it."""
MAX_TOKENS = 50
MAX_DAYS = 730
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}\Z")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose program asks, and what it may do."""

    token_id: int
    account_id: int
    roles: frozenset[Role]
    """The account's, without those of the staff: no program decides for the registrar."""
    scopes: frozenset[Scope]
    server_id: int | None
    """Set: the token is good for this server only."""


def create(
    work: Work,
    actor: Actor,
    name: str,
    scopes: Iterable[Scope],
    *,
    server_id: int | None,
    days: int,
) -> str:
    """Make a token and return it: it is not seen again.

    server_id: the one server that it is good for. Raises :class:`OperationError`.
    """
    account = account_for(work, account_of(actor))
    wanted, plain = sorted(set(scopes)), " ".join(name.split())
    if not 0 < len(plain) <= 64 or not plain.isprintable():
        raise OperationError("Give the token a name of at most 64 characters.")
    if not wanted:
        raise OperationError("Choose what the token may do.")
    if not 1 <= days <= MAX_DAYS:
        raise OperationError(f"A token lasts from 1 to {MAX_DAYS} days.")
    if server_id is not None:
        roles = {Role.OWNER, *(one.role for one in account.roles)} - STAFF
        server_for(work, account.id, roles, server_id, Permission.SEE_SERVER)
    if len(tokens_of(work, account.id)) >= MAX_TOKENS:
        raise OperationError(f"An account has at most {MAX_TOKENS} tokens: revoke one first.")
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    row = ApiToken(
        account_id=account.id,
        server_id=server_id,
        name=plain,
        digest=_digest(token),
        scopes=[str(scope) for scope in wanted],
        created_at=work.now,
        expires_at=work.now + datetime.timedelta(days=days),
    )
    work.session.add(row)
    work.session.flush()
    work.record(actor, "token made", f"token:{row.id}", server_id=server_id, scopes=row.scopes)
    order_mail(work, "token-made", account.id, unique=str(row.id))
    return token


def tokens_of(work: Work, account_id: int) -> list[ApiToken]:
    """Return the tokens of an account that are good, the last made first."""
    query = select(ApiToken).where(
        ApiToken.account_id == account_id,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > work.now,
    )
    return list(work.session.scalars(query.order_by(ApiToken.id.desc())))


def revoke(work: Work, actor: Actor, token_id: int) -> None:
    """Make one of one's own tokens worthless. Raises :class:`NotFoundError`."""
    row = work.session.get(ApiToken, token_id)
    if row is None or row.account_id != account_of(actor):
        raise NotFoundError("There is no such token.")
    row.revoked_at = row.revoked_at or work.now
    work.record(actor, "token revoked", f"token:{row.id}", server_id=row.server_id)


def revoke_all(work: Work, account_id: int) -> None:
    """Make all tokens of an account worthless."""
    work.session.execute(
        update(ApiToken)
        .where(ApiToken.account_id == account_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=work.now)
    )


def authenticate(work: Work, token: str) -> Bearer | None:
    """Return whose token this is; None: it is worthless."""
    if not _TOKEN.match(token):
        return None
    row = work.session.execute(
        select(ApiToken, Account)
        .join(Account, Account.id == ApiToken.account_id)
        .where(ApiToken.digest == _digest(token))
    ).one_or_none()
    if row is None:
        return None
    found, account = row
    if found.revoked_at or found.expires_at <= work.now or account.disabled_at:
        return None
    roles = {Role.OWNER, *(one.role for one in account.roles)} - STAFF
    known = {str(scope): scope for scope in Scope}
    scopes = frozenset(known[name] for name in found.scopes if name in known)
    return Bearer(found.id, account.id, frozenset(roles), scopes, found.server_id)


def needs_touch(work: Work, bearer: Bearer) -> bool:
    """Tell whether it is a minute or more since the token's last use was noted."""
    last = work.session.scalar(select(ApiToken.last_used_at).where(ApiToken.id == bearer.token_id))
    return last is None or work.now - last >= datetime.timedelta(minutes=1)


def touch(work: Work, bearer: Bearer) -> None:
    """Note that a token is in use."""
    work.session.execute(
        update(ApiToken).where(ApiToken.id == bearer.token_id).values(last_used_at=work.now)
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
