"""What arrived at the test mailbox of the matrix."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from countersign.certification.mailbox import Limits, Message, TestMailbox
from countersign.certification.settling import Arrived
from countersign.certification.test_address import Kind


class Arrivals:
    """Keeps what test mailboxes hand over, by the mark of the order."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        """Set by the next arrival; then there is another one."""
        self._arrived: dict[str, set[Arrived]] = defaultdict(set)

    def of(self, mark: str) -> frozenset[Arrived]:
        """Return what has arrived of the messages of an order."""
        return frozenset(self._arrived[mark])

    @asynccontextmanager
    async def mailbox(self, domain: str, address: str) -> AsyncIterator[TestMailbox]:
        """Run a test mailbox on port 25 of an address."""
        limits = Limits(connections=1000, stop_seconds=0.5)
        async with TestMailbox(
            [f"{address}:25"], domain, f"mx.{domain}", self._deliver, _knows, limits=limits
        ) as mailbox:
            yield mailbox

    async def _deliver(self, message: Message) -> None:
        for address in message.addresses:
            self._arrived[address.mark].add(Arrived(address.kind, address.number))
        self.news.set()
        self.news = asyncio.Event()


async def _knows(_mark: str, kind: Kind) -> bool:
    return kind is not Kind.SENDING
