"""Passwords that Dovecot checks, over its auth-client socket (DESIGN §5)."""

from __future__ import annotations

import asyncio
import weakref

import structlog

from countersign.gateway.submission.names import ProvenNames
from countersign.gateway.submission.settings import SignIn
from countersign.gateway.submission.sources.dovecot_link import Answer, DovecotLink
from countersign.gateway.submission.sources.interface import (
    Challenge,
    Exchange,
    Rejected,
    SignedIn,
    SourceUnavailableError,
)
from countersign.protocol.dovecot_auth import MAX_RESPONSE, Continued, Failed
from countersign.rules.naming import ForeignDomainError

log = structlog.get_logger()

MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
_REASONS = {
    "": "password",
    "user_disabled": "disabled",
    "pass_expired": "disabled",
    "authz_fail": "authorisation",
    "anonymous_denied": "authorisation",
    "invalid_base64": "syntax",
}
"""Of Dovecot's codes. Any other, such as temp_fail, says that it could not tell."""


class DovecotSource:
    """Connects when first asked, and anew after Dovecot was restarted."""

    def __init__(self, settings: SignIn) -> None:
        self._settings = settings.dovecot
        self.names = ProvenNames(settings)
        self._link: DovecotLink | None = None
        self._opening: asyncio.Task[DovecotLink] | None = None
        self._offered: tuple[str, ...] = MECHANISMS

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What Dovecot offers, as it last said; all of ours until it has been heard."""
        return tuple(name for name in MECHANISMS if name in self._offered)

    def begin(self, mechanism: str, client_address: str) -> Exchange:
        """Begin an exchange."""
        return _DovecotExchange(self, mechanism, client_address)

    async def start(self) -> None:
        """Connect. Dovecot may still be away: then it is tried again when somebody signs in."""
        try:
            await self.link()
        except SourceUnavailableError as error:
            log.warning("passwords cannot be checked yet", reason=str(error))

    async def recorded(self, name: str) -> str:
        """Return the name: Dovecot does not tell whether there is such a user."""
        return self.names.guessed(name)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._opening is not None:
            self._opening.cancel()
        if self._link is not None:
            self._link.close()

    async def link(self) -> DovecotLink:
        """Return an open connection. Raises :class:`SourceUnavailableError`."""
        if self._link is not None and self._link.is_open:
            return self._link
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def _open(self) -> DovecotLink:
        link = DovecotLink(self._settings.timeout)
        await link.open(self._settings.socket)
        self._link, self._offered = link, link.mechanisms
        return link

    def _opened(self, task: asyncio.Task[DovecotLink]) -> None:
        self._opening = None
        if not task.cancelled():
            # Nobody may be left to hear of it.
            task.exception()


class _DovecotExchange:
    """What a client and Dovecot say to each other."""

    def __init__(self, source: DovecotSource, mechanism: str, client_address: str) -> None:
        self._source = source
        self._mechanism = mechanism
        self._client_address = client_address
        self._link: DovecotLink | None = None
        self._id = 0

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Rejected:
        """Pass on what the client said."""
        if response is not None and len(response) > MAX_RESPONSE:
            return Rejected("", "syntax")
        if self._link is None:
            return self._result(await self._begin(response))
        return self._result(await self._link.go_on(self._id, response or b""))

    async def _begin(self, response: bytes | None) -> Answer:
        link = await self._source.link()
        if self._mechanism not in link.mechanisms:
            raise SourceUnavailableError(f"Dovecot no longer offers {self._mechanism}")
        self._id, answer = await link.begin(self._mechanism, self._client_address, response)
        self._link = link
        if isinstance(answer, Continued):
            # If the client goes away in the middle, Dovecot need not wait for it. The end of this
            # object may be noticed in any thread.
            loop = asyncio.get_running_loop()
            weakref.finalize(self, _cancel, loop, link, self._id).atexit = False
        return answer

    def _result(self, answer: Answer) -> Challenge | SignedIn | Rejected:
        if isinstance(answer, Continued):
            return Challenge(answer.octets)
        if isinstance(answer, Failed):
            reason = _REASONS.get(answer.code)
            if reason is None:
                raise SourceUnavailableError(f"Dovecot could not tell: {answer.code[:50]}")
            return Rejected(self._source.names.guessed(answer.user), reason)
        try:
            return SignedIn(self._source.names.user(answer.user), answer.octets)
        except ForeignDomainError:
            # Not told from a wrong password, and counted as one.
            return Rejected(self._source.names.guessed(answer.user), "domain")
        except ValueError as error:
            raise SourceUnavailableError(f"Dovecot names a user strangely: {error}") from error


def _cancel(loop: asyncio.AbstractEventLoop, link: DovecotLink, number: int) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(link.cancel, number)
