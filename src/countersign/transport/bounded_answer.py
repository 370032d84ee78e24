"""Answers over HTTP that cannot grow beyond what is expected of them."""

from __future__ import annotations

import httpx

_PIECE = 65536


class AnswerTooLongError(ValueError):
    """The answer is longer than it may be."""


async def read_bounded(answer: httpx.Response, most: int) -> bytes:
    """Return the body of a streamed answer, as it came: nothing is unpacked, so nothing grows.

    most: octets. Raises :class:`AnswerTooLongError`, and what httpx raises.
    """
    octets = bytearray()
    async for piece in answer.aiter_raw(_PIECE):
        octets += piece
        if len(octets) > most:
            raise AnswerTooLongError(f"the answer has more than {most} octets")
    return bytes(octets)
