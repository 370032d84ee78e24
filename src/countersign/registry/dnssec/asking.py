"""How the validator has its questions asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import dns.message
import dns.name
from dns.rdatatype import RdataType

Answer = TypeVar("Answer")


class Ask(Protocol):
    """Asks servers in turn until one gives a response that is accepted."""

    async def __call__(
        self,
        name: dns.name.Name,
        kind: RdataType,
        accept: Callable[[dns.message.QueryMessage], Awaitable[Answer]],
    ) -> Answer:
        """Return what ``accept`` makes of a response of NOERROR or NXDOMAIN to this question.

        A response for which ``accept`` raises :class:`NotAuthenticError` is that of a bad
        server: the next is asked. Raises :class:`ResolutionFailedError`.
        """
