"""The test mailbox by itself: what it takes, what it refuses, and what it tells of a message."""

from __future__ import annotations

import asyncio
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.mailbox import ListenError
from countersign.certification.mailbox.recipient import read_recipient
from countersign.certification.test_address import ALPHABET, Kind, TestAddress
from countersign.protocol.address import AddressSyntaxError, Mailbox, parse_path
from tests.certification.mailbox.running import (
    DOMAIN,
    HOST,
    MARK,
    NUMBER,
    Store,
    address,
    client_of,
    mailbox_for,
    port_of,
    rcpt,
    send,
)

RELAYED = TestAddress(Kind.RELAYED, MARK, NUMBER)
BOUNCED = TestAddress(Kind.BOUNCED, MARK, NUMBER)


async def test_a_message_is_handed_over_with_all_that_proves_something() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, client_of(mailbox) as client:
        content = b"Subject: x\r\n\r\n..two dots\r\n" + b"a line\r\n" * 5000
        assert await send(client, address("r"), address("b"), content=content) == 250
        assert await send(client, address("r")) == 250
    first, second = store.messages
    assert first.addresses == (RELAYED, BOUNCED)
    assert (first.from_address, first.hello) == ("127.0.0.1", "relay.example")
    assert first.head == content[:8192]
    assert second.addresses == (RELAYED,)


async def test_it_speaks_tls_and_offers_xsessionid_inside_only() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox:
        async with client_of(mailbox) as client:
            assert "STARTTLS" in client.extensions
            assert "XSESSIONID" not in client.extensions
            answer = await client.command(
                client.dialogue.raw(b"XSESSIONID " + b"a" * 128 + b"\r\n")
            )
            assert answer.code == 530
        async with client_of(mailbox, tls=True) as client:
            assert "XSESSIONID" in client.extensions
            assert "STARTTLS" not in client.extensions
            answer = await client.command(client.dialogue.session_id("a" * 128))
            assert answer.code == 250
            assert await send(client, address()) == 250
        async with client_of(mailbox, tls=True) as client:
            answer = await client.command(client.dialogue.question("a" * 128))
            assert (answer.code, answer.text) == (550, "FALSE")
    assert store.addresses == [RELAYED]


@pytest.mark.parametrize(
    "path",
    [
        address(),
        address().upper(),
        f"@relay.example,@other.example:{address()}",
        f'"r-{MARK}-{NUMBER}"@{DOMAIN}',
        f'"r-{MARK}\\-{NUMBER}"@{DOMAIN}',
        f"r-{MARK}-{NUMBER}%x.example@{DOMAIN}",
        f"x.example!r-{MARK}-{NUMBER}@{DOMAIN}",
        f'"r-{MARK}-{NUMBER}@x.example"@{DOMAIN}',
        f"r-{MARK}-{NUMBER}@{DOMAIN}.",
    ],
)
async def test_an_address_is_known_in_whatever_form_a_relay_writes_it(path: str) -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, client_of(mailbox) as client:
        assert await send(client, path) == 250
    assert store.addresses == [RELAYED]


@pytest.mark.parametrize(
    "path",
    [
        f"postmaster@{DOMAIN}",
        f"user@{DOMAIN}",
        address(mark="a" * 16),
        address(number="short"),
        f"r-{MARK}@{DOMAIN}",
        f"s-{MARK}@{DOMAIN}",
        f"r-{MARK}-{NUMBER}@elsewhere.example",
        f"r-{MARK}-{NUMBER}@sub.{DOMAIN}",
    ],
)
async def test_nothing_else_is_taken(path: str) -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, client_of(mailbox) as client:
        await client.command(client.dialogue.mail("<>"))
        assert await rcpt(client, path) == 550
        assert await rcpt(client, address()) == 250, "one refusal ends nothing"
    assert store.messages == []


async def test_while_nothing_can_be_kept_clients_are_asked_to_come_again() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, client_of(mailbox) as client:
        store.is_away = True
        assert await send(client, address()) == 451
        await client.command(client.dialogue.reset())
        store.is_away = False
        dialogue = client.dialogue
        await client.command(dialogue.mail("<>"))
        await client.command(dialogue.rcpt(f"<{address()}>"))
        await client.command(dialogue.data())
        store.is_away = True
        assert (await client.command(dialogue.end_of_content())).code == 451
        store.is_away = False
        assert await send(client, address()) == 250
    assert store.addresses == [RELAYED]


async def test_a_store_that_does_not_answer_is_one_that_is_away() -> None:
    store = Store()

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    store.deliver = never  # type: ignore[method-assign, assignment]
    async with (
        mailbox_for(store, limits={"answer_seconds": 0.2}) as mailbox,
        client_of(mailbox) as client,
    ):
        assert await send(client, address()) == 451


async def test_swaks_delivers_in_clear_and_inside_tls() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox:
        for more in ([], ["--tls"]):
            done = await asyncio.to_thread(
                subprocess.run,
                [
                    *("swaks", "--server", "127.0.0.1", "--port", str(port_of(mailbox))),
                    *("--from", "a@b.example", "--to", address(), "--helo", "c.example", *more),
                ],
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.returncode == 0, done.stdout
    assert store.addresses == [RELAYED, RELAYED]
    assert [message.hello for message in store.messages] == ["c.example"] * 2


async def test_an_address_that_is_taken_is_named_with_the_reason() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox:
        taken = mailbox.addresses[0]
        with pytest.raises(ListenError, match=f"{taken}: Address already in use"):
            async with mailbox_for(store, listen=taken):
                pass
    with pytest.raises(ListenError, match="ADDRESS:PORT"):
        async with mailbox_for(store, listen="unix:/tmp/x"):
            pass


def test_two_addresses_in_one_are_none() -> None:
    assert read_recipient(Mailbox(f"{RELAYED}%{BOUNCED}", DOMAIN), DOMAIN) is None
    assert read_recipient(Mailbox(f"{RELAYED}%{RELAYED}", DOMAIN), DOMAIN) == RELAYED


@given(st.text(max_size=80), st.sampled_from([DOMAIN, HOST]))
def test_no_text_is_more_than_a_recipient_or_none(local_part: str, domain: str) -> None:
    found = read_recipient(Mailbox(local_part, domain), DOMAIN)
    assert found is None or (domain == DOMAIN and found.mark in local_part.lower())
    try:
        parsed = parse_path(f"{local_part}@{domain}")
    except AddressSyntaxError:
        return
    read_recipient(parsed, DOMAIN)


@given(
    st.sampled_from([Kind.RELAYED, Kind.BOUNCED]),
    st.text(ALPHABET, min_size=16, max_size=16),
    st.text(ALPHABET, min_size=16, max_size=16),
    st.sampled_from(["{}", "{}%x.example", "x!{}", "a!b.example!{}", "{}@x"]),
)
def test_every_test_address_is_found_in_every_form(
    kind: Kind, mark: str, number: str, form: str
) -> None:
    made = TestAddress(kind, mark, number)
    assert read_recipient(Mailbox(form.format(str(made).upper()), DOMAIN), DOMAIN) == made
    assert read_recipient(Mailbox(f'"{form.format(made)}"', DOMAIN), DOMAIN) == made
