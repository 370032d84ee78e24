"""AUTH on the server's side, without I/O (RFC 4954): one sign-in of one connection.

The core knows commands, base64 and sequences, no mechanism: what the octets mean is the
application's.
"""

from __future__ import annotations

import base64
import binascii
import re

from countersign.protocol.command import CommandRefusedError, CommandSyntaxError
from countersign.protocol.events import AuthBegun, AuthContinued
from countersign.protocol.reply import Reply, reply

MAX_LINE = 12_288
"""Octets of a line with CRLF (RFC 4954 §4)."""
MAX_RESPONSES = 20
"""Responses in one exchange: SASL's mechanisms need two or three."""

LINE_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line is too long")
NOT_SIGNED_IN = reply(530, "5.7.0", "Authentication required")
_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
_BAD_BASE64 = reply(501, "5.5.2", "Not valid base64")
_TOO_MANY_RESPONSES = reply(501, "5.5.2", "Too many responses")
_MECHANISM = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")


class Authentication:
    """Whether the client has signed in, and an exchange that goes on."""

    def __init__(self, mechanisms: tuple[str, ...]) -> None:
        """``mechanisms``: upper-case names of those offered, the best first."""
        self.mechanisms = mechanisms
        self.signed_in = False
        self.in_exchange = False
        """The client's next line is a response, not a command."""
        self._responses = 0

    @property
    def extension(self) -> str:
        """The line of the reply to EHLO."""
        return f"AUTH {' '.join(self.mechanisms)}"

    def begin(self, argument: str) -> AuthBegun:
        """Read an AUTH command.

        Raises :class:`~countersign.protocol.command.CommandRefusedError` and
        :class:`~countersign.protocol.command.CommandSyntaxError`.
        """
        mechanism, _, initial = argument.partition(" ")
        if not _MECHANISM.match(mechanism) or " " in initial:
            raise CommandSyntaxError("Syntax: AUTH mechanism [initial-response]")
        name = mechanism.upper()
        if name not in self.mechanisms:
            raise CommandRefusedError(reply(504, "5.5.4", "Mechanism not offered"))
        self._responses = 0
        if not initial:
            return AuthBegun(name, None)
        return AuthBegun(name, b"" if initial == "=" else _decode(initial.encode()))

    def next_response(self, line: bytes) -> AuthContinued:
        """Read a response of the client.

        Raises :class:`~countersign.protocol.command.CommandRefusedError`, which ends the exchange.
        """
        self.in_exchange = False
        self._responses += 1
        if line == b"*":
            raise CommandRefusedError(_CANCELLED)
        if self._responses > MAX_RESPONSES:
            raise CommandRefusedError(_TOO_MANY_RESPONSES)
        return AuthContinued(_decode(line))

    def answered(self, answer: Reply) -> None:
        """Note the reply to what the client said last: 334 goes on, 235 is the end sought."""
        self.in_exchange = answer.code == 334
        self.signed_in = answer.code == 235

    def forget(self) -> None:
        """Forget everything (RFC 3207 §4.2)."""
        self.signed_in = self.in_exchange = False


def challenge(octets: bytes) -> Reply:
    """Return the reply that asks the client for more."""
    return reply(334, "", base64.b64encode(octets).decode("ascii"))


def _decode(text: bytes) -> bytes:
    try:
        if len(text) % 4 == 0:
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise CommandRefusedError(_BAD_BASE64)
