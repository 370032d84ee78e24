"""SMTP smuggling: which servers take a second message out of the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification.message import Letter
from countersign.certification.outcome import MAX_MESSAGES, BatteryResult, Direction, Proof, Verdict
from countersign.certification.said import Trouble
from countersign.certification.settling import Arrived, is_awaited, settle
from countersign.certification.smuggled import (
    PSEUDO_ENDS,
    Inner,
    PseudoEnd,
    Smuggled,
    content_with,
    judge_smuggling,
)
from countersign.certification.test_address import Kind
from countersign.demo.dns_server import DnsServer
from countersign.protocol.reply import Reply
from tests.certification.faulty import Abrupt, Chunking, Synchronised, outcome_of, run_only
from tests.certification.running import HOST
from tests.certification.servers import FaultyServer
from tests.gateway.process import maildir_gateway

NAME, CHUNKS = "smuggling", "smuggling-chunks"
TRUE_END = b"\r\n.\r\n"
HARMLESS = (
    PseudoEnd("CRLF.LF", b"\r\n.\n"),
    PseudoEnd("CRLF.CR", b"\r\n.\r"),
    PseudoEnd("CRLF.NUL CRLF", b"\r\n.\0\r\n"),
)
OK, BYE = Reply(250, ("2.0.0 Ok",)), Reply(221, ("2.0.0 Bye",))
NO, LEAVING = Reply(550, ("5.6.0 No",)), Reply(421, ("4.3.0 Later",))


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    server = DnsServer("127.0.0.1", 0)
    await server.start()
    server.set("local.example", "MX", f"10 {HOST}.")
    yield server
    await server.stop()


# -- the message ---------------------------------------------------------------------------


def stuffed(content: bytes) -> bytes:
    """Content as a sender that keeps to the standard sends it."""
    return content.replace(b"\r\n.", b"\r\n..")


def test_every_form_that_counts_goes_out_of_a_conforming_sender_and_no_other() -> None:
    for end in PSEUDO_ENDS:
        assert stuffed(b"x" + end.octets) == b"x" + end.octets, end.name
    for end in HARMLESS:
        assert end.octets not in stuffed(b"x" + end.octets), end.name
    assert len({end.octets for end in PSEUDO_ENDS}) == len(PSEUDO_ENDS) == 7
    # Both the message of all forms and one of each must find room in an outcome.
    assert 2 * len(PSEUDO_ENDS) <= MAX_MESSAGES


def test_the_message_says_who_tests_and_holds_every_smuggled_one_once() -> None:
    outer = Letter(
        sender="b-outer@example.net",
        number="outer",
        hello="registrar.example",
        about="https://registrar.example/about/tests",
        host=HOST,
        test="smuggling: x",
    )
    inner = [
        Inner(end, f"n{number}", f"b-n{number}@example.net", f"r-n{number}@example.net")
        for number, end in enumerate(PSEUDO_ENDS)
    ]
    content = content_with(outer, inner, datetime.now(UTC))
    assert TRUE_END not in content
    assert content.endswith(b"\r\n")
    head = content.partition(PSEUDO_ENDS[0].octets)[0]
    assert b"https://registrar.example/about/tests" in head
    assert b"What follows looks like mail commands." in head
    for number, end in enumerate(PSEUDO_ENDS):
        smuggled = end.octets + f"MAIL FROM:<b-n{number}@example.net>\r\n".encode()
        assert content.count(smuggled) == 1
        assert content.count(f"RCPT TO:<r-n{number}@example.net>\r\nDATA\r\n".encode()) == 1


# -- verdicts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "end", "verdict"),
    [
        ((OK, BYE), None, Verdict.PASSED),
        ((NO, BYE), None, Verdict.PASSED),
        ((Reply(451, ("4.3.0 x",)), BYE), None, Verdict.PASSED),
        ((NO,), Trouble.CLOSED, Verdict.PASSED),
        ((Reply(521, ("5.5.2 Bare LF",)),), Trouble.CLOSED, Verdict.PASSED),
        ((OK, OK, NO, NO, BYE), None, Verdict.FAILED),
        ((OK, NO, BYE), None, Verdict.FAILED),
        ((OK, OK, NO, LEAVING), None, Verdict.FAILED),
        ((NO, NO, NO), Trouble.TIMED_OUT, Verdict.FAILED),
        ((OK,), Trouble.CLOSED, Verdict.COULD_NOT_TEST),
        ((OK,), Trouble.TIMED_OUT, Verdict.COULD_NOT_TEST),
        ((OK, LEAVING), None, Verdict.COULD_NOT_TEST),
        ((OK, NO), Trouble.CLOSED, Verdict.COULD_NOT_TEST),
        ((LEAVING,), None, Verdict.COULD_NOT_TEST),
        ((BYE,), None, Verdict.COULD_NOT_TEST),
        ((), Trouble.CLOSED, Verdict.COULD_NOT_TEST),
    ],
)
def test_replies_are_counted(
    replies: tuple[Reply, ...], end: Trouble | None, verdict: Verdict
) -> None:
    assert judge_smuggling(Smuggled(replies, end)).verdict is verdict


@given(st.lists(st.sampled_from([OK, NO, LEAVING, BYE]), max_size=6), st.sampled_from(Trouble))
def test_more_than_one_reply_never_passes_and_one_never_fails(
    replies: list[Reply], end: Trouble
) -> None:
    verdict = judge_smuggling(Smuggled(tuple(replies), end)).verdict
    if len(replies) > 2:
        assert verdict is not Verdict.PASSED
    if len(replies) < 2:
        assert verdict is not Verdict.FAILED
    refused = Smuggled((), refused=end)
    assert judge_smuggling(refused).verdict is Verdict.COULD_NOT_TEST
    assert not refused.was_taken


# -- servers -------------------------------------------------------------------------------


async def test_a_server_that_keeps_to_the_standard_passes_with_one_message(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer()
    found = await outcome_of(server, NAME, dns, tmp_path)
    assert found.verdict is Verdict.PASSED, found.explanation
    assert server.commands.count("DATA") == 1
    assert len(set(found.messages)) == len(PSEUDO_ENDS)
    sent = [line.text for line in found.transcript if line.direction is Direction.SENT]
    assert "RCPT TO:<postmaster@local.example>" in sent
    assert len([text for text in sent if text.startswith("RCPT TO:<r-")]) == len(PSEUDO_ENDS)
    assert "https://registrar.example/about/tests" in sent
    assert sent[-2:] == [".", "QUIT"]


@pytest.mark.parametrize("end", PSEUDO_ENDS, ids=lambda end: end.name)
async def test_a_server_that_ends_messages_elsewhere_fails_and_is_told_where(
    tmp_path: Path, dns: DnsServer, end: PseudoEnd
) -> None:
    server = FaultyServer(ends=(TRUE_END, end.octets))
    found = await outcome_of(server, NAME, dns, tmp_path)
    assert found.verdict is Verdict.FAILED
    assert end.name in found.explanation
    # A form that begins with another is taken for it.
    others = {one.name for one in PSEUDO_ENDS if end.octets not in one.octets}
    named = found.explanation.partition(" at ")[2].partition(", and takes")[0].split(", ")
    assert not others.intersection(named)
    assert len(found.messages) <= MAX_MESSAGES


@pytest.mark.parametrize("end", HARMLESS, ids=lambda end: end.name)
async def test_a_form_that_no_sender_lets_out_fails_nobody(
    tmp_path: Path, dns: DnsServer, end: PseudoEnd
) -> None:
    # Who ends at CRLF.CR finds a stray LF before QUIT: that is not known to be either.
    fine = (Verdict.PASSED, Verdict.COULD_NOT_TEST)
    found = await outcome_of(
        FaultyServer(ends=(TRUE_END, end.octets)), NAME, dns, tmp_path, timeout=1
    )
    assert found.verdict in fine[: 2 if end.name == "CRLF.CR" else 1]


async def test_a_server_that_splits_outside_tls_fails(tmp_path: Path, dns: DnsServer) -> None:
    server = FaultyServer(ends=(b"\n.\n", TRUE_END), clear_keywords=("PIPELINING",))
    found = await outcome_of(server, NAME, dns, tmp_path)
    assert found.verdict is Verdict.FAILED


async def test_what_a_server_says_before_it_leaves_is_counted(
    tmp_path: Path, dns: DnsServer
) -> None:
    found = await outcome_of(Synchronised(), NAME, dns, tmp_path)
    assert found.verdict is Verdict.FAILED
    assert "LF.CRLF" in found.explanation


async def test_a_refusal_of_the_whole_message_passes(tmp_path: Path, dns: DnsServer) -> None:
    server = Abrupt(in_tls={".": "521 5.5.2 Bare LF"})
    found = await outcome_of(server, NAME, dns, tmp_path)
    assert found.verdict is Verdict.PASSED
    assert found.messages == ()
    found = await outcome_of(Abrupt(), NAME, dns, tmp_path)
    assert found.verdict is Verdict.COULD_NOT_TEST, "taken, and then closed: nothing was seen"
    assert len(found.messages) == len(PSEUDO_ENDS), "they may be on the way"


@pytest.mark.parametrize(
    "answers",
    [
        {"RCPT TO:<postmaster@local.example>": "550 5.1.1 Unknown"},
        {"RCPT TO:<postmaster@local.example>": "450 4.2.0 Greylisted"},
        {"MAIL": "550 5.7.1 Not you"},
        {"DATA": "451 4.3.0 Later"},
    ],
)
async def test_without_a_message_nothing_is_found_out(
    tmp_path: Path, dns: DnsServer, answers: dict[str, str]
) -> None:
    found = await outcome_of(FaultyServer(in_tls=answers), NAME, dns, tmp_path)
    assert found.verdict is Verdict.COULD_NOT_TEST
    assert not found.is_essential
    assert found.messages == ()


async def test_no_message_is_sent_without_a_test_mailbox_or_a_domain(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer()
    found = await outcome_of(server, NAME, dns, tmp_path, assigned={"mark": ""})
    assert found.verdict is Verdict.INFORMATION
    dns.remove("local.example")
    found = await outcome_of(server, NAME, dns, tmp_path)
    assert found.verdict is Verdict.COULD_NOT_TEST
    assert "DATA" not in server.commands


async def test_a_smuggled_message_that_arrives_proves_a_careless_host_behind_the_server(
    tmp_path: Path, dns: DnsServer
) -> None:
    server = FaultyServer()
    async with server.running(tmp_path):
        result = await run_only(dns, server.address, server.port, NAME)
    assert is_awaited(result)
    [outcome] = [one for one in result.outcomes if one.name == NAME]
    assert outcome.verdict is Verdict.PASSED
    settled: BatteryResult = settle(result, [Arrived(Kind.RELAYED, outcome.messages[4])])
    [outcome] = [one for one in settled.outcomes if one.name == NAME]
    assert (outcome.verdict, outcome.proof) == (Verdict.FAILED, Proof.RELAYED)


async def test_a_message_in_chunks_is_sent_where_chunks_are_offered(
    tmp_path: Path, dns: DnsServer
) -> None:
    plain = FaultyServer()
    found = await outcome_of(plain, CHUNKS, dns, tmp_path)
    assert (found.verdict, found.messages) == (Verdict.PASSED, ())
    assert not [command for command in plain.commands if command.startswith("MAIL")]
    server = Chunking()
    found = await outcome_of(server, CHUNKS, dns, tmp_path)
    assert found.verdict is Verdict.PASSED
    assert len(found.messages) == len(PSEUDO_ENDS) + 1
    [chunk] = server.chunks
    assert all(end.octets in chunk for end in (*PSEUDO_ENDS, PseudoEnd("true", TRUE_END)))
    assert server.commands[-1] == "QUIT"
    found = await outcome_of(Chunking(reads_lines=True), CHUNKS, dns, tmp_path)
    assert found.verdict is Verdict.FAILED


async def test_our_own_gateway_refuses_the_whole_message(tmp_path: Path, dns: DnsServer) -> None:
    for user in ("postmaster", "abuse"):
        (tmp_path / "local.example" / user).mkdir(parents=True)
    async with maildir_gateway(tmp_path) as gateway:
        result = await run_only(dns, gateway.address, gateway.port, NAME)
    [found] = [one for one in result.outcomes if one.name == NAME]
    assert found.verdict is Verdict.PASSED, found.explanation
    assert "5.6.0" in found.explanation
    assert not list((tmp_path / "local.example" / "postmaster").rglob("new/*"))
