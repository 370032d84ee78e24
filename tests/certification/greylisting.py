"""A server that greylists: by address of the client, sender and recipient."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

from countersign.transport.stream import Stream
from tests.certification.servers import FaultyServer

LATER = "450 4.2.0 Greylisted, come again"
_CLIENT: ContextVar[str] = ContextVar("client")
_SENDER: ContextVar[str] = ContextVar("sender")


@dataclass
class GreylistingServer(FaultyServer):
    """Puts off whom it does not know; answers as it would have answered when they come again."""

    seconds: float = 0.5
    """After which a client may come again."""
    ending: str = ">"
    """Of RCPT commands that are greylisted at all."""
    put_off: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """When each triplet came first."""

    async def _serve(self, stream: Stream) -> None:
        # Each connection is served in a task, and so in a context, of its own.
        _CLIENT.set(stream.peer()[0])
        await super()._serve(stream)

    def _answer(self, command: str, in_tls: bool) -> str:
        verb = command[:4].upper()
        if verb == "MAIL":
            _SENDER.set(command.removesuffix(" SMTPUTF8"))
        if verb == "RCPT" and command.endswith(self.ending):
            now = asyncio.get_running_loop().time()
            triplet = (_CLIENT.get(), _SENDER.get(), command)
            if now - self.put_off.setdefault(triplet, now) < self.seconds:
                return LATER
        return super()._answer(command, in_tls)
