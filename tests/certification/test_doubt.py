"""What was not seen is never a pass: whoever shuts the tester out has neither passed nor failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.certification.outcome import BatteryResult, Verdict
from countersign.certification.said import is_policy, shape
from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.protocol.reply import Reply
from countersign.transport.stream import Stream
from tests.certification.relaying import MARK
from tests.certification.running import HOST, battery_for, run_from
from tests.certification.servers import FaultyServer

PASSED, UNTESTED = Verdict.PASSED, Verdict.COULD_NOT_TEST
LISTED = "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked"
BOTH = ("RCPT TO:<postmaster@local.example>", "RCPT TO:<abuse@local.example>")


class Closing(FaultyServer):
    """Lets nobody in who came too often."""

    most = 0

    async def _serve(self, stream: Stream) -> None:
        if self.connections > self.most:
            stream.close()
            return
        await super()._serve(stream)


async def examine(server: FaultyServer, directory: Path, **changes: object) -> BatteryResult:
    dns = DnsServer("127.0.0.1", 0)
    await dns.start()
    try:
        async with server.running(directory):
            dns.set(HOST, "A", server.address)
            dns.set("local.example", "MX", f"10 {HOST}.")
            return await run_from(dns, battery_for(server.port, **changes), mark=MARK)
    finally:
        await dns.stop()


def verdicts(result: BatteryResult) -> dict[str, Verdict]:
    return {outcome.name: outcome.verdict for outcome in result.outcomes}


async def test_a_server_that_shuts_the_tester_out_before_the_last_form_has_not_passed(
    tmp_path: Path,
) -> None:
    closed = FaultyServer()
    assert (await examine(closed, tmp_path)).verdict is PASSED
    server = Closing()
    server.most = closed.connections - 2
    (directory := tmp_path / "again").mkdir()
    result = await examine(server, directory)
    seen = verdicts(result)
    assert seen["relay-from-foreign"] is PASSED
    assert seen["relay-control-octet"] is UNTESTED
    assert result.verdict is UNTESTED


async def test_a_server_that_lets_the_time_run_out_has_not_passed(tmp_path: Path) -> None:
    slow = {'RCPT TO:<"': ""}
    result = await examine(FaultyServer(slow, slow), tmp_path, total_timeout=4, timeout=20)
    seen = verdicts(result)
    assert seen["relay-from-foreign"] is PASSED
    assert seen["relay-percent"] is UNTESTED
    assert result.verdict is UNTESTED


async def test_a_server_that_is_silent_to_some_forms_has_not_passed(tmp_path: Path) -> None:
    slow = {"RCPT TO:<@": ""}
    result = await examine(FaultyServer(slow, slow), tmp_path, timeout=0.5)
    assert verdicts(result)["relay-route-host"] is UNTESTED
    assert result.verdict is UNTESTED


async def test_a_server_that_hangs_up_at_one_form_has_refused_it(tmp_path: Path) -> None:
    class Offended(FaultyServer):
        async def _say(self, stream: Stream, answer: str) -> None:
            if answer == "offended":
                stream.close()
                return
            await super()._say(stream, answer)

    offended = {'RCPT TO:<"r-' + MARK: "offended"}
    result = await examine(Offended(offended, offended), tmp_path)
    assert verdicts(result)["relay-quoted"] is UNTESTED
    assert result.verdict is PASSED


@pytest.mark.parametrize("answer", [LISTED, "550 Your host is on a list"])
async def test_a_server_that_refuses_the_tester_itself_has_neither_passed_nor_failed(
    tmp_path: Path, answer: str
) -> None:
    answers = dict.fromkeys(("RCPT", "rcpt", *BOTH), answer)
    result = await examine(FaultyServer(answers, answers), tmp_path)
    seen = verdicts(result)
    assert seen["postmaster"] is UNTESTED
    assert seen["relay-from-foreign"] is UNTESTED
    assert result.verdict is UNTESTED


async def test_a_server_that_refuses_postmaster_for_another_reason_is_judged_by_its_forms(
    tmp_path: Path,
) -> None:
    answers = dict.fromkeys(BOTH, "550 5.7.1 No bounces, please")
    result = await examine(FaultyServer(answers, answers), tmp_path)
    assert verdicts(result)["postmaster"] is UNTESTED
    assert verdicts(result)["relay-from-foreign"] is PASSED
    assert result.verdict is PASSED


async def test_a_server_that_takes_no_sender_passes_only_by_policy(tmp_path: Path) -> None:
    by_policy = {"MAIL": "550 5.7.1 Only from registered servers"}
    assert (await examine(FaultyServer(by_policy, by_policy), tmp_path)).verdict is PASSED
    dislike = {"MAIL": "550 5.1.8 Not from there"}
    (directory := tmp_path / "again").mkdir()
    result = await examine(FaultyServer(dislike, dislike), directory)
    assert verdicts(result)["relay-percent"] is UNTESTED
    assert result.verdict is UNTESTED


async def test_a_server_that_knows_no_parameters_of_mail_passes(tmp_path: Path) -> None:
    class Plain(FaultyServer):
        def _answer(self, command: str, in_tls: bool) -> str:
            if command.startswith("MAIL") and "AUTH=" in command:
                return "555 5.5.4 Unsupported option"
            return super()._answer(command, in_tls)

    result = await examine(Plain(), tmp_path)
    assert verdicts(result)["relay-mail-auth"] is PASSED
    assert result.verdict is PASSED


async def test_a_host_whose_domain_the_dns_does_not_tell_has_not_passed(tmp_path: Path) -> None:
    dns, server = DnsServer("127.0.0.1", 0), FaultyServer()
    await dns.start()
    try:
        async with server.running(tmp_path):
            dns.set(HOST, "A", server.address)
            dns.misbehave("local.example", Behaviour.SERVFAIL)
            result = await run_from(dns, battery_for(server.port), mark=MARK)
    finally:
        await dns.stop()
    assert verdicts(result)["postmaster"] is UNTESTED
    assert result.verdict is UNTESTED


def test_refusals_are_alike_but_for_what_they_repeat_of_the_command() -> None:
    one = Reply(554, ("<a@b.example>: Relay access denied",), "5.7.1")
    other = Reply(554, ("<c@d.example>: Relay access denied",), "5.7.1")
    assert shape(one) == shape(other) != ""
    assert shape(one) != shape(Reply(550, ("<a@b.example>: Relay access denied",), "5.7.1"))
    assert shape(Reply(450, ("Later",), "4.2.0")) == shape(None) == ""
    assert is_policy(one)
    assert not is_policy(Reply(550, ("No",), "5.1.1"))
