"""The demo's story: who tries what, and what must come of it.

Each act is a real dialogue over real sockets with the two gateways. Its outcome is compared
with what the design promises; one that differs makes the demo fail.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from countersign.demo.act import Act, Result, ok, refused_at
from countersign.demo.actors import Actor, Attempt
from countersign.demo.servers import hand_over
from countersign.demo.stage import Stage
from countersign.demo.submission import SubmissionActs
from countersign.demo.world import ALPHA, BETA, GAMMA, LMTP_PORT, MALLORY, DemoError, Host
from countersign.protocol.reply import Reply
from countersign.protocol.session_id import ALPHABET
from countersign.registry.lookup import Standing
from countersign.transport.conversation import ConversationError

RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 60
IDLE_SECONDS = 1.5
"""After which the gateways' kept connections have ended (`sending.idle_timeout` is 1)."""


class Story:
    """All acts, in order."""

    def __init__(self, stage: Stage, messages: list[bytes]) -> None:
        """``messages``: whole messages to send from alpha to beta besides the demo's own."""
        self._world = stage.world
        self._cast = stage.cast
        self._registrar = stage.registrar
        self._submission = SubmissionActs(stage.world, stage.cast, stage.users)
        self._messages = messages

    async def play(self) -> AsyncIterator[Result]:
        """Play all acts; yields each result as it is there."""
        for act in self._acts():
            started = time.monotonic()
            try:
                attempt = await act.play()
                as_promised = act.promised(attempt)
            except (ConversationError, DemoError, OSError, TimeoutError) as error:
                attempt, as_promised = Attempt("connection", str(error)), False
            yield Result(
                act.who,
                act.tried,
                attempt.stage,
                attempt.answer,
                attempt.received,
                time.monotonic() - started,
                as_promised,
            )

    def _acts(self) -> list[Act]:
        beta = Actor(BETA.address)
        given = [
            Act(ALPHA.name, f"your message {number}, to {BETA.mailbox}", self._sending(content), ok)
            for number, content in enumerate(self._messages, 1)
        ]
        trojan = Actor(BETA.address, source=ALPHA.address)
        return [
            Act(ALPHA.name, f"mail to {BETA.mailbox}", self._mail(ALPHA, BETA), ok),
            Act(BETA.name, f"an answer to {ALPHA.mailbox}", self._mail(BETA, ALPHA), ok),
            *given,
            *self._submission.acts(),
            Act(ALPHA.name, "mail to an unregistered server", self._mail(ALPHA, GAMMA), ok),
            Act(
                f"{GAMMA.name} (unregistered)",
                f"plain mail to {BETA.mailbox}",
                lambda: Actor(BETA.address, source=GAMMA.address).send_mail(
                    GAMMA.name, BETA.mailbox
                ),
                refused_at("MAIL", "554"),
            ),
            Act(
                f"{GAMMA.name} (unregistered)",
                "a session ID under its own name",
                lambda: Actor(BETA.address, source=GAMMA.address).claim(GAMMA.name, _random_id()),
                refused_at("XSESSIONID", "554"),
            ),
            Act(
                "receiver that passes IDs on",
                f"the ID that {ALPHA.name} gave it, to {BETA.name}",
                self._pass_on,
                refused_at("XSESSIONID", "554"),
            ),
            Act(
                "replayer",
                f"an ID of {ALPHA.name} whose connection has ended",
                self._replay,
                refused_at("XSESSIONID", "554"),
            ),
            Act(
                f"Trojan behind {ALPHA.name}'s address",
                "an invented ID",
                lambda: _until_decided(lambda: trojan.claim(ALPHA.name, _random_id())),
                refused_at("XSESSIONID", "554"),
            ),
            Act(
                f"Trojan behind {ALPHA.name}'s address",
                "mail without an ID, now blocked",
                lambda: trojan.send_mail(ALPHA.name, BETA.mailbox),
                refused_at("MAIL", "554"),
            ),
            Act(
                f"{ALPHA.name}, same address",
                f"mail to {BETA.mailbox} all the same",
                self._mail(ALPHA, BETA),
                ok,
            ),
            Act(
                "guesser",
                f"{ALPHA.name}: is this ID yours?",
                lambda: Actor(ALPHA.address, source="127.53.5.1").ask(_random_id()),
                refused_at("XVERIFY", "550"),
            ),
            Act(
                "guesser",
                "and this one?",
                lambda: Actor(ALPHA.address, source="127.53.5.1").ask(_random_id()),
                refused_at("XVERIFY", "450"),
            ),
            Act(
                "injector",
                "two commands in one line, by a bare LF",
                beta.inject_by_bare_lf,
                refused_at("command", "500", "501", "503"),
            ),
            Act(
                "an adjudicator",
                f"to suspend {ALPHA.name}: the word reaches both gateways",
                self._suspend,
                lambda attempt: attempt.stage == "replica",
            ),
            Act(
                f"{ALPHA.name}, suspended by the registrar",
                f"mail to {BETA.mailbox}",
                self._send_suspended,
                lambda attempt: attempt.answer.startswith("5") and attempt.received == 0,
            ),
            Act(
                f"{ALPHA.name}, reinstated",
                f"mail to {BETA.mailbox}",
                self._reinstated,
                ok,
            ),
        ]

    # -- the registrar's decisions -------------------------------------------------------------

    async def _suspend(self) -> Attempt:
        await self._registrar.suspend(ALPHA)
        await self._world.wait_until_all_know(ALPHA, Standing.SUSPENDED)
        return Attempt("replica", "2 of 2 replicas say that it is suspended")

    async def _send_suspended(self) -> Attempt:
        # A connection that was verified before goes on until it ends.
        await asyncio.sleep(IDLE_SECONDS)
        return await self._mail(ALPHA, BETA)()

    async def _reinstated(self) -> Attempt:
        await self._registrar.reinstate(ALPHA)
        await self._world.wait_until_all_know(ALPHA, Standing.REGISTERED)
        await asyncio.sleep(IDLE_SECONDS)
        return await self._mail(ALPHA, BETA)()

    # -- honest mail -------------------------------------------------------------------------

    def _mail(self, sender: Host, recipient: Host) -> Callable[[], Awaitable[Attempt]]:
        return self._sending(_letter(sender, recipient), sender, recipient)

    def _sending(
        self, content: bytes, sender: Host = ALPHA, recipient: Host = BETA
    ) -> Callable[[], Awaitable[Attempt]]:
        async def play() -> Attempt:
            before = self._octets_of(recipient)
            answer = await self._send(content, sender, recipient)
            return Attempt("end of data", str(answer), self._octets_of(recipient) - before)

        return play

    async def _send(self, content: bytes, sender: Host, recipient: Host) -> Reply:
        """Hand mail to a gateway, and try again after a 4yz as any MTA's queue does."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                replies = await hand_over(
                    sender.address,
                    LMTP_PORT,
                    f"<{sender.mailbox}>",
                    [f"<{recipient.mailbox}>"],
                    content,
                )
                if not replies[0].is_transient:
                    return replies[0]
                await asyncio.sleep(RETRY_SECONDS)

    def _octets_of(self, host: Host) -> int:
        if host in (ALPHA, BETA):
            return sum(path.stat().st_size for path in self._world.received(host))
        return self._cast.octets_received

    # -- attacks that need a real ID -----------------------------------------------------------

    async def _pass_on(self) -> Attempt:
        """Alpha really connects to mallory, who presents the ID to beta meanwhile."""
        attempts: list[Attempt] = []

        async def betray(claimed_host: str, session_id: str) -> None:
            thief = Actor(BETA.address, source=MALLORY.address)
            attempts.append(await _until_decided(lambda: thief.claim(claimed_host, session_id)))

        self._cast.on_session_id = betray
        await self._send(_letter(ALPHA, MALLORY), ALPHA, MALLORY)
        return attempts[0]

    async def _replay(self) -> Attempt:
        """Mallory keeps the ID, and presents it when alpha's connection is gone."""
        kept: list[str] = []

        async def keep(_claimed_host: str, session_id: str) -> None:
            kept.append(session_id)

        self._cast.on_session_id = keep
        await self._cast.forget_connections()
        await self._send(_letter(ALPHA, MALLORY), ALPHA, MALLORY)
        await self._cast.forget_connections()
        replayer = Actor(BETA.address, source="127.53.6.1")
        return await _until_decided(lambda: replayer.claim(ALPHA.name, kept[0]))


def read_messages(paths: list[Path]) -> list[bytes]:
    """Return message files with CRLF line endings. Raises :class:`OSError`."""
    return [b"\r\n".join(path.read_bytes().splitlines()) + b"\r\n" for path in paths]


def _letter(sender: Host, recipient: Host) -> bytes:
    message = EmailMessage()
    message["From"] = f"{sender.user.title()} <{sender.mailbox}>"
    message["To"] = f"{recipient.user.title()} <{recipient.mailbox}>"
    message["Subject"] = f"From {sender.domain} to {recipient.domain}"
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = f"<{secrets.token_hex(8)}@{sender.name}>"
    message.set_content("This server proved who it is before it sent this.\n.\nA dot, alone.\n")
    return message.as_bytes().replace(b"\n", b"\r\n")


async def _until_decided(attempt: Callable[[], Awaitable[Attempt]]) -> Attempt:
    """Try again while told to: the act before may have left a suspension."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (made := await attempt()).answer.startswith("4"):
            await asyncio.sleep(RETRY_SECONDS)
    return made


def _random_id() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(128))
