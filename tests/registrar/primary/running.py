"""A primary that runs in the test's own event loop, and what foreign clients see of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import dns.asyncquery
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.xfr
import dns.zone
from sqlalchemy import insert

from countersign.registrar.config import Primary as PrimarySettings
from countersign.registrar.config import RegistrarConfig
from countersign.registrar.operations import secondaries, secondary_keys
from countersign.registrar.operations.office import SYSTEM, Office, utc_now
from countersign.registrar.operations.secondary_details import Details
from countersign.registrar.primary.line import split_endpoint
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.process import Primary
from countersign.registrar.primary.serving import Sockets
from countersign.registrar.publishing.copies import open_zone_copy
from countersign.registrar.publishing.publisher import ensure_published, publish
from countersign.registry.transfer.keys import TsigKey
from countersign.rules.life_cycle import State
from countersign.storage.database.replication import SecondaryState
from countersign.storage.database.servers import ApplicantKind, Server
from tests.registrar.operations import life
from tests.registrar.publishing.making import SINCE, add_server, change

SECONDS = 30.0
"""How long something may take that takes a moment."""


def real(office: Office, **settings: Any) -> Office:
    """Return an office in real time, with settings of the primary's."""
    primary = PrimarySettings(**{"listen": ("127.0.0.1:0",), **settings})
    config: RegistrarConfig = office.config.model_copy(update={"primary": primary})
    return replace(office, config=config, clock=utc_now)


def add_secondary(
    office: Office, name: str, notify: tuple[str, ...] = (), ask: str = "", contact: str = ""
) -> tuple[int, TsigKey]:
    """Add a secondary; return its id and key."""
    with office.work() as work:
        details = Details(notify=notify, ask=ask, contact=contact)
        secondary, key = secondaries.add(work, SYSTEM, name, details)
        return secondary.id, key


def fill(office: Office, names: int) -> None:
    """Register many servers at once; the next publication takes the zone anew."""
    owner = life.make_account(office, life.OWNER_EMAIL)
    with office.work() as work:
        work.session.execute(
            insert(Server),
            [
                {
                    "hostname": f"host{number}.example.org",
                    "state": State.ACTIVE,
                    "state_since": SINCE,
                    "owner_id": owner,
                    "kind": ApplicantKind.INDIVIDUAL,
                    "created_at": SINCE,
                    "version": 1,
                }
                for number in range(names)
            ],
        )
        work.order("publish", {"whole": True})


def rotate(office: Office, secondary_id: int) -> TsigKey:
    """Give a secondary another key."""
    with office.work() as work:
        return secondary_keys.rotate(work, SYSTEM, secondary_id)


def state_of(office: Office, secondary_id: int) -> SecondaryState | None:
    """Return what is stored of a secondary."""
    with office.reading() as work:
        return work.session.get(SecondaryState, secondary_id)


async def eventually(check: Any, seconds: float = SECONDS) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(check):
            await asyncio.sleep(0.02)


class Running:
    """A primary, its office, and the zone's names."""

    def __init__(self, office: Office, primary: Primary, sockets: Sockets) -> None:
        self.office = office
        self.primary = primary
        self.sockets = sockets
        self.zone = dns.name.from_text(office.config.zone)
        self.metrics = PrimaryMetrics()
        self._numbers = itertools.count(1)
        self._servers: dict[str, int] = {}

    @property
    def endpoint(self) -> str:
        return self.sockets.addresses[0]

    @property
    def address(self) -> str:
        return split_endpoint(self.endpoint)[0]

    @property
    def port(self) -> int:
        return split_endpoint(self.endpoint)[1]

    @property
    def serial(self) -> int:
        current = self.primary._zone.current
        assert current is not None
        return current.serial

    def register(self, *hostnames: str) -> int:
        """Register servers, publish them as one version, and return its serial."""
        for hostname in hostnames or (f"mx{next(self._numbers)}.example.org",):
            server = add_server(self.office, hostname, State.ACTIVE, "", "192.0.2.7")
            self._servers[hostname] = server
            change(self.office, server, public_reason="")
        return publish(self.office)[-1]

    def suspend(self, hostname: str) -> int:
        """Suspend a server; return the serial of the version that says so."""
        server = self._servers[hostname]
        change(self.office, server, state=State.SUSPENDED, public_reason="It sent spam.")
        return publish(self.office)[-1]

    async def register_and_serve(self, *hostnames: str) -> int:
        """Register servers, and wait until the primary serves them."""
        serial = await asyncio.to_thread(self.register, *hostnames)
        await self.serves(serial)
        return serial

    async def serves(self, serial: int) -> None:
        await eventually(lambda: self.serial == serial)

    # -- as a foreign client -----------------------------------------------------------------

    def question(self, kind: str, key: TsigKey | None, **options: Any) -> dns.message.Message:
        """Return a question about the zone."""
        made = dns.message.make_query(self.zone, kind, **options)
        if key is not None:
            made.use_tsig(keyring(key), keyname=dns.name.from_text(key.name))
        return made

    async def ask(
        self, kind: str, key: TsigKey | None, *, tcp: bool = False, **options: Any
    ) -> dns.message.Message:
        """Ask about the zone."""
        question = self.question(kind, key, **options)
        call = dns.query.tcp if tcp else dns.query.udp
        return await asyncio.to_thread(
            call, question, self.address, port=self.port, timeout=SECONDS
        )

    async def transfer(
        self, key: TsigKey | None, into: dns.zone.Zone | None = None, *, kind: str = "AXFR"
    ) -> dns.zone.Zone:
        """Transfer the zone with dnspython: whole, or by IXFR into what there is."""
        zone = into if into is not None else dns.zone.Zone(self.zone, relativize=False)
        options = {} if key is None else {"keyring": keyring(key), "keyname": key.name}
        # By 0 dnspython means what the zone has.
        serial = 0 if kind == "IXFR" else None
        query, _ = dns.xfr.make_query(zone, serial=serial, use_edns=0, **options)
        await dns.asyncquery.inbound_xfr(
            self.address, zone, query, port=self.port, timeout=5, lifetime=SECONDS * 3
        )
        return zone


def keyring(key: TsigKey) -> dict[dns.name.Name, dns.tsig.Key]:
    return {dns.name.from_text(key.name): key.for_dns()}


def records_of(zone: dns.zone.Zone) -> set[tuple[str, int, str, str]]:
    """Return all records, to be compared."""
    return {
        (str(name), ttl, dns.rdatatype.to_text(rdata.rdtype), rdata.to_text())
        for name, ttl, rdata in zone.iterate_rdatas()
    }


def serial_of(zone: dns.zone.Zone) -> int:
    [soa] = zone.find_rdataset(zone.origin, "SOA")
    serial: int = soa.serial
    return serial


@contextlib.asynccontextmanager
async def running(office: Office, *, published: bool = True) -> AsyncIterator[Running]:
    """Run a primary; the office must be in real time."""
    if published:
        await asyncio.to_thread(ensure_published, office)
    sockets, stop, listening = Sockets(), asyncio.Event(), asyncio.Event()
    sockets.bind(office.config.primary.listen)
    with open_zone_copy(office) as copy:
        metrics = PrimaryMetrics()
        primary = Primary(office, copy, sockets, metrics)
        task = asyncio.create_task(primary.run(lambda _: listening.set(), stop))
        waiting = asyncio.create_task(listening.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        made = Running(office, primary, sockets)
        made.metrics = metrics
        try:
            yield made
        finally:
            waiting.cancel()
            stop.set()
            await task
            sockets.close()
