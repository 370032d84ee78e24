"""A machine of valid dialogues: whatever an MTA does by the rules is understood."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from countersign.protocol.milter.answers import Verdict
from countersign.protocol.milter.events import BodyPiece, EndOfMessage, HeaderField, MailFrom
from countersign.protocol.reply import reply
from tests.protocol.milter.mta import (
    ABORT,
    ALL_STEPS,
    DATA,
    END_OF_HEADER,
    HELO,
    MAIL,
    QUIT_NEW,
    RCPT,
    Filter,
    connect,
    header,
    macros,
    offer,
    packet,
)

REFUSAL = reply(550, "5.7.1", "no")
NAMES = st.text(st.characters(codec="ascii", exclude_characters=":", min_codepoint=33), min_size=1)
VALUES = st.lists(st.binary(max_size=20).filter(lambda one: not set(one) & set(b"\0\r\n")))


class Mta(RuleBasedStateMachine):
    """Postfix and Sendmail at their most lively."""

    @initialize(steps=st.integers(0, ALL_STEPS), version=st.integers(2, 7))
    def begin(self, steps: int, version: int) -> None:
        self.steps = steps
        self.filter = Filter()
        self.filter.feed(offer(version, steps=steps))
        self.place = "negotiated"
        self.user = ""
        self.body = b""
        self.fields: list[bytes] = []

    def give(self, *packets: bytes) -> None:
        self.filter.feed(*packets)

    @precondition(lambda self: self.place == "negotiated")
    @rule()
    def connects(self) -> None:
        self.give(macros("C", j="mta.example"), connect())
        self.place = "idle"

    @precondition(lambda self: self.place != "negotiated")
    @rule()
    def says_helo(self) -> None:
        self.give(HELO)
        self.place = "idle"
        assert not self.filter.dialogue.in_message

    @precondition(lambda self: self.place != "negotiated")
    @rule(user=st.sampled_from(["", "alice", "bob"]), accepted=st.booleans())
    def sends_mail(self, user: str, accepted: bool) -> None:
        self.give(*([macros("M", auth_authen=user)] if user else []), MAIL)
        assert isinstance(self.filter.events[-1], MailFrom)
        assert self.filter.dialogue.macro("auth_authen") == user
        self.filter.dialogue.respond(Verdict.CONTINUE if accepted else REFUSAL)
        self.place = "mail" if accepted else "idle"
        self.fields, self.body = [], b""

    @precondition(lambda self: self.place in ("mail", "rcpt"))
    @rule(answer=st.sampled_from([Verdict.CONTINUE, Verdict.TEMPFAIL, REFUSAL]))
    def sends_rcpt(self, answer: Verdict) -> None:
        self.give(RCPT)
        self.filter.dialogue.respond(answer)
        self.place = "rcpt"

    @precondition(lambda self: self.place == "rcpt")
    @rule()
    def sends_data(self) -> None:
        self.give(DATA)
        self.filter.dialogue.respond(Verdict.CONTINUE)
        self.place = "data"

    @precondition(lambda self: self.place in ("rcpt", "data", "header"))
    @rule(name=NAMES, lines=VALUES)
    def sends_a_field(self, name: str, lines: list[bytes]) -> None:
        value = b"\n ".join(lines)
        self.give(header(name.encode(), value))
        event = self.filter.events[-1]
        assert isinstance(event, HeaderField)
        assert event.octets.replace(b"\r\n", b"\n").endswith(value + b"\n")
        self.place = "header"

    @precondition(lambda self: self.place in ("rcpt", "data", "header"))
    @rule()
    def ends_the_header(self) -> None:
        self.give(END_OF_HEADER)
        self.place = "body"

    @precondition(lambda self: self.place == "body")
    @rule(octets=st.binary(max_size=100))
    def sends_body(self, octets: bytes) -> None:
        self.give(packet("B", octets))
        assert self.filter.events[-1] == BodyPiece(octets)

    @precondition(lambda self: self.place == "body")
    @rule(rest=st.binary(max_size=10), answer=st.sampled_from([Verdict.CONTINUE, REFUSAL]))
    def ends_the_message(self, rest: bytes, answer: Verdict) -> None:
        self.give(packet("E", rest))
        assert self.filter.events[-1] == EndOfMessage(rest)
        self.filter.dialogue.respond(answer)
        assert not self.filter.dialogue.in_message
        self.place = "idle"

    @rule()
    def aborts(self) -> None:
        self.give(ABORT)
        if self.place != "negotiated":
            self.place = "idle"

    @rule()
    def begins_with_another_client(self) -> None:
        self.give(QUIT_NEW)
        self.place = "negotiated"
        assert self.filter.dialogue.macro("j") == ""


Mta.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMta = Mta.TestCase
