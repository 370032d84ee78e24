"""What needs no server: forms, transcripts, verdicts."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.certification import catalogue, outcome
from countersign.certification.forms import Names, fill_in, forms_for
from countersign.certification.judge import (
    Injected,
    information,
    judge_greeting,
    judge_injection,
    passed,
)
from countersign.certification.outcome import (
    MAX_LINE,
    MAX_LINES,
    BatteryResult,
    Direction,
    Line,
    Verdict,
    overall_verdict,
)
from countersign.certification.said import Trouble
from countersign.certification.session import trouble_of
from countersign.certification.sheet import Sheet
from countersign.certification.transcript import Transcript
from countersign.protocol.reply import Reply
from countersign.transport.conversation import ConversationError

NAMES = Names("mail.t.example", "192.0.2.7", "victim.example", "d.example")
NMAP = [
    ("<>", "<u@V>"),
    ("<a@V>", "<u@V>"),
    ("<a@T>", "<u@V>"),
    ("<a@[I]>", "<u@V>"),
    *(
        (None, recipient)
        for recipient in (
            "<u%V@[I]>",
            "<u%V@T>",
            '<"u@V">',
            '<"u%V">',
            "<u@V@[I]>",
            '<"u@V"@[I]>',
            "<u@V@T>",
            "<@[I]:u@V>",
            "<@T:u@V>",
            "<V!u>",
            "<V!u@[I]>",
            "<V!u@T>",
        )
    ),
]


def envelopes(names: Names) -> list[tuple[str, str]]:
    filled = [fill_in(form, names, "<s@x>", "r") for form in forms_for(names)]
    return [(one.mail, one.recipient) for one in filled]


def test_all_sixteen_forms_of_nmap_are_among_ours() -> None:
    shorter = [
        tuple(
            command.replace("victim.example", "V")
            .replace("mail.t.example", "T")
            .replace("192.0.2.7", "I")
            .replace("relaytest", "u")
            for command in envelope
        )
        for envelope in envelopes(NAMES)
    ]
    recipients = {recipient for _, recipient in shorter}
    for sender, recipient in NMAP:
        assert f"RCPT TO:{recipient}" in recipients
        if sender is not None:
            ours = sender.replace("a@V", "tester@V").replace("a@", "u@")
            assert (f"MAIL FROM:{ours}", f"RCPT TO:{recipient}") in shorter


def test_forms_differ_and_are_left_out_where_they_cannot_be_filled_in() -> None:
    forms = forms_for(NAMES)
    assert len({form.name for form in forms}) == len(forms)
    # Two differ by what comes before them: outside TLS, and after a second EHLO.
    outside = sum(form.in_clear for form in forms)
    # Those outside TLS repeat what is said inside it.
    assert len(set(envelopes(NAMES))) >= len(forms) - outside - 2
    without = forms_for(Names("mail.t.example", "2001:db8::1", "victim.example"))
    assert 25 <= len(without) < len(forms)
    own = Names("mail.t.example", "2001:db8::1", "victim.example", "mail.t.example")
    assert forms_for(own) == without
    text = str(envelopes(own))
    assert "[IPv6:2001:db8::1]" in text
    assert "{" not in text


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=2000)), max_size=20))
def test_any_octets_make_a_bounded_printable_transcript(pieces: list[tuple[bool, bytes]]) -> None:
    seconds = count()
    transcript = Transcript(lambda: next(seconds))
    for was_sent, octets in pieces:
        transcript.observe(was_sent, octets)
    lines = transcript.take()
    assert len(lines) <= MAX_LINES
    for line in lines:
        assert len(line.text) <= MAX_LINE
        assert "\0" not in line.text
        assert "\n" not in line.text
        line.text.encode()
    assert transcript.take() == ()


def test_a_flood_of_lines_is_cut_and_said_to_be() -> None:
    transcript = Transcript(lambda: 0.0)
    transcript.observe(False, b"250-x\r\n" * 10_000)
    lines = transcript.take()
    assert len(lines) == MAX_LINES
    assert lines[-1] == Line(0, Direction.NOTE, "more was said than is recorded")
    transcript.observe(True, b"a\x00\\\xff\x1b[2J\r\n")
    assert transcript.take()[0].text == "a\\x00\\\\\ufffd\\x1b[2J"


def test_a_flood_over_many_tests_is_bounded_too() -> None:
    transcript = Transcript(lambda: 0.0)
    characters = 0
    for _ in range(1000):
        transcript.observe(False, b"\0" * 100_000 + b"\r\n")
        characters += sum(len(line.text) for line in transcript.take())
    assert characters < 400_000


def test_an_address_without_a_route_from_here_says_nothing_of_the_server() -> None:
    sheet = Sheet("2001:db8::1", Transcript(lambda: 0.0), None)
    sheet.add(catalogue.ADDRESS, passed("It has one."))
    sheet.add(catalogue.CONNECTION, information("There is no route to this address from here."))
    assert overall_verdict(sheet.outcomes) is Verdict.COULD_NOT_TEST
    error = ConversationError("no connection")
    error.__cause__ = OSError(errno.ENETUNREACH, "Network is unreachable")
    assert trouble_of(error) is Trouble.NO_ROUTE


def make(verdict: Verdict, *, is_essential: bool = True) -> outcome.TestOutcome:
    return outcome.TestOutcome(
        name="x", title="x", verdict=verdict, explanation="x", is_essential=is_essential
    )


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.booleans())))
def test_the_whole_is_never_better_than_its_parts(parts: list[tuple[Verdict, bool]]) -> None:
    outcomes = [make(verdict, is_essential=essential) for verdict, essential in parts]
    whole = overall_verdict(outcomes)
    assert whole is not Verdict.INFORMATION
    assert (whole is Verdict.FAILED) == any(verdict is Verdict.FAILED for verdict, _ in parts)
    if whole is Verdict.PASSED:
        assert (Verdict.PASSED, True) in parts
        assert (Verdict.COULD_NOT_TEST, True) not in parts
    now = datetime.now(UTC)
    result = BatteryResult(
        host="h", addresses=("192.0.2.1",), begun_at=now, ended_at=now, outcomes=tuple(outcomes)
    )
    assert BatteryResult.from_dict(result.to_dict()) == result
    assert result.verdict is whole


@pytest.mark.parametrize("trouble", Trouble)
def test_trouble_never_passes_but_where_it_is_a_refusal(trouble: Trouble) -> None:
    assert judge_greeting(trouble).verdict in (Verdict.COULD_NOT_TEST, Verdict.FAILED)
    go_on = Reply(220, ("go on",))
    for seen in (Injected(trouble), Injected(go_on, trouble), Injected(go_on, go_on, trouble)):
        is_refusal = trouble in (Trouble.CLOSED, Trouble.TLS_FAILED)
        assert is_refusal or judge_injection(seen).verdict is not Verdict.PASSED
