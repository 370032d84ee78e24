"""The battery against servers with one fault each, and without."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from countersign.certification import outcome
from countersign.certification.forms import Names, forms_for
from countersign.certification.outcome import BatteryResult, Direction, Verdict
from countersign.demo.dns_server import Behaviour, DnsServer
from countersign.transport.stream import Stream
from tests.certification.running import HOST, LOOPBACK, battery_for, run_from
from tests.certification.servers import FaultyServer
from tests.gateway.process import maildir_gateway
from tests.gateway.world import free_port, fresh_address

PASSED, FAILED = Verdict.PASSED, Verdict.FAILED
UNTESTED, INFORMATION = Verdict.COULD_NOT_TEST, Verdict.INFORMATION


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set("local.example", "MX", f"10 {HOST}.")
    yield server
    await server.stop()


async def run(
    dns: DnsServer, address: str, port: int, *, progress: Any = None, **changes: Any
) -> BatteryResult:
    if address:
        dns.set(HOST, "A", address)
    networks = changes.pop("networks", LOOPBACK)
    return await run_from(dns, battery_for(port, **changes), progress=progress, networks=networks)


async def examine(
    server: FaultyServer, dns: DnsServer, directory: Path, **changes: Any
) -> BatteryResult:
    async with server.running(directory):
        return await run(dns, server.address, server.port, **changes)


def verdicts(result: BatteryResult) -> dict[str, Verdict]:
    return {one.name: one.verdict for one in result.outcomes}


def not_passed(result: BatteryResult) -> dict[str, Verdict]:
    return {
        name: verdict
        for name, verdict in verdicts(result).items()
        if verdict not in (PASSED, INFORMATION)
    }


def find(result: BatteryResult, name: str) -> outcome.TestOutcome:
    [found] = [one for one in result.outcomes if one.name == name]
    return found


def lines(result: BatteryResult, name: str, direction: Direction) -> list[str]:
    return [line.text for line in find(result, name).transcript if line.direction is direction]


# -- without fault -------------------------------------------------------------------------


async def test_our_own_gateway_passes_the_whole_battery(tmp_path: Path, dns: DnsServer) -> None:
    for user in ("postmaster", "abuse"):
        (tmp_path / "local.example" / user).mkdir(parents=True)
    async with maildir_gateway(tmp_path) as gateway:
        reverse = ".".join(reversed(gateway.address.split(".")))
        dns.set(f"{reverse}.in-addr.arpa", "PTR", f"{HOST}.")
        result = await run(dns, gateway.address, gateway.port)
        assert not_passed(result) == {}
        assert result.verdict is PASSED
        assert find(result, "verification").verdict is PASSED
        assert find(result, "postmaster").explanation == "postmaster@local.example was accepted."
        assert find(result, "reverse-dns").explanation.endswith(f"leads to {HOST}, and back.")
        names = Names(HOST, gateway.address, "example.net", "local.example")
        assert {form.test.name for form in forms_for(names)} <= verdicts(result).keys()
        # A wrong ID suspends questions: a second run at once says so, and fails nobody.
        again = await run(dns, gateway.address, gateway.port)
        assert not_passed(again) == {
            "verification": UNTESTED,
            "verification-suspension": UNTESTED,
        }
        assert again.verdict is UNTESTED


async def test_a_gateway_that_takes_mail_from_registered_servers_only_passes(
    tmp_path: Path, dns: DnsServer
) -> None:
    async with maildir_gateway(tmp_path, receiving="max_errors = 10") as gateway:
        result = await run(dns, gateway.address, gateway.port)
    assert not_passed(result) == {"postmaster": UNTESTED, "abuse": UNTESTED}
    assert result.verdict is PASSED


async def test_a_good_server_passes_and_is_spoken_to_politely(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer()
    told: list[str] = []
    result = await examine(server, dns, tmp_path, progress=lambda one: told.append(one.name))
    assert not_passed(result) == {}
    assert result.verdict is PASSED
    assert told == [one.name for one in result.outcomes]
    assert server.most_open == 1
    assert server.connections <= 17
    assert not [command for command in server.commands if command.startswith(("DATA", "BDAT"))]
    assert {c for c in server.commands if c.startswith("EHLO")} == {"EHLO registrar.example"}
    assert len([c for c in server.commands if c.startswith(("RCPT", "rcpt"))]) > 35


async def test_a_result_survives_json_and_tells_what_was_said(
    tmp_path: Path, dns: DnsServer
) -> None:
    result = await examine(FaultyServer(), dns, tmp_path)
    values = json.loads(json.dumps(result.to_dict()))
    assert BatteryResult.from_dict(values) == result
    assert lines(result, "relay-quoted-host", Direction.SENT) == [
        "MAIL FROM:<relaytest@example.net>",
        f'RCPT TO:<"relaytest@example.net"@{HOST}>',
        "RSET",
    ]
    assert "550 5.7.1 Relaying denied" in lines(result, "relay-quoted-host", Direction.RECEIVED)
    times = [line.at_ms for one in result.outcomes for line in one.transcript]
    assert times == sorted(times)
    values["outcomes"][0]["verdict"] = "excellent"
    with pytest.raises(ValueError, match="verdict"):
        BatteryResult.from_dict(values)


# -- relaying ------------------------------------------------------------------------------


async def test_an_open_relay_passes_at_no_plain_form_and_fails_by_proof_only(
    tmp_path: Path, dns: DnsServer
) -> None:
    accepting = {"RCPT": "250 2.1.5 Ok", "rcpt": "250 2.1.5 Ok"}
    result = await examine(FaultyServer(accepting, accepting), dns, tmp_path)
    assert result.verdict is UNTESTED
    plain = [
        form
        for form in forms_for(Names(HOST, "", "", ""))
        if not form.control and not form.is_local and not form.after_failed_auth
    ]
    for form in plain:
        assert find(result, form.test.name).verdict is UNTESTED, form
        assert find(result, form.test.name).is_essential
    # What it would do with hidden forms cannot be told: it takes anything.
    assert find(result, "relay-percent-host").verdict is INFORMATION
    assert "accepted the recipient" in find(result, "relay-from-null").explanation


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("RCPT TO:<relaytest%example.net@mail.", "relay-percent-host"),
        ("RCPT TO:<example.net!relaytest>", "relay-bang"),
        ('RCPT TO:<"relaytest@example.net"@mail.', "relay-quoted-host"),
        ("RCPT TO:<relaytest%example.net@local.", "relay-percent-domain"),
        ("RCPT TO:<@mail.local.example:relay", "relay-route-host"),
        ("RCPT TO:<relaytest@[192.0.2.1]>", "relay-to-literal"),
        ("rcpt to: ", "relay-to-loose-verb"),
    ],
)
async def test_a_server_that_takes_a_single_form_does_not_pass(
    tmp_path: Path, dns: DnsServer, prefix: str, name: str
) -> None:
    result = await examine(FaultyServer(in_tls={prefix: "250 2.1.5 Ok"}), dns, tmp_path)
    assert not_passed(result) == {name: UNTESTED}
    assert result.verdict is UNTESTED


async def test_a_server_that_takes_unknown_local_recipients_is_not_called_a_relay(
    tmp_path: Path, dns: DnsServer
) -> None:
    # As a server with a catch-all mailbox does: any local part of its own domain.
    hidden = {
        f"RCPT TO:<{start}{end}": "250 2.1.5 Ok"
        for start, end in (("relaytest%example.net@", HOST), ("relaytest-", ""))
    }
    result = await examine(FaultyServer(in_tls=hidden), dns, tmp_path)
    assert find(result, "relay-percent-host").verdict is INFORMATION
    assert result.verdict is PASSED


async def test_a_full_width_sign_is_tried_where_it_can_be_written(
    tmp_path: Path, dns: DnsServer
) -> None:
    relays = {"RCPT TO:<relaytest\uff20": "250 2.1.5 Ok"}
    server = FaultyServer(in_tls=relays, tls_keywords=("SMTPUTF8", "XSESSIONID", "XVERIFY"))
    result = await examine(server, dns, tmp_path)
    assert not_passed(result) == {"relay-wide-at": UNTESTED}


async def test_recipients_that_are_taken_outside_tls_only_do_not_pass(
    tmp_path: Path, dns: DnsServer
) -> None:
    result = await examine(FaultyServer(clear={"RCPT": "250 2.1.5 Ok"}), dns, tmp_path)
    assert not_passed(result) == dict.fromkeys(
        ("relay-in-clear", "relay-from-null-in-clear", "relay-route-in-clear"), UNTESTED
    )
    assert result.verdict is UNTESTED


async def test_deferrals_are_not_failures_and_leave_the_server_untested(
    tmp_path: Path, dns: DnsServer
) -> None:
    late = {"RCPT TO:<relaytest@example.net>": "450 4.2.0 Greylisted"}
    result = await examine(FaultyServer(in_tls=late), dns, tmp_path)
    assert find(result, "relay-from-null").verdict is UNTESTED
    assert "Put off" in find(result, "relay-from-null").explanation
    assert result.verdict is UNTESTED
    odd = {"MAIL FROM:<relaytest@nonexistent.invalid>": "450 4.1.8 Domain not found"}
    result = await examine(FaultyServer(in_tls=odd), dns, tmp_path)
    assert not_passed(result) == {"relay-from-nonexistent": UNTESTED}
    assert result.verdict is PASSED


async def test_a_server_that_refuses_every_sender_relays_nothing(
    tmp_path: Path, dns: DnsServer
) -> None:
    refusing = {"MAIL": "550 5.7.1 Not you"}
    result = await examine(FaultyServer(refusing, refusing), dns, tmp_path)
    assert not_passed(result) == {"postmaster": UNTESTED, "abuse": UNTESTED}


async def test_another_sender_is_chosen_where_the_foreign_one_is_refused(
    tmp_path: Path, dns: DnsServer
) -> None:
    choosy = {
        "MAIL FROM:<relaytest@example.net>": "550 5.7.1 SPF fails",
        f"MAIL FROM:<relaytest@{HOST}>": "550 5.7.1 That is me",
        "RCPT TO:<relaytest%example.net>": "250 2.1.5 Ok",
    }
    result = await examine(FaultyServer(in_tls=choosy), dns, tmp_path)
    assert not_passed(result) == {"relay-percent": UNTESTED}
    assert "MAIL FROM:<>" in lines(result, "relay-percent", Direction.SENT)


async def test_a_server_that_hangs_up_after_some_commands_is_called_again(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(closes_after=18)
    result = await examine(server, dns, tmp_path)
    assert not_passed(result) == {}
    assert server.most_open == 1


# -- the other tests -----------------------------------------------------------------------


@pytest.mark.parametrize("keyword", ["AUTH PLAIN LOGIN", "AUTH=LOGIN", "auth SCRAM-SHA-256"])
async def test_auth_offered_in_clear_fails(tmp_path: Path, dns: DnsServer, keyword: str) -> None:
    server = FaultyServer(clear_keywords=("STARTTLS", keyword))
    result = await examine(server, dns, tmp_path)
    assert not_passed(result) == {"auth-in-clear": FAILED}
    assert result.verdict is FAILED


async def test_auth_taken_in_clear_though_not_offered_fails(tmp_path: Path, dns: DnsServer) -> None:
    server = FaultyServer(clear={"AUTH LOGIN": "334 VXNlcm5hbWU6", "*": "501 5.0.0 Cancelled"})
    result = await examine(server, dns, tmp_path)
    assert not_passed(result) == {"auth-in-clear": FAILED}
    assert lines(result, "auth-in-clear", Direction.SENT)[:3] == ["AUTH PLAIN", "AUTH LOGIN", "*"]


async def test_xclient_for_strangers_fails(tmp_path: Path, dns: DnsServer) -> None:
    server = FaultyServer(clear_keywords=("STARTTLS", "XCLIENT NAME ADDR"))
    assert not_passed(await examine(server, dns, tmp_path)) == {"client-override": FAILED}


async def test_a_server_that_obeys_injected_commands_fails(tmp_path: Path, dns: DnsServer) -> None:
    result = await examine(FaultyServer(keeps_input=True), dns, tmp_path)
    assert not_passed(result) == {"starttls-injection": FAILED}
    assert "obeyed" in find(result, "starttls-injection").explanation
    result = await examine(FaultyServer(answers_early=True), dns, tmp_path)
    assert not_passed(result) == {"starttls-injection": FAILED}
    assert "in clear" in find(result, "starttls-injection").explanation


async def test_a_server_without_starttls_fails(tmp_path: Path, dns: DnsServer) -> None:
    result = await examine(FaultyServer(clear_keywords=("PIPELINING",)), dns, tmp_path)
    assert find(result, "starttls").verdict is FAILED
    assert find(result, "starttls-injection").verdict is UNTESTED
    assert find(result, "relay-from-null").verdict is PASSED, "tried in clear"
    assert result.verdict is FAILED


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
async def test_the_version_of_tls_counts(
    tmp_path: Path, dns: DnsServer, version: ssl.TLSVersion
) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        result = await examine(FaultyServer(tls_version=version), dns, tmp_path)
    is_new = version is ssl.TLSVersion.TLSv1_2
    assert not_passed(result) == ({} if is_new else {"starttls": FAILED})
    assert ("TLSv1.2" if is_new else "TLSv1.1") in find(result, "starttls").explanation


async def test_starttls_that_is_refused_fails_and_put_off_does_not(
    tmp_path: Path, dns: DnsServer
) -> None:
    result = await examine(FaultyServer(clear={"STARTTLS": "502 5.5.1 No"}), dns, tmp_path)
    assert find(result, "starttls").verdict is FAILED
    result = await examine(FaultyServer(clear={"STARTTLS": "454 4.7.0 Later"}), dns, tmp_path)
    assert find(result, "starttls").verdict is UNTESTED
    assert result.verdict is UNTESTED


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("550 5.7.1 FALSE", PASSED),
        ("250 2.7.0 TRUE", FAILED),
        ("250 2.7.0 FALSE", FAILED),
        ("550 5.7.1 No idea", FAILED),
        ("500 5.5.2 Unknown command", FAILED),
        ("450 4.7.1 Suspended", UNTESTED),
        ("421 4.3.0 Busy", UNTESTED),
        ("350 2.7.0 Certificate wanted", FAILED),
    ],
)
async def test_only_false_is_the_answer_to_a_wrong_id(
    tmp_path: Path, dns: DnsServer, answer: str, verdict: Verdict
) -> None:
    result = await examine(FaultyServer(in_tls={"XVERIFY": answer}), dns, tmp_path)
    assert find(result, "verification").verdict is verdict
    assert result.verdict is verdict


async def test_both_verbs_must_be_offered_inside_tls_and_only_there(
    tmp_path: Path, dns: DnsServer
) -> None:
    result = await examine(FaultyServer(tls_keywords=("XVERIFY",)), dns, tmp_path)
    assert not_passed(result) == {"verification": FAILED}
    result = await examine(FaultyServer(tls_keywords=()), dns, tmp_path)
    assert not_passed(result) == {"verification": FAILED}
    server = FaultyServer(clear_keywords=("STARTTLS", "XSESSIONID"))
    assert not_passed(await examine(server, dns, tmp_path)) == {"verification-in-clear": FAILED}
    server = FaultyServer(clear={"XVERIFY": "550 5.7.1 FALSE"})
    assert not_passed(await examine(server, dns, tmp_path)) == {"verification-in-clear": FAILED}


async def test_postmaster_and_abuse_must_take_mail(tmp_path: Path, dns: DnsServer) -> None:
    missing = {
        "RCPT TO:<postmaster@": "550 5.1.1 No such user",
        "RCPT TO:<postmaster@local.example>": "550 5.1.1 No such user",
        "RCPT TO:<abuse@local.example>": "550 5.7.1 Blocked",
    }
    result = await examine(FaultyServer(in_tls=missing), dns, tmp_path)
    assert not_passed(result) == {"postmaster": FAILED, "abuse": UNTESTED}
    dns.remove("local.example")
    result = await examine(FaultyServer(in_tls=missing), dns, tmp_path)
    assert not_passed(result) == {}
    assert find(result, "postmaster").verdict is INFORMATION


async def test_what_a_server_says_is_made_fit_to_store(tmp_path: Path, dns: DnsServer) -> None:
    answers = {"XVERIFY": "550 a\0\x1b[2J\xff"}
    result = await examine(FaultyServer(in_tls=answers), dns, tmp_path)
    assert "a\\x00\\x1b[2J" in find(result, "verification").explanation
    assert "\\u0000" not in json.dumps(result.to_dict())


# -- servers that cannot be tested ---------------------------------------------------------


async def test_a_tarpit_cannot_be_tested_and_costs_no_more_than_its_time(
    tmp_path: Path, dns: DnsServer
) -> None:
    started = time.monotonic()
    result = await examine(FaultyServer(greeting=""), dns, tmp_path, timeout=0.3)
    assert not_passed(result) == {"connection": UNTESTED}
    assert result.verdict is UNTESTED
    # It greets, and is silent later on: after some silences it is left alone.
    server = FaultyServer(in_tls={"RCPT TO:<relay": ""})
    result = await examine(server, dns, tmp_path, timeout=0.3)
    assert server.connections <= 14
    assert "left alone" in find(result, "relay-percent").explanation
    assert result.verdict is UNTESTED
    for silent in ("EHLO", "AUTH", "MAIL", "RCPT"):
        server = FaultyServer(clear={silent: ""}, in_tls={silent: ""})
        result = await examine(server, dns, tmp_path, timeout=0.3, total_timeout=2)
        assert result.verdict is UNTESTED, silent
    assert time.monotonic() - started < 20


async def test_when_the_time_is_over_every_test_left_is_untested(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(in_tls={"RCPT": ""})
    result = await examine(server, dns, tmp_path, timeout=5, total_timeout=1)
    names = Names(HOST, server.address, "example.net", "local.example")
    assert {form.test.name for form in forms_for(names)} <= verdicts(result).keys()
    assert "time was over" in find(result, "relay-percent").explanation
    assert server.open_now == 0


@pytest.mark.parametrize(
    "greeting", ["421 4.3.2 Busy", "554 5.7.1 Your address is blocked", "450 4.7.1 Slowly"]
)
async def test_a_server_that_does_not_let_the_tester_in_is_untested(
    tmp_path: Path, dns: DnsServer, greeting: str
) -> None:
    result = await examine(FaultyServer(greeting=greeting), dns, tmp_path)
    assert verdicts(result) == {"address": PASSED, "connection": UNTESTED}
    assert result.verdict is UNTESTED


@pytest.mark.parametrize("greeting", ["SSH-2.0-OpenSSH_9.2", "HTTP/1.1 400 Bad Request", "\x00"])
async def test_what_is_no_mail_server_fails(tmp_path: Path, dns: DnsServer, greeting: str) -> None:
    result = await examine(FaultyServer(greeting=greeting), dns, tmp_path)
    assert not_passed(result) == {"connection": FAILED}
    assert "\x00" not in str(result.to_dict())


async def test_nobody_there_is_untested(dns: DnsServer) -> None:
    result = await run(dns, fresh_address(), free_port())
    assert not_passed(result) == {"connection": UNTESTED}
    assert "refused the connection" in find(result, "connection").explanation


async def test_a_server_that_takes_no_more_connections_is_left_alone(
    tmp_path: Path, dns: DnsServer
) -> None:
    class Leaving(FaultyServer):
        def _connected(self, stream: Any) -> None:
            if self.connections == 4:
                self.greeting = "421 4.7.0 Too many connections"
            super()._connected(stream)

    server = Leaving()
    result = await examine(server, dns, tmp_path)
    assert result.verdict is UNTESTED
    assert server.connections <= 10


# -- addresses -----------------------------------------------------------------------------


async def test_a_name_that_leads_nowhere_fails_and_one_in_doubt_does_not(dns: DnsServer) -> None:
    result = await run(dns, "", 25)
    assert verdicts(result) == {"address": FAILED}
    dns.misbehave(HOST, Behaviour.SERVFAIL)
    result = await run(dns, "", 25)
    assert verdicts(result) == {"address": UNTESTED}
    assert result.verdict is UNTESTED


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0"])
async def test_inner_addresses_are_never_contacted(dns: DnsServer, address: str) -> None:
    connected = False

    def note(_reader: Any, writer: Any) -> None:
        nonlocal connected
        connected = True
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await run(dns, address, port, networks=("192.0.2.0/24",))
    assert verdicts(result) == {"address": FAILED}
    assert result.addresses == ()
    assert not connected
    server.close()


async def test_every_address_is_tested_and_one_fault_among_them_is_enough_to_fail(
    tmp_path: Path, dns: DnsServer
) -> None:
    good = FaultyServer()
    bad = FaultyServer(keeps_input=True, in_tls={"XVERIFY": "450 4.7.1 Wait"})
    async with good.running(tmp_path):
        bad_tls = tmp_path / "other"
        bad_tls.mkdir()
        async with bad.running(bad_tls):
            # One port for both, as on the internet.
            loop = asyncio.get_running_loop()
            second = await loop.create_server(
                lambda: Stream(bad._connected), bad.address, good.port
            )
            dns.set(HOST, "A", good.address, bad.address)
            result = await run(dns, "", good.port)
            second.close()
    assert set(result.addresses) == {good.address, bad.address}
    failed = {one.address for one in result.outcomes if one.verdict is FAILED}
    assert failed == {bad.address}
    questions = {one.address: one.verdict for one in result.outcomes if one.name == "verification"}
    # Suspended after a wrong ID at the other address, if that was asked first.
    first = result.addresses[0]
    assert questions[bad.address] is (PASSED if first == good.address else UNTESTED)
    assert result.verdict is FAILED


async def test_of_many_addresses_some_are_drawn(dns: DnsServer) -> None:
    dns.set(HOST, "A", *(f"127.99.0.{number}" for number in range(1, 21)))
    result = await run(dns, "", free_port(), addresses=3)
    assert len(result.addresses) == 3
    assert "Not tested: 17." in find(result, "address").explanation
