"""Accounts of owners for whom an agent applies, and who have none yet."""

from __future__ import annotations

from sqlalchemy import select

from countersign.registrar.operations.office import OperationError, Work
from countersign.registrar.particulars.contact import normalise_email
from countersign.registrar.particulars.text import clean_text
from countersign.storage.database.accounts import Account

MAX_NAME = 120


def find_or_invite(work: Work, email: str, name: str) -> Account:
    """Return the account with an e-mail address, or a new one that has no password yet.

    The owner is written to when the application begins, and confirms that it is his; the
    password is chosen as one that was forgotten. Raises :class:`OperationError`.
    """
    try:
        reserved = work.config.reserved_names
        address = normalise_email(clean_text(email), allow_reserved=reserved).lower()
        plain_name = clean_text(name)
    except ValueError as error:
        raise OperationError(str(error)) from None
    account = work.session.scalar(select(Account).where(Account.email == address))
    if account is not None:
        if account.disabled_at is not None:
            raise OperationError("This person cannot apply.")
        return account
    if not 0 < len(plain_name) <= MAX_NAME:
        raise OperationError(f"Enter the owner's name, at most {MAX_NAME} characters.")
    account = Account(email=address, name=plain_name, password_hash="", created_at=work.now)
    work.session.add(account)
    work.session.flush()
    return account
