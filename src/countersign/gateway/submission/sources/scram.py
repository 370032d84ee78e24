"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), done by scramp."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from scramp import ScramException, ScramMechanism

from countersign.gateway.submission.sources.interface import Challenge, Rejected, SignedIn
from countersign.protocol.sasl import MAX_SCRAM
from countersign.rules.submission import normalise_user
from countersign.storage.submission.accounts import ScramValues

Values = Callable[[str], Awaitable[tuple[ScramValues, bool]]]
"""Given a user's normalised name: what to check by, and whether success lets it in."""

_MECHANISM = ScramMechanism("SCRAM-SHA-256")
_NOBODY = (bytes(16), bytes(32), bytes(32), 4096)


class ScramExchange:
    """One dialogue: the client's first message, then its proof."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._user = ""
        self._may_enter = False
        self._server: Any = None

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Rejected:
        """Take a message of the client's."""
        if response is None and self._server is None:
            return Challenge(b"")
        try:
            text = _text(response)
            if self._server is None:
                return await self._first(text)
            return self._final(text)
        except (ScramException, ValueError):
            return Rejected(self._user, "syntax")

    async def _first(self, text: str) -> Challenge:
        self._user = _name(text)
        values, self._may_enter = await self._values(self._user)
        found = (values.salt, values.stored_key, values.server_key, values.iterations)
        self._server = _MECHANISM.make_server(lambda _: found)
        self._server.set_client_first(text)
        return Challenge(self._server.get_server_first().encode())

    def _final(self, text: str) -> SignedIn | Rejected:
        try:
            self._server.set_client_final(text)
        except ScramException:
            return Rejected(self._user)
        if not self._may_enter:
            return Rejected(self._user, "disabled")
        return SignedIn(self._user, self._server.get_server_final().encode())


def _name(client_first: str) -> str:
    """Return the normalised name in a client's first message, read as scramp reads it."""
    found: list[str] = []

    def keep(name: str) -> tuple[bytes, bytes, bytes, int]:
        found.append(name)
        return _NOBODY

    _MECHANISM.make_server(keep).set_client_first(client_first)
    return normalise_user(found[0])


def _text(response: bytes | None) -> str:
    if not response or len(response) > MAX_SCRAM:
        raise ValueError("no message of SCRAM")
    return response.decode()
