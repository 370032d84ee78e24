"""Sign in: password, then a second factor; failures slow an attacker down (DESIGN §6).

A failure is counted before the password is verified and taken back if it was right: as many
requests at once as one likes make no more guesses than are allowed. A lock ends by itself; it
does not stop a browser that is known, a passkey or a link to reset the password.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum

from countersign.registrar.operations import devices, factors, passwords, sessions
from countersign.registrar.operations.accounts import find_by_address, send_confirmation_again
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import SYSTEM, Actor, Office, Work
from countersign.rules.roles import Role
from countersign.storage.database.accounts import Account


class Outcome(StrEnum):
    """How the first factor went."""

    FAILED = "failed"
    """Wrong, unknown, locked or disabled: nobody learns which."""
    UNCONFIRMED = "unconfirmed"
    """Right, but the address is not confirmed: another link was sent."""
    SECOND_FACTOR = "second-factor"
    """Right; the second factor is missing."""
    DONE = "done"
    """Right, and there is no second factor."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a password."""

    outcome: Outcome
    account_id: int = 0


@dataclass(frozen=True, slots=True)
class _Attempt:
    account_id: int
    password_hash: str
    """Empty: this attempt cannot succeed."""
    counted: bool


def by_password(office: Office, email: str, password: str, *, device: str = "") -> Result:
    """Verify a password. Takes the same course for addresses that nobody has.

    device: the cookie of a browser that may be known; empty: none, or one that guessed too
    often.
    """
    with office.work() as work:
        attempt = _begin(work, email, device)
    good = passwords.verify(attempt.password_hash, password)
    new_hash = ""
    if good and passwords.is_outdated(attempt.password_hash):
        new_hash = passwords.hash_password(password)
    with office.work() as work:
        return _conclude(work, attempt, good, new_hash)


def _begin(work: Work, email: str, device: str) -> _Attempt:
    account = find_by_address(work, email)
    subject = f"account:{account.id if account else '-'}"
    work.record(SYSTEM, "sign-in tried", subject)
    if account is None:
        return _Attempt(0, "", counted=False)
    hold(work, account)
    known = bool(device) and devices.is_known(work, account, device)
    if not known:
        # Attempts that are still being verified count too.
        _lock_if_too_many(work, account)
    if account.disabled_at is not None or (is_locked(work, account) and not known):
        return _Attempt(account.id, "", counted=False)
    if not known:
        account.failures += 1
    return _Attempt(account.id, account.password_hash, counted=not known)


def _conclude(work: Work, attempt: _Attempt, good: bool, new_hash: str) -> Result:
    account = work.session.get(Account, attempt.account_id) if attempt.account_id else None
    if account is None:
        return Result(Outcome.FAILED)
    hold(work, account)
    if not good or account.password_hash != attempt.password_hash:
        # Wrong, or changed while it was being verified.
        _lock_if_too_many(work, account)
        return Result(Outcome.FAILED)
    if attempt.counted:
        # Only what this attempt added: with a second factor to come, the earlier ones stay.
        account.failures = max(0, account.failures - 1)
    if new_hash:
        account.password_hash = new_hash
    if account.email_confirmed_at is None:
        send_confirmation_again(work, account.id)
        return Result(Outcome.UNCONFIRMED, account.id)
    if factors.has_factor(work, account):
        return Result(Outcome.SECOND_FACTOR, account.id)
    return Result(Outcome.DONE, account.id)


def by_code(work: Work, account_id: int, code: str, *, device: str = "") -> str:
    """Verify a code of the authenticator, or a recovery code.

    device: as for `by_password`. Returns the factor, 'totp' or 'recovery'; empty: wrong, or
    the account is locked.
    """
    account = work.session.get(Account, account_id)
    if account is None:
        return ""
    hold(work, account)
    known = bool(device) and devices.is_known(work, account, device)
    if account.disabled_at is not None or (is_locked(work, account) and not known):
        return ""
    factor = factors.take_code(work, account, code)
    if factor:
        return factor
    work.record(SYSTEM, "second factor failed", f"account:{account.id}")
    account.failures += int(not known)
    _lock_if_too_many(work, account)
    return ""


def finish(work: Work, account_id: int, *, factor: str, device: str) -> tuple[str, str]:
    """Begin the session of somebody who has shown all factors.

    device: what the browser calls itself. Returns the session's cookie and the device's.
    """
    account = work.session.get_one(Account, account_id)
    account.failures, account.locked_until = 0, None
    actor = Actor(Role.OWNER, account.id)
    work.record(actor, "signed in", f"account:{account.id}", factor=factor or "password")
    cookie = sessions.begin(work, account, factor=factor, device=device)
    return cookie, devices.make_device(work, account)


def is_locked(work: Work, account: Account) -> bool:
    """Tell whether an account is locked for strangers."""
    return account.locked_until is not None and account.locked_until > work.now


def _lock_if_too_many(work: Work, account: Account) -> None:
    limits = work.config.security
    if account.failures < limits.failures or is_locked(work, account):
        return
    account.failures = 0
    account.locked_until = work.now + datetime.timedelta(minutes=limits.lock_minutes)
    work.record(SYSTEM, "account locked", f"account:{account.id}")
    order_mail(work, "account-locked", account.id, unique=account.locked_until.isoformat())
