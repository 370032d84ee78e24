"""The job that writes a letter and posts it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import structlog

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.jobs.kinds import TryLaterError
from countersign.registrar.jobs.queue import Task
from countersign.registrar.mail import maildir, smtp
from countersign.registrar.mail.facts import NothingToSayError, gather
from countersign.registrar.mail.message import Letter, build_message, message_key
from countersign.registrar.mail.rendering import render
from countersign.registrar.operations.office import Office, Work
from countersign.registrar.state import state_directory

log = structlog.get_logger()


def post(office: Office, task: Task) -> None:
    """Write and post the letter of a job; the same again makes no second letter.

    By SMTP it is the same message, by its Message-ID, if the registrar died after the mail
    server had taken it and before that was stored. Raises `TryLaterError`, `GiveUpError`.
    """
    with office.reading() as work:
        letter = write(work, task)
        if letter is None:
            return
        message = build_message(work, task, letter)
    config = office.config
    if config.mail.kind == "smtp":
        smtp.send(config.mail.server, config.mail.sender, message)
        return
    host = urlsplit(config.url).hostname or "localhost"
    name = f"{int(task.created_at.timestamp())}.{message_key(task)}.{host}"
    try:
        # Files have the lines of this system; the wire has CRLF.
        content = message.as_bytes(policy=message.policy.clone(linesep="\n"))
        maildir.deliver(mail_directory(config), name, content)
    except OSError as error:
        raise TryLaterError(f"the mail directory: {error.strerror}") from None


def write(work: Work, task: Task) -> Letter | None:
    """Return the letter of a job; None: there is nothing to say any more."""
    template = str(task.payload["template"])
    try:
        recipient, facts = gather(work, task.payload)
    except NothingToSayError as error:
        log.info("letter not sent", job=task.id, template=template, reason=str(error))
        return None
    subject, text = render(template, facts)
    return Letter(recipient, subject, text)


def mail_directory(config: RegistrarConfig) -> Path:
    """Return the Maildir that mail goes to where it is not sent."""
    return config.mail.directory or state_directory(config) / "mail"
