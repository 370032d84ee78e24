"""Knot, NSD and BIND as secondaries of this primary, and what it learns of them."""

from __future__ import annotations

import asyncio

import pytest

from countersign.registrar.operations.office import Office
from tests.gateway.world import free_port
from tests.peers.bind import Bind
from tests.peers.dns_peer import DnsPeer, Peer, skip_without
from tests.peers.dns_questions import records
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.registrar.primary.running import (
    add_secondary,
    eventually,
    real,
    records_of,
    running,
    state_of,
)

pytestmark = [
    pytest.mark.peer,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.mark.parametrize("kind", [Knot, Nsd, Bind])
async def test_a_real_secondary_follows_and_is_known(office: Office, kind: type[DnsPeer]) -> None:
    skip_without(kind.program)
    listen = f"127.0.0.1:{free_port()}"
    office = real(office, check_seconds=1)
    zone = office.config.zone
    async with running(office) as primary:
        made, key = await asyncio.to_thread(add_secondary, office, "ns1", (listen,), listen)
        known = primary.primary._register.known
        await eventually(lambda: known().key(key.name) is not None, 2)
        peers = [Peer(primary.endpoint, key)]
        server = kind(zone, primaries=peers, listen=listen, transfer_keys=[key])
        await asyncio.to_thread(server.start)
        try:
            await server.wait_for_serial(primary.serial)
            for number in range(5):
                serial = await asyncio.to_thread(primary.register, f"mx{number}.example.org")
                await server.wait_for_serial(serial)
            serial = await asyncio.to_thread(primary.suspend, "mx3.example.org")
            await server.wait_for_serial(serial)

            def is_well() -> bool:
                state = state_of(office, made)
                return (
                    state is not None
                    and (state.serial, state.notified_serial) == (serial, serial)
                    and (state.transfer, state.error) == ("ixfr", "")
                    and state.behind_since is None
                )

            await eventually(is_well)
            theirs = await asyncio.to_thread(server.transfer, key)
            ours = await primary.transfer(key)
            assert records_of(ours)
            assert records(theirs) == records(ours)
        finally:
            await asyncio.to_thread(server.__exit__)
