"""Real Postfix delivers into the test mailbox: what it relays, and what it bounces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from email import message_from_bytes

import pytest

from countersign.certification.mailbox import TestMailbox
from countersign.certification.test_address import Kind
from tests.certification.mailbox.running import (
    DOMAIN,
    MARK,
    NUMBER,
    Store,
    address,
    mailbox_for,
    port_of,
)
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]
CONTENT = b"Subject: A test\r\n\r\nof a relay\r\n"


@contextlib.asynccontextmanager
async def postfix_beside(mailbox: TestMailbox) -> AsyncIterator[Postfix]:
    skip_without_postfix()
    postfix = Postfix(
        "mail.local.example",
        f"127.0.0.1:{free_port()}",
        settings={
            "relayhost": f"[127.0.0.1]:{port_of(mailbox)}",
            "smtp_tls_security_level": "encrypt",
            "smtp_tls_loglevel": "1",
        },
    )
    await asyncio.to_thread(postfix.__enter__)
    try:
        yield postfix
    finally:
        await asyncio.to_thread(postfix.__exit__)


async def wait_for(store: Store, count: int) -> None:
    async with asyncio.timeout(60):
        while len(store.messages) < count:
            store.came.clear()
            await store.came.wait()


async def test_what_postfix_relays_and_bounces_arrives_also_after_trouble() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, postfix_beside(mailbox) as postfix:
        await postfix.submit(CONTENT, address("b"), address("r"))
        await wait_for(store, 1)
        relayed = store.messages[0]
        assert relayed.addresses[0].kind is Kind.RELAYED
        assert relayed.hello == "mail.local.example"
        head = message_from_bytes(relayed.head)
        assert head["Subject"] == "A test"
        assert "mail.local.example" in head["Received"]

        await postfix.submit(CONTENT, address("b"), "nobody@local.example")
        await wait_for(store, 2)
        bounce = store.messages[1]
        assert (bounce.addresses[0].kind, bounce.addresses[0].number) == (Kind.BOUNCED, NUMBER)
        assert message_from_bytes(bounce.head).get_content_type() == "multipart/report"

        store.is_away = True
        await postfix.submit(CONTENT, address("b"), address("r", number="a" * 16))
        await postfix.wait_for_log("451 4.3.0")
        assert len(store.messages) == 2
        store.is_away = False
        await wait_for(store, 3)
        assert store.messages[2].addresses[0].number == "a" * 16


async def test_what_is_for_nobody_comes_back_to_postfix_at_once() -> None:
    store = Store()
    async with mailbox_for(store) as mailbox, postfix_beside(mailbox) as postfix:
        await postfix.submit(CONTENT, address("b"), f"r-{MARK}@{DOMAIN}")
        log = await postfix.wait_for_log("status=bounced")
        assert "550 5.1.1" in log
        assert "TLS connection established" in log
        # The bounce for it is itself what a test looks for.
        await wait_for(store, 1)
        assert store.addresses[0].kind is Kind.BOUNCED
