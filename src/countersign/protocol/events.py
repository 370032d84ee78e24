"""What a server dialogue reports: each event but :class:`Content` waits for a reply."""

from __future__ import annotations

from dataclasses import dataclass

from countersign.protocol.command import Envelope
from countersign.protocol.data import ContentFault


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, HELO or LHLO. It voids a verification made before (DESIGN §3.6)."""

    verb: str
    name: str
    """As claimed: a normalised hostname or an address literal."""
    is_hostname: bool


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207): after the 220, upgrade and call ``tls_started``."""


@dataclass(frozen=True, slots=True)
class AuthInClear:
    """AUTH outside TLS: a password may just have been sent for all to read."""


@dataclass(frozen=True, slots=True)
class AuthBegun:
    """AUTH (RFC 4954): answer 334 to go on, 235, or why not (4yz, 5yz)."""

    mechanism: str
    """One of those offered."""
    initial_response: bytes | None
    """None: there was none, which is not the same as an empty one."""


@dataclass(frozen=True, slots=True)
class AuthContinued:
    """The client's response to a challenge: answer as for :class:`AuthBegun`."""

    response: bytes


@dataclass(frozen=True, slots=True)
class SessionIdOffered:
    """XSESSIONID: the client claims to be the registered host it named (DESIGN §3.2)."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Question:
    """XVERIFY: a receiver asks whether this host has the session open (DESIGN §3.3)."""

    session_id: str


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class DataCommand:
    """DATA: answer 354 to receive the content."""


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the message: whole lines, stuffing removed. Takes no reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfContent:
    """The message is complete; with a fault it must be refused."""

    fault: ContentFault | None
    size: int


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT."""


Event = (
    Hello
    | StartTls
    | AuthInClear
    | AuthBegun
    | AuthContinued
    | SessionIdOffered
    | Question
    | MailFrom
    | RcptTo
    | DataCommand
    | Content
    | EndOfContent
    | Reset
    | Quit
)
