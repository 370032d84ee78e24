"""Links that are mailed: each is good once, for one purpose and for a time."""

from __future__ import annotations

import datetime

from sqlalchemy import func, select, update

from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import NotFoundError, Work
from countersign.registrar.operations.tokens import make_nonce, make_token, token_digest
from countersign.storage.database.accounts import OneTimeToken

LETTERS_AN_HOUR = 3
"""Letters of one purpose to one account: nobody is to be flooded."""
_USED_UP = "This link has been used, or is too old: ask for a new one."


def send_link(
    work: Work,
    purpose: str,
    account_id: int,
    valid: datetime.timedelta,
    *,
    subject: str = "",
    mailed: bool = True,
) -> str | None:
    """Order a letter with a link, and void earlier ones; return its token.

    purpose: also the letter's name. mailed: False does all but the letter, so that nobody can
    tell by what becomes of other links. None: there were too many letters lately, none is sent.
    """
    since = work.now - datetime.timedelta(hours=1)
    same = (OneTimeToken.account_id == account_id, OneTimeToken.purpose == purpose)
    lately = select(func.count()).where(*same, OneTimeToken.created_at > since)
    if int(work.session.scalar(lately) or 0) >= LETTERS_AN_HOUR:
        return None
    void(work, purpose, account_id)
    nonce = make_nonce()
    token = make_token(work.keyring, purpose, nonce)
    work.session.add(
        OneTimeToken(
            digest=token_digest(token),
            purpose=purpose,
            account_id=account_id,
            subject=subject,
            created_at=work.now,
            expires_at=work.now + valid,
        )
    )
    if mailed:
        order_mail(work, purpose, account_id, nonce=nonce)
    return token


def look_at(work: Work, purpose: str, token: str) -> OneTimeToken:
    """Return a token that is good. Raises :class:`NotFoundError`."""
    row = work.session.get(OneTimeToken, token_digest(token))
    if row is None or row.purpose != purpose or row.used_at or row.expires_at <= work.now:
        raise NotFoundError(_USED_UP)
    return row


def redeem(work: Work, purpose: str, token: str) -> OneTimeToken:
    """Use a token up. Raises :class:`NotFoundError`, also for the later of two at once."""
    row = look_at(work, purpose, token)
    used = work.session.execute(
        update(OneTimeToken)
        .where(OneTimeToken.digest == row.digest, OneTimeToken.used_at.is_(None))
        .values(used_at=work.now)
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]
        raise NotFoundError(_USED_UP)
    return row


def void(work: Work, purpose: str, account_id: int) -> None:
    """Make earlier links of a purpose worthless."""
    work.session.execute(
        update(OneTimeToken)
        .where(
            OneTimeToken.account_id == account_id,
            OneTimeToken.purpose == purpose,
            OneTimeToken.used_at.is_(None),
        )
        .values(used_at=work.now)
    )
