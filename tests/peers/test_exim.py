"""Real Exim: as an unregistered sender, and beside a gateway by what `setup exim` prints."""

from __future__ import annotations

import asyncio

import pytest

from countersign.cli.snippets import exim_snippet
from tests.gateway.world import Gateway, World, free_port
from tests.peers.exim import Exim, skip_without_exim

pytestmark = pytest.mark.peer
CONTENT = b"From: <user@alpha.example>\nSubject: real\n\n.a dot\nend\n"


def printed(gateway: Gateway, heading: str) -> str:
    """A section of what `countersign setup exim` prints, from its heading to the next."""
    sending = gateway.config.sending.model_copy(
        update={"listen": (f"{gateway.address}:{gateway.lmtp_port}",)}
    )
    text = exim_snippet(gateway.config.model_copy(update={"sending": sending}))
    section = text.partition(f"# --- {heading}")[2].partition("\n")[2]
    return section.partition("#\n# ---")[0]


async def test_an_unregistered_exim_is_turned_away_before_data(world: World) -> None:
    skip_without_exim()
    beta = await world.gateway("beta.example")
    router = f"""
direct:
  driver = manualroute
  transport = direct
  route_list = * {beta.address}
  self = send
"""
    transport = f"""
direct:
  driver = smtp
  port = {world.port}
  hosts_require_tls = *
"""
    with Exim("mx.gamma.example", router=router, transport=transport) as gamma:
        await gamma.submit(CONTENT, "user@gamma.example", "user@beta.example")
        log = gamma.log()
        assert "554 5.7.1 Mail is taken from registered servers" in log, log
        assert "after pipelined MAIL" in log or "after MAIL" in log or "MAIL FROM" in log, log
    assert beta.messages() == []


async def test_exim_before_the_gateway(world: World) -> None:
    skip_without_exim()
    settings = {"backend": {"kind": "smtp", "client_information": "proxy"}}
    alpha = await world.gateway("alpha.example", receiving=settings)
    beta = await world.gateway("beta.example")
    router, transport = printed(alpha, "routers section"), printed(alpha, "transports section")
    with Exim("mx.alpha.example", router=router, transport=transport) as exim:
        await exim.submit(CONTENT, "user@alpha.example", "user@beta.example")
        assert " => user@beta.example" in exim.log(), exim.log()
        await exim.submit(CONTENT, "user@alpha.example", "nobody@beta.example")
        assert "550 5.1.1 mail.beta.example" in exim.log(), exim.log()
    [message] = beta.messages()
    assert b"x-countersign=pass smtp.helo=mail.alpha.example" in message
    assert message.endswith(b"\r\n\r\n.a dot\r\nend\r\n")


async def test_exim_behind_the_gateway(world: World) -> None:
    skip_without_exim()
    alpha = await world.gateway("alpha.example")
    port = free_port()
    backend = {
        "kind": "smtp",
        "address": f"127.0.0.1:{port}",
        # Debian's light Exim is built without the PROXY protocol.
        "client_information": "none",
    }
    beta = await world.gateway("beta.example", receiving={"backend": backend})
    with Exim("mx.beta.example", main=printed(beta, "main section")) as exim:
        exim.listen()
        content = b"Subject: real\r\n\r\nthrough the gateway\r\n"
        async with asyncio.timeout(30):
            while (answer := (await alpha.send(content, "user@beta.example"))[0]).code != 250:
                assert answer.code == 451, answer
                await asyncio.sleep(0.1)
            while " => user" not in exim.log():
                assert "==" not in exim.log(), exim.log()
                await asyncio.sleep(0.05)
        assert "through the gateway" in exim.mail()
