"""SMTP smuggling with real Postfix: as Debian ships it, and with what was added against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countersign.certification.outcome import TestOutcome, Verdict
from countersign.demo.dns_server import DnsServer
from countersign.transport.certificate import make_self_signed
from tests.certification.faulty import run_only
from tests.certification.running import HOST
from tests.gateway.world import free_port
from tests.peers.postfix import Postfix, skip_without_postfix

pytestmark = pytest.mark.peer


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    skip_without_postfix()
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set("local.example", "MX", f"10 {HOST}.")
    yield server
    await server.stop()


async def examine(
    dns: DnsServer, directory: Path, *names: str, **changes: Any
) -> dict[str, TestOutcome]:
    address, port = "127.0.0.1", free_port()
    pair = directory / "pair.pem"
    pair.write_bytes(make_self_signed(HOST))
    settings = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_chain_files": str(pair),
        "virtual_mailbox_maps": "inline:{postmaster@local.example=local.example/postmaster/}",
    } | changes
    postfix = Postfix(HOST, f"{address}:{port}", settings=settings)
    await asyncio.to_thread(postfix.__enter__)
    try:
        result = await run_only(dns, address, port, *names, timeout=20)
        return {one.name: one for one in result.outcomes}
    finally:
        await asyncio.to_thread(postfix.__exit__)


async def test_a_postfix_as_shipped_splits_messages(dns: DnsServer, tmp_path: Path) -> None:
    found = (await examine(dns, tmp_path, "smuggling"))["smuggling"]
    assert found.verdict is Verdict.FAILED
    assert " LF.LF, LF.CRLF, " in found.explanation, found.explanation


@pytest.mark.parametrize("value", ["normalize", "yes", "reject"])
async def test_a_postfix_that_forbids_bare_line_feeds_passes(
    dns: DnsServer, tmp_path: Path, value: str
) -> None:
    outcomes = await examine(dns, tmp_path, "smuggling", smtpd_forbid_bare_newline=value)
    found = outcomes["smuggling"]
    assert found.verdict is Verdict.PASSED, found.explanation
    assert bool(found.messages) == (value != "reject")


async def test_a_postfix_that_forbids_commands_before_their_time_splits_all_the_same(
    dns: DnsServer, tmp_path: Path
) -> None:
    outcomes = await examine(dns, tmp_path, "smuggling", smtpd_forbid_unauth_pipelining="yes")
    assert outcomes["smuggling"].verdict is Verdict.FAILED


async def test_a_postfix_passes_a_message_in_chunks_on_as_one(
    dns: DnsServer, tmp_path: Path
) -> None:
    found = (await examine(dns, tmp_path, "smuggling-chunks"))["smuggling-chunks"]
    assert found.verdict is Verdict.PASSED, found.explanation
    assert len(found.messages) == 8


async def test_a_closed_postfix_passes_what_is_asked_inside_tls(
    dns: DnsServer, tmp_path: Path
) -> None:
    names = (
        *("starttls-argument", "starttls", "certificate", "starttls-again", "starttls-injection"),
        *("starttls-reset", "vrfy", "expn", "auth-anonymous", "auth-weak", "verification-sequence"),
    )
    outcomes = await examine(dns, tmp_path, *names)
    verdicts = {name: outcomes[name].verdict for name in names}
    told = {name for name, verdict in verdicts.items() if verdict is Verdict.INFORMATION}
    assert told == {"certificate", "vrfy", "verification-sequence"}
    assert {verdicts[name] for name in names} == {Verdict.PASSED, Verdict.INFORMATION}
    assert "is self-signed" in outcomes["certificate"].explanation
    assert "252" in outcomes["vrfy"].explanation
