"""The dialogues of PLAIN (RFC 4616) and LOGIN, for every source that is given a password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from countersign.gateway.submission.sources.interface import (
    Challenge,
    Exchange,
    Rejected,
    SignedIn,
)
from countersign.protocol.sasl import SaslSyntaxError, parse_name, parse_password, parse_plain
from countersign.rules.submission import normalise_user

Check = Callable[[str, str], Awaitable[SignedIn | Rejected]]
"""Given a name as the client wrote it, and a password."""


def password_exchange(mechanism: str, check: Check) -> Exchange:
    """Return a dialogue of PLAIN or LOGIN that ends in a check."""
    return PlainExchange(check) if mechanism == "PLAIN" else LoginExchange(check)


class PlainExchange:
    """One message with everything."""

    def __init__(self, check: Check) -> None:
        self._check = check

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Rejected:
        """Take the message."""
        if response is None:
            return Challenge(b"")
        try:
            said = parse_plain(response)
        except SaslSyntaxError:
            return Rejected("", "syntax")
        if said.authorisation and not _is_same(said.authorisation, said.user):
            # Nobody may act for another here.
            return Rejected(said.user, "authorisation")
        return await self._check(said.user, said.password)


class LoginExchange:
    """Name and password, each asked for (draft-murchison-sasl-login)."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._user: str | None = None

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Rejected:
        """Take the name, then the password."""
        if response is None:
            return Challenge(b"Username:")
        try:
            if self._user is None:
                self._user = parse_name(response)
                return Challenge(b"Password:")
            return await self._check(self._user, parse_password(response))
        except SaslSyntaxError:
            return Rejected(self._user or "", "syntax")


def _is_same(one: str, other: str) -> bool:
    try:
        return normalise_user(one) == normalise_user(other)
    except ValueError:
        return False
