"""Relay forms against a server that takes messages: what is sent, and what is noted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from countersign.certification.outcome import Proof, Verdict, overall_verdict
from countersign.certification.settling import Arrived, is_awaited, settle
from countersign.certification.steps import STEPS
from countersign.certification.test_address import Kind, read
from countersign.certification.visit import Visit
from countersign.demo.dns_server import DnsServer
from tests.certification.relaying import ALL, MARK, TakingServer, by_name, taking, visit_of
from tests.certification.running import HOST, battery_for, run_from

PASSED, FAILED = Verdict.PASSED, Verdict.FAILED
UNTESTED, INFORMATION = Verdict.COULD_NOT_TEST, Verdict.INFORMATION


async def try_envelopes(visit: Visit) -> None:
    [step] = [step for step in STEPS if "relay-in-clear" in {t.name for t in step.tests(visit)}]
    await step.make(visit)


async def visited(server: TakingServer, directory: Path, **changes: object) -> Visit:
    async with server.running(directory):
        visit = visit_of(server.address, server.port, **changes)  # type: ignore[arg-type]
        await try_envelopes(visit)
    return visit


def numbers_in(server: TakingServer) -> set[str]:
    """The numbers of recipients to whom the server was given messages."""
    found = set()
    for recipients, _ in server.messages:
        for recipient in recipients:
            for word in recipient.replace("%", "@").split("@"):
                address = read(word.removeprefix("RCPT TO:").strip('<"'))
                if address is not None:
                    found.add(address.number)
    return found


async def test_a_server_that_refuses_gets_no_message(tmp_path: Path) -> None:
    server = taking()
    visit = await visited(server, tmp_path)
    relays = {name: one for name, one in by_name(visit).items() if name.startswith("relay-")}
    assert {one.verdict for one in relays.values()} == {PASSED}
    assert server.messages == []
    assert "DATA" not in server.commands


async def test_a_server_that_takes_everything_gets_so_many_messages_and_no_more(
    tmp_path: Path,
) -> None:
    server = taking(ALL)
    visit = await visited(server, tmp_path, messages=4)
    outcomes = by_name(visit)
    assert len(server.messages) == 4
    listed = [number for one in outcomes.values() for number in one.messages]
    assert len(listed) == len(set(listed)) == 4
    # One of the four went to an unknown recipient at home; its sender bears the number.
    assert numbers_in(server) == set(listed) - set(outcomes["backscatter"].messages)
    assert outcomes["relay-in-clear"].verdict is UNTESTED
    assert "has not arrived" in outcomes["relay-in-clear"].explanation
    assert "that is enough" in outcomes["relay-percent-host"].explanation
    assert overall_verdict(outcomes.values()) is UNTESTED
    # Nothing more is asked for either.
    assert not [command for command in server.commands if "%" in command]


async def test_with_few_messages_the_forms_are_tried_on_without(tmp_path: Path) -> None:
    server = taking(ALL)
    outcomes = by_name(await visited(server, tmp_path, messages=2))
    assert len(server.messages) == 2
    assert "no further message was sent" in outcomes["relay-route-host"].explanation
    assert outcomes["relay-route-host"].verdict is UNTESTED
    # Unknown recipients are taken as well: only a message would have told.
    assert outcomes["relay-percent-host"].verdict is UNTESTED
    assert outcomes["relay-percent-host"].is_essential


async def test_without_a_mark_no_message_is_sent(tmp_path: Path) -> None:
    server = taking(ALL)
    outcomes = by_name(await visited(server, tmp_path, mark=""))
    assert server.messages == []
    assert outcomes["relay-from-null"].verdict is UNTESTED
    assert "test mailbox" in outcomes["relay-from-null"].explanation
    assert "RCPT TO:<relaytest@example.net>" in server.commands


async def test_a_message_says_who_is_testing_and_how_it_was_sent(tmp_path: Path) -> None:
    server = taking({"RCPT TO:<r-": "250 2.1.5 Ok"})
    visit = await visited(server, tmp_path, messages=1)
    [(recipients, content)] = server.messages
    [number] = by_name(visit)["relay-in-clear"].messages
    assert recipients == [f"RCPT TO:<r-{MARK}-{number}@example.net>"]
    assert f"MAIL FROM:<b-{MARK}-{number}@example.net>" in server.commands
    assert f"From: b-{MARK}-{number}@example.net" in content
    assert "https://registrar.example/about/tests" in content
    assert "relay-in-clear" in content


async def test_what_arrives_fails_the_server_and_what_bounces_too(tmp_path: Path) -> None:
    server = taking({"RCPT TO:<r-": "250 2.1.5 Ok"})
    async with server.running(tmp_path):
        dns = DnsServer("127.0.0.1", 0)
        await dns.start()
        try:
            dns.set(HOST, "A", server.address)
            battery = battery_for(server.port, messages=3)
            result = await run_from(dns, battery, mark=MARK, mail_domain="local.example")
        finally:
            await dns.stop()
    assert is_awaited(result)
    assert result.verdict is not FAILED
    [number] = next(one.messages for one in result.outcomes if one.name == "relay-in-clear")
    for kind, proof in ((Kind.RELAYED, Proof.RELAYED), (Kind.BOUNCED, Proof.BOUNCED)):
        settled = settle(result, [Arrived(kind, number)])
        proven = [one for one in settled.outcomes if one.proof is not Proof.NONE]
        assert [(one.name, one.proof, one.verdict) for one in proven] == [
            ("relay-in-clear", proof, FAILED)
        ]
        assert settled.verdict is FAILED


async def test_hidden_recipients_of_a_server_that_catches_all_are_for_information(
    tmp_path: Path,
) -> None:
    at_home = {f"RCPT TO:<{start}": "250 Ok" for start in ("relaytest-", "r-")}
    refused = {"RCPT TO:<r-": "550 5.7.1 No"}
    hidden = {"RCPT TO:<relaytest-": "250 Ok", 'RCPT TO:<"r-': "250 2.1.5 Ok"}
    server = taking(refused | {"RCPT TO:<relaytest-": at_home["RCPT TO:<relaytest-"]} | hidden)
    visit = await visited(server, tmp_path)
    one = by_name(visit)["relay-quoted-host"]
    assert one.verdict is INFORMATION
    # The unknown recipient for comparison got no copy.
    for recipients, _ in server.messages:
        assert len(recipients) == 1


async def test_a_message_that_is_refused_at_its_end_is_not_awaited(tmp_path: Path) -> None:
    server = taking(ALL | {".": "554 5.7.1 Spam"})
    outcomes = by_name(await visited(server, tmp_path))
    assert not any(one.messages for one in outcomes.values())
    # It is refused each time, and never counted as sent; others might be passed on.
    assert outcomes["relay-in-clear"].verdict is UNTESTED
    assert outcomes["relay-route-literal"].verdict is UNTESTED
    assert overall_verdict(outcomes.values()) is UNTESTED


@pytest.mark.parametrize("answer", ["550 5.1.1 No such user", "554 5.7.1 Relaying denied"])
async def test_a_message_that_is_refused_for_its_recipient_is_not_relayed(
    tmp_path: Path, answer: str
) -> None:
    outcomes = by_name(await visited(taking(ALL | {".": answer}), tmp_path))
    assert outcomes["relay-in-clear"].verdict is PASSED
    assert overall_verdict(outcomes.values()) is PASSED


async def test_a_message_after_which_the_server_hangs_up_may_have_been_taken(
    tmp_path: Path,
) -> None:
    server = taking(ALL | {".": ""})
    outcomes = by_name(await visited(server, tmp_path))
    one = outcomes["relay-in-clear"]
    assert one.verdict is UNTESTED
    assert len(one.messages) == 1
    assert len(server.messages) <= 6


@pytest.mark.parametrize("answer", ["451 4.3.0 Later", "250 2.0.0 Ok", "554 5.5.1 No"])
async def test_data_that_is_not_gone_on_with_sends_nothing(tmp_path: Path, answer: str) -> None:
    server = taking(ALL | {"DATA": answer})
    outcomes = by_name(await visited(server, tmp_path))
    assert server.messages == []
    assert not any(one.messages for one in outcomes.values())
    expected = PASSED if answer.startswith("5") else UNTESTED
    assert outcomes["relay-in-clear"].verdict is expected


async def test_a_form_that_is_switched_off_is_not_tried(tmp_path: Path) -> None:
    server = taking()
    off = ("relay-percent-host", "relay-percent-in-clear", "relay-in-clear", "backscatter")
    visit = await visited(server, tmp_path, without=off)
    assert not set(off) & by_name(visit).keys()
    plain = re.compile(rf"RCPT TO:<r-[a-z2-7-]+%example\.net@{HOST}>")
    assert not [command for command in server.commands if plain.fullmatch(command)]
    assert not [c for c in server.commands if c.endswith("@local.example>") and "relaytest" in c]


async def test_each_connection_names_the_page_about_the_tests(tmp_path: Path) -> None:
    server = taking()
    await visited(server, tmp_path)
    said = [c for c in server.commands if c == "NOOP see https://registrar.example/about/tests"]
    assert len(said) == server.connections > 1


@pytest.mark.parametrize("answer", ["500 5.5.2 What?", "421 4.7.0 Bye"])
async def test_it_is_of_no_account_what_is_answered_to_that(tmp_path: Path, answer: str) -> None:
    server = taking({"NOOP": answer})
    visit = await visited(server, tmp_path)
    assert FAILED not in {one.verdict for one in visit.sheet.outcomes}
    if answer.startswith("5"):
        assert by_name(visit)["relay-from-null"].verdict is PASSED


async def test_a_wrong_password_opens_no_relay(tmp_path: Path) -> None:
    keywords = ("AUTH PLAIN LOGIN",)
    server = taking(tls_keywords=keywords)
    one = by_name(await visited(server, tmp_path))["relay-after-failed-auth"]
    assert one.verdict is PASSED
    sent = [line.text for line in one.transcript]
    assert any(text.startswith("AUTH PLAIN ") for text in sent)
    assert any(text.startswith("RCPT TO:<r-") for text in sent)
    careless = taking({"AUTH": "235 2.7.0 Welcome"}, tls_keywords=keywords)
    (directory := tmp_path / "careless").mkdir()
    one = by_name(await visited(careless, directory))["relay-after-failed-auth"]
    assert one.verdict is FAILED
    # Where no password is asked for, none is tried.
    (directory := tmp_path / "without").mkdir()
    server = taking()
    assert by_name(await visited(server, directory))["relay-after-failed-auth"].verdict is PASSED
    assert not [command for command in server.commands if command.startswith("AUTH")]


async def test_the_original_recipient_is_named_where_that_can_be_said(tmp_path: Path) -> None:
    server = taking(tls_keywords=("DSN",))
    visit = await visited(server, tmp_path)
    one = by_name(visit)["relay-orcpt"]
    assert one.verdict is INFORMATION
    assert len(one.messages) == 1
    [(recipients, _)] = server.messages
    number = one.messages[0]
    assert recipients == [
        f"RCPT TO:<postmaster@local.example> ORCPT=rfc822;r-{MARK}-{number}@example.net"
    ]
