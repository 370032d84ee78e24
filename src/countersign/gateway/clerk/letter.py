"""The letter that tells the administrator of a locked account: what happened, and what to do."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from countersign.gateway.config import Config
from countersign.storage.submission.entries import Entry
from countersign.storage.submission.tables import Lock

RECENT_SECONDS = 3600.0
"""How far back the letter says from where the account sent."""
_MAX_ADDRESSES = 20
"""Addresses that a letter lists."""


def administrator_of(config: Config) -> str:
    """Return the mail address that is told of locks."""
    return config.administrator.address or f"postmaster@{config.hostname}"


def message_id(config: Config, lock: Lock) -> str:
    """Return the one Message-ID of a lock's letter, without brackets.

    It is made of the user's name and the time: mail programs show a second copy as the first.
    """
    digest = hashlib.sha256(f"{lock.user}\0{lock.since!r}".encode()).hexdigest()
    return f"lock.{digest[:32]}@{config.hostname}"


def lock_letter(
    config: Config, lock: Lock, recent: Sequence[Entry] | None, *, is_lifted: bool, now: float
) -> bytes:
    """Return the letter, with CRLF. recent: the account's last messages; None: not to be had."""
    letter = EmailMessage(policy=SMTP)
    letter["From"] = f"Countersign <postmaster@{config.hostname}>"
    letter["To"] = administrator_of(config)
    letter["Subject"] = f"Account locked: {lock.user}"
    letter["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    letter["Message-ID"] = f"<{message_id(config, lock)}>"
    # RFC 3834 §5: nobody's automatic answer comes back.
    letter["Auto-Submitted"] = "auto-generated"
    paragraphs = [_what_happened(config, lock), _from_where(recent), *_what_to_do(lock, is_lifted)]
    if config.pages.url:
        paragraphs.append(f"Locks, top senders and failed sign-ins: {config.pages.url}")
    letter.set_content("\n\n".join(paragraphs) + "\n", cte="quoted-printable")
    return letter.as_bytes()


def _what_happened(config: Config, lock: Lock) -> str:
    return (
        f"The account {lock.user} of {config.hostname} was locked at {_time(lock.since)}.\n"
        "It can still receive mail and sign in, but not send.\n"
        "\n"
        f"  Recipients in the 24 hours before:  {lock.used}\n"
        f"  Recipients of the refused message:  {lock.wanted}\n"
        f"  The account's limit in 24 hours:    {lock.limit}"
    )


def _from_where(recent: Sequence[Entry] | None) -> str:
    if recent is None:
        return "Where it sent from cannot be told: the journal could not be asked."
    if not recent:
        return "This host's journal has no message of the account in the hour before."
    messages: Counter[str] = Counter()
    recipients: Counter[str] = Counter()
    for entry in recent:
        messages[entry.client_address] += 1
        recipients[entry.client_address] += entry.recipients
    lines = [
        f"  {address}: {count} messages, {recipients[address]} recipients"
        for address, count in messages.most_common(_MAX_ADDRESSES)
    ]
    if len(messages) > _MAX_ADDRESSES:
        lines.append(f"  and {len(messages) - _MAX_ADDRESSES} more addresses")
    times = f"{_time(recent[0].at)} to {_time(recent[-1].at)}"
    heading = f"In the hour before, it sent by this host {len(recent)} messages ({times}), from:"
    return "\n".join([heading, *lines])


def _what_to_do(lock: Lock, is_lifted: bool) -> list[str]:
    # A directory's names may be anything; this is to be pasted into a shell.
    name = shlex.quote(lock.user)
    if is_lifted:
        return ["The lock has been lifted since. Nothing is left to be done."]
    return [
        "If the account's owner did not send this, its password is known to others: give it a "
        "new one\nbefore you unlock it.\n\n"
        f"  countersign users password {name}      (where passwords are kept here)\n"
        f"  countersign users unlock {name}",
        "If it is to send more, give it a limit of its own, or make it a privileged user:\n\n"
        f"  countersign users limit {name} --per-day NUMBER\n"
        f"  countersign users privilege {name} --accepted DATE",
    ]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
