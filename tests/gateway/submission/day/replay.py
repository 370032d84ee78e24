"""Replays sendings through real desks with real stores, under a clock that the replay sets."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from countersign.gateway.submission.desk import Desk
from countersign.gateway.submission.passing import Accepted, Submitted
from countersign.protocol.reply import Reply
from countersign.storage.submission.entries import Front
from tests.gateway.submission.day.traffic import Sending

_HEADER = (
    b"From: <%s>\r\nTo: undisclosed-recipients:;\r\nSubject: hello\r\n"
    b"Date: Mon, 01 Jun 2026 09:00:00 +0000\r\nMessage-ID: <%d@example.org>\r\n"
)


@dataclass(slots=True)
class Clock:
    """The time that desks are told."""

    now: float

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Sent:
    """What became of the messages of a user, or of a thief with his password."""

    messages: int = 0
    recipients: int = 0
    refused: int = 0
    words: set[str] = field(default_factory=set)
    """The replies of refusals, without their figures."""


class Replay:
    """Sends through several desks in turn, as connections come to several workers."""

    def __init__(self, desks: Sequence[Desk], clock: Clock) -> None:
        self._desks = itertools.cycle(desks)
        self._clock = clock
        self._numbers = itertools.count(1)
        self.sent: dict[tuple[str, str], Sent] = defaultdict(Sent)
        """By user and thief."""

    async def run(self, sendings: Iterable[Sending]) -> None:
        """Send all, in order of time; what has one time is sent at once."""
        ordered = sorted(sendings, key=lambda one: one.at)
        for at, together in itertools.groupby(ordered, key=lambda one: one.at):
            self._clock.now = at
            await asyncio.gather(*(self._send(next(self._desks), one) for one in together))

    async def _send(self, desk: Desk, sending: Sending) -> None:
        account = self.sent[sending.user, sending.thief]
        answer = await self._submit(desk, sending)
        if isinstance(answer, Accepted):
            account.messages += 1
            account.recipients += sending.recipients
            return
        account.refused += 1
        account.words.add(f"{answer.code} {answer.enhanced}")

    async def _submit(self, desk: Desk, sending: Sending) -> Accepted | Reply:
        """Do what a front does for one message; the MTA behind takes everything."""
        sender = await desk.open(sending.user)
        if isinstance(sender, Reply):
            return sender
        for recipients in range(1, sending.recipients + 1):
            refusal = await desk.check_recipients(sender, recipients)
            if refusal is not None:
                return refusal
        number = next(self._numbers)
        header = _HEADER % (sending.user.encode(), number)
        return await desk.accept(
            Submitted(
                sender=sender,
                client_address=sending.address,
                recipients=sending.recipients,
                size=len(header) + 500,
                header=header,
                body_hash=hashlib.sha256(b"%d" % number).digest(),
                front=Front.LISTENER,
            )
        )
