"""All that the demo runs: started in order, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from countersign.demo.cast import Cast
from countersign.demo.probes import FOREIGN_DOMAIN, MAILBOX_ADDRESS, MAILBOX_HOST, DemoProbes
from countersign.demo.registrar import DemoRegistrar
from countersign.demo.users import DemoUsers
from countersign.demo.world import ALPHA, BETA, REGISTRAR_URL, SMTP_PORT, DemoError, World
from countersign.gateway.once import create_once
from countersign.registry.lookup import Standing


class Stage:
    """The world, its registrar, and everybody in it."""

    def __init__(self, directory: Path) -> None:
        self.registrar = DemoRegistrar(directory, SMTP_PORT)
        self.world = World(directory)
        self.cast = Cast(self.world)
        self.users = DemoUsers(self.world)
        self.probes = DemoProbes(directory, REGISTRAR_URL)

    async def start(self, tell: Callable[[str], None]) -> None:
        """Start all, and have both servers certified. tell: called with what is done now.

        Raises :class:`DemoError`.
        """
        tell("Starting DNS and the registrar …")
        await self._start_registrar()
        tell("Starting probes in four networks …")
        await self.probes.start(await asyncio.to_thread(self.registrar.invite_probes))
        tell("Starting two gateways and their neighbours …")
        await self._start_gateways()
        for host in (ALPHA, BETA):
            tell(f"The registrar certifies {host.name}: papers, tests, bond …")
            await self.registrar.certify(host, self.world.dns)
            await self.world.wait_until_all_know(host, Standing.REGISTERED)
        tell(f"{ALPHA.name} publishes its keys and registers a privileged user …")
        token = await asyncio.to_thread(self.registrar.make_token, ALPHA)
        create_once(self.world.token_file, token.encode())
        await self.users.begin()

    async def stop(self) -> None:
        """Stop what was started."""
        await self.cast.stop()
        await self.probes.stop()
        await self.world.stop()
        await self.registrar.stop()

    async def _start_registrar(self) -> None:
        await self.world.start_dns()
        self.world.dns.set(FOREIGN_DOMAIN, "MX", f"10 {MAILBOX_HOST}.", ttl=5)
        self.world.dns.set(MAILBOX_HOST, "A", MAILBOX_ADDRESS, ttl=5)
        await self.registrar.start()
        for host in (ALPHA, BETA):
            await asyncio.to_thread(self.registrar.add_replica, self.world, host)

    async def _start_gateways(self) -> None:
        self.world.write_files()
        await self.users.add()
        await self.world.start_gateways()
        try:
            await self.cast.start()
        except OSError as error:
            raise DemoError(f"a port of the demo is in use: {error}") from None
