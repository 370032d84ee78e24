"""What a worker asks of a service: receiving, sending, and those to come."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, runtime_checkable


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


class Listening(Protocol):
    """What accepts connections."""

    def close(self) -> None:
        """Accept no more; those that are there go on."""


@runtime_checkable
class ListensItself(Protocol):
    """A service that accepts connections by itself, for TLS before anything else."""

    def listen(self, listener: socket.socket) -> Listening:
        """Begin to accept the connections of a listening socket."""
