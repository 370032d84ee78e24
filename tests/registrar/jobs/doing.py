"""Do what was ordered, as the workers do it, in the thread of the test."""

from __future__ import annotations

from collections.abc import Collection
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

from countersign.registrar.jobs.handlers import KINDS
from countersign.registrar.jobs.keeper import LeaseKeeper
from countersign.registrar.jobs.performing import perform
from countersign.registrar.jobs.queue import claim
from countersign.registrar.mail.posting import mail_directory
from countersign.registrar.operations.office import Office


def do_jobs(office: Office, kinds: Collection[str] = tuple(KINDS)) -> list[tuple[str, str]]:
    """Do all jobs that are due, and those that they order; return kind and end of each."""
    keeper = LeaseKeeper(office)
    ends = []
    while (task := claim(office, "test", kinds, keeper.lease)) is not None:
        ends.append((task.kind, perform(office, KINDS, keeper, task)))
    return ends


def letters(office: Office) -> list[EmailMessage]:
    """Return the letters in the Maildir, in the order in which they were ordered."""
    files = (mail_directory(office.config) / "new").iterdir()
    ordered = sorted(files, key=lambda file: int(file.name.split("-")[1]))
    return [
        cast(EmailMessage, message_from_bytes(file.read_bytes(), policy=default))
        for file in ordered
    ]
