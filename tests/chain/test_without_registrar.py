"""A registrar that is gone for good: gateways go on by what it said last."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from countersign.registrar.operations.secondary_details import Details
from countersign.storage.database.replication import SecondaryKind
from tests.chain.chain import Chain
from tests.gateway.test_replica import Receiver
from tests.gateway.world import World
from tests.registrar.operations import treasury

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_gateway_admits_and_refuses_as_before_even_when_it_starts_again(
    running: Chain, world: World
) -> None:
    registrar = running.registrar
    good, bad = [await world.gateway(f"{name}.example") for name in ("alpha", "gamma")]
    keys = [
        await asyncio.to_thread(treasury.make_active, registrar.office, hostname=one.name)
        for one in (good, bad)
    ]
    await asyncio.to_thread(registrar.suspend, keys[1])
    key = registrar.add("gateway", Details(kind=SecondaryKind.REPLICA))
    # Of the registrar itself: anything that has an endpoint will do.
    beta = Receiver(world, registrar)  # type: ignore[arg-type]
    (beta.directory / "replica.key").write_text(key.to_text())
    await beta.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(beta.stop)
        await beta.until_answer(good, 250)
        await beta.until_answer(bad, 554)
        await asyncio.to_thread(registrar.kill)
        assert (await beta.claim(good)).code == 250
        answer = await beta.claim(bad)
        assert (answer.code, "suspended" in answer.text) == (554, True)
        await beta.stop()
        await beta.start()
        assert (await beta.claim(good)).code == 250
        assert (await beta.claim(bad)).code == 554
