"""The proof of control, as real DNS servers and real mail servers give it."""

from __future__ import annotations

import asyncio

import pytest

from countersign.demo.dns_server import Behaviour
from countersign.protocol.control import control_name, control_text
from countersign.protocol.reply import Reply
from countersign.registrar.config import Certification
from countersign.registrar.control_proof import Method, Sight, look_for_proof
from tests.gateway.world import World, fresh_address

TOKEN, OTHER = "a2b3c4d5e6f7ghijklmnopqrstuvwxyz", "b2b3c4d5e6f7ghijklmnopqrstuvwxyz"
HOST = "mail.alpha.example"


async def look(world: World, token: str = TOKEN, *, networks: tuple[str, ...] = ()) -> Sight:
    settings = Certification(
        port=world.port,
        timeout=3,
        networks=networks or ("127.60.0.0/16",),
        nameservers=(world.dns.endpoint,),
    )
    # As a job does: in a thread without an event loop.
    return await asyncio.to_thread(look_for_proof, HOST, token, settings)


def publish(world: World, *texts: str) -> None:
    world.dns.set(control_name(HOST), "TXT", *(f'"{text}"' for text in texts))


async def _refuse(_sender: str, _recipients: list[str], _content: bytes) -> Reply:
    return Reply(550, ("No",))


async def test_a_txt_record_proves_control(world: World) -> None:
    publish(world, "v=something else", control_text(TOKEN))
    sight = await look(world)
    assert sight.proof is not None
    assert sight.proof.method is Method.DNS
    assert sight.proof.evidence == f'{control_name(HOST)} TXT "{control_text(TOKEN)}"'


async def test_a_record_in_two_strings_and_capitals_will_do(world: World) -> None:
    world.dns.set(control_name(HOST), "TXT", f'"Countersign-Control=" "{TOKEN.upper()}"')
    sight = await look(world)
    assert sight.proof is not None


async def test_another_applicants_record_proves_nothing(world: World) -> None:
    await world.gateway("alpha.example")
    publish(world, control_text(OTHER))
    sight = await look(world)
    assert sight.proof is None
    assert sight.is_certain
    assert OTHER in sight.words


async def test_a_gateway_that_announces_the_token_proves_control(world: World) -> None:
    gateway = await world.gateway("alpha.example", receiving={"control_token": TOKEN})
    sight = await look(world)
    assert sight.proof is not None
    assert sight.proof.method is Method.GATEWAY
    assert gateway.address in sight.proof.evidence
    assert (await look(world, OTHER)).proof is None


@pytest.mark.parametrize("tls", [True, False])
async def test_a_server_that_announces_nothing_says_no(world: World, tls: bool) -> None:
    await world.ordinary("alpha.example", _refuse, tls=tls)
    sight = await look(world)
    assert (sight.proof, sight.is_certain) == (None, True)
    assert ("XCONTROL" if tls else "STARTTLS") in sight.words


@pytest.mark.parametrize("behaviour", [Behaviour.SERVFAIL, Behaviour.REFUSED, Behaviour.LAME])
async def test_a_dns_that_does_not_answer_is_no_no(world: World, behaviour: Behaviour) -> None:
    await world.gateway("alpha.example")
    world.dns.misbehave(control_name(HOST), behaviour)
    sight = await look(world)
    assert (sight.proof, sight.is_certain) == (None, False)


async def test_a_host_that_is_away_is_no_no(world: World) -> None:
    world.dns.set(HOST, "A", fresh_address())
    sight = await look(world)
    assert (sight.proof, sight.is_certain) == (None, False)
    assert "refused the connection" in sight.words


async def test_nobody_is_sent_to_private_addresses(world: World) -> None:
    await world.gateway("alpha.example", receiving={"control_token": TOKEN})
    sight = await look(world, networks=("198.18.0.0/15",))
    assert sight.proof is None
    assert "public" in sight.words


async def test_what_strangers_write_is_shown_shortened_and_printable(world: World) -> None:
    world.dns.set(HOST, "A", fresh_address())
    publish(world, r"\000\027" + "x" * 240)
    sight = await look(world)
    assert sight.words.isprintable()
    assert "x" * 101 not in sight.words
