"""All parts of a certification as processes: a registrar, probes in four ranges, a gateway."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import httpx
from sqlalchemy import select

from countersign.demo.dns_server import DnsServer
from countersign.demo.probes import PLACES, Place
from countersign.protocol.control import control_name, control_text
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import open_office
from countersign.registrar.operations import (
    api_tokens,
    certifications,
    control,
    probes,
    screenings,
    sessions,
)
from countersign.registrar.operations.office import SYSTEM, Actor, Office
from countersign.rules.access import Scope
from countersign.rules.life_cycle import State
from countersign.rules.roles import Role
from countersign.rules.screening import Verdict as Decision
from countersign.settings.file import load_config
from countersign.storage.database.accounts import Account
from countersign.storage.database.probing import ProbeOrder
from countersign.storage.database.servers import Server, ServerEvent, TestRun
from tests.certification.whole import files
from tests.certification.whole.files import ANYWHERE, FOREIGN
from tests.gateway.world import free_port
from tests.probe.world import Program
from tests.registrar.operations import life

SECONDS = 250.0
"""In which anything must have happened, on however busy a machine."""


@dataclass
class Town:
    """What runs; hosts are added to it."""

    directory: Path
    order_minutes: int
    dns: DnsServer = field(default_factory=lambda: DnsServer(ANYWHERE, 0))
    smtp_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    mailbox_port: int = field(default_factory=free_port)
    probes: dict[str, Program] = field(default_factory=dict)
    _programs: list[Program] = field(default_factory=list)
    _keys: dict[int, str] = field(default_factory=dict)

    # -- setting it up -------------------------------------------------------------------------

    async def start(self) -> None:
        """Start DNS, registrar and probes."""
        await self.dns.start()
        self.dns.set(FOREIGN, "MX", f"10 mx.{FOREIGN}.")
        self.dns.set(f"mx.{FOREIGN}", "A", ANYWHERE)
        file = files.registrar(self)
        self.office: Office = open_office(load_config(file, RegistrarConfig))
        self.service = await self._run("registrar", "--config", str(file))
        await self.service.says("registrar serves")
        await self.service.says("mailbox runs beside the service")
        await asyncio.gather(*(self._start_probe(place) for place in PLACES))

    async def stop(self) -> None:
        for program in reversed(self._programs):
            if program.process.returncode is None:
                await program.end()
        self.office.database.close()
        await self.dns.stop()

    async def gateway(self, domain: str, address: str) -> str:
        """Run a gateway which takes mail for its own domain; return its host name."""
        host = f"mail.{domain}"
        file = files.gateway(self, domain, address)
        (self.directory / "mail" / domain).mkdir(parents=True)
        self.publish(host, address)
        await self._run("gateway", "--config", str(file))
        await self.until(lambda: _greets(address, self.smtp_port), f"{host} greets")
        return host

    def publish(self, host: str, address: str) -> None:
        """Give a host an address; it is the MX of its domain."""
        self.dns.set(host, "A", address)
        self.dns.set(host.partition(".")[2], "MX", f"10 {host}.")

    async def screened(self, host: str) -> int:
        """Bring an applicant to the state in which his server is tested; return its key.

        His proof of control is in the DNS: the registrar's own job finds it.
        """
        key = await asyncio.to_thread(life.make_compared, self.office, hostname=host)
        with self.office.work() as work:
            token = control.token_of(work, work.session.get_one(Server, key))
        self.dns.set(control_name(host), "TXT", f'"{control_text(token)}"')
        screener = life.staff(self.office, Role.SCREENER)
        with self.office.work() as work:
            server = work.session.get_one(Server, key)
            screenings.decide(
                work,
                screener,
                server,
                Decision.CLEAN,
                reason="The papers show who it is.",
                seen_version=server.version,
            )
            assert server.state is State.SCREENED
            assert server.control_proven_at is None
        return key

    # -- what happens --------------------------------------------------------------------------

    def order(self, key: int) -> int:
        """Order a test of a server; return the key of the run."""
        with self.office.work() as work:
            server = work.session.get_one(Server, key)
            return certifications.order_test(work, server, "schedule").id

    async def ended(self, key: int, run: int = 0) -> TestRun:
        """Wait until a run of a server has ended: the last one, if none is given."""
        await self.until(
            lambda: bool((one := self.run(key, run)) and one.ended_at), f"a run of {key} has ended"
        )
        found = self.run(key, run)
        assert found is not None
        return found

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something is so. Other processes do it, and tell nobody here."""
        try:
            async with asyncio.timeout(SECONDS):
                while not await asyncio.to_thread(holds):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {SECONDS} s: {what}\n{self.logs()}") from None

    def logs(self) -> str:
        return "\n".join(f"{one.log[-5000:]}" for one in self._programs)

    # -- what there is -------------------------------------------------------------------------

    def server(self, key: int) -> Server:
        with self.office.reading() as work:
            return work.session.get_one(Server, key)

    def run(self, key: int, run: int = 0) -> TestRun | None:
        with self.office.reading() as work:
            if run:
                return work.session.get(TestRun, run)
            query = select(TestRun).where(TestRun.server_id == key).order_by(TestRun.id.desc())
            return work.session.scalars(query.limit(1)).first()

    def orders(self, run: int) -> list[ProbeOrder]:
        with self.office.reading() as work:
            query = select(ProbeOrder).where(ProbeOrder.run_id == run)
            return list(work.session.scalars(query.order_by(ProbeOrder.label)))

    def events(self, key: int) -> list[ServerEvent]:
        with self.office.reading() as work:
            query = select(ServerEvent).where(ServerEvent.server_id == key)
            return list(work.session.scalars(query.order_by(ServerEvent.id)))

    def letters_to_owner(self) -> Iterator[str]:
        """The texts of the letters that the service has written to the servers' owner."""
        for file in sorted((self.directory / "registrar" / "mail" / "new").glob("*")):
            letter = message_from_bytes(file.read_bytes(), policy=default)
            body = letter.get_body(("plain",))
            if life.OWNER_EMAIL in letter["To"] and body is not None:
                yield f"{letter['Subject']}\n{body.get_content()}"

    def probe_of(self, order: ProbeOrder) -> Program:
        """The process that has an order."""
        return self.probes[self._keys[order.probe_id]]

    def owner(self, key: int) -> httpx.AsyncClient:
        """A browser in which the owner of a server has signed in."""
        with self.office.work() as work:
            account = work.session.get_one(Account, work.session.get_one(Server, key).owner_id)
            cookie = sessions.begin(work, account, factor="", device="Test")
        return httpx.AsyncClient(base_url=self.url, headers={"Cookie": f"session={cookie}"})

    def program(self, key: int) -> httpx.AsyncClient:
        """A program of the owner's, with a token for the API."""
        owner = Actor(Role.OWNER, self.server(key).owner_id)
        with self.office.work() as work:
            token = api_tokens.create(
                work, owner, "Program", [Scope.READ_SERVERS], server_id=key, days=1
            )
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=headers)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web_port}"

    # -- programs ------------------------------------------------------------------------------

    async def _run(self, *arguments: str) -> Program:
        program = Program(*arguments)
        self._programs.append(program)
        await program.start()
        return program

    async def _start_probe(self, place: Place) -> None:
        with self.office.work() as work:
            probe, token = probes.invite(
                work, SYSTEM, name=place.name, network=place.network, place=place.name.title()
            )
            self._keys[probe.id] = place.name
        file = files.probe(self, place)
        where = ("--registrar", self.url, "--network", place.network, "--token", token)
        enrolling = await self._run("probe", "enrol", "--config", str(file), *where)
        assert await enrolling.process.wait() == 0, enrolling.log
        self.probes[place.name] = await self._run("probe", "--config", str(file))


@asynccontextmanager
async def running(directory: Path, *, order_minutes: int) -> AsyncIterator[Town]:
    """Run a registrar and four probes. order_minutes: that a test may take."""
    town = Town(directory, order_minutes)
    try:
        await town.start()
        yield town
    finally:
        await town.stop()


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), 5) as client:
            return client.recv(3) == b"220"
    except OSError:
        return False
