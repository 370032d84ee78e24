"""Real gateways in the test's own process: real sockets, DNS, tables, registry file, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from countersign.demo.dns_server import DnsServer
from countersign.demo.servers import Deliver, OnSessionId, OrdinaryServer, hand_over, listen
from countersign.gateway.config import Config
from countersign.gateway.metrics import Metrics
from countersign.gateway.parts import Parts, open_parts
from countersign.gateway.receiving.service import ReceivingService
from countersign.gateway.sending.service import SendingService
from countersign.protocol.reply import Reply
from countersign.transport.certificate import make_self_signed
from countersign.transport.conversation import Conversation, connect

_addresses = itertools.count(1)


def fresh_address() -> str:
    """Return a loopback address that no other host of this test process has."""
    number = next(_addresses)
    return f"127.60.{number // 250}.{number % 250 + 1}"


def free_port() -> int:
    """Return a port that nobody uses on any address, and that no client is given by chance."""
    # Below the ephemeral range: a connection from one of our addresses could take the port.
    for port in random.sample(range(10240, 32000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise RuntimeError("no free port")


class World:
    """DNS, a registry file, and hosts that share one port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.dns = DnsServer("127.0.0.1", 0)
        self.registered: list[str] = []
        self.gateways: list[Gateway] = []
        self.servers: list[tuple[OrdinaryServer, asyncio.Server]] = []

    async def start(self) -> None:
        await self.dns.start()
        self.write_registry()

    async def stop(self) -> None:
        for gateway in self.gateways:
            await gateway.stop()
        for service, server in self.servers:
            server.close()
            await service.drain(1)
        await self.dns.stop()

    def write_registry(self, extra: str = "") -> None:
        entries = [f'[[server]]\nhostname = "{name}"\n' for name in self.registered]
        path = self.directory / "registry.toml"
        temporary = path.with_suffix(".new")
        temporary.write_text(("\n".join(entries) or "server = []\n") + extra)
        temporary.rename(path)

    async def gateway(
        self, domain: str, *, registered: bool = True, **changes: dict[str, Any]
    ) -> Gateway:
        """Start a gateway ``mail.<domain>`` with a Maildir backend and one user, ``user``."""
        gateway = Gateway(self, domain, fresh_address(), changes)
        if registered:
            self.registered.append(gateway.name)
            self.write_registry()
        self.dns.set(gateway.name, "A", gateway.address)
        self.dns.set(domain, "MX", f"10 {gateway.name}.")
        await gateway.start()
        self.gateways.append(gateway)
        return gateway

    async def ordinary(
        self,
        domain: str,
        deliver: Deliver,
        *,
        tls: bool = True,
        on_session_id: OnSessionId | None = None,
    ) -> OrdinaryServer:
        """Start a mail server ``mail.<domain>`` that knows nothing of the registry."""
        address = fresh_address()
        context = None
        if tls:
            pair = self.directory / f"{domain}.pem"
            pair.write_bytes(make_self_signed(f"mail.{domain}"))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair)
        server = OrdinaryServer(
            f"mail.{domain}", Metrics(), deliver, tls=context, on_session_id=on_session_id
        )
        self.servers.append((server, await listen(server, address, self.port)))
        self.dns.set(f"mail.{domain}", "A", address)
        self.dns.set(domain, "MX", f"10 mail.{domain}.")
        return server


class Gateway:
    def __init__(
        self, world: World, domain: str, address: str, changes: dict[str, dict[str, Any]]
    ) -> None:
        self.world = world
        self.domain = domain
        self.name = f"mail.{domain}"
        self.address = address
        self.maildir = world.directory / domain / "user" / "Maildir"
        self.maildir.parent.mkdir(parents=True)
        self.config = Config.model_validate(self._settings(changes))
        self.parts: Parts
        self.receiving: ReceivingService
        self._server: asyncio.Server

    def _settings(self, changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
        world = self.world
        settings: dict[str, Any] = {
            "hostname": self.name,
            "state_directory": world.directory / f"state-{self.domain}",
            "receiving": {
                "listen": [f"{self.address}:{world.port}"],
                "backend": {
                    "kind": "maildir",
                    "maildir": f"{world.directory}/{{domain}}/{{local_part}}/Maildir",
                    "domains": [self.domain],
                },
            },
            "verification": {
                "callback_port": world.port,
                "callback_networks": ["127.0.0.0/8", "::1/128"],
                "callback_timeout": 5,
            },
            "sending": {"port": world.port, "source_addresses": [self.address]},
            "registry": {"kind": "file", "path": world.directory / "registry.toml"},
            "dns": {"nameservers": [world.dns.endpoint], "timeout": 1, "lifetime": 2},
        }
        for section, values in changes.items():
            settings[section] = settings.get(section, {}) | values
        return settings

    async def start(self) -> None:
        self.parts = open_parts(self.config)
        self.receiving = ReceivingService(self.parts)
        await self.receiving.start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self.receiving.protocol, self.address, self.world.port
        )
        self.sending = SendingService(self.parts)
        await self.sending.start()
        self._lmtp = await loop.create_server(self.sending.protocol, self.address, 0)
        self.lmtp_port = int(self._lmtp.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        self._lmtp.close()
        await self.sending.drain(2)
        await self.receiving.drain(2)
        await self.parts.close()

    async def send(self, content: bytes, *recipients: str, sender: str = "") -> list[Reply]:
        """Hand a message over as the MTA does; a reply for each recipient."""
        return await hand_over(
            self.address,
            self.lmtp_port,
            f"<{sender or 'user@' + self.domain}>",
            [f"<{recipient}>" for recipient in recipients],
            content,
        )

    def messages(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.maildir / "new").glob("*"))]


def client_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def client_of(
    gateway: Gateway, *, source: str | None = None, hello: str = "client.example", tls: bool = True
) -> AsyncIterator[Conversation]:
    """A client after EHLO, inside TLS unless told otherwise."""
    conversation = await connect(
        gateway.address,
        gateway.world.port,
        local_address=source,
        timeout=5,
        reply_timeout=20,
    )
    try:
        greeting = await conversation.greeting()
        assert greeting.code == 220, greeting
        await conversation.hello(hello)
        if tls:
            await conversation.start_tls(client_tls(), None)
            await conversation.hello(hello)
        yield conversation
    finally:
        conversation.stream.abort()
