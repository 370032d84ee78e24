"""Two hosts under one name share their tables on a real Valkey or Redis (DESIGN §3)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.gateway.test_verification import claim, open_id
from tests.gateway.world import Gateway, World, fresh_address
from tests.storage.test_tables import valkey_url  # noqa: F401 - a fixture


async def test_any_host_of_a_farm_answers_for_all(
    world: World,
    valkey_url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    secret = tmp_path / "farm-secret"
    secret.write_bytes(os.urandom(48))
    storage = {"storage": {"url": valkey_url, "secret_file": secret}}
    first = await world.gateway("farm.example", **storage)
    second = Gateway(world, "second.example", fresh_address(), storage)
    second.config = second.config.model_copy(update={"hostname": first.name})
    await second.start()
    world.gateways.append(second)
    beta = await world.gateway("beta.example")
    # The name leads to the second host; the session is open on the first.
    world.dns.set(first.name, "A", second.address)
    session_id = await open_id(first, beta.address)
    assert (await claim(beta, first.name, session_id, first.address)).code == 250
    assert (await claim(beta, first.name, session_id, first.address)).code == 451


async def test_a_store_out_of_reach_defers_and_blocks_nobody(world: World) -> None:
    beta = await world.gateway("beta.example", storage={"url": "redis://127.0.0.1:1/0"})
    answer = await claim(beta, "mail.unknown.example", "x" * 128)
    assert (answer.code, answer.enhanced) == (451, "4.7.1")
