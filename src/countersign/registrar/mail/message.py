"""A letter as an Internet message (RFC 5322), the same each time it is made."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

import idna

from countersign.registrar.jobs.kinds import GiveUpError
from countersign.registrar.jobs.queue import Task
from countersign.registrar.operations.office import Work


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written to whom."""

    recipient: str
    """E-mail address."""
    subject: str
    text: str


def build_message(work: Work, task: Task, letter: Letter) -> EmailMessage:
    """Return a message for a job.

    Message-ID and Date come from the job: a second copy, sent after a crash, is the same
    message to every program that looks. Raises :class:`GiveUpError` for an unusable address.
    """
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = f"<{message_key(task)}@{_host(work)}>"
    message["Date"] = format_datetime(task.created_at.astimezone(datetime.UTC))
    message["From"] = _address(work.config.mail.sender, work.config.operator_name)
    message["To"] = _address(letter.recipient)
    message["Subject"] = letter.subject
    # RFC 3834 §5: no machine should answer.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="quoted-printable")
    return message


def message_key(task: Task) -> str:
    """Return what names a job's message: no other job, of any database, has the same."""
    return f"job-{task.id}-{int(task.created_at.timestamp() * 1_000_000):x}"


def _host(work: Work) -> str:
    return urlsplit(work.config.url).hostname or "localhost"


def _address(text: str, name: str = "") -> Address:
    local_part, _, domain = text.rpartition("@")
    try:
        if not domain.isascii():
            domain = idna.encode(domain, uts46=True).decode("ascii")
        return Address(name, local_part, domain)
    except (ValueError, IndexError):
        # The parser's own text would quote the address.
        raise GiveUpError("an address that cannot be written to") from None
