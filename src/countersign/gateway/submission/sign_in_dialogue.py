"""The sign-ins of one connection: from AUTH to who the client is, or the words of a refusal."""

from __future__ import annotations

import structlog

from countersign.gateway.submission.refusals import Refusals
from countersign.gateway.submission.sign_in import SignIn
from countersign.gateway.submission.sources.interface import (
    Challenge,
    Exchange,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.protocol.events import AuthBegun, AuthContinued
from countersign.protocol.reply import Reply

log = structlog.get_logger()


class SignInDialogue:
    """One exchange after the other; the core sees to it that none is open when one begins."""

    def __init__(self, sign_in: SignIn, refusals: Refusals, client_address: str) -> None:
        self._sign_in = sign_in
        self._refusals = refusals
        self._client_address = client_address
        self._exchange: Exchange | None = None
        self._proven: SignedIn | None = None
        """Proven, but the mechanism's last words wait for the client's (empty) response."""

    async def answer(self, event: AuthBegun | AuthContinued) -> Challenge | SignedIn | Reply:
        """Return what the client is asked next, who it is, or why it is not signed in."""
        if isinstance(event, AuthBegun):
            self._exchange = self._sign_in.begin(event.mechanism, self._client_address)
            self._proven = None
            return await self._step(self._exchange, event.initial_response)
        proven, self._proven = self._proven, None
        if proven is not None:
            return self._refusals.rejected("syntax") if event.response else proven
        if self._exchange is None:
            raise AssertionError("a response, and no exchange")
        return await self._step(self._exchange, event.response)

    async def _step(
        self, exchange: Exchange, response: bytes | None
    ) -> Challenge | SignedIn | Reply:
        try:
            result = await exchange.step(response)
        except SourceUnavailableError as error:
            log.warning("sign-in not possible", reason=str(error))
            return self._refusals.cannot_sign_in
        if isinstance(result, Rejected):
            return self._refusals.rejected(result.reason)
        if isinstance(result, SignedIn) and result.octets:
            # 235 has no room for the mechanism's last words (RFC 4954 §4).
            self._proven = result
            return Challenge(result.octets)
        return result
