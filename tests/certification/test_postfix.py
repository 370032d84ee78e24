"""The battery against real Postfix: closed, open to the world, and careless in single things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countersign.certification.outcome import BatteryResult, Verdict
from countersign.demo.dns_server import DnsServer
from countersign.transport.certificate import make_self_signed
from tests.certification.running import HOST, battery_for, run_from
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = pytest.mark.peer
MAILBOXES = "inline:{postmaster@local.example=x, abuse@local.example=x, user@local.example=x}"


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    skip_without_postfix()
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set("local.example", "MX", f"10 {HOST}.")
    yield server
    await server.stop()


async def examine(dns: DnsServer, directory: Path, **changes: Any) -> BatteryResult:
    # Postfix listens on addresses of interfaces only, not on the rest of 127.0.0.0/8.
    address, port = "127.0.0.1", free_port()
    dns.set(HOST, "A", address)
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed(HOST))
    settings = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": str(pair),
        "virtual_mailbox_maps": MAILBOXES,
        "smtputf8_enable": "yes",
    } | changes
    postfix = Postfix(HOST, f"{address}:{port}", settings=settings)
    # Postfix's command line tools take a second or two: the DNS goes on answering meanwhile.
    await asyncio.to_thread(postfix.__enter__)
    try:
        return await run_from(dns, battery_for(port, timeout=20, total_timeout=900))
    finally:
        await asyncio.to_thread(postfix.__exit__)


def not_passed(result: BatteryResult) -> dict[str, Verdict]:
    fine = (Verdict.PASSED, Verdict.INFORMATION)
    return {one.name: one.verdict for one in result.outcomes if one.verdict not in fine}


def untested(result: BatteryResult) -> set[str]:
    return {name for name, one in not_passed(result).items() if one is Verdict.COULD_NOT_TEST}


async def test_a_closed_postfix_lacks_nothing_but_the_verification(
    dns: DnsServer, tmp_path: Path
) -> None:
    result = await examine(dns, tmp_path)
    assert not_passed(result) == {"verification": Verdict.FAILED}
    relays = [one for one in result.outcomes if one.name.startswith("relay-")]
    assert len(relays) > 35
    fine = (Verdict.PASSED, Verdict.INFORMATION)
    assert all(one.verdict in fine for one in relays)
    tls = next(one for one in result.outcomes if one.name == "starttls")
    assert "TLSv1.3" in tls.explanation


async def test_an_open_postfix_passes_at_no_plain_form(dns: DnsServer, tmp_path: Path) -> None:
    restrictions = "permit_mynetworks, reject_unauth_destination"
    result = await examine(
        dns, tmp_path, mynetworks="0.0.0.0/0", smtpd_relay_restrictions=restrictions
    )
    # Without a test mailbox nothing is proven; the matrix has the same server with one.
    taken = untested(result)
    assert {"relay-in-clear", "relay-from-null", "relay-from-foreign", "relay-route-host"} <= taken


async def test_a_postfix_that_trusts_senders_of_its_own_domain_is_found_out(
    dns: DnsServer, tmp_path: Path
) -> None:
    # A real misconfiguration: whoever claims to be of the domain may relay.
    result = await examine(
        dns,
        tmp_path,
        smtpd_relay_restrictions=(
            "check_sender_access inline:{local.example=OK}, reject_unauth_destination"
        ),
        parent_domain_matches_subdomains="",
    )
    assert untested(result) == {"relay-from-mail-domain", "relay-from-postmaster"}


async def test_a_postfix_that_trusts_strangers_with_xclient_fails(
    dns: DnsServer, tmp_path: Path
) -> None:
    result = await examine(dns, tmp_path, smtpd_authorized_xclient_hosts="127.0.0.0/8")
    assert not_passed(result) == {
        "client-override": Verdict.FAILED,
        "verification": Verdict.FAILED,
    }


async def test_a_postfix_with_a_catch_all_mailbox_is_not_called_a_relay(
    dns: DnsServer, tmp_path: Path
) -> None:
    result = await examine(
        dns,
        tmp_path,
        virtual_mailbox_maps="static:x",
        allow_percent_hack="no",
        swap_bangpath="no",
        allow_untrusted_routing="yes",
    )
    assert not_passed(result) == {"verification": Verdict.FAILED}
    hidden = next(one for one in result.outcomes if one.name == "relay-percent-domain")
    assert hidden.verdict is Verdict.INFORMATION


async def test_a_postfix_that_is_strict_about_pipelining_passes_the_injection_test(
    dns: DnsServer, tmp_path: Path
) -> None:
    result = await examine(dns, tmp_path, smtpd_forbid_unauth_pipelining="yes")
    assert not_passed(result) == {"verification": Verdict.FAILED}
