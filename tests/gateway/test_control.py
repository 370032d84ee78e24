"""A gateway announces the token that proves control of its host, inside TLS only."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from countersign.gateway.config import Receiving
from tests.gateway.world import World, client_of

TOKEN = "a2b3c4d5e6f7ghijklmnopqrstuvwxyz"


async def test_the_token_is_announced_inside_tls_and_never_in_clear(world: World) -> None:
    alpha = await world.gateway("alpha.example", receiving={"control_token": TOKEN})
    async with client_of(alpha, tls=False) as client:
        assert "XCONTROL" not in client.extensions
        assert TOKEN not in str(client.extensions)
    async with client_of(alpha) as client:
        assert client.extensions["XCONTROL"] == TOKEN


async def test_a_gateway_without_a_token_announces_none(world: World) -> None:
    beta = await world.gateway("beta.example")
    async with client_of(beta) as client:
        assert "XCONTROL" not in client.extensions


@pytest.mark.parametrize(
    "token", ["x", TOKEN.upper(), TOKEN + "a", TOKEN[:-1] + "\r", TOKEN + "\n"]
)
def test_what_is_no_token_is_refused_in_the_configuration(token: str) -> None:
    with pytest.raises(ValidationError, match="control_token"):
        Receiving(control_token=token)
