"""Dialogues that the primary begins: NOTIFY (RFC 1996), and the question for a serial."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence

from countersign.registrar.primary.line import Line, open_line
from countersign.registry.transfer.asking import (
    TransferError,
    make_notify,
    make_question,
    read_acknowledgement,
    read_published_serial,
)
from countersign.registry.transfer.keys import TsigKey
from countersign.registry.transfer.signature import TsigError
from countersign.registry.transfer.tsig import Verifier
from countersign.registry.zone.records import TXT

ASK_SECONDS = 2.0
ASK_TIMES = 3

Read = Callable[[bytes, bytes, Verifier, float], int]
"""Reads an answer: (question, answer, what verifies it, Unix seconds)."""


class NoAnswerError(Exception):
    """Nobody answered; the text says what was heard instead, if anything."""


class RefusedError(Exception):
    """There was an answer, and it says no; the text says how."""


async def notify(
    endpoint: str,
    zone: bytes,
    soa: bytes,
    keys: Sequence[TsigKey],
    *,
    sources: Sequence[str],
    pauses: Sequence[float],
) -> None:
    """Tell of a version until it is acknowledged.

    keys: tried in turn, the most likely first. pauses: seconds to wait after each attempt.
    Raises :class:`NoAnswerError`, :class:`RefusedError`.
    """

    def make(key: TsigKey | None, number: int) -> tuple[bytes, Verifier]:
        return make_notify(zone, soa, key, message_id=number, now=time.time())

    def read(question: bytes, answer: bytes, verifier: Verifier, now: float) -> int:
        read_acknowledgement(question, answer, verifier, now)
        return 0

    await _Dialogue(make, read, keys).hold(endpoint, sources, pauses)


async def ask_serial(
    endpoint: str, zone: bytes, keys: Sequence[TsigKey], *, sources: Sequence[str]
) -> int:
    """Return of which of our versions a secondary's answers are.

    By the apex's TXT record: one that signs the zone on the way counts its own serials.

    Raises :class:`NoAnswerError`, :class:`RefusedError`.
    """

    def make(key: TsigKey | None, number: int) -> tuple[bytes, Verifier]:
        return make_question(TXT, zone, None, key, message_id=number, now=time.time())

    def read(question: bytes, answer: bytes, verifier: Verifier, now: float) -> int:
        return read_published_serial(question, answer, verifier, now)

    return await _Dialogue(make, read, keys).hold(endpoint, sources, [ASK_SECONDS] * ASK_TIMES)


class _Dialogue:
    """One question, sent until it is answered."""

    def __init__(
        self,
        make: Callable[[TsigKey | None, int], tuple[bytes, Verifier]],
        read: Read,
        keys: Sequence[TsigKey],
    ) -> None:
        self._make = make
        self._read = read
        self._keys: Sequence[TsigKey | None] = keys or (None,)
        self._asked: dict[int, tuple[bytes, Verifier]] = {}
        self._heard = ""

    async def hold(self, endpoint: str, sources: Sequence[str], pauses: Sequence[float]) -> int:
        refused: RefusedError | None = None
        try:
            async with open_line(endpoint, sources) as line:
                for attempt, pause in enumerate(pauses):
                    line.send(self._question(attempt))
                    try:
                        async with asyncio.timeout(pause):
                            return await self._answer(line)
                    except RefusedError as error:
                        # With another of its keys it may say yes.
                        refused = error
                        if attempt + 1 >= len(self._keys):
                            raise
                    except TimeoutError:
                        continue
                    except OSError as error:
                        self._heard = error.strerror or "the network is in trouble"
                        await asyncio.sleep(pause)
        except OSError as error:
            raise NoAnswerError(error.strerror or "no way there") from None
        if refused is not None:
            raise refused
        raise NoAnswerError(self._heard or "no answer")

    def _question(self, attempt: int) -> bytes:
        number = secrets.randbits(16)
        key = self._keys[attempt % len(self._keys)]
        question, verifier = self._make(key, number)
        # An answer to an earlier attempt is as good.
        self._asked[number] = question, verifier
        return question

    async def _answer(self, line: Line) -> int:
        """Return what is answered. What is not proven to be an answer is not one."""
        while True:
            answer = await line.receive()
            asked = self._asked.get(int.from_bytes(answer[:2], "big"))
            if asked is None:
                continue
            question, verifier = asked
            try:
                return self._read(question, answer, verifier, time.time())
            except TransferError as error:
                if error.rcode is not None:
                    raise RefusedError(str(error)) from None
                self._heard = str(error)
            except TsigError as error:
                if error.by_peer:
                    raise RefusedError(str(error)) from None
                self._heard = str(error)
