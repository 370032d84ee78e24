"""The demo's servers that are not gateways: gamma, mallory, and the MTA behind alpha."""

from __future__ import annotations

import asyncio
import ssl

from countersign.demo.servers import OnSessionId, OrdinaryServer, behind_gateway, listen
from countersign.demo.world import (
    ALPHA,
    GAMMA,
    MALLORY,
    MTA_PORT,
    SMTP_PORT,
    World,
)
from countersign.gateway.metrics import Metrics
from countersign.protocol.reply import Reply, reply
from countersign.transport.certificate import make_self_signed


class Cast:
    """Starts and stops them, and keeps what they receive."""

    def __init__(self, world: World) -> None:
        self.octets_received = 0
        self.on_session_id: OnSessionId | None = None
        tls = _server_tls(world)
        metrics = Metrics()
        self._gamma = OrdinaryServer(GAMMA.name, metrics, self._receive, tls=tls)
        self._mallory = OrdinaryServer(
            MALLORY.name, metrics, self._receive, tls=tls, on_session_id=self._told
        )
        self._mta = OrdinaryServer(f"mta.{ALPHA.domain}", metrics, behind_gateway(ALPHA))
        self._listening: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen. Raises :class:`OSError`."""
        self._listening = [
            await listen(self._gamma, GAMMA.address, SMTP_PORT),
            await listen(self._mallory, MALLORY.address, SMTP_PORT),
            await listen(self._mta, ALPHA.address, MTA_PORT),
        ]

    async def stop(self) -> None:
        """Stop listening and end all sessions."""
        for server in self._listening:
            server.close()
        for service in (self._gamma, self._mallory, self._mta):
            await service.drain(1)

    async def forget_connections(self) -> None:
        """End all connections to mallory, so that nothing of an earlier act is reused."""
        await self._mallory.drain(5)
        await self._mallory.start()

    async def _receive(self, _sender: str, _recipients: list[str], content: bytes) -> Reply:
        self.octets_received += len(content)
        return reply(250, "2.0.0", "Ok")

    async def _told(self, claimed_host: str, session_id: str) -> None:
        if self.on_session_id is not None:
            await self.on_session_id(claimed_host, session_id)


def _server_tls(world: World) -> ssl.SSLContext:
    pair = world.directory / "unregistered.pem"
    pair.write_bytes(make_self_signed(GAMMA.name))
    pair.chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context
