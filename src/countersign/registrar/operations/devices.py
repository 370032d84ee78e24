"""Browsers that somebody signed in from before: a stranger's guessing must not lock them out.

The cookie says which account, and is good only as long as that account's password.
"""

from __future__ import annotations

import datetime
import hmac
import secrets

from countersign.registrar.operations.digests import keyed_digest
from countersign.registrar.operations.office import Work
from countersign.storage.database.accounts import Account

VALID_DAYS = 90


def make_device(work: Work, account: Account) -> str:
    """Return the cookie for a browser from which somebody has just signed in."""
    ends = int((work.now + datetime.timedelta(days=VALID_DAYS)).timestamp())
    name = secrets.token_urlsafe(12)
    return f"{account.id}.{ends}.{name}.{_tag(work, account, str(ends), name)}"


def is_known(work: Work, account: Account, cookie: str) -> bool:
    """Tell whether a browser is known to an account."""
    parts = cookie.split(".")
    if len(parts) != 4:
        return False
    number, ends, name, tag = parts
    return (
        hmac.compare_digest(tag.encode(), _tag(work, account, ends, name).encode())
        and number == str(account.id)
        and int(ends) > work.now.timestamp()
    )


def name_of(cookie: str) -> str:
    """Return what a browser is counted by."""
    return cookie.rpartition(".")[2] or cookie


def _tag(work: Work, account: Account, ends: str, name: str) -> str:
    return keyed_digest(work, "devices", str(account.id), ends, name, account.password_hash)
