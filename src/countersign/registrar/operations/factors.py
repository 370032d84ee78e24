"""Second factors: an authenticator's codes (TOTP, RFC 6238) and recovery codes."""

from __future__ import annotations

import hmac
import secrets

import pyotp
from sqlalchemy import delete, func, select

from countersign.registrar.operations import sessions
from countersign.registrar.operations.accounts import account_for
from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.locks import hold
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    Actor,
    ForbiddenError,
    OperationError,
    Work,
    account_of,
)
from countersign.rules.roles import STAFF
from countersign.storage.database.accounts import Account, Passkey, RecoveryCode

RECOVERY_CODES = 10
_STEP_SECONDS = 30
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without what is mistaken for something else: nearly five bits a character."""
_CODE_LENGTH = 15


def has_factor(work: Work, account: Account) -> bool:
    """Tell whether an account has a second factor."""
    return account.totp_confirmed_at is not None or count_passkeys(work, account.id) > 0


def count_passkeys(work: Work, account_id: int) -> int:
    """Return how many passkeys an account has."""
    query = select(func.count()).select_from(Passkey).where(Passkey.account_id == account_id)
    return int(work.session.scalar(query) or 0)


def take_code(work: Work, account: Account, code: str) -> str:
    """Use a code up. The account must be held. Returns 'totp', 'recovery', or '' if it is wrong."""
    plain = "".join(code.split()).replace("-", "").lower()
    if len(plain) == 6 and plain.isascii() and plain.isdecimal():
        return "totp" if _take_totp(work, account, plain) else ""
    return "recovery" if _take_recovery(work, account, plain) else ""


def _take_totp(work: Work, account: Account, code: str) -> bool:
    if account.totp_confirmed_at is None or account.totp_sealed is None:
        return False
    secret = work.keyring.open(account.totp_sealed, _context(account.id)).decode()
    step = _matching_step(work, secret, code)
    # Each code once (RFC 6238 §5.2): also none that is older than the last.
    if step <= account.totp_last_step:
        return False
    account.totp_last_step = step
    return True


def _matching_step(work: Work, secret: str, code: str) -> int:
    """Return the time step whose code this is, one before and after allowed; 0: none."""
    now = int(work.now.timestamp()) // _STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = 0
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return found


def _take_recovery(work: Work, account: Account, code: str) -> bool:
    row = work.session.scalar(
        select(RecoveryCode).where(
            RecoveryCode.account_id == account.id,
            RecoveryCode.digest == _digest(work, account.id, code),
            RecoveryCode.used_at.is_(None),
        )
    )
    if row is None:
        return False
    row.used_at = work.now
    order_mail(work, "recovery-code-used", account.id)
    return True


def begin_totp(work: Work, actor: Actor, session: str) -> None:
    """Make a secret for an authenticator; it counts once a code of it was shown."""
    key = account_of(actor)
    sealed = work.keyring.seal(pyotp.random_base32().encode(), _context(key))
    sessions.keep(work, session, totp=sealed.hex())


def pending_secret(work: Work, actor: Actor, pending: str) -> str:
    """Return the secret that waits in a session, base32. Raises :class:`OperationError`."""
    if not pending:
        raise OperationError("Begin again: the set-up was not begun, or has been completed.")
    return work.keyring.open(bytes.fromhex(pending), _context(account_of(actor))).decode()


def totp_address(work: Work, secret: str, email: str) -> str:
    """Return the otpauth address that an authenticator scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=work.config.operator_name)


def confirm_totp(work: Work, actor: Actor, session: str, pending: str, code: str) -> None:
    """Take the authenticator that shows a right code. Raises :class:`OperationError`."""
    secret = pending_secret(work, actor, pending)
    step = _matching_step(work, secret, "".join(code.split()))
    if not step:
        raise OperationError(
            "The code is not right. See that the clock of your device is, and enter the code "
            "that it shows now."
        )
    account = account_for(work, account_of(actor))
    hold(work, account)
    account.totp_sealed = bytes.fromhex(pending)
    account.totp_confirmed_at, account.totp_last_step = work.now, step
    sessions.keep(work, session, totp=None)
    note_added(work, actor, "authenticator")


def remove_totp(work: Work, actor: Actor) -> None:
    """Remove the authenticator. Raises :class:`ForbiddenError` if staff has no other factor."""
    account = account_for(work, account_of(actor))
    hold(work, account)
    check_removable(work, account, count_passkeys(work, account.id))
    account.totp_sealed, account.totp_confirmed_at = None, None
    note_removed(work, actor, account, "authenticator")


def check_removable(work: Work, account: Account, others: int) -> None:
    """Raise :class:`ForbiddenError` where staff would be left without a second factor."""
    if others == 0 and any(one.role in STAFF for one in account.roles):
        raise ForbiddenError("Staff must keep a second factor: set up another one first.")


def note_added(work: Work, actor: Actor, what: str) -> None:
    """Record a new factor, and tell the account's owner."""
    key = account_of(actor)
    work.record(actor, "factor added", f"account:{key}", factor=what)
    order_mail(work, "factor-added", key)


def note_removed(work: Work, actor: Actor, account: Account, what: str) -> None:
    """Record that a factor went, with the recovery codes if it was the last; tell the owner."""
    work.session.flush()
    if not has_factor(work, account):
        work.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    work.record(actor, "factor removed", f"account:{account.id}", factor=what)
    order_mail(work, "factor-removed", account.id)


def remove_all(work: Work, actor: Actor, account: Account) -> None:
    """Remove all factors of somebody who has lost them, and end the sessions."""
    work.session.execute(delete(Passkey).where(Passkey.account_id == account.id))
    account.totp_sealed, account.totp_confirmed_at = None, None
    note_removed(work, actor, account, "all")
    sessions.end_all(work, account.id)


def recovery_codes_left(work: Work, account_id: int) -> int:
    """Return how many recovery codes have not been used."""
    query = select(func.count()).select_from(RecoveryCode)
    query = query.where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return int(work.session.scalar(query) or 0)


def new_recovery_codes(work: Work, actor: Actor) -> list[str]:
    """Make recovery codes in place of the earlier ones; this is the only time they are seen.

    Raises :class:`OperationError` if there is no factor that they could stand in for.
    """
    account = account_for(work, account_of(actor))
    if not has_factor(work, account):
        raise OperationError("Set up a second factor first.")
    work.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
        for _ in range(RECOVERY_CODES)
    ]
    for code in codes:
        digest = _digest(work, account.id, code)
        work.session.add(RecoveryCode(account_id=account.id, digest=digest))
    work.record(actor, "recovery codes made", f"account:{account.id}")
    return ["-".join((code[:5], code[5:10], code[10:])) for code in codes]


def _digest(work: Work, account_id: int, code: str) -> str:
    return keyed_digest(work, "recovery codes", str(account_id), code)


def _context(account_id: int) -> bytes:
    return f"totp:{account_id}".encode()
