"""kill -9 of a replica at any point: the copy is whole, old or new, and the next one goes on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from pathlib import Path

import pytest

from countersign.registry.replica.whole_check import check_whole
from tests.registry.replica.primary import Primary
from tests.registry.replica.running import ReplicaProcess, meta_in, nodes_in, primary
from tests.registry.replica.zones import Nodes, Zone

KILLS = 32


class Changing:
    """A zone that changes all the while, and remembers what it was at each serial."""

    def __init__(self, source: Primary, chance: random.Random) -> None:
        self.source = source
        self.chance = chance
        self.versions: dict[int, Nodes] = {source.zone.serial: dict(source.zone.nodes)}
        self.whole = 0

    async def run(self) -> None:
        zone, chance = self.source.zone, self.chance
        while True:
            await asyncio.sleep(chance.uniform(0, 0.1))
            host = f"mail{chance.randrange(1500)}.example.org"
            change = chance.choice((zone.register, zone.suspend, zone.suspend))
            change(host)
            self.versions[zone.serial] = dict(zone.nodes)
            if chance.random() < 0.1:
                # The next transfer has to be whole.
                zone.steps.clear()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_copy_is_whole_after_kills_at_any_point_of_transfers(tmp_path: Path) -> None:
    chance = random.Random(7)
    zone = Zone(hosts=1500, digests=(240,))
    async with primary(zone) as source:
        source.pause = 0.03
        changing = Changing(source, chance)
        changes = asyncio.create_task(changing.run())
        kept = ReplicaProcess(tmp_path, [source.endpoint])
        directory = kept.config.directory
        serials, during = set(), 0
        for _ in range(KILLS):
            begun = len(source.transfers)
            await kept.start()
            async with asyncio.timeout(30):
                while len(source.transfers) == begun:
                    assert kept.process.returncode is None, kept.log_file.read_text()
                    await asyncio.sleep(0.002)
            await asyncio.sleep(chance.uniform(0, 0.4))
            during += source.serving > 0
            assert await kept.stop(signal.SIGKILL) == -signal.SIGKILL
            meta = await asyncio.to_thread(meta_in, directory)
            if meta is not None:
                nodes = await asyncio.to_thread(nodes_in, directory)
                assert nodes == changing.versions[meta.serial]
                await asyncio.to_thread(check_whole, directory, lambda _: None)
                serials.add(meta.serial)
        changes.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await changes
        assert during > KILLS / 4, "most of the time nothing was being transferred"
        assert len(serials) > 1
        assert {"axfr", "ixfr"} <= set(source.transfers)
        await kept.start()
        async with asyncio.timeout(30):
            while (meta := meta_in(directory)) is None or meta.serial != zone.serial:
                await asyncio.sleep(0.01)
        assert nodes_in(directory) == zone.nodes
        assert await kept.stop() == 0
