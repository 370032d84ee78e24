"""Accounts: made, confirmed, changed (DESIGN §6).

Nobody learns here whether an address has an account: what is said is the same, and who has
the mailbox is told by mail.
"""

from __future__ import annotations

import contextlib
import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from countersign.registrar.operations import one_time, sessions
from countersign.registrar.operations.contacts import link_new_account
from countersign.registrar.operations.notices import order_mail
from countersign.registrar.operations.office import (
    SYSTEM,
    Actor,
    ForbiddenError,
    NotFoundError,
    OperationError,
    Work,
    account_of,
)
from countersign.registrar.particulars.contact import normalise_email
from countersign.registrar.particulars.text import clean_text
from countersign.storage.database.accounts import Account
from countersign.storage.database.jobs import Job

CONFIRM = "confirm-email"
RESET = "reset-password"
CHANGE_EMAIL = "change-email"
MAX_NAME = 120
_CONFIRM_VALID = datetime.timedelta(days=3)
_RESET_VALID = datetime.timedelta(hours=1)


def normalised_address(work: Work, text: str) -> str:
    """Return an e-mail address as accounts are known by it. Raises :class:`OperationError`."""
    try:
        address = normalise_email(clean_text(text), allow_reserved=work.config.reserved_names)
    except ValueError as error:
        raise OperationError(str(error)) from None
    return address.lower()


def checked_name(text: str) -> str:
    """Return a person's name. Raises :class:`OperationError`."""
    try:
        name = clean_text(text)
    except ValueError as error:
        raise OperationError(str(error)) from None
    if not 0 < len(name) <= MAX_NAME:
        raise OperationError(f"Enter your name, at most {MAX_NAME} characters.")
    return name


def find_by_address(work: Work, email: str) -> Account | None:
    """Return the account of an address as typed; None: none, or no address at all."""
    return work.session.scalar(select(Account).where(Account.email == email.strip().lower()))


def account_for(work: Work, account_id: int) -> Account:
    """Return an account that may be used. Raises :class:`NotFoundError`."""
    account = work.session.get(Account, account_id)
    if account is None or account.disabled_at is not None:
        raise NotFoundError("There is no such account.")
    return account


def sign_up(work: Work, email: str, name: str, password_hash: str) -> None:
    """Make an account, or tell its owner that there is one; the caller cannot tell which.

    password_hash: of a password that was checked (`passwords`). Raises :class:`OperationError`
    for a malformed address or name.
    """
    address, plain_name = normalised_address(work, email), checked_name(name)
    work.record(SYSTEM, "sign-up asked", "account:-")
    account = find_by_address(work, address) or _add(work, address, plain_name)
    if account is None or account.email_confirmed_at or account.disabled_at or account.roles:
        if account is not None:
            _say_that_it_exists(work, account)
        return
    # Whoever asked first had not shown that the mailbox is his: the last one counts, and
    # confirming takes the password, so that nobody confirms another's.
    account.name, account.password_hash = plain_name, password_hash
    work.session.flush()
    one_time.send_link(work, CONFIRM, account.id, _CONFIRM_VALID)


def _add(work: Work, address: str, name: str) -> Account | None:
    """Add an account; None: somebody else is just doing so."""
    account = Account(email=address, name=name, password_hash="", created_at=work.now)
    try:
        with work.session.begin_nested():
            work.session.add(account)
    except IntegrityError:
        return None
    return account


def _say_that_it_exists(work: Work, account: Account) -> None:
    hour = work.now.strftime("%Y-%m-%dT%H")
    key = f"mail:account-exists:{hour}:{account.id}"
    if work.session.scalar(select(Job.id).where(Job.unique_key == key)) is not None:
        return
    # Somebody else may be doing so at this moment: then that letter is enough.
    with contextlib.suppress(IntegrityError), work.session.begin_nested():
        order_mail(work, "account-exists", account.id, unique=hour)


def send_confirmation_again(work: Work, account_id: int) -> None:
    """Send the link once more to somebody who has just shown the password."""
    one_time.send_link(work, CONFIRM, account_id, _CONFIRM_VALID)


def to_be_confirmed(work: Work, token: str) -> Account:
    """Return the account that a link confirms. Raises :class:`NotFoundError`."""
    return account_for(work, one_time.look_at(work, CONFIRM, token).account_id or 0)


def confirm(work: Work, token: str) -> Account:
    """Confirm an account's address; its password must have been verified."""
    row = one_time.redeem(work, CONFIRM, token)
    account = account_for(work, row.account_id or 0)
    _confirm(work, account)
    return account


def _confirm(work: Work, account: Account) -> None:
    if account.email_confirmed_at is None:
        account.email_confirmed_at = work.now
        work.session.flush()
        link_new_account(work, account)


def ask_reset(work: Work, email: str) -> None:
    """Send a link to choose a new password, if there is such an account."""
    work.record(SYSTEM, "password reset asked", "account:-")
    account = find_by_address(work, email)
    if account is not None and account.disabled_at is None:
        one_time.send_link(work, RESET, account.id, _RESET_VALID)


def to_be_reset(work: Work, purpose: str, token: str) -> Account:
    """Return the account that a link gives a new password. Raises :class:`NotFoundError`."""
    return account_for(work, one_time.look_at(work, purpose, token).account_id or 0)


def reset_password(work: Work, purpose: str, token: str, password_hash: str) -> Account:
    """Set a new password by a link, lift a lock, and end all sessions.

    purpose: RESET, or the invitation of staff. Raises :class:`NotFoundError`.
    """
    row = one_time.redeem(work, purpose, token)
    account = account_for(work, row.account_id or 0)
    account.failures, account.locked_until = 0, None
    _confirm(work, account)
    _set_password(work, account, password_hash)
    return account


def change_password(work: Work, actor: Actor, password_hash: str, *, session: str) -> None:
    """Set a new password and end all other sessions; the old one must have been verified."""
    account = account_for(work, account_of(actor))
    _set_password(work, account, password_hash, but=session)


def _set_password(work: Work, account: Account, password_hash: str, *, but: str = "") -> None:
    account.password_hash = password_hash
    one_time.void(work, RESET, account.id)
    sessions.end_all(work, account.id, but=but)
    work.record(SYSTEM, "password changed", f"account:{account.id}")
    order_mail(work, "password-changed", account.id)


def change_name(work: Work, actor: Actor, name: str) -> None:
    """Change what an account's owner is called. Raises :class:`OperationError`."""
    account_for(work, account_of(actor)).name = checked_name(name)


def ask_new_address(work: Work, actor: Actor, email: str) -> None:
    """Send a link to a new address, and tell the old one.

    Whoever asks sees the same, in the old mailbox too, whether or not the new address has an
    account already.
    """
    account = account_for(work, account_of(actor))
    address = normalised_address(work, email)
    if address == account.email:
        raise OperationError("This is your address already.")
    other = find_by_address(work, address)
    if other is not None:
        _say_that_it_exists(work, other)
    one_time.send_link(
        work, CHANGE_EMAIL, account.id, _CONFIRM_VALID, subject=address, mailed=other is None
    )
    order_mail(work, "email-change-asked", account.id)


def take_new_address(work: Work, actor: Actor, token: str, *, session: str) -> None:
    """Change an account's address by the link that its owner got there.

    Raises :class:`NotFoundError`, :class:`ForbiddenError` for another account's link, and
    :class:`OperationError` if the address has been taken meanwhile.
    """
    row = one_time.redeem(work, CHANGE_EMAIL, token)
    if row.account_id != account_of(actor):
        raise ForbiddenError("This link is for another account: sign in to that one.")
    account = account_for(work, account_of(actor))
    try:
        with work.session.begin_nested():
            account.email, account.email_confirmed_at = row.subject, work.now
            work.session.flush()
    except IntegrityError:
        raise OperationError("This address has an account of its own by now.") from None
    link_new_account(work, account)
    one_time.void(work, RESET, account.id)
    sessions.end_all(work, account.id, but=session)
    work.record(actor, "e-mail changed", f"account:{account.id}")
