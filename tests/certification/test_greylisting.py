"""What a server puts off is tried once more, after a while; an undecided form never passes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from countersign.certification.outcome import BatteryResult, Proof, TestOutcome, Verdict
from countersign.certification.settings import Battery, Standing
from countersign.certification.settling import Arrived, settle
from countersign.certification.standpoint import Standpoint
from countersign.certification.steps import STEPS
from countersign.certification.test_address import Kind
from countersign.demo.dns_server import DnsServer
from tests.certification.greylisting import LATER, GreylistingServer
from tests.certification.relaying import MARK, by_name, visit_of
from tests.certification.running import HOST, battery_for, run_from
from tests.certification.servers import FaultyServer

PASSED, FAILED, UNTESTED = Verdict.PASSED, Verdict.FAILED, Verdict.COULD_NOT_TEST
TRAP = "trap@local.example"
TAKES = "250 2.1.5 Ok"
HIDDEN = f"@{HOST}>"


class PercentHack(GreylistingServer):
    """Takes what is written with a percent sign, once it lets its sender in."""

    def _answer(self, command: str, in_tls: bool) -> str:
        answer = super()._answer(command, in_tls)
        is_hidden = command.startswith("RCPT TO:<r-") and f"%example.net@{HOST}" in command
        return TAKES if is_hidden and answer.startswith("5") else answer


class CatchAll(GreylistingServer):
    """Takes any local part at its own name."""

    def _answer(self, command: str, in_tls: bool) -> str:
        answer = super()._answer(command, in_tls)
        is_local = command.startswith("RCPT") and command.endswith(HIDDEN) and "\0" not in command
        return TAKES if is_local and answer.startswith("5") else answer


async def examine(server: FaultyServer, directory: Path, **changes: Any) -> BatteryResult:
    dns = DnsServer("127.0.0.1", 0)
    await dns.start()
    try:
        async with server.running(directory):
            dns.set(HOST, "A", server.address)
            dns.set("local.example", "MX", f"10 {HOST}.")
            settings = {"retry_seconds": 0.6} | changes
            assigned: dict[str, Any] = {"mark": MARK, "traps": (TRAP,)}
            return await run_from(dns, battery_for(server.port, **settings), **assigned)
    finally:
        await dns.stop()


def relays(result: BatteryResult) -> dict[str, TestOutcome]:
    found = {one.name: one for one in result.outcomes if one.name.startswith("relay-")}
    assert len({one.name for one in result.outcomes}) == len(result.outcomes)
    return found


def notes(one: TestOutcome) -> list[str]:
    return [line.text for line in one.transcript if line.direction == "note"]


def with_trap(**changes: Any) -> dict[str, Any]:
    trap = {f"RCPT TO:<{TRAP}>": TAKES}
    return {"clear": trap, "in_tls": trap} | changes


@pytest.mark.parametrize("ending", [">", HIDDEN])
async def test_a_closed_server_that_greylists_passes(tmp_path: Path, ending: str) -> None:
    server = GreylistingServer(**with_trap(ending=ending))
    result = await examine(server, tmp_path)
    outcomes = relays(result)
    assert {one.verdict for one in outcomes.values()} == {PASSED}
    assert result.verdict is PASSED
    one = outcomes["relay-percent-host"]
    said = [line.text for line in one.transcript]
    envelope = [text for text in said if text.startswith(("MAIL", "RCPT TO:<r-"))]
    assert envelope[:2] == envelope[2:]
    assert LATER in said
    assert said[-1] != LATER
    [waiting] = [note for one in result.outcomes for note in notes(one) if "waiting" in note]
    assert " s, as the server put " in waiting
    assert server.most_open == 1


async def test_what_is_not_put_off_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    result = await examine(FaultyServer(**with_trap()), tmp_path, retry_seconds=50)
    assert result.verdict is PASSED
    assert time.monotonic() - begun < 40
    assert not [note for one in result.outcomes for note in notes(one) if "waiting" in note]


async def test_a_sender_of_an_unknown_domain_may_be_put_off_for_ever_and_is_not_waited_for(
    tmp_path: Path,
) -> None:
    unknown = f"MAIL FROM:<b-{MARK}-"

    class Checking(FaultyServer):
        def _answer(self, command: str, in_tls: bool) -> str:
            if command.startswith(unknown) and command.endswith("@nonexistent.invalid>"):
                return "450 4.1.8 Domain not found"
            return super()._answer(command, in_tls)

    begun = time.monotonic()
    result = await examine(Checking(**with_trap()), tmp_path, retry_seconds=50)
    assert time.monotonic() - begun < 40
    one = relays(result)["relay-from-nonexistent"]
    assert one.verdict is UNTESTED
    assert not one.is_essential
    assert result.verdict is PASSED


async def test_a_greylisting_server_with_the_percent_hack_fails_once_the_message_arrived(
    tmp_path: Path,
) -> None:
    server = PercentHack(**with_trap(ending=HIDDEN))
    result = await examine(server, tmp_path)
    one = relays(result)["relay-percent-host"]
    assert one.verdict is UNTESTED
    assert one.is_essential
    assert result.verdict is UNTESTED
    [number] = one.messages
    settled = settle(result, [Arrived(Kind.RELAYED, number)])
    assert settled.verdict is FAILED
    assert relays(settled)["relay-percent-host"].proof is Proof.RELAYED


async def test_an_open_relay_that_greylists_gets_no_more_than_three_messages(
    tmp_path: Path,
) -> None:
    open_to_all = {"RCPT": TAKES, "rcpt": TAKES}
    result = await examine(GreylistingServer(open_to_all, open_to_all), tmp_path)
    assert result.verdict is UNTESTED
    assert sum(len(one.messages) for one in relays(result).values()) == 3


async def test_a_closed_server_with_a_catch_all_mailbox_passes_though_it_greylists(
    tmp_path: Path,
) -> None:
    result = await examine(CatchAll(**with_trap(ending=HIDDEN)), tmp_path)
    assert relays(result)["relay-percent-host"].verdict is Verdict.INFORMATION
    assert result.verdict is PASSED


@pytest.mark.parametrize("ending", [">", HIDDEN, f"%example.net{HIDDEN}"])
async def test_a_server_that_puts_off_for_ever_does_not_pass(tmp_path: Path, ending: str) -> None:
    result = await examine(GreylistingServer(**with_trap(seconds=1e9, ending=ending)), tmp_path)
    one = relays(result)["relay-percent-host"]
    assert one.verdict is UNTESTED
    assert one.is_essential
    assert "Put off" in one.explanation
    assert "So it was before" in one.explanation
    assert result.verdict is UNTESTED


async def test_each_form_is_repeated_once_and_once_only(tmp_path: Path) -> None:
    server = GreylistingServer(**with_trap(seconds=1e9))
    await examine(server, tmp_path, retry_seconds=0)
    asked = Counter(c for c in server.commands if c.startswith(f"RCPT TO:<r-{MARK}-"))
    assert set(asked.values()) == {2}


async def test_the_time_for_all_tests_bounds_the_wait(tmp_path: Path) -> None:
    server = GreylistingServer(**with_trap(ending=HIDDEN))
    begun = time.monotonic()
    result = await examine(server, tmp_path, retry_seconds=3600, total_timeout=8)
    assert time.monotonic() - begun < 30
    one = relays(result)["relay-percent-host"]
    assert one.verdict is UNTESTED
    assert one.is_essential
    assert LATER in [line.text for line in one.transcript]
    assert relays(result)["relay-plus-domain"].verdict is PASSED
    assert result.verdict is UNTESTED


async def test_nothing_is_known_of_a_form_before_it_was_repeated_and_no_connection_waits(
    tmp_path: Path,
) -> None:
    server = GreylistingServer(**with_trap(seconds=1e9, ending=f"%example.net{HIDDEN}"))
    async with asyncio.timeout(30), server.running(tmp_path):
        visit = visit_of(server.address, server.port, retry_seconds=3600, timeout=5)
        [step] = [one for one in STEPS if "backscatter" in {t.name for t in one.tests(visit)}]
        task = asyncio.ensure_future(step.make(visit))
        while "relay-control-octet" not in by_name(visit) or server.open_now:
            # The responder tells nobody when it is left alone.
            await asyncio.sleep(0.05)
        assert "relay-percent-host" not in by_name(visit)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_second_attempt_comes_from_the_address_of_the_first(tmp_path: Path) -> None:
    server = GreylistingServer(**with_trap())
    sources = ("127.71.0.1", "127.72.0.1", "127.73.0.1")
    async with server.running(tmp_path):
        visit = visit_of(server.address, server.port, retry_seconds=0.6)
        visit.caller.standpoint = Standpoint(Standing(sources=sources, networks=("127.0.0.0/8",)))
        [step] = [one for one in STEPS if "backscatter" in {t.name for t in one.tests(visit)}]
        await step.make(visit)
    outcomes = by_name(visit)
    assert {one.verdict for one in outcomes.values()} == {PASSED}
    assert {client for client, _, _ in server.put_off} == set(sources)


def test_greylisting_is_given_five_minutes() -> None:
    battery = Battery()
    assert 300 < battery.retry_seconds < battery.total_timeout / 2
