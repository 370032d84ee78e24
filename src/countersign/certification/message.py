"""The message by which a server shows whether it relays: it says who sends it, and why. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

_PARAGRAPHS = (
    "This is a test message, made by a program. Nobody needs to answer it.",
    "The mail server {host} is being tested on behalf of a registrar of mail servers, as it is "
    "before a server is registered, and from time to time afterwards. The test in which this "
    "message was sent is",
    "{test}",
    "If it arrives where it was addressed to, that shows what the server does with mail of "
    "strangers. A server that refuses such messages gets none.",
    "Who is testing, and how to reach us:",
    "{about}",
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A test message. All values are ASCII, without line endings."""

    sender: str
    """Mailbox, also that of the envelope."""
    number: str
    """Of the message (`test_address`)."""
    hello: str
    """Name of the tester's host."""
    about: str
    """URL of the page that says who is testing."""
    host: str
    """Name of the server under test."""
    test: str
    """Name and title of the test."""

    def octets(self, at: datetime) -> bytes:
        """Return the message in the form of RFC 5322, with CRLF; ``at`` is its date.

        No recipient is named in it: what a server does then depends on the envelope only.
        Raises :class:`ValueError` for a value with a line ending.
        """
        message = EmailMessage(policy=SMTP)
        message["Date"] = format_datetime(at)
        message["From"] = self.sender
        message["To"] = "undisclosed-recipients:;"
        message["Message-ID"] = f"<{self.number}@{self.hello}>"
        message["Subject"] = f"Test of the mail server {self.host}"
        # RFC 3834: no vacation program is to answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(self._text())
        return message.as_bytes()

    def _text(self) -> str:
        paragraphs = (
            textwrap.fill(
                text.format(host=self.host, test=self.test, about=self.about),
                72,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for text in _PARAGRAPHS
        )
        return "\n\n".join(paragraphs) + "\n"
