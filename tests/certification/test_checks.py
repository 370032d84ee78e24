"""The other tests of the battery against servers with one fault each: TLS, users, questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.certification.outcome import Direction, TestOutcome, Verdict
from countersign.demo.dns_server import DnsServer
from tests.certification.faulty import Careless, outcome_of, run_only
from tests.certification.running import HOST
from tests.certification.servers import FaultyServer
from tests.gateway.process import maildir_gateway

PASSED, FAILED = Verdict.PASSED, Verdict.FAILED
UNTESTED, INFORMATION = Verdict.COULD_NOT_TEST, Verdict.INFORMATION
QUESTIONS = ("verification-sequence", "verification-syntax", "verification")
SUSPENSION = "verification-suspension"
TLS_KEYWORDS = ("PIPELINING", "XSESSIONID", "XVERIFY")


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set("local.example", "MX", f"10 {HOST}.")
    yield server
    await server.stop()


def sent(outcome: TestOutcome) -> list[str]:
    return [line.text for line in outcome.transcript if line.direction is Direction.SENT]


# -- STARTTLS ------------------------------------------------------------------------------


async def test_an_argument_of_starttls_is_refused_or_told(tmp_path: Path, dns: DnsServer) -> None:
    found = await outcome_of(FaultyServer(), "starttls-argument", dns, tmp_path)
    assert found.verdict is PASSED
    assert sent(found)[-1] == "STARTTLS now"
    careless = Careless()
    found = await outcome_of(careless, "starttls-argument", dns, tmp_path)
    assert found.verdict is INFORMATION
    # It waits for a handshake then: the rest is seen on another connection.
    async with careless.running(tmp_path):
        result = await run_only(dns, careless.address, careless.port, "starttls", "abuse")
    assert {one.verdict for one in result.outcomes} == {PASSED}


async def test_starttls_offered_inside_tls_fails(tmp_path: Path, dns: DnsServer) -> None:
    server = FaultyServer(tls_keywords=("STARTTLS", *TLS_KEYWORDS))
    assert (await outcome_of(server, "starttls-again", dns, tmp_path)).verdict is FAILED
    found = await outcome_of(FaultyServer(), "starttls-again", dns, tmp_path)
    assert found.verdict is PASSED
    server = FaultyServer(in_tls={"EHLO": "451 4.3.0 Later"})
    assert (await outcome_of(server, "starttls-again", dns, tmp_path)).verdict is UNTESTED


async def test_a_certificate_of_another_host_is_told_and_fails_nobody(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(host="mail.other.example")
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, "certificate", "starttls")
    found = {one.name: one for one in result.outcomes}
    assert found["certificate"].verdict is INFORMATION
    assert f"is for mail.other.example, and not for {HOST}" in found["certificate"].explanation
    assert found["starttls"].verdict is PASSED
    assert result.verdict is PASSED


async def test_a_transaction_from_before_the_handshake_must_not_go_on(
    tmp_path: Path, dns: DnsServer
) -> None:
    found = await outcome_of(FaultyServer(), "starttls-reset", dns, tmp_path)
    assert found.verdict is PASSED
    assert sent(found)[-2:] == ["EHLO registrar.example", "RCPT TO:<postmaster@local.example>"]
    found = await outcome_of(FaultyServer(takes_any_order=True), "starttls-reset", dns, tmp_path)
    assert found.verdict is FAILED
    refusing = FaultyServer(clear={"MAIL": "530 5.7.0 STARTTLS first"})
    assert (await outcome_of(refusing, "starttls-reset", dns, tmp_path)).verdict is PASSED
    busy = FaultyServer(clear={"MAIL": "451 4.3.0 Later"})
    assert (await outcome_of(busy, "starttls-reset", dns, tmp_path)).verdict is UNTESTED


# -- users and passwords -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("235 2.7.0 Welcome", FAILED),
        ("504 5.5.4 Unknown mechanism", PASSED),
        ("535 5.7.8 No", PASSED),
        ("334 ", UNTESTED),
        ("454 4.7.0 Later", UNTESTED),
    ],
)
async def test_who_lets_anonymous_in_fails(
    tmp_path: Path, dns: DnsServer, answer: str, verdict: Verdict
) -> None:
    server = FaultyServer(
        in_tls={"AUTH ANONYMOUS": answer, "cmVs": "334 ", "*": "501 5.0.0 Cancelled"},
        tls_keywords=("AUTH PLAIN ANONYMOUS",),
    )
    assert (await outcome_of(server, "auth-anonymous", dns, tmp_path)).verdict is verdict


async def test_nobody_tries_to_log_in_where_auth_is_not_offered(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer()
    assert (await outcome_of(server, "auth-anonymous", dns, tmp_path)).verdict is PASSED
    assert not [command for command in server.commands if "AUTH" in command]


@pytest.mark.parametrize(
    ("keywords", "verdict", "words"),
    [
        (("AUTH PLAIN login CRAM-MD5",), INFORMATION, "LOGIN, CRAM-MD5"),
        (("AUTH=NTLM", "AUTH PLAIN"), INFORMATION, "NTLM"),
        (("AUTH PLAIN SCRAM-SHA-256",), PASSED, ""),
        ((), PASSED, "not offered"),
    ],
)
async def test_outdated_mechanisms_are_told(
    tmp_path: Path, dns: DnsServer, keywords: tuple[str, ...], verdict: Verdict, words: str
) -> None:
    found = await outcome_of(FaultyServer(tls_keywords=keywords), "auth-weak", dns, tmp_path)
    assert found.verdict is verdict
    assert words in found.explanation


@pytest.mark.parametrize(
    ("plain", "at_once", "verdict"),
    [
        ("503 5.5.1 Not here", "503 5.5.1 Not here", PASSED),
        ("503 5.5.1 Not here", "535 5.7.8 Wrong password", FAILED),
        ("535 5.7.8 No", "535 5.7.8 No", PASSED),
        ("503 5.5.1 Not here", "235 2.7.0 Welcome", FAILED),
        ("503 5.5.1 Not here", "454 4.7.0 Later", UNTESTED),
    ],
)
async def test_a_password_that_is_looked_up_in_clear_fails(
    tmp_path: Path, dns: DnsServer, plain: str, at_once: str, verdict: Verdict
) -> None:
    server = FaultyServer(clear={"AUTH": plain, "AUTH PLAIN ": at_once})
    found = await outcome_of(server, "auth-in-clear", dns, tmp_path)
    assert found.verdict is verdict
    assert sent(found)[:2] == ["AUTH PLAIN", "AUTH LOGIN"]


async def test_users_that_can_be_told_from_others_are_worth_knowing(
    tmp_path: Path, dns: DnsServer
) -> None:
    for answers, verdict in (
        ({"VRFY postmaster": "252 2.0.0 Perhaps", "VRFY": "550 5.1.1 Unknown"}, INFORMATION),
        ({"VRFY": "252 2.0.0 Perhaps"}, PASSED),
        ({}, PASSED),
        ({"VRFY relay": "450 4.2.0 Later"}, UNTESTED),
        ({"VRFY": "421 4.3.0 Busy"}, UNTESTED),
    ):
        found = await outcome_of(FaultyServer(in_tls=answers), "vrfy", dns, tmp_path)
        assert found.verdict is verdict, answers


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("250-Anna <anna@local.example>\r\n250 <bob@local.example>", FAILED),
        ("250 2.1.5 <postmaster@local.example>", INFORMATION),
        ("252 2.0.0 Ask elsewhere, as admin@local.example", PASSED),
        ("502 5.5.1 Not implemented", PASSED),
        ("450 4.2.0 Later", UNTESTED),
    ],
)
async def test_a_list_of_members_fails(
    tmp_path: Path, dns: DnsServer, answer: str, verdict: Verdict
) -> None:
    found = await outcome_of(FaultyServer(in_tls={"EXPN": answer}), "expn", dns, tmp_path)
    assert found.verdict is verdict


# -- questions -----------------------------------------------------------------------------


async def test_a_second_question_after_a_wrong_id_must_not_be_answered(
    tmp_path: Path, dns: DnsServer
) -> None:
    names = (*QUESTIONS, SUSPENSION)
    for server, verdict in ((FaultyServer(), PASSED), (FaultyServer(never_suspends=True), FAILED)):
        async with server.running(tmp_path):
            result = await run_only(dns, server.address, server.port, *names)
        found = {one.name: one.verdict for one in result.outcomes}
        assert found == dict.fromkeys(QUESTIONS, PASSED) | {SUSPENSION: verdict}
        asked = [command for command in server.commands if len(command) == len("XVERIFY ") + 128]
        # In clear, before EHLO, with a sign in it, and the two that are whole.
        assert len(set(asked)) == 5


async def test_suspension_is_not_seen_where_no_question_was_answered(
    tmp_path: Path, dns: DnsServer
) -> None:
    for answer in ("450 4.7.1 Suspended", "421 4.3.0 Busy"):
        server = FaultyServer(in_tls={"XVERIFY": answer})
        async with server.running(tmp_path):
            result = await run_only(dns, server.address, server.port, "verification", SUSPENSION)
        found = {one.name: one.verdict for one in result.outcomes}
        assert found == {"verification": UNTESTED, SUSPENSION: UNTESTED}, answer


async def test_questions_before_ehlo_and_about_no_id_must_not_be_answered(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(takes_any_order=True, never_suspends=True)
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, *QUESTIONS)
    found = {one.name: one.verdict for one in result.outcomes}
    assert found == {
        "verification-sequence": FAILED,
        "verification-syntax": FAILED,
        "verification": PASSED,
    }


async def test_a_server_that_leaves_after_each_question_is_asked_all_the_same(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(in_tls={"XVERIFY": "421 4.7.0 Go away"}, takes_any_order=True)
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, *QUESTIONS, SUSPENSION)
    assert {one.verdict for one in result.outcomes} == {UNTESTED}
    assert {one.name for one in result.outcomes} == {*QUESTIONS, SUSPENSION}


async def test_where_nothing_is_offered_there_is_nothing_to_ask(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer(tls_keywords=())
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, *QUESTIONS, SUSPENSION)
    found = {one.name: one.verdict for one in result.outcomes}
    assert found.pop("verification") is FAILED
    assert set(found.values()) == {INFORMATION}


async def test_our_own_gateway_answers_once_and_then_no_more(
    tmp_path: Path, dns: DnsServer
) -> None:
    names = (*QUESTIONS, SUSPENSION, "starttls-reset", "vrfy", "expn", "starttls-argument")
    async with maildir_gateway(tmp_path) as gateway:
        result = await run_only(dns, gateway.address, gateway.port, *names)
    assert {one.name for one in result.outcomes} == set(names)
    assert {one.name: one.verdict for one in result.outcomes} == dict.fromkeys(names, PASSED)


# -- proof of control ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (("XCONTROL abc123",), "token is announced"),
        (("XCONTROL another",), "and not the registrar's"),
        ((), "is not announced"),
    ],
)
async def test_the_announced_token_is_told(
    tmp_path: Path, dns: DnsServer, keywords: tuple[str, ...], words: str
) -> None:
    server = FaultyServer(tls_keywords=(*keywords, *TLS_KEYWORDS))
    found = await outcome_of(server, "control", dns, tmp_path, assigned={"control_token": "abc123"})
    assert found.verdict is INFORMATION
    assert words in found.explanation


async def test_without_a_token_none_is_looked_for(tmp_path: Path, dns: DnsServer) -> None:
    server = FaultyServer()
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, "control", "starttls")
    assert [one.name for one in result.outcomes] == ["starttls"]
