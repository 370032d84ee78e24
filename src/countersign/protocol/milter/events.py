"""What a milter dialogue reports of the MTA's client and its message.

:class:`MailFrom`, :class:`RcptTo`, :class:`DataCommand` and :class:`EndOfMessage` wait for an
answer; the others take none. :class:`Hello` and :class:`MailFrom` void a message half given.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Connected:
    """A client has connected to the MTA, or the MTA begins with the next one."""

    name: str
    """By reverse DNS, as the MTA has it; may be an address in brackets."""
    address: str
    """IP address in canonical text form; empty: not known, or none."""


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO."""

    name: bytes


@dataclass(frozen=True, slots=True)
class MailFrom:
    """MAIL."""

    path: bytes
    """With its angle brackets, as the client wrote it."""
    parameters: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RcptTo:
    """RCPT; an MTA sends those only that it would take itself."""

    path: bytes
    parameters: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DataCommand:
    """DATA. MTAs below version 4 do not send it."""


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field of the header section."""

    name: bytes
    """As the MTA knows it, to change the field by."""
    octets: bytes
    """The whole field, each of its lines with CRLF."""


@dataclass(frozen=True, slots=True)
class EndOfHeader:
    """The header section is complete."""


@dataclass(frozen=True, slots=True)
class BodyPiece:
    """A piece of the body, not stuffed; lines end with CRLF, which may be cut in two."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """The message is complete: now it may be changed, and is passed on or refused."""

    rest: bytes
    """The last piece of the body, if the MTA has kept it until now."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The message will not be completed. The connection stays."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The client is gone. ``is_last``: the MTA closes the connection as well."""

    is_last: bool


Event = (
    Connected
    | Hello
    | MailFrom
    | RcptTo
    | DataCommand
    | HeaderField
    | EndOfHeader
    | BodyPiece
    | EndOfMessage
    | Aborted
    | Ended
)
