"""What a worker asks of a service: receiving, sending, and those to come."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Service(Protocol):
    """One listener's work in one worker."""

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol object of one accepted connection."""

    async def start(self) -> None:
        """Begin; called once, before the first connection. What it raises ends the worker."""

    async def drain(self, timeout: float) -> None:
        """Take no new commands beyond the current transaction, and end in ``timeout`` seconds.

        The listening sockets are closed already. When it returns, no dialogue is open.
        """
