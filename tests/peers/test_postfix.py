"""Real Postfix behind and before the gateway, on both sides, in both directions."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from countersign.cli.snippets import postfix_snippet
from tests.gateway.world import Gateway, World, client_of, free_port, fresh_address
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = pytest.mark.peer
CONTENT = b"From: <user@alpha.example>\nSubject: real\n\n.a dot\n..\nend\n"


@dataclass
class Site:
    gateway: Gateway
    postfix: Postfix

    @property
    def user(self) -> str:
        return f"user@{self.gateway.domain}"


async def make_site(world: World, domain: str, **backend: str) -> Site:
    """A gateway with a Postfix behind it, configured by what `countersign setup` prints."""
    port = free_port()
    settings = {"kind": "smtp", "address": f"127.0.0.1:{port}", **backend}
    gateway = await world.gateway(
        domain, receiving={"backend": settings, "listen": ["127.0.0.1:25"]}
    )
    config = gateway.config.model_copy(
        update={
            "sending": gateway.config.sending.model_copy(
                update={"listen": (f"{gateway.address}:{gateway.lmtp_port}",)}
            )
        }
    )
    lines = postfix_snippet(config).splitlines()
    main = dict(
        line.split(" = ", 1) for line in lines if " = " in line and not line.startswith("#")
    )
    options = dict(
        line.strip().removeprefix("-o ").split("=", 1)
        for line in lines
        if line.startswith("    -o")
    )
    postfix = Postfix(f"mx.{domain}", f"127.0.0.1:{port}", settings=main, smtpd_options=options)
    postfix.__enter__()
    return Site(gateway, postfix)


@pytest.fixture
async def sites(world: World) -> AsyncIterator[tuple[Site, Site]]:
    skip_without_postfix()
    alpha, beta = await make_site(world, "alpha.example"), await make_site(world, "beta.example")
    yield alpha, beta
    alpha.postfix.__exit__()
    beta.postfix.__exit__()


async def test_end_to_end_in_both_directions(sites: tuple[Site, Site]) -> None:
    for sender, receiver in (sites, sites[::-1]):
        await sender.postfix.submit(CONTENT, sender.user, receiver.user)
        [message] = await receiver.postfix.wait_for_messages(1)
        assert message.endswith(b"\n\n.a dot\n..\nend\n")
        name = sender.gateway.name.encode()
        assert b"x-countersign=pass smtp.helo=" + name in message
        log = await receiver.postfix.wait_for_log(f"client=unknown[{sender.gateway.address}]")
        assert "status=sent" in log, "XCLIENT told Postfix who the client is"
        assert "status=sent (250 2.0.0" in await sender.postfix.wait_for_log("status=sent")


async def test_what_postfix_refuses_reaches_the_sender_as_its_own_word(
    sites: tuple[Site, Site],
) -> None:
    alpha, beta = sites
    await alpha.postfix.submit(CONTENT, alpha.user, "nobody@beta.example", beta.user)
    await beta.postfix.wait_for_messages(1)
    log = await alpha.postfix.wait_for_log("status=bounced")
    assert "550 5.1.1" in log
    [bounce] = await alpha.postfix.wait_for_messages(1)
    assert b"nobody@beta.example" in bounce


async def test_mail_waits_in_the_queue_while_the_backend_is_down(world: World) -> None:
    skip_without_postfix()
    alpha = await make_site(world, "alpha.example")
    port = free_port()
    settings = {"backend": {"kind": "smtp", "address": f"127.0.0.1:{port}"}}
    await world.gateway("beta.example", receiving=settings)
    await alpha.postfix.submit(CONTENT, alpha.user, "user@beta.example")
    await alpha.postfix.wait_for_log("status=deferred")
    with Postfix("mx.beta.example", f"127.0.0.1:{port}") as beta:
        await alpha.postfix.wait_for_log("status=sent")
        [message] = await beta.wait_for_messages(1)
        assert message.endswith(b"\n\n.a dot\n..\nend\n")
    alpha.postfix.__exit__()


async def test_proxy_protocol_and_lmtp_sides(world: World) -> None:
    skip_without_postfix()
    alpha = await world.gateway("alpha.example")
    beta = await make_site(world, "beta.example", client_information="proxy")
    [answer] = await alpha.send(b"Subject: x\r\n\r\nx\r\n", beta.user)
    assert answer.code == 250
    await beta.postfix.wait_for_messages(1)
    await beta.postfix.wait_for_log(f"client=unknown[{alpha.address}]")
    beta.postfix.__exit__()


async def test_postfix_as_an_unregistered_sender_is_turned_away(world: World) -> None:
    skip_without_postfix()
    beta = await world.gateway("beta.example")
    settings = {
        "relayhost": f"[{beta.address}]:{world.port}",
        "smtp_tls_security_level": "may",
    }
    with Postfix("mx.gamma.example", f"127.0.0.1:{free_port()}", settings=settings) as gamma:
        await gamma.submit(CONTENT, "user@gamma.example", "user@beta.example")
        log = await gamma.wait_for_log("status=bounced")
        assert "554 5.7.1 Mail is taken from registered servers" in log
    assert beta.messages() == []


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode(errors="replace")


async def test_swaks_as_a_client(world: World) -> None:
    if not shutil.which("swaks") and os.environ.get("CI") != "true":
        pytest.skip("swaks is not installed (.ci/install-packages)")
    source = fresh_address()
    beta = await world.gateway("beta.example", receiving={"allow": [source]})
    common = ("swaks", "-tls", "-s", f"{beta.address}:{world.port}", "-t", "user@beta.example")
    code, text = await run(*common, "--local-interface", source, "-f", "a@somewhere.example")
    assert code == 0, text
    assert "250-XSESSIONID" in text
    code, text = await run(*common, "-f", "a@somewhere.example")
    assert code != 0
    assert "554 5.7.1" in text
    assert len(beta.messages()) == 1


async def test_smtp_source_sends_many(world: World) -> None:
    skip_without_postfix()
    beta = await world.gateway("beta.example", receiving={"allow": ["127.0.0.1"]})
    code, text = await run(
        *("smtp-source", "-s", "10", "-m", "200", "-l", "5000", "-f", "a@b.example"),
        *("-t", "user@beta.example", f"inet:{beta.address}:{world.port}"),
    )
    assert code == 0, text
    assert len(beta.messages()) == 200


async def test_the_offered_extensions_follow_the_backend(sites: tuple[Site, Site]) -> None:
    _, beta = sites
    async with asyncio.timeout(20):
        while "NOTIFY" not in beta.gateway.receiving.backend.parameters:
            await asyncio.sleep(0.05)
    async with client_of(beta.gateway) as client:
        assert "DSN" in client.extensions
        assert "SMTPUTF8" not in client.extensions
        assert "CHUNKING" not in client.extensions
