"""Letters to the administrator, handed to an MTA."""

from __future__ import annotations

import asyncio
from typing import Final

from countersign.gateway.backend.interface import BackendSession, ClientFacts
from countersign.gateway.backend.proxy import ProxyBackend
from countersign.gateway.backend.settings import Backend, BackendKind
from countersign.gateway.clerk.letter import administrator_of
from countersign.gateway.config import Config
from countersign.protocol.command import Envelope
from countersign.protocol.reply import Reply

_LOGIN: Final = "countersign"
_USUAL: Final = "127.0.0.1:25"
LETTER_SECONDS: Final = 60.0
"""One letter may take so long: well within the turn."""


class LetterRefusedError(Exception):
    """The MTA did not take a letter."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(str(answer))
        self.is_permanent = answer.is_permanent


def mta_for_letters(config: Config) -> tuple[str, Backend]:
    """Return the setting that names the MTA which takes letters, and the MTA."""
    backends: list[tuple[str, Backend]] = []
    if config.submission.enabled:
        backends.append(("submission.backend", config.submission.backend))
    if config.receiving.enabled and config.receiving.backend.kind is BackendKind.SMTP:
        backends.append(("receiving.backend", config.receiving.backend))
    named = config.administrator.mta
    if not named:
        return backends[0] if backends else ("administrator.mta", Backend(address=_USUAL))
    # How an MTA that is known already wants to be told who we are, that section says.
    known = (backend for _, backend in backends if backend.address == named)
    return "administrator.mta", next(known, Backend(address=named))


class Post:
    """Where letters are handed in."""

    def __init__(self, config: Config) -> None:
        """Take the MTA and the administrator's address from the configuration."""
        self._config = config
        self._backend = ProxyBackend(mta_for_letters(config)[1], config.hostname)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._backend.close()

    async def send(self, letter: bytes) -> None:
        """Hand a letter to the MTA; returns after its 250. Raises :class:`LetterRefusedError`."""
        session = self._backend.session()
        try:
            async with asyncio.timeout(LETTER_SECONDS):
                await self._converse(session, letter)
        except TimeoutError:
            await session.abandon()
            raise LetterRefusedError(_TIMED_OUT) from None
        finally:
            await session.close()

    async def _converse(self, session: BackendSession, letter: bytes) -> None:
        name = self._config.hostname
        # As a user of its own: the MTA relays here for who has signed in (setup postfix).
        facts = ClientFacts("127.0.0.1", 0, "127.0.0.1", 0, name, extended=True, login=_LOGIN)
        recipient = Envelope(None, f"<{administrator_of(self._config)}>")
        # The null sender: what cannot be delivered is not returned to us (RFC 3834 §4).
        _require(await session.mail(facts, Envelope(None, "<>")))
        _require(await session.rcpt(recipient))
        _require(await session.data(), intermediate=True)
        await session.content(letter)
        _require(await session.end_of_content())


_TIMED_OUT = Reply(451, ("4.4.2 the mail system did not take the letter in time",))


def _require(answer: Reply, *, intermediate: bool = False) -> None:
    if not (answer.is_intermediate if intermediate else answer.is_positive):
        raise LetterRefusedError(answer)
