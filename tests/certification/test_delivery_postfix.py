"""Messages through a real Postfix: those of strangers that it passes on, and its bounces."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from countersign.certification.outcome import BatteryResult, Proof, Verdict
from countersign.certification.settling import Arrived, settle
from countersign.certification.test_address import read
from countersign.demo.dns_server import DnsServer
from countersign.transport.certificate import make_self_signed
from tests.certification.relaying import ALL, MARK, TakingServer, taking
from tests.certification.running import HOST, battery_for, run_from
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = pytest.mark.peer
CLOSED = {"virtual_mailbox_maps": "inline:{postmaster@local.example=x}"}

AT_HOME = ("relay-orcpt", "smuggling", "smuggling-chunks")
"""Tests with a message to postmaster, which stays there."""


async def examine(directory: Path, **changes: Any) -> tuple[BatteryResult, TakingServer]:
    """Test a Postfix whose mail to other domains goes to a mailbox; return what came to it."""
    skip_without_postfix()
    mailbox = taking(ALL)
    dns = DnsServer("127.0.0.1", 0)
    await dns.start()
    (directory / "mailbox").mkdir()
    port = free_port()
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed(HOST))
    async with mailbox.running(directory / "mailbox"):
        settings = {
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": str(pair),
            "transport_maps": f"inline:{{example.net=smtp:[{mailbox.address}]:{mailbox.port}}}",
            "relay_transport": f"smtp:[{mailbox.address}]:{mailbox.port}",
        } | changes
        postfix = Postfix(HOST, f"127.0.0.1:{port}", settings=settings)
        await asyncio.to_thread(postfix.__enter__)
        try:
            dns.set(HOST, "A", "127.0.0.1")
            battery = battery_for(port, timeout=20, total_timeout=900, messages=3)
            result = await run_from(dns, battery, mark=MARK, mail_domain="local.example")
            sent = [one.messages for one in result.outcomes if one.name not in AT_HOME]
            expected = sum(len(numbers) for numbers in sent)
            async with asyncio.timeout(30):
                # Postfix's queue tells nobody when it is done.
                while len(mailbox.messages) < expected:
                    await asyncio.sleep(0.1)
        finally:
            await asyncio.to_thread(postfix.__exit__)
            await dns.stop()
    return result, mailbox


def arrivals(mailbox: TakingServer) -> list[Arrived]:
    addresses = [
        read(command.removeprefix("RCPT TO:<").partition("@")[0])
        for recipients, _ in mailbox.messages
        for command in recipients
    ]
    return [Arrived(one.kind, one.number) for one in addresses if one is not None]


async def test_an_open_relay_is_proven_by_what_arrives(tmp_path: Path) -> None:
    result, mailbox = await examine(
        tmp_path,
        **CLOSED,
        mynetworks="0.0.0.0/0",
        smtpd_relay_restrictions="permit_mynetworks, reject_unauth_destination",
    )
    sent = [one for one in result.outcomes if one.messages and one.name.startswith("relay-")]
    assert {one.verdict for one in sent} == {Verdict.COULD_NOT_TEST}
    settled = settle(result, arrivals(mailbox))
    proven = {
        one.name
        for one in settled.outcomes
        if one.proof is Proof.RELAYED and one.name.startswith("relay-")
    }
    assert proven == {"relay-in-clear", "relay-from-null", "relay-from-foreign"}
    assert settled.verdict is Verdict.FAILED


async def test_a_closed_server_sends_nothing(tmp_path: Path) -> None:
    result, mailbox = await examine(tmp_path, **CLOSED)
    assert mailbox.messages == []
    relays = {one.verdict for one in result.outcomes if one.name.startswith("relay-")}
    assert relays <= {Verdict.PASSED, Verdict.INFORMATION}
    backscatter = next(one for one in result.outcomes if one.name == "backscatter")
    assert backscatter.verdict is Verdict.PASSED


async def test_backscatter_is_proven_by_the_bounce(tmp_path: Path) -> None:
    # A relay for the domain that knows no list of its mailboxes: the next host refuses them.
    next_host = taking({"DATA": "554 5.5.1 No valid recipients"})
    (directory := tmp_path / "next").mkdir()
    async with next_host.running(directory):
        result, mailbox = await examine(
            tmp_path,
            virtual_mailbox_domains="",
            relay_domains="local.example",
            relay_recipient_maps="",
            relay_transport=f"smtp:[{next_host.address}]:{next_host.port}",
        )
    unsettled = next(one for one in result.outcomes if one.name == "backscatter")
    assert unsettled.verdict is Verdict.INFORMATION
    settled = settle(result, arrivals(mailbox))
    backscatter = next(one for one in settled.outcomes if one.name == "backscatter")
    assert backscatter.proof is Proof.BOUNCED
    assert backscatter.verdict is Verdict.FAILED
