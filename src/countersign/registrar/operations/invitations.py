"""Accounts of owners for whom an agent applies, and who have none yet."""

from __future__ import annotations

from countersign.registrar.operations.accounts import (
    checked_name,
    find_by_address,
    normalised_address,
)
from countersign.registrar.operations.office import OperationError, Work
from countersign.storage.database.accounts import Account


def find_or_invite(work: Work, email: str, name: str) -> Account:
    """Return the account with an e-mail address, or a new one that has no password yet.

    The owner is written to when the application begins, and confirms that it is his; a password
    is then chosen like one that was forgotten. Raises :class:`OperationError`.
    """
    address = normalised_address(work, email)
    account = find_by_address(work, address)
    if account is not None:
        if account.disabled_at is not None:
            raise OperationError("This person cannot apply.")
        return account
    account = Account(email=address, name=checked_name(name), password_hash="", created_at=work.now)
    work.session.add(account)
    work.session.flush()
    return account
