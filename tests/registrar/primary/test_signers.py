"""Secondaries that sign the zone on the way: Knot and BIND follow by differences all the same."""

from __future__ import annotations

import asyncio

import dns.rdatatype
import pytest

from countersign.registrar.operations import secondaries
from countersign.registrar.operations.office import SYSTEM, Office
from countersign.registrar.operations.secondary_details import Details
from countersign.registry.transfer.keys import TsigKey
from countersign.storage.database.replication import SecondaryKind
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer, Peer, skip_without
from tests.peers.knot import Knot
from tests.registrar.primary.running import (
    Running,
    eventually,
    real,
    records_of,
    running,
    state_of,
)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def add_signer(office: Office, listen: str) -> tuple[int, TsigKey]:
    with office.work() as work:
        details = Details(SecondaryKind.SIGNER, notify=(listen,), ask=listen)
        secondary, key = secondaries.add(work, SYSTEM, "signer", details)
        return secondary.id, key


async def known_signer(primary: Running, listen: str) -> tuple[int, TsigKey]:
    made, key = await asyncio.to_thread(add_signer, primary.office, listen)
    known = primary.primary._register.known
    await eventually(lambda: known().key(key.name) is not None, 5)
    return made, key


async def test_a_signer_gets_the_zone_without_our_digest_whole_and_by_changes(
    office: Office,
) -> None:
    async with running(real(office)) as primary:
        _, key = await known_signer(primary, "127.0.0.1:9")
        zone = await primary.transfer(key)
        assert zone.get_rdataset(primary.zone, "ZONEMD") is None
        await primary.register_and_serve("mx.example.org")
        await primary.transfer(key, zone, kind="IXFR")
        assert zone.get_rdataset(primary.zone, "ZONEMD") is None
        assert records_of(zone) == records_of(await primary.transfer(key))
        assert any(name.startswith("mx.example.org.") for name, *_ in records_of(zone))


@pytest.mark.peer
@pytest.mark.parametrize("kind", [Knot, Bind])
async def test_a_real_signer_follows_by_changes_and_is_known_to_be_up_to_date(
    office: Office, kind: type[DnsPeer]
) -> None:
    skip_without(kind.program)
    listen = f"127.0.0.1:{free_port()}"
    office = real(office, check_seconds=1)
    async with running(office) as primary:
        made, key = await known_signer(primary, listen)
        server = kind(
            office.config.zone,
            primaries=[Peer(primary.endpoint, key)],
            listen=listen,
            transfer_keys=[key],
            sign=True,
        )
        await asyncio.to_thread(server.start)
        try:
            for number in range(4):
                name = f"mx{number}.example.org"
                serial = await primary.register_and_serve(name)
                await eventually(lambda name=name: is_listed(server, name, office), 30)  # type: ignore[misc]

            def is_well() -> bool:
                state = state_of(office, made)
                return (
                    state is not None
                    and (state.serial, state.transfer, state.error) == (serial, "ixfr", "")
                    and state.behind_since is None
                )

            await eventually(is_well, 30)
            theirs = await asyncio.to_thread(server.transfer, key)
            assert theirs.get_rdataset(theirs.origin, dns.rdatatype.DNSKEY) is not None
            if kind is Knot:
                theirs.verify_digest()
        finally:
            await asyncio.to_thread(server.__exit__)


def is_listed(server: DnsPeer, hostname: str, office: Office) -> bool:
    answer = server.ask(f"{hostname}.{office.config.zone}").answer
    return bool(answer) and answer[0][0].address == "127.0.0.2"
