"""A replica of real Knot DNS: of a primary, of a chain, and of one that signs on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.registry.transfer.keys import TsigKey
from countersign.registry.zone.digest import SIMPLE, SUM
from countersign.registry.zone.names import APEX, host_key
from countersign.registry.zone.records import RRSIG, kind_of, split_node
from tests.gateway.world import free_port
from tests.peers.dns_peer import Peer, skip_without
from tests.peers.knot import Knot
from tests.registry.replica.running import KEY, configured, replica
from tests.registry.replica.zones import NAME, Zone

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def _knot() -> None:
    skip_without("knotd")


@pytest.fixture
def zone() -> Zone:
    return Zone(hosts=50)


@pytest.fixture
def knot(zone: Zone) -> Iterator[Knot]:
    with Knot(NAME, transfer_keys=[KEY], zone_text=zone.text()) as started:
        yield started


async def publish(knot: Knot, zone: Zone) -> None:
    await asyncio.to_thread(knot.replace_zone, zone.text())


async def test_it_follows_a_real_primary_by_changes(knot: Knot, zone: Zone, tmp_path: Path) -> None:
    async with replica(configured(tmp_path, [knot.listen])) as kept:
        await kept.until_equal(zone)
        for number in range(10):
            zone.suspend(f"mail{number}.example.org")
            await publish(knot, zone)
            await kept.until_equal(zone)
        assert kept.metric("transfers_total", kind="axfr", outcome="taken") == 1
        assert kept.metric("transfers_total", kind="ixfr", outcome="taken") >= 9


async def test_notify_of_a_real_primary_is_taken_at_once(zone: Zone, tmp_path: Path) -> None:
    hear = f"127.0.0.1:{free_port()}"
    with Knot(NAME, transfer_keys=[KEY], notify=[Peer(hear, KEY)], zone_text=zone.text()) as knot:
        config = configured(tmp_path, [knot.listen], poll_seconds=60)
        async with replica(config) as kept:
            await kept.listener.start([hear])
            await kept.until_equal(zone)
            zone.register("new.example.net")
            started = time.monotonic()
            await publish(knot, zone)
            await kept.until_equal(zone)
            # Not by its own next question.
            assert time.monotonic() - started < 30
            assert kept.metric("notifies_total", outcome="taken") >= 1


async def test_a_real_primary_refuses_a_wrong_key(knot: Knot, zone: Zone, tmp_path: Path) -> None:
    wrong = TsigKey.generate(KEY.name)
    async with replica(configured(tmp_path, [knot.listen]), wrong) as kept:
        await kept.until_error("not proven")
        assert kept.meta() is None


async def test_what_somebody_changed_on_the_way_is_refused(
    knot: Knot, zone: Zone, tmp_path: Path
) -> None:
    """The transfer is proven to be Knot's; the digest tells that it is not the registrar's."""
    async with replica(configured(tmp_path, [knot.listen])) as kept:
        await kept.until_equal(zone)
        text = zone.text().replace(f" {zone.serial} ", f" {zone.serial + 1} ")
        await asyncio.to_thread(
            knot.replace_zone, text + f"spammer.example.{NAME}. 300 IN A 127.0.0.2\n"
        )
        await kept.until_error("is not what its digest")
        assert kept.nodes() == zone.nodes


async def test_a_primary_that_dies_and_returns_is_followed_again(
    knot: Knot, zone: Zone, tmp_path: Path
) -> None:
    async with replica(configured(tmp_path, [knot.listen])) as kept:
        await kept.until_equal(zone)
        knot.kill()
        await kept.until_error("be reached")
        assert kept.nodes() == zone.nodes
        zone.register("new.example.net")
        knot.zone_file.write_text(zone.text())
        await asyncio.to_thread(knot.start)
        await kept.until_equal(zone)


async def test_a_chain_is_followed_and_tells_its_age(
    knot: Knot, zone: Zone, tmp_path: Path
) -> None:
    with Knot(NAME, primaries=[Peer(knot.listen, KEY)], transfer_keys=[KEY]) as middle:
        await middle.wait_for_serial(zone.serial)
        async with replica(configured(tmp_path, [middle.listen])) as kept:
            await kept.until_equal(zone)
            knot.kill()
            # Knot counts its copy's time down, and says so (RFC 7314).
            await kept.until(lambda: kept.metric("age_seconds") > 2)
            assert not kept.state().error


async def test_a_primary_that_signs_on_the_way_is_followed_by_the_digest_that_it_makes(
    knot: Knot, zone: Zone, tmp_path: Path
) -> None:
    with Knot(NAME, primaries=[Peer(knot.listen, KEY)], transfer_keys=[KEY], sign=True) as signer:
        await signer.wait_for_serial(zone.serial)
        async with replica(configured(tmp_path, [signer.listen])) as kept:
            await kept.until(lambda: kept.meta() is not None)
            assert any(kind_of(one) == RRSIG for one in split_node(kept.nodes()[APEX]))
            key = host_key("new.example.net")
            zone.register("new.example.net")
            await publish(knot, zone)
            await asyncio.to_thread(signer.control, "zone-refresh", NAME)
            await kept.until(lambda: key in kept.nodes())
            # Knot cannot apply changes to a digest that it has made anew, and sends the whole.
            assert kept.metric("transfers_total", kind="axfr", outcome="taken") >= 2


@pytest.mark.parametrize("digests", [(SUM,), (SIMPLE,)])
async def test_each_digest_passes_through_a_real_server(
    tmp_path: Path, digests: tuple[int, ...]
) -> None:
    zone = Zone(digests=digests)
    with Knot(NAME, transfer_keys=[KEY], zone_text=zone.text()) as knot:
        async with replica(configured(tmp_path, [knot.listen])) as kept:
            await kept.until_equal(zone)
