"""The verification dialogue between real gateways (DESIGN §3), and attacks on it (§3.8)."""

from __future__ import annotations

import asyncio
import os
import time

from countersign.demo.dns_server import Behaviour
from countersign.protocol.reply import Reply
from countersign.protocol.session_id import make_session_id
from countersign.storage.tables import OpenSession
from countersign.transport.conversation import Conversation, connect
from tests.gateway.world import Gateway, World, client_of, fresh_address

BOGUS = "x" * 128


async def open_id(sender: Gateway, receiver_address: str, mx_host: str = "") -> str:
    """Make an ID that a sender has open towards an address, as its sending side does."""
    session_id = make_session_id(sender.parts.secret, os.urandom(64), 128)
    row = OpenSession(session_id, receiver_address, mx_host or "mx.unknown.example", time.time())
    await sender.parts.tables.open_session(row)
    return session_id


async def claim(gateway: Gateway, hello: str, session_id: str, source: str | None = None) -> Reply:
    async with client_of(gateway, source=source, hello=hello) as client:
        return await client.command(client.dialogue.session_id(session_id))


async def send(client: Conversation, recipient: str, content: bytes) -> list[Reply]:
    dialogue = client.dialogue
    replies = [await client.command(dialogue.mail("<sender@alpha.example>"))]
    replies.append(await client.command(dialogue.rcpt(f"<{recipient}>")))
    replies.append(await client.command(dialogue.data()))
    if replies[-1].code == 354:
        await client.send_content(content)
        replies.append(await client.command(dialogue.end_of_content()))
    return replies


async def test_a_registered_server_proves_itself_and_sends(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    session_id = await open_id(alpha, beta.address)
    async with client_of(beta, source=alpha.address, hello=alpha.name) as client:
        answer = await client.command(client.dialogue.session_id(session_id))
        assert (answer.code, answer.enhanced) == (250, "2.7.0")
        for number in range(2):
            content = b"Subject: %d\r\nAuthentication-Results: mail.beta.example; dkim=pass\r\n\r\n"
            replies = await send(client, "user@beta.example", content % number + b".dot\r\n")
            assert [reply.code for reply in replies] == [250, 250, 354, 250]
    first, second = sorted(beta.messages())
    for message in (first, second):
        assert message.count(b"Authentication-Results:") == 1
        assert b"x-countersign=pass smtp.helo=mail.alpha.example" in message
        assert b"Received: from mail.alpha.example ([" in message
        assert b"with ESMTPS id" in message
        assert message.endswith(b"\r\n\r\n.dot\r\n")


async def test_nothing_is_offered_in_clear(world: World) -> None:
    beta = await world.gateway("beta.example")
    async with client_of(beta, tls=False) as client:
        assert "XSESSIONID" not in client.extensions
        assert "XVERIFY" not in client.extensions
        for verb in (b"XSESSIONID ", b"XVERIFY "):
            client.stream.write(verb + BOGUS.encode() + b"\r\n")
            assert (await client.stream.read()).startswith(b"530 5.7.0")


async def test_an_unregistered_server_is_turned_away_before_data(world: World) -> None:
    beta = await world.gateway("beta.example")
    async with client_of(beta, hello="mail.unknown.example") as client:
        answer = await client.command(client.dialogue.mail("<a@unknown.example>"))
        assert (answer.code, answer.enhanced) == (554, "5.7.1")
        answer = await client.command(client.dialogue.rcpt("<user@beta.example>"))
        assert answer.code == 503
    assert beta.messages() == []


async def test_an_unregistered_claim_is_refused_blocked_and_calls_nobody(world: World) -> None:
    beta = await world.gateway("beta.example")
    source = fresh_address()
    answer = await claim(beta, "mail.unknown.example", BOGUS, source)
    assert (answer.code, answer.enhanced) == (554, "5.7.1")
    [block] = await beta.parts.tables.blocks_of(source, time.time())
    assert (block.claimed_host, block.reason) == ("mail.unknown.example", "not-registered")
    assert 86000 < block.until - time.time() <= 86400


async def test_a_trojan_on_the_senders_address_fails_and_cuts_nobody_off(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    beta = await world.gateway("beta.example")
    answer = await claim(beta, alpha.name, BOGUS, alpha.address)
    assert answer.code == 554
    assert await beta.parts.tables.blocks_of(alpha.address, time.time())
    async with client_of(beta, source=alpha.address, hello=alpha.name) as trojan:
        refused = await trojan.command(trojan.dialogue.mail("<>"))
        assert refused.code == 554
        assert "blocked" in refused.text
    # The wrong ID has suspended beta's questions: until they are heard again it is 451.
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 451
    await _end_suspension(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    assert not await beta.parts.tables.blocks_of(alpha.address, time.time())


async def _end_suspension(claimed: Gateway, asker: str) -> None:
    from countersign.storage.tables import Suspension, SuspensionKind

    await claimed.parts.tables.suspend(asker, Suspension(SuspensionKind.WRONG_ID, time.time() - 1))


async def test_with_unknown_only_a_wrong_id_does_not_hold_the_true_server_up(world: World) -> None:
    alpha = await world.gateway("alpha.example", verification={"suspend": "unknown-only"})
    beta = await world.gateway("beta.example")
    assert (await claim(beta, alpha.name, BOGUS, fresh_address())).code == 554
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250


async def test_an_id_is_good_once_and_not_after_the_connection(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    # Asked before: refused, as questions of beta are suspended but for its own sessions.
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 451
    await _end_suspension(alpha, beta.address)
    gone = await open_id(alpha, beta.address)
    await alpha.parts.tables.close_session(gone)
    assert (await claim(beta, alpha.name, gone, fresh_address())).code == 554


async def test_a_busy_pair_is_not_throttled_and_always_is_literal(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    literal = await world.gateway("literal.example", verification={"suspend": "always"})
    beta = await world.gateway("beta.example")
    for _ in range(5):
        session_id = await open_id(alpha, beta.address)
        assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    codes = []
    for _ in range(2):
        session_id = await open_id(literal, beta.address)
        codes.append((await claim(beta, literal.name, session_id, literal.address)).code)
    assert codes == [250, 451]


async def test_an_id_passed_on_to_another_receiver_is_false(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    mallory = fresh_address()
    stolen = await open_id(alpha, mallory)
    assert (await claim(beta, alpha.name, stolen, mallory)).code == 554
    row = await alpha.parts.tables.find_session(stolen)
    assert row is not None
    assert not row.asked


async def test_a_second_ehlo_voids_the_verification(world: World) -> None:
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    session_id = await open_id(alpha, beta.address)
    async with client_of(beta, source=alpha.address, hello=alpha.name) as client:
        assert (await client.command(client.dialogue.session_id(session_id))).code == 250
        await client.hello(alpha.name)
        assert (await client.command(client.dialogue.mail("<a@alpha.example>"))).code == 554


async def test_could_not_tell_is_never_false(world: World) -> None:
    beta = await world.gateway("beta.example")
    for name, prepare in {
        "silent.example": lambda name: world.dns.misbehave(name, Behaviour.SILENT),
        "servfail.example": lambda name: world.dns.misbehave(name, Behaviour.SERVFAIL),
        "lame.example": lambda name: world.dns.misbehave(name, Behaviour.LAME),
        "refused.example": lambda name: world.dns.misbehave(name, Behaviour.REFUSED),
        "absent.example": lambda name: None,
        "closed.example": lambda name: world.dns.set(name, "A", fresh_address()),
    }.items():
        world.registered.append(name)
        prepare(name)
    world.write_registry()
    source = fresh_address()
    names = [name for name in world.registered if name != beta.name]
    answers = await asyncio.gather(*(claim(beta, name, BOGUS, source) for name in names))
    assert {(answer.code, answer.enhanced) for answer in answers} == {(451, "4.7.1")}
    assert await beta.parts.tables.blocks_of(source, time.time()) == []


async def test_a_callback_to_a_host_that_hangs_is_bounded_and_blocks_nobody(world: World) -> None:
    beta = await world.gateway(
        "beta.example",
        verification={
            "callback_timeout": 1,
            "callback_port": world.port,
            "callback_networks": ["127.0.0.0/8"],
        },
    )
    address, held = fresh_address(), []
    server = await asyncio.start_server(lambda _r, w: held.append(w), address, world.port)
    world.dns.set("hangs.example", "A", address)
    world.registered.append("hangs.example")
    world.write_registry()
    source = fresh_address()
    async with asyncio.timeout(10):
        answer = await claim(beta, "hangs.example", BOGUS, source)
    assert answer.code == 451
    assert len(held) == 1
    assert (await claim(beta, "hangs.example", BOGUS, source)).code == 451
    assert len(held) == 1, "a host that does not answer is left alone for a while"
    assert await beta.parts.tables.blocks_of(source, time.time()) == []
    server.close()


async def test_the_callback_goes_to_no_private_address(world: World) -> None:
    beta = await world.gateway("beta.example", verification={"callback_networks": []})
    alpha = await world.gateway("alpha.example")
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 451
    row = await alpha.parts.tables.find_session(session_id)
    assert row is not None
    assert not row.asked, "nobody was asked"


async def test_the_senders_address_may_change_at_any_time(world: World) -> None:
    """Dynamic DNS: the callback follows the name, also past our own cache."""
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    old = fresh_address()
    impostor = await asyncio.start_server(lambda _r, w: w.close(), old, world.port)
    world.dns.set(alpha.name, "A", old, ttl=3600)
    assert await beta.parts.resolver.addresses(alpha.name) == [old]
    world.dns.set(alpha.name, "A", alpha.address, ttl=1)
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, fresh_address())).code == 250
    impostor.close()


async def test_the_callback_stays_in_the_family_of_the_connection(world: World) -> None:
    """From an address of the other family the claimed host would say FALSE of a true ID."""
    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    world.dns.set(alpha.name, "AAAA", "::1")
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    world.dns.remove(alpha.name)
    world.dns.set(alpha.name, "AAAA", "::1")
    session_id = await open_id(alpha, beta.address)
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 451


async def test_a_key_pin_must_match(world: World) -> None:
    import hashlib
    import ssl

    from countersign.gateway.tls import certificate_files

    alpha, beta = await world.gateway("alpha.example"), await world.gateway("beta.example")
    certificate, _ = certificate_files(alpha.config)
    pem = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERT") :])
    world.registered.remove(alpha.name)
    for pin, code in ((hashlib.sha256(der).hexdigest(), 250), ("00" * 32, 451)):
        world.write_registry(f'\n[[server]]\nhostname = "{alpha.name}"\npins = ["3 0 1 {pin}"]\n')
        session_id = await open_id(alpha, beta.address)
        answer = await claim(beta, alpha.name, session_id, alpha.address)
        assert answer.code == code, pin


async def test_an_asker_with_a_certificate_is_the_mx_host_from_any_address(world: World) -> None:
    from tests.gateway.authority import make_authority, make_host_certificate

    authority = make_authority(world.directory)
    certificate = make_host_certificate(authority, world.directory, "mail.beta.example")
    alpha = await world.gateway("alpha.example", tls={"client_ca": authority.file})
    beta = await world.gateway("beta.example", tls={"certificate": certificate, "key": certificate})
    elsewhere = fresh_address()
    session_id = await open_id(alpha, elsewhere, "mail.beta.example")
    assert (await claim(beta, alpha.name, session_id, alpha.address)).code == 250
    other = await open_id(alpha, elsewhere, "mail.other.example")
    await _end_suspension(alpha, beta.address)
    assert (await claim(beta, alpha.name, other, fresh_address())).code == 554


async def test_questions_are_answered_and_suspended(world: World) -> None:
    alpha = await world.gateway("alpha.example")
    asker = fresh_address()
    true = await open_id(alpha, asker)
    codes = []
    for session_id in (true, BOGUS, BOGUS):
        async with client_of(alpha, source=asker) as client:
            answer = await client.command(client.dialogue.question(session_id))
            codes.append((answer.code, answer.text))
            assert await client.stream.read() == b"", "the connection is dropped"
    assert codes[0] == (250, "TRUE")
    assert [code for code, _ in codes[1:]] == [450, 450]
    async with client_of(alpha, source=fresh_address()) as client:
        answer = await client.command(client.dialogue.question(BOGUS))
        assert (answer.code, answer.text) == (550, "FALSE")


async def test_the_literal_block_refuses_at_the_greeting(world: World) -> None:
    beta = await world.gateway(
        "beta.example",
        verification={
            "block": "all",
            "callback_port": world.port,
            "callback_networks": ["127.0.0.0/8"],
        },
    )
    source = fresh_address()
    assert (await claim(beta, "mail.unknown.example", BOGUS, source)).code == 554
    conversation = await connect(
        beta.address, world.port, local_address=source, timeout=5, reply_timeout=5
    )
    assert (await conversation.greeting()).code == 554


async def test_attempts_are_limited_and_the_allow_list_wins(world: World) -> None:
    source = fresh_address()
    limits = {"attempts": 2, "callback_port": world.port, "callback_networks": ["127.0.0.0/8"]}
    beta = await world.gateway("beta.example", verification=limits)
    codes = [
        (await claim(beta, f"host{number}.example", BOGUS, source)).code for number in range(3)
    ]
    assert codes == [554, 554, 451]
    friendly = await world.gateway("friendly.example", receiving={"allow": [source]})
    async with client_of(friendly, source=source) as client:
        replies = await send(client, "user@friendly.example", b"Subject: x\r\n\r\nhello\r\n")
        assert replies[-1].code == 250
    assert b"x-countersign=none" in friendly.messages()[0]
