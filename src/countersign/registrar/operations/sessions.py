"""Sessions of browsers: kept here, known to the browser by a random cookie (DESIGN §6).

The database has the cookie's digest only: whoever reads it cannot take a session over.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update

from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.office import Work
from countersign.rules.roles import STAFF, Role
from countersign.storage.database.accounts import Account, WebSession

FRESH_MINUTES = 10
"""How long a proof of identity counts for what is sensitive."""
WAITING_MINUTES = 10
"""How long a dialogue without an account lasts: between two factors, for a passkey."""
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session belongs to, as it was when the request came."""

    account_id: int
    email: str
    name: str
    roles: frozenset[Role]
    """The roles granted, and OWNER."""
    factor: str
    """The second factor given: 'totp', 'passkey', 'recovery'; empty: none."""
    proved_at: datetime.datetime

    @property
    def must_enrol(self) -> bool:
        """Tell whether this is staff that came in without a second factor."""
        return bool(self.roles & STAFF) and not self.factor

    def is_fresh(self, now: datetime.datetime) -> bool:
        """Tell whether identity was proved lately enough for what is sensitive."""
        return now - self.proved_at <= datetime.timedelta(minutes=FRESH_MINUTES)


@dataclass(frozen=True, slots=True)
class Found:
    """A session that is good."""

    digest: str
    data: dict[str, Any]
    last_seen_at: datetime.datetime
    person: SignedIn | None
    """None: a dialogue before anybody has signed in."""


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session, as its owner sees it in a list."""

    digest: str
    device: str
    created_at: datetime.datetime
    last_seen_at: datetime.datetime


def new_cookie() -> str:
    """Return a cookie's value: 256 random bits."""
    return secrets.token_urlsafe(32)


def is_cookie(text: str) -> bool:
    """Tell whether a text has the form of a cookie's value."""
    return _COOKIE.match(text) is not None


def digest_of(cookie: str) -> str:
    """Return what the database knows a cookie by."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def begin(work: Work, account: Account, *, factor: str, device: str) -> str:
    """Begin a session of an account and return its cookie: always a new one."""
    data = {"factor": factor, "device": device[:64], "proved_at": work.now.isoformat()}
    return _add(work, account.id, work.now, data)


def begin_waiting(work: Work, data: dict[str, Any]) -> str:
    """Begin a short dialogue that nobody is signed in to yet, and return its cookie.

    data: with ``pending``, the account that has shown its password, it ends when that changes.
    """
    if "pending" in data:
        data = {**data, "password": _password_digest(work, int(data["pending"]))}
    return _add(work, None, work.now, data)


def _password_digest(work: Work, account_id: int) -> str:
    account = work.session.get(Account, account_id)
    password = account.password_hash if account is not None else ""
    return keyed_digest(work, "waiting sessions", str(account_id), password)


def _add(
    work: Work, account_id: int | None, created_at: datetime.datetime, data: dict[str, Any]
) -> str:
    cookie = new_cookie()
    work.session.add(
        WebSession(
            digest=digest_of(cookie),
            account_id=account_id,
            created_at=created_at,
            last_seen_at=work.now,
            data=data,
        )
    )
    work.session.flush()
    return cookie


def find(work: Work, cookie: str) -> Found | None:
    """Return the session of a cookie; None: there is none, or it has ended."""
    row = work.session.execute(
        select(WebSession, Account)
        .outerjoin(Account, Account.id == WebSession.account_id)
        .where(WebSession.digest == digest_of(cookie))
    ).one_or_none()
    if row is None or _has_ended(work, row[0]):
        return None
    session, account = row
    if session.account_id is None:
        return Found(session.digest, dict(session.data), session.last_seen_at, None)
    if account is None or account.disabled_at is not None:
        return None
    return Found(
        session.digest, dict(session.data), session.last_seen_at, _person(session, account)
    )


def _has_ended(work: Work, session: WebSession) -> bool:
    limits = work.config.security
    if session.account_id is None:
        too_old = work.now - session.created_at > datetime.timedelta(minutes=WAITING_MINUTES)
        return too_old or _is_of_another_password(work, session)
    return work.now - session.last_seen_at > datetime.timedelta(
        minutes=limits.idle_minutes
    ) or work.now - session.created_at > datetime.timedelta(hours=limits.session_hours)


def _is_of_another_password(work: Work, session: WebSession) -> bool:
    if "pending" not in session.data:
        return False
    now = _password_digest(work, int(session.data["pending"]))
    return not hmac.compare_digest(now, str(session.data.get("password", "")))


def _person(session: WebSession, account: Account) -> SignedIn:
    return SignedIn(
        account_id=account.id,
        email=account.email,
        name=account.name,
        roles=frozenset({Role.OWNER, *(one.role for one in account.roles)}),
        factor=str(session.data.get("factor", "")),
        proved_at=datetime.datetime.fromisoformat(session.data["proved_at"]),
    )


def touch(work: Work, digest: str) -> None:
    """Note that a session is in use."""
    work.session.execute(
        update(WebSession).where(WebSession.digest == digest).values(last_seen_at=work.now)
    )


def keep(work: Work, digest: str, **values: Any) -> None:
    """Keep values for a later page of a dialogue; None removes one."""
    session = work.session.get(WebSession, digest)
    if session is not None:
        merged = {**session.data, **values}
        session.data = {name: value for name, value in merged.items() if value is not None}


def renew(work: Work, digest: str, **values: Any) -> str | None:
    """Give a session a new cookie, because it may now do more; return it.

    Its end stays where it was. None: the session has gone.
    """
    session = work.session.get(WebSession, digest)
    if session is None:
        return None
    data = {**session.data, **values}
    work.session.delete(session)
    return _add(work, session.account_id, session.created_at, data)


def end(work: Work, digest: str) -> None:
    """End a session."""
    work.session.execute(delete(WebSession).where(WebSession.digest == digest))


def end_own(work: Work, account_id: int, digest: str) -> None:
    """End one of an account's own sessions."""
    work.session.execute(
        delete(WebSession).where(WebSession.digest == digest, WebSession.account_id == account_id)
    )


def end_all(work: Work, account_id: int, *, but: str = "") -> None:
    """End all sessions of an account, but perhaps one."""
    work.session.execute(
        delete(WebSession).where(WebSession.account_id == account_id, WebSession.digest != but)
    )


def sessions_of(work: Work, account_id: int) -> list[SessionLine]:
    """Return the sessions of an account that have not ended, the last used first."""
    rows = work.session.scalars(
        select(WebSession)
        .where(WebSession.account_id == account_id)
        .order_by(WebSession.last_seen_at.desc())
        .limit(100)
    ).all()
    return [
        SessionLine(row.digest, str(row.data.get("device", "")), row.created_at, row.last_seen_at)
        for row in rows
        if not _has_ended(work, row)
    ]


def remove_ended(work: Work) -> int:
    """Remove sessions that have ended; return how many. For a job that runs daily."""
    limits = work.config.security
    oldest = work.now - datetime.timedelta(
        minutes=max(limits.idle_minutes, limits.session_hours * 60)
    )
    removed = work.session.execute(delete(WebSession).where(WebSession.last_seen_at < oldest))
    waiting = work.now - datetime.timedelta(minutes=WAITING_MINUTES)
    dialogues = work.session.execute(
        delete(WebSession).where(WebSession.account_id.is_(None), WebSession.created_at < waiting)
    )
    return int(removed.rowcount) + int(dialogues.rowcount)  # type: ignore[attr-defined]
