"""The test mailbox: an SMTP server that takes mail to test addresses only, and says what came.

It proves what a 250 does not: that a server passes a stranger's mail on, or sends bounces to
strangers (DESIGN §8). `TestMailbox` runs by itself, in whatever process: who keeps the messages,
and which addresses there are, it is told by functions.
"""

from countersign.certification.mailbox.message import (
    Deliver,
    Knows,
    MailboxUnavailableError,
    Message,
    Senders,
)
from countersign.certification.mailbox.server import Limits, ListenError, TestMailbox
from countersign.certification.mailbox.tls import TlsError, server_context

__all__ = [
    "Deliver",
    "Knows",
    "Limits",
    "ListenError",
    "MailboxUnavailableError",
    "Message",
    "Senders",
    "TestMailbox",
    "TlsError",
    "server_context",
]
