"""The battery as a list of steps: what is planned has an outcome, whatever the server does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countersign.certification import catalogue
from countersign.certification.outcome import BatteryResult, Proof, Verdict
from countersign.certification.steps import STEPS
from countersign.certification.visit import Visit
from countersign.demo.dns_server import DnsServer
from tests.certification.relaying import MARK, TakingServer, taking, visit_of
from tests.certification.running import HOST, battery_for, run_from

ANSWERS = (
    "250 2.0.0 Ok",
    "354 Go on",
    "334 ",
    "450 4.2.0 Later",
    "550 5.1.1 No",
    "421 4.7.0 Bye",
    "no reply at all",
    "250-a\r\n250 b\r\n250 unasked",
)
VERBS = ("MAIL", "RCPT", "rcpt", "RSET", "DATA", ".", "NOOP", "EHLO", "AUTH", "*", "RCPT TO:<r-")


async def run(server: TakingServer, directory: Path, **changes: object) -> BatteryResult:
    dns = DnsServer("127.0.0.1", 0)
    await dns.start()
    try:
        async with server.running(directory):
            dns.set(HOST, "A", server.address)
            battery = battery_for(server.port, **changes)
            traps = ("trap@local.example",)
            return await run_from(dns, battery, mark=MARK, mail_domain="local.example", traps=traps)
    finally:
        await dns.stop()


async def test_every_test_that_is_made_is_listed_and_can_be_switched_off(tmp_path: Path) -> None:
    result = await run(taking(), tmp_path)
    names = {outcome.name for outcome in result.outcomes}
    listed = {test.name for test in catalogue.all_tests()}
    assert names <= listed
    assert {"traps", "backscatter"} <= names
    (directory := tmp_path / "again").mkdir()
    server = taking()
    kept = {"connection", "relay-from-null"}
    result = await run(server, directory, without=tuple(listed - kept))
    assert {outcome.name for outcome in result.outcomes} == kept
    assert [c for c in server.commands if c.startswith("RCPT")] == [
        c for c in server.commands if c.startswith(f"RCPT TO:<r-{MARK}-")
    ]
    # Two connections show whether the server can be talked to, and one is for the form.
    assert server.connections == 3


async def test_when_the_time_is_over_what_is_planned_has_an_outcome_all_the_same(
    tmp_path: Path,
) -> None:
    server = taking({"RCPT": ""})
    result = await run(server, tmp_path, timeout=20, total_timeout=2)
    outcomes = {outcome.name: outcome for outcome in result.outcomes}
    assert len(outcomes) == len(result.outcomes)
    for name in ("traps", "backscatter", "relay-in-clear", "relay-control-octet"):
        assert outcomes[name].verdict is Verdict.COULD_NOT_TEST
    assert result.verdict is Verdict.COULD_NOT_TEST


def step_with(visit: Visit, name: str) -> Callable[[], object]:
    [step] = [one for one in STEPS if name in {test.name for test in one.tests(visit)}]
    return lambda: step.make(visit)


@given(st.dictionaries(st.sampled_from(VERBS), st.sampled_from(ANSWERS)), st.integers(5, 60))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_server_answers_each_form_has_one_outcome_and_none_fails_unproven(
    answers: dict[str, str], closes_after: int
) -> None:
    async def examine(directory: Path) -> tuple[Visit, TakingServer]:
        server = taking(answers, closes_after=closes_after)
        async with server.running(directory):
            visit = visit_of(
                server.address, server.port, traps=("trap@local.example",), timeout=0.5, messages=4
            )
            await step_with(visit, "relay-in-clear")()  # type: ignore[misc]
        return visit, server

    with tempfile.TemporaryDirectory() as directory:
        visit, server = asyncio.run(examine(Path(directory)))
    [step] = [one for one in STEPS if "traps" in {test.name for test in one.tests(visit)}]
    planned = [test.name for test in step.tests(visit)]
    # What is put off comes last.
    assert sorted(outcome.name for outcome in visit.sheet.outcomes) == sorted(planned)
    listed = [number for outcome in visit.sheet.outcomes for number in outcome.messages]
    assert len(listed) == len(set(listed)) <= 4
    for outcome in visit.sheet.outcomes:
        assert outcome.proof is Proof.NONE
        if outcome.name.startswith("relay-"):
            assert outcome.verdict is not Verdict.FAILED
    assert server.most_open == 1 or server.connections == 0
